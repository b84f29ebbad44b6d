//! Every crash state of a whole import: killed or without power after each call, then finished by a later run.

use std::io::ErrorKind;
use std::time::Duration;

use minimodel_swarm::store::{Crash, MemDisk, Published, Resumed, StoreError};
use proptest::prelude::*;

use super::{Artifact, CHUNK, NAME};

pub(super) const MANIFEST: &[u8] = b"manifest.version=0\n";
pub(super) const RECEIPT: &[u8] = b"receipt.version=0\n";
/// Torn states that are tried of each call; [`super::states`] tries all states of a smaller import.
const TORN_STATES: u64 = 40;
/// Begins the name of a part that was put aside.
const ASIDE: &str = "tiny-1.0.slm.part.found";
const ORDER: [u32; 5] = [3, 0, 4, 1, 2];

/// What the store had acknowledged to a run when it ended.
#[derive(Default)]
struct Promised {
    kept: Vec<u32>,
    synced: Vec<u32>,
}

/// One whole import; stops at the first call that fails.
fn import(artifact: &Artifact, disk: MemDisk, promised: &mut Promised) -> Result<(), StoreError> {
    let (part, _) = artifact.open(disk)?;
    for (step, index) in (1..).zip(ORDER) {
        artifact.keep(&part, index)?;
        promised.kept.push(index);
        part.sync_if_due(Duration::from_millis(step * 900))?;
        if step == 3 {
            promised.synced.clone_from(&promised.kept);
        }
    }
    let published = part.publish()?;
    promised.synced.clone_from(&promised.kept);
    published.finish(MANIFEST, Some(RECEIPT));
    Ok(())
}

/// Asserts what holds in every crash state, and completes the import.
pub(super) fn assert_completes(artifact: &Artifact, disk: &MemDisk, at_least: &[u32], case: &str) {
    if let Some(bytes) = disk.contents("tiny-1.0.slm") {
        assert!(bytes == artifact.bytes, "{case}: I2: the final name stands over other bytes");
    }
    if let Some(receipt) = disk.contents("tiny-1.0.slm.receipt") {
        assert_eq!(receipt, RECEIPT, "{case}: a torn receipt");
        assert!(disk.contents("tiny-1.0.slm").is_some(), "{case}: a receipt without its file");
    }
    let published = match Published::resume(disk.clone(), &NAME, &artifact.spec).unwrap() {
        Some((published, _)) => published,
        None => {
            let (part, resumed) = artifact.open(disk.clone()).unwrap();
            assert_kept(artifact, disk, &resumed, at_least, case);
            for &index in &resumed.have {
                assert_eq!(part.read_chunk(index).unwrap(), artifact.chunk(index), "{case}: I1");
            }
            artifact.keep_missing(&part).unwrap();
            part.publish().unwrap()
        }
    };
    let finished = published.finish(MANIFEST, Some(RECEIPT));
    assert!(finished.is_closed, "{case}: {finished:?}");
    let mut names = super::names(disk);
    names.retain(|name| !name.starts_with(ASIDE));
    assert_eq!(names, ["tiny-1.0.minimodel", "tiny-1.0.slm", "tiny-1.0.slm.receipt"], "{case}");
    assert!(disk.contents("tiny-1.0.slm").unwrap() == artifact.bytes, "{case}");
}

/// Asserts that the promised chunks are there. A part in which more places hold other data than good chunks, as torn writes
/// leave it, is put aside whole (H8 before I3): then they lie in that file, and the answer is true.
fn assert_kept(artifact: &Artifact, disk: &MemDisk, resumed: &Resumed, promised: &[u32], case: &str) -> bool {
    let Some(path) = &resumed.put_aside else {
        for index in promised {
            assert!(resumed.have.contains(index), "{case}: chunk {index} was promised, {resumed:?}");
        }
        return false;
    };
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = disk.contents(&name).unwrap();
    for &index in promised {
        let lies = bytes
            .chunks(CHUNK as usize)
            .nth(index as usize)
            .is_some_and(|piece| piece == artifact.chunk(index));
        assert!(lies, "{case}: chunk {index} was promised and is not in `{name}`, {resumed:?}");
    }
    assert!(name.starts_with(ASIDE), "{name}");
    true
}

// Rows: E1, E2, E18
#[test]
fn import_torn_randomly_after_each_call_keeps_its_promises() {
    let artifact = Artifact::new(4 * 16_384 + 777);
    let whole = MemDisk::new();
    import(&artifact, whole.clone(), &mut Promised::default()).unwrap();
    let calls = whole.calls();
    for at in 0..=calls {
        let disk = MemDisk::new();
        disk.halt_after(at);
        let mut promised = Promised::default();
        let _ = import(&artifact, disk.clone(), &mut promised);
        let case = |crash: Crash| format!("{crash:?} after call {at}");
        assert_completes(&artifact, &disk.crashed(Crash::Kill), &promised.kept, &case(Crash::Kill));
        let lost = Crash::LoseUnsynced;
        assert_completes(&artifact, &disk.crashed(lost), &promised.synced, &case(lost));
        for seed in 0..TORN_STATES {
            let torn = Crash::Torn { seed: at * TORN_STATES + seed };
            assert_completes(&artifact, &disk.crashed(torn), &promised.synced, &case(torn));
        }
    }
}

// Rows: E5, E6
#[test]
fn whichever_single_call_fails_the_next_run_completes() {
    let artifact = Artifact::new(4 * 16_384 + 777);
    let whole = MemDisk::new();
    import(&artifact, whole.clone(), &mut Promised::default()).unwrap();
    for error in [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::Interrupted] {
        for number in 0..whole.calls() {
            let disk = MemDisk::new();
            disk.fail_call(number, error);
            let _ = import(&artifact, disk.clone(), &mut Promised::default());
            assert_completes(&artifact, &disk, &[], &format!("{error} at call {number}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Sessions of any length that end in any crash, one after the other: nothing false is ever believed, what was
    /// synced is never lost, and the last session completes.
    // Rows: E1, E2
    #[test]
    fn sessions_that_crash_one_after_the_other_lose_nothing_synced(
        sessions in prop::collection::vec((prop::collection::vec((0_u32..7, any::<bool>()), 0..8), 0_u8..3), 1..5),
        seed in any::<u64>(),
    ) {
        let artifact = Artifact::new(6 * 16_384 + 1);
        let mut disk = MemDisk::new();
        let mut durable: Vec<u32> = Vec::new();
        for (steps, ending) in sessions {
            let (part, resumed) = artifact.open(disk.clone()).unwrap();
            if assert_kept(&artifact, &disk, &resumed, &durable, "next session") {
                durable.clear();
            }
            for (index, sync) in steps {
                artifact.keep(&part, index).unwrap();
                if sync {
                    part.sync().unwrap();
                    durable = part.have();
                }
            }
            let have = part.have();
            drop(part);
            let crash = match ending {
                0 => Crash::Kill,
                1 => Crash::LoseUnsynced,
                _ => Crash::Torn { seed },
            };
            disk = disk.crashed(crash);
            if crash == Crash::Kill {
                let (_, resumed) = artifact.open(disk.clone()).unwrap();
                prop_assert_eq!(resumed.have, have);
            }
        }
        assert_completes(&artifact, &disk, &durable, "last session");
    }
}
