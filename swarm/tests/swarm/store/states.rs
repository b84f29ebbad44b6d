//! Every crash state of an import, one by one: after each call of the disk, with each choice of what was pending.
//!
//! While few pieces are pending all subsets of them are taken; beyond that each piece alone is lost and alone is kept,
//! every prefix is kept, and a bounded number of other subsets, the same in every run. States that look alike to the
//! next process are recovered once.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use minimodel_skipped::walk;
use minimodel_swarm::store::{Crash, MemDisk, Part, Published, StoreError, Survivors};

use super::crash::{MANIFEST, RECEIPT, assert_completes};
use super::{ANNA, Artifact, NAME, OPENER};

/// All subsets are taken of at most this many pieces.
const ALL_OF: usize = 13;
/// Number of random subsets of more pieces.
const SOME: u64 = 4_000;

/// What the store had acknowledged before a call.
#[derive(Clone, Default)]
struct Promised {
    kept: Vec<u32>,
    synced: Vec<u32>,
    /// The file has its final name.
    is_published: bool,
    is_closed: bool,
}

/// One import in the order of the store's protocol: create, keep, sync, keep, blame, publish, copies, receipt; in one
/// session, or with a second one before the last chunk.
fn import(
    artifact: &Artifact,
    disk: &MemDisk,
    reopens: bool,
    promised: &mut Promised,
) -> Result<(), StoreError> {
    let (mut part, _) = Part::open(disk.clone(), &NAME, artifact.spec, OPENER)?;
    for index in [2, 0] {
        artifact.keep(&part, index)?;
        promised.kept.push(index);
        if index == 2 {
            part.record_blame(ANNA, 1, [7; 32], 1_780_000_000)?;
        } else {
            part.sync_if_due(Duration::from_secs(9))?;
            promised.synced.clone_from(&promised.kept);
        }
    }
    if reopens {
        drop(part);
        (part, _) = Part::open(disk.clone(), &NAME, artifact.spec, OPENER)?;
    }
    artifact.keep(&part, 1)?;
    promised.kept.push(1);
    let published = part.publish()?;
    promised.synced.clone_from(&promised.kept);
    promised.is_published = true;
    promised.is_closed = published.finish(MANIFEST, Some(RECEIPT)).is_closed;
    Ok(())
}

/// A crashed disk, and the chunks that its process had been promised to find.
struct State {
    disk: MemDisk,
    at_least: Vec<u32>,
    case: String,
}

/// Hash of what the next process can see of a disk.
fn looks(disk: &MemDisk) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in disk.names() {
        (&name, disk.contents(&name)).hash(&mut hasher);
    }
    hasher.finish()
}

/// Every choice among that many pieces, as the set of those that are kept.
fn subsets(pieces: usize, seed: u64) -> Vec<Vec<bool>> {
    if pieces <= ALL_OF {
        let bits = |subset: u32| (0..pieces).map(|piece| subset >> piece & 1 == 1).collect();
        return (0..1 << pieces).map(bits).collect();
    }
    let mut all: Vec<Vec<bool>> = (0..=pieces).map(|kept| (0..pieces).map(|n| n < kept).collect()).collect();
    for one in 0..pieces {
        all.extend([true, false].map(|only| (0..pieces).map(|n| (n == one) == only).collect()));
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    all.extend((0..SOME).map(|_| (0..pieces).map(|_| rng.bool()).collect()));
    all
}

/// Hands every state of an import to `visit`.
fn each_state(artifact: &Artifact, reopens: bool, visit: &mut dyn FnMut(State)) {
    let whole = MemDisk::new();
    import(artifact, &whole, reopens, &mut Promised::default()).unwrap();
    for call in 0..=whole.calls() {
        let disk = MemDisk::new();
        disk.halt_after(call);
        let mut promised = Promised::default();
        let _ = import(artifact, &disk, reopens, &mut promised);
        let least_names: &[&str] = match (promised.is_closed, promised.is_published) {
            (true, _) => &["tiny-1.0.minimodel", "tiny-1.0.slm", "tiny-1.0.slm.receipt"],
            (_, true) => &["tiny-1.0.slm"],
            _ => &[],
        };
        let case = format!("killed after call {call}");
        visit(State { disk: disk.crashed(Crash::Kill), at_least: promised.kept.clone(), case });
        for block_bytes in [512, 4_096] {
            let pending = disk.pending(block_bytes);
            for names in 0..=pending.names {
                for kept in subsets(pending.pieces, call) {
                    let keeps = |piece: usize| kept.get(piece).copied().unwrap_or(false);
                    let after = disk.crashed_to(&Survivors { names, block_bytes, keeps });
                    let case = format!(
                        "power lost after call {call}, {names} name changes and {kept:?} of {block_bytes} bytes left"
                    );
                    for &name in least_names {
                        assert!(after.peek(name, 0, 0).is_some(), "{case}: {name} was promised to last");
                    }
                    visit(State { disk: after, at_least: promised.synced.clone(), case });
                }
            }
        }
    }
}

// Rows: E1, E2, E18
#[test]
fn every_crash_state_of_the_update_protocol_is_recovered() {
    // Two full chunks, and a last chunk that is no whole number of blocks.
    let artifact = Arc::new(Artifact::new(2 * 16_384 + 777));
    let (send, states) = std::sync::mpsc::sync_channel::<State>(256);
    let states = Arc::new(Mutex::new(states));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (artifact, states) = (artifact.clone(), states.clone());
            thread::spawn(move || {
                loop {
                    let next = states.lock().unwrap().recv();
                    let Ok(State { disk, at_least, case }) = next else { return };
                    assert_completes(&artifact, &disk, &at_least, &case);
                }
            })
        })
        .collect();
    // The channel closes with the last worker, so that a failure ends the test.
    drop(states);
    let (mut seen, mut tried, mut recovered) = (BTreeSet::new(), 0_u64, 0_u64);
    for reopens in [false, true] {
        each_state(&artifact, reopens, &mut |state| {
            tried += 1;
            // Equal bytes with more acknowledged chunks are another state.
            let is_new = seen.insert((looks(&state.disk), state.at_least.len()));
            if is_new && seen.len() % walk(1, 5) == 0 {
                recovered += 1;
                send.send(state).expect("see the message above");
            }
        });
    }
    drop(send);
    workers.into_iter().for_each(|worker| worker.join().expect("see the message above"));
    println!("figure: crash_states={} tried={tried} recovered={recovered} violations=0", seen.len());
    assert!(seen.len() >= 20_000, "only {} crash states", seen.len());
}

/// Repeats the import until nothing fails any more, as a user does who runs the same command again; returns the
/// number of runs.
fn import_again_and_again(artifact: &Artifact, disk: &MemDisk, case: &str) -> u32 {
    for run in 1..=6 {
        let done = || -> Result<bool, StoreError> {
            let published = match Published::resume(disk.clone(), &NAME, &artifact.spec)? {
                Some((published, _)) => published,
                None => {
                    let (part, resumed) = artifact.open(disk.clone())?;
                    for &index in &resumed.have {
                        if let Ok(bytes) = part.read_chunk(index) {
                            assert_eq!(bytes, artifact.chunk(index), "{case}: I1");
                        }
                    }
                    artifact.keep_missing(&part)?;
                    part.publish()?
                }
            };
            Ok(published.finish(MANIFEST, Some(RECEIPT)).is_closed)
        };
        if done().unwrap_or(false) {
            return run;
        }
    }
    panic!("{case}: still not done after six runs: {:?}", disk.names());
}

const ERRORS: [ErrorKind; 6] = [
    ErrorKind::Other,
    ErrorKind::StorageFull,
    ErrorKind::Interrupted,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::QuotaExceeded,
    ErrorKind::PermissionDenied,
];

/// Every error at every call of a run until a run has no failure, on a disk that also reads and writes in small pieces.
// Rows: E5, E6, E15
#[test]
fn every_error_at_every_call_until_a_run_has_no_failure() {
    let artifact = Artifact::new(2 * 16_384 + 777);
    let (mut runs, mut worst) = (0, 0);
    for error in ERRORS {
        for longest in [None, Some(5_000)] {
            let mut number = 0;
            loop {
                let disk = MemDisk::new();
                disk.limit_write(longest);
                disk.limit_read(longest);
                disk.fail_call(number, error);
                let case = format!("{error} at call {number}, at most {longest:?} bytes a call");
                worst = worst.max(import_again_and_again(&artifact, &disk, &case));
                assert!(disk.contents("tiny-1.0.slm").unwrap() == artifact.bytes, "{case}");
                assert_eq!(
                    super::names(&disk),
                    ["tiny-1.0.minimodel", "tiny-1.0.slm", "tiny-1.0.slm.receipt"],
                    "{case}"
                );
                runs += 1;
                // The run ended before the failing call: every call has had its turn.
                if number >= disk.calls() {
                    break;
                }
                number += 1;
            }
        }
    }
    println!("figure: single_io_faults={runs} violations=0 most_runs={worst}");
    assert!(runs > 500, "{runs}");
}

/// Two failures, the second in the run that repairs the first as well.
// Rows: E5, E6
#[test]
fn every_pair_of_failing_calls_is_survived() {
    let artifact = Artifact::new(16_384 + 777);
    let whole = MemDisk::new();
    import_again_and_again(&artifact, &whole, "nothing fails");
    let (calls, mut runs) = (whole.calls(), 0);
    let (eio, enospc) = (ErrorKind::Other, ErrorKind::StorageFull);
    for (first_error, second_error) in [(eio, eio), (enospc, eio), (eio, enospc)] {
        for first in 0..calls {
            for second in (first + 1..first + calls).step_by(2) {
                let disk = MemDisk::new();
                disk.fail_call(first, first_error);
                disk.fail_call(second, second_error);
                let case =
                    format!("errors {first_error} at call {first} and {second_error} at call {second}");
                import_again_and_again(&artifact, &disk, &case);
                assert!(disk.contents("tiny-1.0.slm").unwrap() == artifact.bytes, "{case}");
                runs += 1;
            }
        }
    }
    println!("figure: pairs_of_io_faults={runs} violations=0");
    assert!(runs > 3_000, "{runs}");
}
