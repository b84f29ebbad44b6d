//! Admission of newcomers to a seeder under many handshakes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use minimodel_hostile::crowd::{Crowd, PATIENCE, Reception, fall_silent, receive};
use minimodel_hostile::{Ended, Target};
use rustix::process::Signal;

use crate::alone;
use crate::home::Home;
use crate::honest::{Fetcher, is_calm, model, publisher, runtime};
use crate::process::Running;

/// Most half-open handshakes of one address, and of unproven addresses together.
const EIGHT: usize = 8;
/// Most half-open handshakes in all.
const MOST: usize = 256;
/// Time after which an unfinished handshake is given up.
const GIVEN_UP: Duration = Duration::from_secs(10);
/// Time in which all handshakes are taken at once, on the busiest machine.
const MANY_TIMES: Duration = Duration::from_secs(90);

fn host(n: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, n).into()
}

// Rows: B16, B21
#[test]
fn newcomers_prove_address_in_a_crowd_that_gives_way_to_them() {
    let _alone = alone();
    let publisher = publisher("200KiB");
    let (home, runtime) = (Home::new(), runtime());
    let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
    let seeder = Running::seed(&home, paths.iter().map(|path| path.as_os_str()));
    let target = Target::of(&seeder.offer().parse().unwrap()).unwrap();
    let welcome = Reception { retried: false, connected: true, answered: true };
    let asked_to_prove = Reception { retried: true, ..welcome };
    let fetcher = Fetcher::of(&publisher);
    let (crowds, fetching) = runtime.block_on(async {
        let comes = async |n, expected| receive(target, host(n), expected).await.unwrap();
        assert_eq!(comes(3, welcome).await, welcome);

        // Eight handshakes from unproven addresses: a newcomer must prove its address, and is admitted. While the
        // seeder still closes earlier connections, one of the eight may have to prove its address as well, so another
        // replaces it.
        let begun = Instant::now();
        let mut crowds: Vec<Crowd> = Vec::new();
        while let Some(more) = EIGHT.checked_sub(sum(&crowds, Crowd::unproven)).filter(|&more| more > 0) {
            crowds.push(Crowd::stand(target, host(2), more).unwrap());
            crowds.last().unwrap().settle(PATIENCE).await;
            assert!(begun.elapsed() < PATIENCE, "no eight may stand: {crowds:?}");
        }
        assert_eq!(comes(3, asked_to_prove).await, asked_to_prove);

        // A proven address with eight half-open handshakes: a newcomer from there proves it again, and one of the eight gives way.
        crowds.push(Crowd::stand(target, host(4), EIGHT).unwrap());
        crowds.last().unwrap().settle(PATIENCE).await;
        assert_eq!(comes(4, asked_to_prove).await, asked_to_prove);
        assert_eq!(comes(3, asked_to_prove).await, asked_to_prove, "others are not kept out by it");

        // With all handshakes taken, a newcomer proves its address, and one of those who say nothing gives way. On a busy machine
        // the first are given up before the last are taken up, so that others take their places.
        let begun = Instant::now();
        loop {
            let first = crowds.len();
            for n in 0..MOST / EIGHT {
                // Each address is in a network of its own.
                let from = Ipv4Addr::new(127, 0, (10 + n) as u8, 1).into();
                crowds.push(Crowd::stand(target, from, EIGHT).unwrap());
            }
            let settled = Instant::now() + GIVEN_UP;
            for crowd in &crowds[first..] {
                crowd.settle(settled.saturating_duration_since(Instant::now())).await;
            }
            let received = comes(3, asked_to_prove).await;
            if received == asked_to_prove {
                break;
            }
            assert!(
                begun.elapsed() < MANY_TIMES,
                "all are taken, and a newcomer proves nothing: {received:?}"
            );
        }
        (crowds, fetcher.start(&[seeder.offer()], &[]))
    });
    is_calm(&fetching.end().exits(0));
    drop(crowds);
    fetcher.has_it(&publisher);
    is_calm(&seeder.stop());
}

fn sum(crowds: &[Crowd], of: impl Fn(&Crowd) -> usize) -> usize {
    crowds.iter().map(of).sum()
}

// Rows: G1
#[test]
fn the_goodbye_gets_out_although_all_that_may_be_under_way_is() {
    let _alone = alone();
    let publisher = publisher("24MiB");
    let (home, runtime, model) = (Home::new(), runtime(), model(&publisher));
    let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
    let seeder = Running::seed(&home, paths.iter().map(|path| path.as_os_str()));
    let target = Target::of(&seeder.offer().parse().unwrap()).unwrap();
    let ended = runtime.block_on(fall_silent(target, &model, || seeder.signal(Signal::INT))).unwrap();
    // Close code ShuttingDown.
    assert_eq!(ended, Ended::Closed(1));
    is_calm(&seeder.end().exits(0));
}
