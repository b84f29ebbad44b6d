//! Rules of `docs/protocol.md` that need a set-up of their own. The other rules are played in `clients` and
//! `servers`, and all are compared with the conformance table of the page.

use std::fs;

use minimodel_hostile::{Identity, Seen, Server, Target, Trick, attack};

use super::page::Page;
use super::{Fetcher, blame, is_calm, model, publisher, runtime};
use crate::home::Home;
use crate::process::{Running, events};

/// Played on a fetcher that has only an offer.
const OF_MANIFESTS: [Trick; 7] = [
    Trick::OtherManifest,
    Trick::StrippedManifest,
    Trick::ForgedManifest,
    Trick::ManifestOfNothing,
    Trick::HugeManifest,
    Trick::ShortManifest,
    Trick::LongManifest,
];
/// Played on a user that repairs a file.
const OF_LEAVES: [Trick; 3] = [Trick::BadLeaves, Trick::LongLeaves, Trick::ShortLeaves];
/// Each played with a seeder or a fetcher of its own.
const ALONE: [Trick; 8] = [
    Trick::BorrowedHello,
    Trick::StolenKey,
    Trick::Banned,
    Trick::Stays,
    Trick::StaysOn,
    Trick::Honest,
    Trick::AsksForMore,
    Trick::AsksTheAsker,
];

/// Whether a trick is played here.
pub(crate) fn plays(trick: Trick) -> bool {
    OF_MANIFESTS.contains(&trick) || OF_LEAVES.contains(&trick) || ALONE.contains(&trick)
}

/// A seeder of the publisher's model that prints its events as JSON.
fn seeder(home: &Home, publisher: &Home, more: &[&str]) -> (Running, Target) {
    let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
    let more = more.iter().copied().chain(["--json"]).map(AsRef::as_ref);
    let seeder = Running::seed(home, paths.iter().map(|path| path.as_os_str()).chain(more));
    let target = Target::of(&seeder.offer().parse().unwrap()).unwrap();
    (seeder, target)
}

#[track_caller]
fn holds(trick: Trick, seen: &Seen, blame: &[String]) {
    if let Err(fault) = Page::read().check(trick, seen, blame, None) {
        panic!("{fault}");
    }
}

#[test]
fn every_rule_of_the_page_is_played_and_every_trick_plays_one() {
    let gaps = Page::read().gaps();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

// Rows: C1
#[test]
fn peer_off_allow_list_or_with_stolen_key_gets_documented_close() {
    let publisher = publisher("200KiB");
    let (model, runtime) = (model(&publisher), runtime());
    let (friend, stranger) = (Identity::new().unwrap(), Identity::new().unwrap());
    let (home, id) = (Home::new(), friend.id().to_string());
    let (seeder, target) = seeder(&home, &publisher, &["--allow", &id]);
    for (trick, target) in
        [(Trick::BorrowedHello, target), (Trick::StolenKey, Target { peer: friend.id(), ..target })]
    {
        let seen = runtime.block_on(attack(trick, &target, &model, &stranger)).unwrap();
        holds(trick, &seen, &[]);
        assert!(!seen.granted);
    }
    is_calm(&seeder.stop());
}

// Rows: B1
#[test]
fn a_banned_key_hears_that_it_is_banned_when_it_comes() {
    let publisher = publisher("200KiB");
    let (model, runtime) = (model(&publisher), runtime());
    let _within = runtime.enter();
    let liar = Server::start(Trick::BadBytes, model.clone()).unwrap();
    let fetcher = Fetcher::of(&publisher);
    is_calm(&fetcher.start(&[liar.offer()], &[]).end().exits(4));
    let (seeder, target) = seeder(&fetcher.home, &publisher, &[]);
    let seen = runtime.block_on(attack(Trick::Banned, &target, &model, liar.identity())).unwrap();
    holds(Trick::Banned, &seen, &[]);
    is_calm(&seeder.stop());
}

// Rows: G1, E14
#[test]
fn stopped_seeder_and_changed_source_close_with_their_own_codes() {
    let publisher = publisher("2MiB");
    let (model, runtime) = (model(&publisher), runtime());
    for (trick, bye, exit) in [(Trick::Stays, 1, 0), (Trick::StaysOn, 20, 4)] {
        let home = Home::new();
        let (seeder, target) = seeder(&home, &publisher, &[]);
        let (model, identity) = (model.clone(), Identity::new().unwrap());
        let played = runtime.spawn(async move { attack(trick, &target, &model, &identity).await });
        seeder.wait_for_event("peer-joined");
        let ran = if trick == Trick::Stays {
            seeder.stop()
        } else {
            let file = fs::File::options().write(true).open(publisher.path("model.slm")).unwrap();
            file.set_len(100_000).unwrap();
            seeder.end()
        };
        is_calm(&ran.exits(exit));
        let seen = runtime.block_on(played).unwrap().unwrap();
        holds(trick, &seen, &[]);
        assert_eq!(seen.bye, Some(bye), "{trick}: {seen}");
    }
}

// Rows: G4
#[test]
fn a_finished_fetch_says_done_every_time() {
    let publisher = publisher("200KiB");
    let (model, runtime) = (model(&publisher), runtime());
    let _within = runtime.enter();
    for _ in 0..6 {
        let server = Server::start(Trick::Honest, model.clone()).unwrap();
        let fetcher = Fetcher::of(&publisher);
        is_calm(&fetcher.start(&[server.offer()], &[]).end().exits(0));
        fetcher.has_it(&publisher);
        holds(Trick::Honest, &server.first_seen(), &[]);
    }
}

// Rows: C4, A6
#[test]
fn reply_that_is_not_the_offered_manifest_is_refused_by_reason() {
    let publisher = publisher("200KiB");
    publisher.say("manifest sign model.minimodel -o signed.minimodel").exits(0);
    let signed = minimodel_hostile::Model::read(&publisher.path("signed.minimodel"), None).unwrap();
    let runtime = runtime();
    let _within = runtime.enter();
    for trick in OF_MANIFESTS {
        let server = Server::start(trick, signed.clone()).unwrap();
        let home = Home::new();
        let mut command = home.command(["fetch", "-o", "out", "--consent", "fetch,import", "--offer"]);
        let command = command.arg(server.offer()).env("MINIMODEL_LISTEN", "127.0.0.1:0");
        let ran = Running::start(command).end();
        is_calm(&ran);
        let (exit, told) = match trick {
            Trick::OtherManifest => (4, "does not hold"),
            Trick::StrippedManifest => (4, "unsigned manifest"),
            Trick::ForgedManifest => (4, "does not verify"),
            _ => (3, "did not send its manifest"),
        };
        assert_eq!(ran.code, exit, "{trick}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{trick}: {}", ran.stderr);
        holds(trick, &server.first_seen(), &[]);
    }
}

// Rows: B2, B4
#[test]
fn leaves_that_lie_ban_and_leaves_that_end_early_are_a_strike() {
    let publisher = publisher("2MiB");
    let (model, runtime) = (model(&publisher), runtime());
    let _within = runtime.enter();
    let mut damaged = publisher.read("model.slm");
    damaged[100_000] ^= 1;
    for trick in OF_LEAVES {
        let server = Server::start(trick, model.clone()).unwrap();
        let home = Home::new();
        home.write("mine.slm", &damaged);
        let mut command = home.command(["--json", "verify-artifact"]);
        command.arg(publisher.path("model.minimodel")).args(["mine.slm", "--repair", "--peer"]);
        command.arg(server.offer()).args(["--consent", "fetch,import", "--stall-timeout", "2s"]);
        let ran = Running::start(command.env("MINIMODEL_LISTEN", "127.0.0.1:0")).end();
        is_calm(&ran);
        assert_ne!(ran.code, 0, "{trick}: {}", ran.stdout);
        assert!(home.read("mine.slm") == damaged, "{trick}: the file is not given back");
        holds(trick, &server.first_seen(), &blame(&ran.stdout, &server.peer().to_string()));
    }
}

// Rows: B14
#[test]
fn partial_peer_serves_its_chunks_and_refuses_the_missing_ones() {
    let publisher = publisher("2MiB");
    let (model, runtime) = (model(&publisher), runtime());
    let _within = runtime.enter();
    let (home, of_seeder) = (Home::new(), Home::new());
    let start = |offer: &str, more: &[&str]| {
        let mut command = home.command(["--json", "fetch"]);
        command.arg(publisher.path("model.minimodel")).args(["-o", "out", "--consent", "fetch,import,serve"]);
        command.args(["--peer", offer]).args(more).env("MINIMODEL_LISTEN", "127.0.0.1:0");
        Running::start(&mut command)
    };
    // A partial file that does not grow: the only peer with the rest never unchokes the fetcher.
    let (seeder, _) = seeder(&of_seeder, &publisher, &[]);
    let begun = start(&seeder.offer(), &["--down", "64KiB"]);
    begun.wait_for_stdout("a chunk", |text| {
        events(text, "progress").find(|event| event["proven_bytes"].as_u64() > Some(0))
    });
    is_calm(&begun.stop());
    is_calm(&seeder.stop());
    let chokes = Server::start(Trick::Chokes, model.clone()).unwrap();
    let partial = start(&chokes.offer(), &[]);
    let (target, asker) = (Target::of(&partial.offer().parse().unwrap()).unwrap(), Identity::new().unwrap());
    let seen = runtime.block_on(attack(Trick::AsksForMore, &target, &model, &asker)).unwrap();
    let ran = partial.stop();
    is_calm(&ran);
    holds(Trick::AsksForMore, &seen, &blame(&ran.stdout, &asker.id().to_string()));
    assert_eq!((seen.chunks, seen.resets.len()), (1, 2), "{seen}");
}

// Rows: B13
#[test]
fn who_asks_for_the_manifest_alone_is_asked_for_nothing() {
    let publisher = publisher("200KiB");
    let runtime = runtime();
    let _within = runtime.enter();
    let server = Server::start(Trick::AsksTheAsker, model(&publisher)).unwrap();
    let home = Home::new();
    let mut command = home.command(["fetch", "-o", "out", "--consent", "fetch,import,serve", "--offer"]);
    let ran = Running::start(command.arg(server.offer()).env("MINIMODEL_LISTEN", "127.0.0.1:0")).end();
    is_calm(&ran.exits(3));
    holds(Trick::AsksTheAsker, &server.first_seen(), &[]);
}
