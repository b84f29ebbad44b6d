//! Hostile clients of a seeder.

use std::sync::Arc;

use minimodel_hostile::{Ended, Identity, Seen, Side, Target, Trick, attack};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::conformance;
use super::page::Page;
use super::{Expected, Faults, Fetcher, all_hold, blame, is_calm, model, of_frames, publisher, runtime};
use crate::home::Home;
use crate::process::Running;

/// Short tricks at once: fewer than the handshakes of one address.
const AT_ONCE: usize = 6;
/// TLS alerts as transport errors (RFC 9001 section 4.8): handshake_failure, bad_certificate, unsupported_certificate,
/// decrypt_error, protocol_version, missing_extension, unsupported_extension, certificate_required.
const REFUSED_BY_TLS: &[Ended] = &[
    Ended::Transport(0x128),
    Ended::Transport(0x12a),
    Ended::Transport(0x12b),
    Ended::Transport(0x133),
    Ended::Transport(0x146),
    Ended::Transport(0x16d),
    Ended::Transport(0x16e),
    Ended::Transport(0x174),
];
/// FLOW_CONTROL_ERROR and STREAM_LIMIT_ERROR of RFC 9000 section 20.1.
const FLOW_CONTROL: Ended = Ended::Transport(0x3);
const STREAM_LIMIT: &[Ended] = &[Ended::Transport(0x4)];

/// Whether a trick waits for a timeout of the seeder.
fn is_slow(trick: Trick) -> bool {
    matches!(
        trick,
        Trick::NeverReads | Trick::Silent | Trick::NoHello | Trick::NoBitfield | Trick::EndlessRequest
    )
}

/// Expected end and blame of a trick, beyond what the conformance table says of its rule.
fn expected(trick: Trick) -> Option<Expected> {
    const BYTES: Option<&str> = Some("peer-struck: sent bytes that break the protocol");
    const OPEN: &[Ended] = &[Ended::Open];
    const SLOW: &[Ended] = &[Ended::Closed(17)];
    let (ended, blame): (&[Ended], _) = match trick {
        Trick::IgnorableFrames
        | Trick::EarlyData
        | Trick::ResetRequests
        | Trick::Fragments
        | Trick::HostileReason => (OPEN, None),
        Trick::OtherAlpn => (&[Ended::Transport(0x178)], None),
        Trick::NoCertificate | Trick::OtherScheme | Trick::Tls12 | Trick::WeakKey => (REFUSED_BY_TLS, None),
        Trick::UnknownRequest | Trick::LongRequest => (&[Ended::Closed(5)], BYTES),
        Trick::IndexOverflow | Trick::RangeOverflow => {
            (&[Ended::Closed(2)], Some("peer-struck: named a chunk that does not exist"))
        }
        // The first limit to be noticed decides.
        Trick::PastWindow => (&[Ended::Closed(5), FLOW_CONTROL], BYTES),
        Trick::UniStream | Trick::ManyStreams => (STREAM_LIMIT, BYTES),
        Trick::AskFlood | Trick::SameChunk => {
            (&[Ended::Closed(16)], Some("peer-struck: flooded us with requests"))
        }
        Trick::StreamChurn => {
            (&[Ended::Closed(16)], Some("peer-struck: opened streams and reset them without end"))
        }
        Trick::NeverReads => (SLOW, Some("peer-struck: asked for chunks and did not read them")),
        Trick::EndlessRequest => (SLOW, Some("peer-struck: began a request and did not end it")),
        Trick::NoHello | Trick::Silent => (SLOW, Some("peer-struck: did not introduce itself")),
        Trick::ForgedOffer => (&[Ended::Closed(2)], Some("peer-struck: passed on a forged offer")),
        other => return of_frames(other),
    };
    Some(Expected { ended, blame })
}

#[test]
fn every_trick_is_answered_as_the_page_says() {
    all_hold(&play());
}

/// Plays all tricks at one seeder, with an honest fetcher beside them, and returns the fault of each that has one.
fn play() -> Faults {
    let publisher = publisher("3MiB");
    let home = Home::new();
    let mut command = home.command(["--json", "seed", "--consent", "serve,publish"]);
    command.args([publisher.path("model.minimodel"), publisher.path("model.slm")]);
    let seeder = Running::start(command.env("MINIMODEL_LISTEN", "127.0.0.1:0"));
    let offer = seeder.offer();
    let target = Target::of(&offer.parse().unwrap()).unwrap();

    // An honest fetcher is served before, during and after the attacks.
    let fetcher = Fetcher::of(&publisher);
    let honest = fetcher.start(std::slice::from_ref(&offer), &["--down", "256KiB"]);
    let runtime = runtime();
    let model = model(&publisher);
    let played = runtime.block_on(async {
        let (few, mut tricks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for trick in Trick::from_side(Side::Client).filter(|&trick| !conformance::plays(trick)) {
            let (few, model, identity) = (few.clone(), model.clone(), Identity::new().unwrap());
            tricks.spawn(async move {
                let permit = if is_slow(trick) { None } else { few.acquire().await.ok() };
                let seen = attack(trick, &target, &model, &identity).await;
                let back = minimodel_hostile::comes_back(&target, &model, &identity).await;
                drop(permit);
                (trick, identity.id().to_string(), seen.and_then(|seen| Ok((seen, back?))))
            });
        }
        tricks.join_all().await
    });
    is_calm(&honest.end().exits(0));
    fetcher.has_it(&publisher);
    let after = Fetcher::of(&publisher);
    is_calm(&after.start(&[offer], &[]).end().exits(0));
    after.has_it(&publisher);

    // The seeder reports the blame of a peer when the peer is gone.
    let page = Page::read();
    for (trick, peer, seen) in &played {
        if page.is_blamed(*trick) && seen.is_ok() {
            let is_told = |line: &String| line.starts_with("peer-struck") || line.starts_with("peer-banned");
            seeder.wait_for_stdout(trick.name(), |stdout| {
                blame(stdout, peer).iter().any(is_told).then_some(())
            });
        }
    }
    let ran = seeder.stop().exits(0);
    is_calm(&ran);
    let judged = played.into_iter().map(|(trick, peer, seen)| {
        let (seen, back) = match seen {
            Ok(seen) => seen,
            Err(error) => return (trick, Err(format!("{} ({trick}): {error:#}", trick.rule()))),
        };
        let against = blame(&ran.stdout, &peer);
        let told = expected(trick).map_or(Ok(()), |expected| expected.check(trick, &seen.ended, &against));
        let by_page = page.check(trick, &seen, &against, Some(&back));
        (trick, by_page.and(told).and_then(|()| is_served_right(trick, &seen)))
    });
    judged.collect()
}

/// Checks how many chunks and refusals a trick got.
fn is_served_right(trick: Trick, seen: &Seen) -> Result<(), String> {
    let fine = match trick {
        Trick::IgnorableFrames | Trick::IgnorableFirst | Trick::Fragments => seen.chunks == 2,
        // The manifest, and the chunk beside it.
        Trick::Beside => seen.chunks == 2,
        Trick::ResetRequests | Trick::Twice => seen.chunks == 1,
        // The manifest is sent, whichever way it was requested.
        Trick::EarlyRequest | Trick::EarlyQuestion => seen.chunks == 1 && seen.resets.len() == 1,
        Trick::QuestionThenChunk => seen.chunks == 1 && seen.resets.len() == 2,
        Trick::ManyLeaves | Trick::ManyManifests => seen.chunks == 4,
        // Nine copies in all: one, and another eight.
        Trick::SameChunk => seen.chunks == 9,
        _ => seen.chunks == 0 && !seen.granted,
    };
    if fine { Ok(()) } else { Err(format!("{trick}: {seen}: {:?}", seen.resets)) }
}
