use std::time::Duration;

use super::super::events::Input;
use super::super::harness::{Harness, SEED, TAKE, both, having, id};
use super::*;

// Rows: A4, C4
#[test]
fn a_hello_is_compared_in_the_order_that_says_most() {
    let harness = Harness::new(SEED, Bitfield::full(20));
    let mut theirs = harness.hello(TAKE);
    let mut wrong: Vec<(CloseCode, Hello)> = Vec::new();
    // Each step removes the first remaining difference.
    theirs.version += 1;
    theirs.artifact_sha256 = [9; 32];
    theirs.license_sha256 = [9; 32];
    theirs.evidence_sha256 = [9; 32];
    theirs.swarm_id = [9; 32];
    theirs.chunk_count += 1;
    theirs.consent = Consent::NONE;
    let good = harness.hello(TAKE);
    wrong.push((CloseCode::UnsupportedVersion, theirs.clone()));
    theirs.version = good.version;
    wrong.push((CloseCode::WrongSwarm, theirs.clone()));
    theirs.artifact_sha256 = good.artifact_sha256;
    wrong.push((CloseCode::LicenseMismatch, theirs.clone()));
    theirs.license_sha256 = good.license_sha256;
    wrong.push((CloseCode::EvidenceMismatch, theirs.clone()));
    theirs.evidence_sha256 = good.evidence_sha256;
    wrong.push((CloseCode::WrongSwarm, theirs.clone()));
    theirs.swarm_id = good.swarm_id;
    wrong.push((CloseCode::ChunkLayoutMismatch, theirs.clone()));
    theirs.chunk_count = good.chunk_count;
    wrong.push((CloseCode::NoConsent, theirs.clone()));
    theirs.consent = TAKE;
    assert_eq!(judge(&harness.machine.swarm.config, &theirs), Ok(()));
    for (code, hello) in wrong {
        assert_eq!(judge(&harness.machine.swarm.config, &hello), Err(code));
    }
}

// Rows: D10
#[test]
fn peer_with_other_chunk_layout_is_refused_without_blame() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    let good = harness.hello(TAKE);
    let size = Hello { chunk_size: good.chunk_size * 2, ..good.clone() };
    let count = Hello { chunk_count: good.chunk_count + 1, ..good.clone() };
    let code = CloseCode::ChunkLayoutMismatch;
    for (conn, hello) in [&size, &count].into_iter().cycle().take(6).enumerate() {
        harness.connect(conn as u64, 7, false);
        harness.frame(conn as u64, Frame::Hello(hello.clone()));
        let said = harness.said();
        let events = said.iter().filter_map(|output| match output {
            Output::Event(event) => Some(event.clone()),
            _ => None,
        });
        assert_eq!(events.collect::<Vec<_>>(), [Event::Refused { peer: id(7), code, by_peer: false }]);
        let is_closed = |output: &Output| matches!(output, Output::Close { code: with, .. } if *with == code);
        assert!(said.iter().any(is_closed), "{conn}: {said:?}");
    }
    harness.connect(9, 7, false);
    harness.frame(9, Frame::Hello(good));
    assert_eq!(harness.closes(), []);
}

#[test]
fn some_byte_must_be_able_to_move_one_way_at_least() {
    let cases = [
        (SEED, TAKE, true),
        (TAKE, SEED, true),
        (both(), both(), true),
        (SEED, SEED, false),
        (TAKE, TAKE, false),
        (both(), Consent::PUBLISH, false),
    ];
    for (ours, theirs, good) in cases {
        let harness = Harness::new(ours, having([0]));
        assert_eq!(
            judge(&harness.machine.swarm.config, &harness.hello(theirs)).is_ok(),
            good,
            "{ours:?} {theirs:?}"
        );
    }
}

#[test]
fn a_peer_that_only_wanted_the_manifest_is_let_go_without_blame() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    for conn in 1..4 {
        harness.connect(conn, 7, false);
        let only = ManifestOnly { version: 1, swarm_id: [1; 32], software: "peer/1".to_owned() };
        harness.frame(conn, Frame::ManifestOnly(only));
        harness.wait(Duration::from_secs(11));
        assert_eq!(harness.closes(), [(conn, CloseCode::Done)]);
    }
    harness.connect(9, 7, false);
    assert_eq!(harness.closes(), [], "it is welcome");
}

// Rows: A5, C4
#[test]
fn manifest_request_needs_same_version_and_swarm_and_a_server() {
    let good = ManifestOnly { version: 1, swarm_id: [1; 32], software: "peer/1".to_owned() };
    let later = ManifestOnly { version: 2, ..good.clone() };
    let foreign = ManifestOnly { swarm_id: [2; 32], ..good.clone() };
    let cases = [
        (SEED, &good, None),
        (both(), &good, None),
        (TAKE, &good, Some(CloseCode::NoConsent)),
        (SEED, &later, Some(CloseCode::UnsupportedVersion)),
        (TAKE, &foreign, Some(CloseCode::WrongSwarm)),
    ];
    for (consent, asked, code) in cases {
        let mut harness = Harness::new(consent, having([0]));
        harness.connect(1, 7, false);
        harness.frame(1, Frame::ManifestOnly(asked.clone()));
        let said = harness.said();
        let closes = said.iter().filter_map(|output| match output {
            Output::Close { code, .. } => Some(*code),
            _ => None,
        });
        assert_eq!(closes.collect::<Vec<_>>(), Vec::from_iter(code), "{consent:?} {asked:?}");
        let says = said.iter().any(|output| matches!(output, Output::Send { .. }));
        assert!(!says, "nothing is said to whoever only asks");
    }
}

#[test]
fn peer_that_sends_no_hello_is_struck_and_never_banned() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    for conn in 1..=3 {
        harness.connect(conn, 7, false);
        harness.wait(Duration::from_secs(11));
        assert_eq!(harness.closes(), [(conn, CloseCode::TooSlow)]);
    }
    harness.connect(4, 7, false);
    assert_eq!(harness.closes(), [(4, CloseCode::Busy)], "shut out for a minute");
    harness.wait(Duration::from_secs(61));
    harness.connect(5, 7, false);
    assert_eq!(harness.closes(), []);
}

// Rows: A4
#[test]
fn a_decoder_that_met_a_later_version_blames_nobody() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.connect(1, 7, false);
    harness.broke(1, Breach::Malformed(CloseCode::UnsupportedVersion));
    let refused = Event::Refused { peer: id(7), code: CloseCode::UnsupportedVersion, by_peer: false };
    assert_eq!(harness.events(), [refused]);
    harness.tell(Input::Tick);
    harness.connect(2, 7, false);
    assert_eq!(harness.closes(), []);
}

#[test]
fn a_stranger_that_only_knocks_learns_nothing() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.connect(1, 1, false);
    assert!(harness.frames(1).is_empty());
    let mut other = harness.hello(TAKE);
    other.artifact_sha256 = [9; 32];
    harness.frame(1, Frame::Hello(other));
    assert_eq!(harness.frames(1), [Frame::Bye { code: CloseCode::WrongSwarm }]);
    // A peer that asks for the manifest alone learns no more.
    harness.connect(2, 2, false);
    harness.frame(
        2,
        Frame::ManifestOnly(ManifestOnly { version: 1, swarm_id: [1; 32], software: "x".to_owned() }),
    );
    assert!(harness.frames(2).is_empty());
    harness.connect(3, 3, false);
    let hello = harness.hello(TAKE);
    harness.frame(3, Frame::Hello(hello));
    let ours = harness.hello(SEED);
    let ours = Hello { software: "harness/1".to_owned(), ..ours };
    assert_eq!(harness.frames(3), [Frame::Hello(ours), Frame::Bitfield(Bitfield::full(20))]);
}

// Rows: A9
#[test]
fn a_hello_replayed_under_another_key_grants_nothing() {
    let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
        config.controls.allow = Some([id(1), id(3)].into_iter().collect());
    });
    let hello = harness.hello(TAKE);
    harness.join(1, TAKE, having([]));
    harness.ban(3);
    harness.said();
    // This key is not on the list, whatever its Hello says.
    harness.connect(2, 2, false);
    harness.frame(2, Frame::Hello(hello.clone()));
    assert_eq!(harness.closes(), [(2, CloseCode::NotAllowed)]);
    // A Hello that belongs to an allowed key does not lift a ban.
    harness.connect(4, 3, false);
    harness.frame(4, Frame::Hello(hello));
    assert_eq!(harness.closes(), [(4, CloseCode::Banned)]);
}
