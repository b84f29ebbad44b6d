//! Tests of the library on a real disk with a real database; files are a few bytes, and checks are stubs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minimodel_fixtures::{ManifestOptions, ManifestText, manifest_artifact};
use minimodel_verifier::Manifest;
use tempfile::TempDir;

use super::*;
use crate::model::Limits;

mod activate;
mod fetches;
mod going;

const NOBODY: BTreeSet<u64> = BTreeSet::new();

struct Home {
    folder: TempDir,
    library: Library,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("companion.redb")).unwrap();
        let library = Library::new(Arc::new(db), folder.path().join("library"));
        Self { folder, library }
    }

    /// Reopens the library, as a new start does.
    fn reopened(self) -> Self {
        let Self { folder, library } = self;
        drop(library);
        let db = Db::open(&folder.path().join("companion.redb")).unwrap();
        let library = Library::new(Arc::new(db), folder.path().join("library"));
        Self { folder, library }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a user's own file of `manifest` to the library as Ready.
    fn own(&self, manifest: &Manifest, name: &str, now: u64) -> u64 {
        let id = self.library.add_manifest(manifest, now).unwrap();
        let path = self.path(name);
        fs::write(&path, manifest_artifact()).unwrap();
        self.library.placed(id, &path, None, false, now).unwrap();
        id
    }

    /// Adds a cached file with all that a fetch leaves beside it.
    fn cached(&self, manifest: &Manifest, now: u64) -> u64 {
        let id = self.library.add_manifest(manifest, now).unwrap();
        let folder = self.library.make_folder(id).unwrap();
        let name = manifest.artifact_name();
        let path = folder.join(name.file());
        fs::write(&path, manifest_artifact()).unwrap();
        fs::write(folder.join(name.manifest()), manifest.text()).unwrap();
        let receipt = folder.join(name.receipt());
        fs::write(&receipt, "receipt").unwrap();
        self.library.placed(id, &path, Some(&receipt), true, now).unwrap();
        id
    }
}

fn manifest(publisher: &str, model: &str, version: &str) -> Manifest {
    let options = ManifestOptions {
        publisher_id: publisher.to_owned(),
        model_id: model.to_owned(),
        model_version: version.to_owned(),
        ..ManifestOptions::default()
    };
    let text = ManifestText::of(&manifest_artifact(), &options).with("requires.ram_mb", "1");
    Manifest::parse(text.render().as_bytes()).unwrap()
}

fn versions<const N: usize>(names: [&str; N]) -> [Manifest; N] {
    names.map(|version| manifest("lab", "small", version))
}

#[test]
fn manifest_is_added_once_and_found_by_swarm_after_a_restart() {
    let home = Home::new();
    let one = manifest("lab", "small", "1");
    let id = home.library.add_manifest(&one, 5).unwrap();
    assert_eq!(home.library.add_manifest(&one, 9).unwrap(), id);
    let other = home.library.add_manifest(&manifest("someone", "small", "1"), 6).unwrap();
    assert_ne!(other, id);
    let home = home.reopened();
    let entry = home.library.find(&hex(one.swarm_id())).unwrap().unwrap();
    assert_eq!(
        (entry.id, entry.state, entry.cached, entry.path.as_ref()),
        (id, EntryState::Available, false, None)
    );
    assert_eq!(entry.added_utc, "1970-01-01T00:00:05Z");
    assert!(entry.fits.fits && entry.fits.checks[0].name == "ram", "{:?}", entry.fits);
    assert_eq!(home.library.manifest(id).unwrap(), one.text());
    assert_eq!(home.library.list().unwrap().len(), 2);
    assert_ne!(home.library.folder_of(id).unwrap(), home.library.folder_of(other).unwrap());
    assert_eq!(home.library.find(&"0".repeat(64)).unwrap(), None);
    assert_eq!(home.library.get(99).unwrap_err().code, code::NOT_FOUND);
}

#[test]
fn manifest_changed_in_the_database_is_not_handed_out() {
    let home = Home::new();
    let [one, two] = versions(["1", "2"]);
    let id = home.library.add_manifest(&one, 1).unwrap();
    for text in [two.text(), "nonsense".to_owned()] {
        let change = |change: &mut Change<'_>| change.put(Table::Manifests, &hex(one.swarm_id()), &text);
        home.library.db.change::<_, DbError>(change).unwrap();
        let problem = home.library.manifest(id).unwrap_err();
        assert_eq!(problem.code, code::INVALID);
        assert!(problem.hint.contains("library remove small@1"), "{problem:?}");
    }
}

#[test]
fn missing_or_resized_file_is_noticed_without_reading_it() {
    let home = Home::new();
    let [one, two, three] = versions(["1", "2", "3"]);
    let (own, cached, kept) = (home.own(&one, "a.slm", 1), home.cached(&two, 1), home.cached(&three, 1));
    home.library.refresh_all().unwrap();
    assert!(home.library.list().unwrap().iter().all(|entry| entry.state == EntryState::Ready));
    fs::remove_file(home.path("a.slm")).unwrap();
    fs::remove_file(home.library.get(cached).unwrap().path.unwrap()).unwrap();
    fs::write(home.library.get(kept).unwrap().path.unwrap(), "short").unwrap();
    home.library.refresh_all().unwrap();
    let gone = home.library.get(own).unwrap();
    assert_eq!(gone.state, EntryState::Failed);
    assert!(gone.reason.unwrap().contains("a.slm is not there"), "{:?}", gone.path);
    let gone = home.library.get(cached).unwrap();
    assert_eq!((gone.state, gone.path, gone.cached), (EntryState::Available, None, false));
    let short = home.library.get(kept).unwrap();
    assert_eq!(short.state, EntryState::Failed);
    assert!(short.reason.unwrap().contains("5 bytes"));
}

#[test]
fn full_check_sets_ready_or_failed_and_other_errors_do_not() {
    let home = Home::new();
    let id = home.own(&manifest("lab", "small", "1"), "a.slm", 1);
    let wrong =
        |_: &Manifest, _: &Path| Err(Problem::new(code::VERIFICATION, "wrong", "-").because("chunk 3"));
    assert_eq!(home.library.verify(id, &wrong, 2).unwrap_err().code, code::VERIFICATION);
    let entry = home.library.get(id).unwrap();
    assert_eq!((entry.state, entry.reason.as_deref()), (EntryState::Failed, Some("chunk 3")));
    let unread = |_: &Manifest, _: &Path| Err(Problem::new(code::IO, "cannot read", "-"));
    assert_eq!(home.library.verify(id, &unread, 2).unwrap_err().code, code::IO);
    assert_eq!(home.library.get(id).unwrap().state, EntryState::Failed);
    let right = |manifest: &Manifest, path: &Path| {
        assert_eq!((manifest.model_version(), path.ends_with("a.slm")), ("1", true));
        Ok(())
    };
    let entry = home.library.verify(id, &right, 7).unwrap();
    assert_eq!(
        (entry.state, entry.reason, entry.used_utc.as_str()),
        (EntryState::Ready, None, "1970-01-01T00:00:07Z")
    );
    fs::remove_file(home.path("a.slm")).unwrap();
    assert_eq!(home.library.verify(id, &right, 8).unwrap_err().code, code::NOT_FOUND);
    assert_eq!(home.library.get(id).unwrap().state, EntryState::Failed);
    let empty = home.library.add_manifest(&manifest("lab", "small", "2"), 1).unwrap();
    assert_eq!(home.library.verify(empty, &right, 8).unwrap_err().code, code::NOT_FOUND);
}

#[test]
fn removed_entry_deletes_its_cached_file_but_not_a_users_own() {
    let home = Home::new();
    let [one, two] = versions(["1", "2"]);
    let (own, cached) = (home.own(&one, "a.slm", 1), home.cached(&two, 1));
    let folder = home.library.folder_of(cached).unwrap();
    fs::write(folder.join("small-2.slm.part"), "part").unwrap();
    fs::write(folder.join("small-2.slm.part.state"), "state").unwrap();
    // A foreign file in the library's folder.
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let busy = home.library.remove(cached, &BTreeSet::from([cached])).unwrap_err();
    assert_eq!(busy.code, code::BUSY);
    assert!(folder.join("small-2.slm").exists());
    home.library.remove(cached, &NOBODY).unwrap();
    home.library.remove(own, &NOBODY).unwrap();
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    assert_eq!(fs::read(home.path("a.slm")).unwrap(), manifest_artifact());
    assert!(home.library.list().unwrap().is_empty());
    assert_eq!(home.library.remove(own, &NOBODY).unwrap_err().code, code::NOT_FOUND);
}

#[test]
fn own_file_in_the_library_folder_is_never_removed() {
    let home = Home::new();
    let one = manifest("lab", "small", "1");
    let id = home.library.add_manifest(&one, 1).unwrap();
    let folder = home.library.folder_of(id).unwrap();
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("small-1.slm");
    fs::write(&path, manifest_artifact()).unwrap();
    home.library.placed(id, &path, None, false, 1).unwrap();
    assert_eq!(home.library.prune(0, &NOBODY).unwrap().entries, [0_u64; 0]);
    home.library.remove(id, &NOBODY).unwrap();
    assert!(path.exists());
}

#[test]
fn pruning_evicts_lru_but_no_pinned_active_used_or_own_file() {
    let home = Home::new();
    let all = versions(["1", "2", "3", "4", "5", "6"]);
    let own = home.own(&all[0], "a.slm", 1);
    let [pinned, active, used, old, new] = [1, 2, 3, 4, 5].map(|at| home.cached(&all[at], at as u64));
    home.library.pin(pinned, true).unwrap();
    home.library.activate(active, 2).unwrap();
    home.library.touch(old, 4).unwrap();
    let bytes = all[0].byte_count();
    assert_eq!(home.library.cached_bytes().unwrap(), 5 * bytes);
    let in_use = BTreeSet::from([used]);
    let one = home.library.prune(4 * bytes, &in_use).unwrap();
    assert_eq!((one.entries, one.bytes), (vec![old], bytes));
    let gone = home.library.get(old).unwrap();
    assert_eq!((gone.state, gone.path, gone.receipt), (EntryState::Available, None, None));
    assert!(!home.library.folder_of(old).unwrap().exists());
    assert_eq!(home.library.prune(0, &in_use).unwrap().entries, [new]);
    assert_eq!(home.library.prune(0, &in_use).unwrap().entries, [0_u64; 0]);
    for id in [own, pinned, active, used] {
        let entry = home.library.get(id).unwrap();
        assert!(entry.state == EntryState::Ready && Path::new(&entry.path.unwrap()).exists());
    }
    home.library.pin(pinned, false).unwrap();
    // A cached file that failed its check is evicted too.
    home.library.set_state(used, EntryState::Failed, Some("chunk 3".to_owned())).unwrap();
    assert_eq!(home.library.prune(0, &NOBODY).unwrap().entries, [pinned, used]);
    assert_eq!(home.library.get(used).unwrap().state, EntryState::Available);
}

#[test]
fn room_check_before_a_fetch_names_entries_that_make_room() {
    let home = Home::new();
    let [one, two, three] = versions(["1", "2", "3"]);
    let (old, new) = (home.cached(&one, 1), home.cached(&two, 2));
    let bytes = one.byte_count();
    let quota = |cache| Limits { cache_bytes: Some(cache), ..Limits::default() };
    assert_eq!(home.library.check_room(&three, &Limits::default(), &NOBODY).unwrap(), [0_u64; 0]);
    let go = home.library.check_room(&three, &quota(2 * bytes), &NOBODY).unwrap();
    assert_eq!(go, [old]);
    home.library.evict(&go, &NOBODY).unwrap();
    assert_eq!(home.library.check_room(&three, &quota(2 * bytes), &NOBODY).unwrap(), [0_u64; 0]);
    // A model that is already there needs no room.
    assert_eq!(home.library.check_room(&two, &quota(0), &NOBODY).unwrap(), [0_u64; 0]);
    let full = home.library.check_room(&three, &quota(2 * bytes - 1), &BTreeSet::from([new])).unwrap_err();
    assert_eq!(full.code, code::DISK_FULL);
    assert!(full.error.contains("small@3") && full.hint.contains("minimodel library list"), "{full:?}");
    let storage = |bytes| Limits { storage_bytes: Some(bytes), ..Limits::default() };
    let folder = home.library.folder_bytes().unwrap();
    assert!(folder > bytes);
    assert_eq!(home.library.check_room(&three, &storage(folder + bytes), &NOBODY).unwrap(), [0_u64; 0]);
    assert_eq!(home.library.check_room(&three, &storage(folder + bytes - 1), &NOBODY).unwrap(), [new]);
    // Another running fetch keeps its room.
    let other = home.library.add_manifest(&one, 1).unwrap();
    home.library.make_folder(other).unwrap();
    home.library.begin_fetch(other).unwrap();
    let in_use = BTreeSet::from([other]);
    assert_eq!(home.library.check_room(&three, &quota(3 * bytes - 1), &in_use).unwrap(), [new]);
    // An abandoned fetch does not.
    assert_eq!(home.library.check_room(&three, &quota(3 * bytes - 1), &NOBODY).unwrap(), [0_u64; 0]);
}

#[test]
fn odd_paths_and_a_second_file_for_a_cached_one_are_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = Home::new();
    let one = manifest("lab", "small", "1");
    let id = home.library.add_manifest(&one, 1).unwrap();
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"/x/\xff.slm"));
    for path in [odd, Path::new("a.slm")] {
        assert_eq!(home.library.placed(id, path, None, false, 1).unwrap_err().code, code::USAGE);
    }
    assert!(home.library.placed(id, &home.path("a.slm"), None, true, 1).is_err());
    home.cached(&one, 1);
    let kept = home.library.get(id).unwrap().path;
    home.library.set_state(id, EntryState::Failed, Some("chunk 3".to_owned())).unwrap();
    let second = home.library.placed(id, &home.path("b.slm"), None, false, 1).unwrap_err();
    assert!(second.hint.contains("--delete-cached"), "{second:?}");
    let entry = home.library.get(id).unwrap();
    assert!(entry.cached && entry.path == kept && entry.state == EntryState::Failed);
}
