//! Evictions and removals that are interrupted or race with other calls, and which files they delete.

use std::os::unix::fs::symlink;

use super::*;

/// Replaces an entry's folder by a file, so that a sweep of it fails.
fn obstruct(home: &Home, id: u64) -> PathBuf {
    let folder = home.library.folder_of(id).unwrap();
    fs::rename(&folder, folder.with_extension("away")).unwrap();
    fs::write(&folder, "in the way").unwrap();
    folder
}

fn clear(folder: &Path) {
    fs::remove_file(folder).unwrap();
    fs::rename(folder.with_extension("away"), folder).unwrap();
}

#[test]
fn interrupted_eviction_is_completed_at_the_next_start_only() {
    let home = Home::new();
    let id = home.cached(&manifest("lab", "small", "1"), 1);
    let folder = obstruct(&home, id);
    assert!(home.library.prune(0, &NOBODY).is_err());
    let entry = home.library.get(id).unwrap();
    assert_eq!((entry.state, entry.path, entry.cached), (EntryState::Available, None, false));
    assert_eq!(home.library.activate(id, 1).unwrap_err().code, code::USAGE);
    clear(&folder);
    assert!(folder.join("small-1.slm").exists());
    let home = home.reopened();
    assert_eq!(home.library.settle(), []);
    assert!(!folder.exists());
    // Only once: another start does not touch files that appear later.
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("small-1.slm.part"), "part").unwrap();
    assert_eq!(home.library.settle(), []);
    assert!(folder.join("small-1.slm.part").exists());
}

#[test]
fn fetch_after_an_interrupted_eviction_keeps_what_it_writes() {
    let home = Home::new();
    let id = home.cached(&manifest("lab", "small", "1"), 1);
    let folder = obstruct(&home, id);
    assert!(home.library.evict(&[id], &NOBODY).is_err());
    clear(&folder);
    home.library.begin_fetch(id).unwrap();
    fs::write(folder.join("small-1.slm.part"), "part").unwrap();
    assert_eq!(home.library.settle(), []);
    assert!(folder.join("small-1.slm.part").exists());
}

#[test]
fn entry_pinned_activated_or_used_after_plan_is_not_evicted() {
    let home = Home::new();
    let all = versions(["1", "2", "3", "4"]);
    let [pinned, active, used, goes] = [0, 1, 2, 3].map(|at| home.cached(&all[at], 1));
    let plan = [pinned, active, used, goes, 99];
    home.library.pin(pinned, true).unwrap();
    home.library.activate(active, 2).unwrap();
    let pruned = home.library.evict(&plan, &BTreeSet::from([used])).unwrap();
    assert_eq!((pruned.entries, pruned.bytes), (vec![goes], all[0].byte_count()));
    assert_eq!(fs::read(home.path("library/active/small.slm")).unwrap(), manifest_artifact());
    for id in [pinned, active, used] {
        assert_eq!(home.library.get(id).unwrap().state, EntryState::Ready);
    }
}

#[test]
fn interrupted_removal_leaves_an_unused_entry_and_is_repeatable() {
    let home = Home::new();
    let [one, two] = versions(["1", "2"]);
    let ids = [home.own(&one, "a.slm", 1), home.cached(&two, 1)];
    for id in ids {
        home.library.activate(id, 2).unwrap();
        home.library.make_folder(id).unwrap();
        let folder = obstruct(&home, id);
        assert!(home.library.remove(id, &NOBODY).is_err());
        assert_eq!(home.library.get(id).unwrap().state, EntryState::Available);
        assert!(fs::symlink_metadata(home.path("library/active/small.slm")).is_err());
        clear(&folder);
        home.library.remove(id, &NOBODY).unwrap();
        assert!(!folder.exists());
    }
    assert!(home.path("a.slm").exists() && home.library.list().unwrap().is_empty());
}

// Rows: E9
#[test]
fn removal_spares_own_files_and_takes_only_names_fetches_write() {
    let home = Home::new();
    let [one, two] = versions(["1", "2"]);
    let (id, linked) = (home.cached(&one, 1), home.cached(&two, 1));
    let folder = home.library.folder_of(id).unwrap();
    let goes = [
        "small-1.slm.part",
        "small-1.slm.part.state",
        ".small-1.slm.part.state.00f1e2d3c4b5a697.new",
        "small-1.slm.part.state.damaged.2",
        "small-1.slm.invalid",
        "small-1.slm.invalid.17",
        ".small-1.minimodel.0123456789abcdef.new",
    ];
    let stays = [
        "small-1.slm.txt",
        "small-1.slm.part.mine",
        "small-1.slm.part.2",
        "small-1.slm.invalid.old",
        "small-1.slm.invalid.",
        "small-1.minimodel.bak",
        ".small-1.minimodel.mine.new",
        ".small-10.slm.0123456789abcdef.new",
        "small-10.slm",
        "notes",
    ];
    goes.iter().chain(&stays).for_each(|name| fs::write(folder.join(name), "x").unwrap());
    home.library.remove(id, &NOBODY).unwrap();
    let mut left: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let mut expected = stays.map(str::to_owned);
    expected.sort();
    assert_eq!(left, expected);
    // The folder is reached by a link from elsewhere, and another entry lists its file as the user's own.
    let folder = home.library.folder_of(linked).unwrap();
    let path = folder.join("small-2.slm");
    symlink(&folder, home.path("other way")).unwrap();
    let other = home.library.add_manifest(&manifest("someone", "small", "2"), 1).unwrap();
    home.library.placed(other, &home.path("other way/small-2.slm"), None, false, 1).unwrap();
    home.library.remove(linked, &NOBODY).unwrap();
    assert!(path.exists());
    home.library.remove(other, &NOBODY).unwrap();
    assert!(path.exists());
}

#[test]
fn a_rollback_passes_over_versions_that_are_not_here_any_more() {
    let home = Home::new();
    let all = versions(["1", "2", "3", "4"]);
    let first = home.own(&all[0], "a.slm", 1);
    let [evicted, gone, last] = [1, 2, 3].map(|at| home.cached(&all[at], 1));
    for id in [first, evicted, gone, last] {
        home.library.activate(id, 1).unwrap();
    }
    home.library.evict(&[evicted], &NOBODY).unwrap();
    fs::remove_file(home.library.get(gone).unwrap().path.unwrap()).unwrap();
    let back = home.library.rollback("small", 2).unwrap();
    assert_eq!((back.entry.id, back.previous), (first, Some(last)));
    home.library.activate(last, 3).unwrap();
    fs::remove_file(home.path("a.slm")).unwrap();
    let problem = home.library.rollback("small", 4).unwrap_err();
    assert_eq!((problem.code, problem.cause.as_deref()), (code::NOT_FOUND, Some("not ready: small@1")));
    assert!(home.library.get(last).unwrap().active, "nothing has changed");
}
