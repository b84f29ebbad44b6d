//! A library of version 1 after its upgrade.

use super::*;

/// Written by the program of version 1.
const FIXTURE: &[u8] = include_bytes!("../../../tests/fixtures/companion-v1.redb");

#[test]
fn the_entries_of_a_database_of_version_1_are_all_there_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("companion.redb");
    fs::write(&path, FIXTURE).unwrap();
    let library = Library::new(Arc::new(Db::open(&path).unwrap()), folder.path().join("library"));
    let all = library.list().unwrap();
    let seen: Vec<_> = all.iter().map(|entry| (entry.id, entry.state, entry.cached, entry.active)).collect();
    assert_eq!(
        seen,
        [
            (1, EntryState::Ready, false, true),
            (2, EntryState::Ready, true, false),
            (3, EntryState::Available, false, false),
            (4, EntryState::Failed, false, false),
        ]
    );
    assert!(all.iter().all(|entry| entry.fits.checks.len() == 2), "{all:?}");
    assert_eq!(all[1].used_utc, all[1].added_utc);
    // Its files do not exist: a refresh reports that as always, and changes nothing else.
    library.refresh_all().unwrap();
    let states: Vec<_> = library.list().unwrap().iter().map(|entry| entry.state).collect();
    assert_eq!(
        states,
        [EntryState::Failed, EntryState::Available, EntryState::Available, EntryState::Failed]
    );
    assert_eq!(library.add_manifest(&manifest("lab", "small", "9"), 1).unwrap(), 6);
    assert_eq!(library.settle(), []);
}
