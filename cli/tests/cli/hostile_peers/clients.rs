//! Whoever dials a seeder.

use std::sync::Arc;

use minimodel_hostile::{Ended, Identity, Seen, Side, Target, Trick, attack};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Expected, Fetcher, blame, is_calm, model, of_frames, publisher, runtime};
use crate::home::Home;
use crate::process::Running;

/// Tricks at once that are over soon: fewer than handshakes of one address.
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

/// Tricks that wait for the seeder to lose its patience.
fn is_slow(trick: Trick) -> bool {
    matches!(trick, Trick::NeverReads | Trick::Silent | Trick::NoHello | Trick::EndlessRequest)
}

/// Tricks that need a seeder of their own; see `identity`.
fn is_elsewhere(trick: Trick) -> bool {
    matches!(trick, Trick::BorrowedHello | Trick::StolenKey)
}

fn expected(trick: Trick) -> Expected {
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
        Trick::RequestBeforeHello => (&[Ended::Closed(6)], Some("peer-struck: sent a frame out of order")),
        Trick::UnknownRequest | Trick::LongRequest => (&[Ended::Closed(5)], BYTES),
        Trick::IndexOverflow | Trick::RangeOverflow => {
            (&[Ended::Closed(2)], Some("peer-struck: named a chunk that does not exist"))
        }
        // Whichever is noticed first.
        Trick::PastWindow => (&[Ended::Closed(5), FLOW_CONTROL], BYTES),
        Trick::UniStream | Trick::ManyStreams => (STREAM_LIMIT, BYTES),
        Trick::AskFlood | Trick::SameChunk => (SLOW, Some("peer-struck: flooded us with requests")),
        Trick::StreamChurn => {
            (&[Ended::Closed(16)], Some("peer-struck: opened streams and reset them without end"))
        }
        Trick::NeverReads | Trick::EndlessRequest => {
            (SLOW, Some("peer-struck: asked for chunks and did not read them"))
        }
        Trick::NoHello => (SLOW, Some("peer-struck: did not introduce itself")),
        // The machine and the driver both wait ten seconds; either may be first.
        Trick::Silent => (SLOW, None),
        Trick::ForgedOffer => (&[Ended::Closed(2)], Some("peer-struck: passed on a forged offer")),
        other => return of_frames(other).unwrap_or_else(|| panic!("nothing is expected of {other}")),
    };
    Expected { ended, blame }
}

#[test]
fn a1_a2_a3_a4_a5_a6_a7_a8_a10_a11_a12_b7_b8_b13_b14_b15_b16_b17_c2_c4_d8_hostile_clients_of_a_seeder() {
    let publisher = publisher("3MiB");
    let home = Home::new();
    let mut command = home.command(["--json", "seed", "--consent", "serve,publish"]);
    command.args([publisher.path("model.minimodel"), publisher.path("model.slm")]);
    let seeder = Running::start(command.env("MINIMODEL_LISTEN", "127.0.0.1:0"));
    let offer = seeder.offer();
    let target = Target::of(&offer.parse().unwrap()).unwrap();

    // It is served before, while and after.
    let fetcher = Fetcher::of(&publisher);
    let honest = fetcher.start(std::slice::from_ref(&offer), &["--down", "256KiB"]);
    let runtime = runtime();
    let model = model(&publisher);
    let played = runtime.block_on(async {
        let (few, mut tricks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for trick in Trick::from_side(Side::Client).filter(|&trick| !is_elsewhere(trick)) {
            let (few, model, identity) = (few.clone(), model.clone(), Identity::new().unwrap());
            tricks.spawn(async move {
                let permit = if is_slow(trick) { None } else { few.acquire().await.ok() };
                let seen = attack(trick, &target, &model, &identity).await;
                drop(permit);
                (trick, identity.id().to_string(), seen)
            });
        }
        tricks.join_all().await
    });
    is_calm(&honest.end().exits(0));
    fetcher.has_it(&publisher);
    let after = Fetcher::of(&publisher);
    is_calm(&after.start(&[offer], &[]).end().exits(0));
    after.has_it(&publisher);

    // What is held against the last of them is told when it is gone.
    for (trick, peer, seen) in &played {
        if let (Some(words), Ok(_)) = (expected(*trick).blame, seen) {
            seeder.wait_for_stdout(words, |stdout| {
                blame(stdout, peer).iter().any(|line| line.contains(words)).then_some(())
            });
        }
    }
    let ran = seeder.stop().exits(0);
    is_calm(&ran);
    let faults = played.into_iter().filter_map(|(trick, peer, seen)| {
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => return Some(format!("{trick}: {error:#}")),
        };
        let against = blame(&ran.stdout, &peer);
        let mut expected = expected(trick);
        if trick == Trick::Silent && !against.is_empty() {
            expected.blame = Some("peer-struck: did not introduce itself");
        }
        expected.check(trick, &seen.ended, &against).and_then(|()| is_served_right(trick, &seen)).err()
    });
    let faults: Vec<_> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What was given and what was refused.
fn is_served_right(trick: Trick, seen: &Seen) -> Result<(), String> {
    let fine = match trick {
        Trick::IgnorableFrames | Trick::Fragments => seen.chunks == 2,
        Trick::ResetRequests => seen.chunks == 1,
        // Nine copies in all: one, and eight again.
        Trick::SameChunk => seen.chunks == 9 && seen.resets.iter().all(|&code| code == 5),
        Trick::AskFlood => seen.chunks == 0 && seen.resets.iter().all(|&code| code == 1),
        Trick::RequestBeforeHello => seen.chunks == 0 && seen.resets.iter().all(|&code| code == 7),
        Trick::UnknownRequest | Trick::LongRequest | Trick::IndexOverflow | Trick::RangeOverflow => {
            seen.chunks == 0 && seen.resets.iter().all(|&code| code == 6)
        }
        _ => seen.chunks == 0 && !seen.granted,
    };
    if fine { Ok(()) } else { Err(format!("{trick}: {seen}: {:?}", seen.resets)) }
}
