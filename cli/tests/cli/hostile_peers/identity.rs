//! Identity of peers: keys that are not the expected ones, and a relay in the middle.

use minimodel_hostile::{Ended, Identity, Relay, Server, Target, Trick, attack};

use super::{Fetcher, is_calm, model, publisher, runtime};
use crate::home::Home;
use crate::process::{Running, events, own_port};

// Rows: A9, C1
#[test]
fn replayed_hello_or_stolen_key_of_allowed_peer_opens_nothing() {
    let publisher = publisher("200KiB");
    let model = model(&publisher);
    let runtime = runtime();
    let (friend, stranger) = (Identity::new().unwrap(), Identity::new().unwrap());
    let home = Home::new();
    let id = friend.id().to_string();
    let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
    let seeder = Running::seed(
        &home,
        paths.iter().map(|path| path.as_os_str()).chain(["--allow".as_ref(), id.as_ref(), "--json".as_ref()]),
    );
    let target = Target::of(&seeder.offer().parse().unwrap()).unwrap();
    runtime.block_on(async {
        // The friend is served, so the refusals that follow are not for want of a seeder.
        let seen = attack(Trick::IgnorableFrames, &target, &model, &friend).await.unwrap();
        assert_eq!(seen.chunks, 2);
        let seen = attack(Trick::BorrowedHello, &target, &model, &stranger).await.unwrap();
        assert_eq!((seen.ended, seen.granted), (Ended::Closed(13), false));
        let friends = Target { peer: friend.id(), ..target };
        let seen = attack(Trick::StolenKey, &friends, &model, &stranger).await.unwrap();
        assert!(matches!(seen.ended, Ended::Transport(0x100..=0x1ff)), "{seen}");
        assert!(!seen.granted);
    });
    is_calm(&seeder.stop());
}

// Rows: C3
#[test]
fn relay_between_two_honest_peers_reads_nothing_and_is_named() {
    let publisher = publisher("200KiB");
    let runtime = runtime();
    let _within = runtime.enter();
    let mut relay = Relay::bind().unwrap();
    let listen = own_port();
    let (home, at) = (Home::new(), relay.address().unwrap().to_string());
    let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
    let more = ["--listen", &listen.to_string(), "--advertise", &at].map(str::to_owned);
    let seeder = Running::seed(
        &home,
        paths.iter().map(|path| path.as_os_str()).chain(more.iter().map(|word| word.as_ref())),
    );
    relay.run(Target { peer: seeder.peer().parse().unwrap(), address: listen });

    let fetcher = Fetcher::of(&publisher);
    let ran = fetcher.start(&[seeder.offer()], &["--stall-timeout", "2s"]).end();
    assert_ne!(ran.code, 0, "{}", ran.stdout);
    is_calm(&ran);
    let wrong = events(&ran.stdout, "wrong-key").next().unwrap();
    assert_eq!(wrong["expected"], seeder.peer());
    assert_eq!(wrong["found"], relay.identity().id().to_string());
    assert!(relay.visits() >= 1);
    assert_eq!(relay.relayed(), 0, "bytes of a stream went through the middle");
    is_calm(&seeder.stop());
}

// Rows: C4
#[test]
fn a_manifest_that_is_not_the_offers_is_not_believed() {
    let publisher = publisher("200KiB");
    let runtime = runtime();
    let _within = runtime.enter();
    let server = Server::start(Trick::OtherManifest, model(&publisher)).unwrap();
    let home = Home::new();
    let mut command = home.command(["fetch", "-o", "out", "--consent", "fetch,import", "--offer"]);
    let ran =
        Running::start(command.arg(server.offer()).env("MINIMODEL_LISTEN", "127.0.0.1:0")).end().exits(4);
    is_calm(&ran);
    let told = format!("peer {} sent a manifest that is not the one its offer names", server.peer());
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert!(!home.path("out").exists() || std::fs::read_dir(home.path("out")).unwrap().next().is_none());
}
