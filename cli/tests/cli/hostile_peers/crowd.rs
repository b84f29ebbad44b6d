//! Who is let in while others knock.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use minimodel_hostile::crowd::{Crowd, Reception, fall_silent, receive};
use minimodel_hostile::{Ended, Target};
use rustix::process::Signal;

use super::{Fetcher, is_calm, model, publisher, runtime};
use crate::home::Home;
use crate::process::Running;

/// Half-open handshakes of one address, and of unproven addresses, that are borne at once.
const EIGHT: usize = 8;
/// Handshakes at once in all.
const MOST: usize = 256;

fn host(n: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, n).into()
}

/// What counts is how many stand at the door at one moment, and on a busy machine some come late or leave early: such a
/// scene shows nothing and is played again.
#[test]
fn b16_b21_newcomers_prove_their_address_in_a_crowd_and_are_not_answered_in_a_flood() {
    let is_shown = || std::panic::catch_unwind(a_crowd_and_a_flood).is_ok();
    if !(is_shown() || is_shown()) {
        a_crowd_and_a_flood();
    }
}

fn a_crowd_and_a_flood() {
    let publisher = publisher("200KiB");
    let (home, runtime) = (Home::new(), runtime());
    let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
    let seeder = Running::seed(&home, paths.iter().map(|path| path.as_os_str()));
    let target = Target::of(&seeder.offer().parse().unwrap()).unwrap();
    let welcome = Reception { retried: false, connected: true, answered: true };
    let asked_to_prove = Reception { retried: true, ..welcome };
    let fetcher = Fetcher::of(&publisher);
    let (crowds, fetching) = runtime.block_on(async {
        let knock = async |n| receive(target, host(n)).await.unwrap();
        let settle = || tokio::time::sleep(Duration::from_millis(300));
        assert_eq!(knock(3).await, welcome);

        // Eight that have proven nothing: whoever comes must, and is let in.
        let mut crowds = vec![Crowd::stand(target, host(2), EIGHT).unwrap()];
        settle().await;
        assert_eq!(knock(3).await, asked_to_prove);

        // An address that is proven and has eight newcomers already: proven again, and then ignored.
        crowds.push(Crowd::stand(target, host(4), EIGHT).unwrap());
        settle().await;
        assert_eq!(knock(4).await, Reception { connected: false, ..asked_to_prove });
        assert_eq!(knock(3).await, asked_to_prove, "others are not kept out by it");

        // As many as there may be: nothing comes back at all, to nobody.
        for n in 0..MOST / EIGHT {
            crowds.push(Crowd::stand(target, host(10 + n as u8), EIGHT).unwrap());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(knock(3).await, Reception { retried: false, connected: false, answered: false });
        (crowds, fetcher.start(&[seeder.offer()], &[]))
    });
    // It asks again until handshakes that do not end are given up.
    drop(crowds);
    is_calm(&fetching.end().exits(0));
    fetcher.has_it(&publisher);
    is_calm(&seeder.stop());
}

#[test]
fn g1_the_goodbye_gets_out_although_all_that_may_be_under_way_is() {
    let publisher = publisher("24MiB");
    let (home, runtime, model) = (Home::new(), runtime(), model(&publisher));
    let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
    let seeder = Running::seed(&home, paths.iter().map(|path| path.as_os_str()));
    let target = Target::of(&seeder.offer().parse().unwrap()).unwrap();
    let ended = runtime.block_on(fall_silent(target, &model, || seeder.signal(Signal::INT))).unwrap();
    // ShuttingDown
    assert_eq!(ended, Ended::Closed(1));
    is_calm(&seeder.end().exits(0));
}
