//! Files at the store's names that the store did not write: of other accounts, and unrelated files of the user.

use std::fs;
use std::path::Path;

use minimodel_swarm::store::{
    Disk as _, Open, Published, Refusal, RepairIf, StoreError, put_orphan_record_aside,
};

use super::repairs::repair;
use super::{Artifact, CHUNK, NAME, real};

const STATE: &str = "tiny-1.0.slm.part.state";
const PART: &str = "tiny-1.0.slm.part";
const FOUND: &str = "tiny-1.0.slm.part.found";
const TARGET: &str = "tiny-1.0.slm";
const RECEIPT: &str = "tiny-1.0.slm.receipt";
const COPY: &str = "tiny-1.0.minimodel";

/// Files as another account can leave them: on Windows the account of the test can imitate none. The rule for access lists has
/// tests beside it (`os/windows/sddl.rs`).
#[cfg(windows)]
fn leave(_: &Path, _: &[u8]) -> Vec<(Refusal, Box<dyn Fn()>)> {
    Vec::new()
}

/// Files as another account can leave them, as far as the account of the test can imitate that.
#[cfg(unix)]
fn leave(path: &Path, bytes: &[u8]) -> Vec<(Refusal, Box<dyn Fn()>)> {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    const NOBODY: u32 = 65_534;
    let write = {
        let (path, bytes) = (path.to_owned(), bytes.to_vec());
        move |mode: u32, owner: Option<u32>, group: Option<u32>| {
            let _ = fs::remove_file(&path);
            fs::write(&path, &bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            chown(&path, owner, group).unwrap();
        }
    };
    let (world, group, theirs) = (write.clone(), write.clone(), write);
    let mut all: Vec<(Refusal, Box<dyn Fn()>)> =
        vec![(Refusal::Shared, Box::new(move || world(0o666, None, None)))];
    if minimodel_skipped::is_root("files of other accounts and groups") {
        all.push((Refusal::Shared, Box::new(move || group(0o620, None, Some(NOBODY)))));
        all.push((Refusal::Foreign, Box::new(move || theirs(0o600, Some(NOBODY), Some(NOBODY)))));
    }
    all
}

// Rows: H8
#[test]
fn a_file_that_another_account_can_change_is_never_gone_on_with() {
    let artifact = Artifact::new(3 * CHUNK as usize);
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let (part, _) = artifact.open(real(folder)).unwrap();
    artifact.keep(&part, 0).unwrap();
    part.sync().unwrap();
    drop(part);
    for name in [PART, STATE] {
        let path = folder.join(name);
        let good = fs::read(&path).unwrap();
        for (expected, plant) in leave(&path, &good) {
            plant();
            let error = artifact.open(real(folder)).unwrap_err();
            let StoreError::Refused { path: named, found } = error else { panic!("{name}: {error:?}") };
            assert_eq!((named, found), (path.clone(), expected));
            assert_eq!(fs::read(&path).unwrap(), good, "{name}");
            assert!(matches!(real(folder).open(name, Open::Existing).unwrap_err(),
                minimodel_swarm::store::OpenError::Refused(found) if found == expected));
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(artifact.open(real(folder)).unwrap().1.have, [0]);
}

// Rows: H8
#[test]
fn finished_file_receipt_and_manifest_of_other_account_refused() {
    let artifact = Artifact::new(2 * CHUNK as usize);
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    fs::write(folder.join(TARGET), &artifact.bytes).unwrap();
    let resume = || Published::resume(real(folder), &NAME, &artifact.spec);
    for (expected, plant) in leave(&folder.join(TARGET), &artifact.bytes) {
        plant();
        assert!(matches!(resume().unwrap_err(), StoreError::Refused { found, .. } if found == expected));
    }
    fs::remove_file(folder.join(TARGET)).unwrap();
    fs::write(folder.join(TARGET), &artifact.bytes).unwrap();
    for name in [RECEIPT, COPY] {
        for (_, plant) in leave(&folder.join(name), b"the same") {
            plant();
            let (published, _) = resume().unwrap().unwrap();
            let finished = published.finish(b"the same", Some(b"the same"));
            assert!(!finished.is_closed, "{name}: {finished:?}");
            assert!(name == COPY || published.receipt().is_err());
            assert_eq!(fs::read(folder.join(name)).unwrap(), b"the same");
            fs::remove_file(folder.join(name)).unwrap();
        }
    }
    assert!(resume().unwrap().unwrap().0.finish(b"the same", Some(b"the same")).is_closed);
}

/// Notes, a longer file, another model: no chunk of them is the artifact's.
// Rows: H8
#[test]
fn unrelated_file_at_the_partial_name_is_put_aside_unchanged() {
    let artifact = Artifact::new(3 * CHUNK as usize);
    let notes: [&[u8]; 3] = [b"my notes", &[7; 200_000], &[1; 3 * CHUNK as usize]];
    for (damaged_record, bytes) in notes.into_iter().flat_map(|bytes| [(false, bytes), (true, bytes)]) {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        fs::write(folder.join(PART), bytes).unwrap();
        // The store must take the next free name.
        fs::write(folder.join(FOUND), b"older").unwrap();
        if damaged_record {
            fs::write(folder.join(STATE), b"my state").unwrap();
        }
        let (part, resumed) = artifact.open(real(folder)).unwrap();
        let aside = folder.join(format!("{FOUND}.2"));
        assert_eq!(resumed.put_aside.as_deref(), Some(aside.as_path()));
        assert!(resumed.have.is_empty() && resumed.data_without_record);
        artifact.keep_missing(&part).unwrap();
        assert_eq!(part.rescan(artifact.tree.chunk_hashes().to_vec()).unwrap(), [0_u32; 0]);
        part.publish().unwrap().finish(b"m", Some(b"r"));
        assert_eq!(fs::read(folder.join(TARGET)).unwrap(), artifact.bytes);
        assert_eq!(fs::read(&aside).unwrap(), bytes);
        assert_eq!(fs::read(folder.join(FOUND)).unwrap(), b"older");
        let state_aside = folder.join(format!("{STATE}.damaged"));
        assert_eq!(fs::read(state_aside).ok(), damaged_record.then(|| b"my state".to_vec()));
    }
}

/// A valid record beside an unrelated file: the record alone decides nothing.
// Rows: H8
#[test]
fn file_replacing_a_recorded_partial_file_is_put_aside() {
    let artifact = Artifact::new(3 * CHUNK as usize);
    for kept in [0, 2] {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let (part, _) = artifact.open(real(folder)).unwrap();
        for index in 0..kept {
            artifact.keep(&part, index).unwrap();
        }
        part.sync().unwrap();
        drop(part);
        fs::remove_file(folder.join(PART)).unwrap();
        fs::write(folder.join(PART), b"my notes").unwrap();
        let (part, resumed) = artifact.open(real(folder)).unwrap();
        assert!(resumed.have.is_empty() && resumed.lost == kept, "{resumed:?}");
        artifact.keep_missing(&part).unwrap();
        assert_eq!(fs::read(folder.join(FOUND)).unwrap(), b"my notes");
    }
    // The whole artifact with more bytes behind it: the file is never cut.
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let (part, _) = artifact.open(real(folder)).unwrap();
    artifact.keep_missing(&part).unwrap();
    part.sync().unwrap();
    drop(part);
    let longer = [&artifact.bytes[..], b"and my notes"].concat();
    fs::write(folder.join(PART), &longer).unwrap();
    let (part, resumed) = artifact.open(real(folder)).unwrap();
    assert!(resumed.have.is_empty());
    assert_eq!(part.rescan(artifact.tree.chunk_hashes().to_vec()).unwrap(), [0, 1, 2]);
    part.publish().unwrap();
    assert_eq!(fs::read(folder.join(FOUND)).unwrap(), longer);
}

/// A valid record, and in the place of its partial file another file that has a chunk in common with the artifact: a
/// fetch puts the file aside, and a repair judges it.
// Rows: H8
#[test]
fn file_with_few_of_many_recorded_chunks_is_no_part_file() {
    let size = CHUNK as usize;
    let artifact = Artifact::new(6 * size);
    let leaves = artifact.tree.chunk_hashes().to_vec();
    for (good, is_ours) in [(1, false), (2, false), (3, true)] {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let (part, _) = artifact.open(real(folder)).unwrap();
        artifact.keep_missing(&part).unwrap();
        drop(part);
        let mut mine = artifact.bytes.clone();
        mine[good * size..].fill(7);
        fs::remove_file(folder.join(PART)).unwrap();
        fs::write(folder.join(PART), &mine).unwrap();
        let (part, _) = repair(&artifact, folder, RepairIf::MostIsGood);
        assert_eq!(part.rescan(leaves.clone()).is_ok(), is_ours, "{good}");
        drop(part);
        let (part, resumed) = artifact.open(real(folder)).unwrap();
        assert_eq!(
            (resumed.put_aside.is_none(), resumed.have.len()),
            (is_ours, if is_ours { good } else { 0 })
        );
        artifact.keep_missing(&part).unwrap();
        drop(part);
        assert!(is_ours || fs::read(folder.join(FOUND)).unwrap() == mine);
    }
}

/// A young record names one chunk, and the file in the place of its partial file has that chunk and other data after it.
// Rows: H8
#[test]
fn file_with_other_data_after_a_recorded_chunk_is_no_part_file() {
    let size = CHUNK as usize;
    let artifact = Artifact::new(6 * size);
    // Chunks of other data: what one kill leaves beside the good chunk, and more.
    for (other, is_ours) in [(1, true), (2, true), (3, false), (5, false)] {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let (part, _) = artifact.open(real(folder)).unwrap();
        artifact.keep(&part, 0).unwrap();
        drop(part);
        let mut mine = artifact.bytes.clone();
        mine[size..(other + 1) * size].fill(7);
        mine[(other + 1) * size..].fill(0);
        fs::write(folder.join(PART), &mine).unwrap();
        let (part, resumed) = artifact.open(real(folder)).unwrap();
        assert_eq!(
            (resumed.put_aside.is_none(), resumed.have.len()),
            (is_ours, usize::from(is_ours)),
            "{other}"
        );
        artifact.keep_missing(&part).unwrap();
        drop(part);
        assert!(is_ours || fs::read(folder.join(FOUND)).unwrap() == mine);
    }
}

/// A record that reached the disk before most of its data: a loss of power leaves zeros there, and an honest partial
/// file with a synced chunk stays where it is.
// Rows: H8, E2
#[test]
fn part_file_losing_most_chunks_to_power_loss_is_still_resumed() {
    let size = CHUNK as usize;
    let artifact = Artifact::new(6 * size);
    let lose: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[CHUNK as usize..].fill(0),
        |bytes| bytes.truncate(CHUNK as usize),
        |bytes| bytes.truncate(CHUNK as usize + 700),
        // One sector of each chunk after the first was not written.
        |bytes| (1..6).for_each(|chunk| bytes[chunk * CHUNK as usize + 1_024..][..512].fill(0)),
    ];
    for lose in lose {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let (part, _) = artifact.open(real(folder)).unwrap();
        artifact.keep_missing(&part).unwrap();
        drop(part);
        let mut bytes = artifact.bytes.clone();
        lose(&mut bytes);
        fs::write(folder.join(PART), &bytes).unwrap();
        let (_, resumed) = artifact.open(real(folder)).unwrap();
        assert_eq!((resumed.have, resumed.lost, resumed.put_aside), (vec![0], 5, None));
    }
}

/// A record without its partial file is put aside before another file gets that name; a record with its partial file
/// stays.
// Rows: H8
#[test]
fn record_without_its_part_file_is_put_aside_unless_in_use() {
    let artifact = Artifact::new(2 * CHUNK as usize);
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let put = || put_orphan_record_aside(&real(folder), &NAME, &artifact.spec);
    assert_eq!(put().unwrap(), None);
    let (part, _) = artifact.open(real(folder)).unwrap();
    assert!(matches!(put().unwrap_err(), StoreError::Busy { .. }));
    artifact.keep(&part, 0).unwrap();
    drop(part);
    assert_eq!(put().unwrap(), None);
    fs::remove_file(folder.join(PART)).unwrap();
    let other = Artifact::new(3 * CHUNK as usize);
    assert!(put_orphan_record_aside(&real(folder), &NAME, &other.spec).is_err());
    let record = fs::read(folder.join(STATE)).unwrap();
    let old = folder.join(format!("{STATE}.old"));
    assert_eq!(put().unwrap(), Some(old.clone()));
    assert!(fs::read(old).unwrap() == record && !folder.join(STATE).exists());
}

/// A partial file whose record was lost is no unrelated file: its good chunks are taken, and no second copy of them
/// stays.
// Rows: H8, E4
#[test]
fn good_chunks_of_a_file_put_aside_are_taken_and_the_rest_stays() {
    let artifact = Artifact::new(4 * CHUNK as usize - 100);
    for torn in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        let mut bytes = artifact.bytes.clone();
        bytes[CHUNK as usize..2 * CHUNK as usize].fill(0);
        if torn {
            bytes[2 * CHUNK as usize] ^= 1;
        }
        fs::write(folder.join(PART), &bytes).unwrap();
        let (part, resumed) = artifact.open(real(folder)).unwrap();
        assert!(resumed.put_aside.is_some() && resumed.have.is_empty());
        // A chunk that a peer sent meanwhile stays credited to that peer.
        artifact.keep(&part, 3).unwrap();
        let found = part.rescan(artifact.tree.chunk_hashes().to_vec()).unwrap();
        assert_eq!(found, if torn { vec![0] } else { vec![0, 2] });
        assert_eq!(folder.join(FOUND).exists(), torn, "what holds more than was taken stays");
        drop(part);
        let (part, resumed) = artifact.open(real(folder)).unwrap();
        assert_eq!(resumed.have.len(), found.len() + 1);
        assert!(resumed.put_aside.is_none() && resumed.suppliers.len() == 1);
        artifact.keep_missing(&part).unwrap();
        part.publish().unwrap();
        assert_eq!(fs::read(folder.join(TARGET)).unwrap(), artifact.bytes);
    }
}

// Rows: H8
#[test]
fn user_files_named_like_our_temporary_ones_are_not_overwritten() {
    let artifact = Artifact::new(2 * CHUNK as usize);
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let taken = [STATE, RECEIPT, COPY, PART, TARGET].map(|name| format!("{name}.new"));
    for name in &taken {
        fs::write(folder.join(name), name).unwrap();
    }
    let (part, _) = artifact.open(real(folder)).unwrap();
    artifact.keep_missing(&part).unwrap();
    assert!(part.publish().unwrap().finish(b"m", Some(b"r")).is_closed);
    for name in &taken {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), *name);
    }
    let names = fs::read_dir(folder).unwrap().count();
    assert_eq!(
        names,
        taken.len() + 3,
        "the file, its receipt and its manifest, and nothing on the way to them"
    );
}
