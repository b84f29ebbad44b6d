//! Tests of links to the active version.

use std::os::unix::fs::symlink;

use super::*;

fn read(home: &Home) -> Vec<u8> {
    fs::read(home.path("library/active/small.slm")).unwrap()
}

fn leads_to(home: &Home) -> PathBuf {
    fs::canonicalize(home.path("library/active/small.slm")).unwrap()
}

fn file_of(home: &Home, id: u64) -> PathBuf {
    fs::canonicalize(home.library.get(id).unwrap().path.unwrap()).unwrap()
}

#[test]
fn link_leads_to_the_active_version_and_rolls_back_repeatedly() {
    let home = Home::new();
    let [one, two, three] = versions(["1", "2", "3"]);
    let ids = [home.own(&one, "a.slm", 1), home.cached(&two, 1), home.cached(&three, 1)];
    let mut before = None;
    for id in ids {
        let activated = home.library.activate(id, 5).unwrap();
        assert_eq!(activated.previous, before);
        assert!(activated.entry.active && activated.link.ends_with("library/active/small.slm"));
        assert_eq!(leads_to(&home), file_of(&home, id));
        assert_eq!(read(&home), manifest_artifact());
        before = Some(id);
    }
    let again = home.library.activate(ids[2], 6).unwrap();
    assert_eq!(again.previous, None);
    let home = home.reopened();
    for (to, from) in [(ids[1], ids[2]), (ids[0], ids[1])] {
        let back = home.library.rollback("small", 7).unwrap();
        assert_eq!((back.entry.id, back.previous), (to, Some(from)));
        assert_eq!(leads_to(&home), file_of(&home, to));
        assert!(!home.library.get(from).unwrap().active);
    }
    for model in ["small", "unknown"] {
        assert_eq!(home.library.rollback(model, 8).unwrap_err().code, code::NOT_FOUND);
    }
    assert_eq!(leads_to(&home), file_of(&home, ids[0]));
    let names: Vec<_> =
        fs::read_dir(home.path("library/active")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["small.slm"]);
}

#[test]
fn unready_or_damaged_version_is_not_activated_and_old_stays() {
    let home = Home::new();
    let [one, two, three] = versions(["1", "2", "3"]);
    let first = home.own(&one, "a.slm", 1);
    home.library.activate(first, 1).unwrap();
    let (gone, available) = (home.own(&two, "b.slm", 1), home.library.add_manifest(&three, 1).unwrap());
    fs::remove_file(home.path("b.slm")).unwrap();
    assert_eq!(home.library.activate(gone, 2).unwrap_err().code, code::VERIFICATION);
    fs::write(home.path("b.slm"), "short").unwrap();
    let short = home.library.activate(gone, 2).unwrap_err();
    assert!(
        short.cause.as_ref().unwrap().contains("5 bytes") && short.hint.contains("verify small@2"),
        "{short:?}"
    );
    assert_eq!(home.library.activate(available, 2).unwrap_err().code, code::USAGE);
    assert!(home.library.get(first).unwrap().active);
    assert_eq!(leads_to(&home), file_of(&home, first));
    assert_eq!(home.library.rollback("small", 2).unwrap_err().code, code::NOT_FOUND);
}

// Rows: E9, E11
#[test]
fn foreign_file_or_link_at_the_links_place_is_never_replaced() {
    let home = Home::new();
    let [one, two] = versions(["1", "2"]);
    let ids = [home.own(&one, "a.slm", 1), home.own(&two, "b.slm", 1)];
    let link = home.path("library/active/small.slm");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    fs::write(&link, "mine").unwrap();
    let taken = home.library.activate(ids[0], 1).unwrap_err();
    assert_eq!((taken.code, fs::read(&link).unwrap().as_slice()), (code::IO, b"mine".as_slice()));
    assert!(!home.library.get(ids[0]).unwrap().active);
    fs::remove_file(&link).unwrap();
    symlink("/elsewhere", &link).unwrap();
    assert_eq!(home.library.activate(ids[0], 1).unwrap_err().code, code::IO);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("/elsewhere"));
    fs::remove_file(&link).unwrap();
    home.library.activate(ids[0], 1).unwrap();
    home.library.activate(ids[1], 1).unwrap();
    assert_eq!(leads_to(&home), file_of(&home, ids[1]));
}

#[test]
fn link_left_by_a_crash_is_restored_from_the_database() {
    let home = Home::new();
    let [one, two] = versions(["1", "2"]);
    let ids = [home.own(&one, "a.slm", 1), home.cached(&two, 1)];
    let link = home.path("library/active/small.slm");
    home.library.activate(ids[0], 1).unwrap();
    // A crash after the rename and before the commit; and a temporary link whose rename did not happen.
    fs::remove_file(&link).unwrap();
    symlink(Path::new("../models").join(hex(two.swarm_id())).join("small-2.slm"), &link).unwrap();
    symlink("nowhere", home.path("library/active/.small.slm.new")).unwrap();
    assert_eq!(home.library.settle(), []);
    assert_eq!(leads_to(&home), file_of(&home, ids[0]));
    fs::remove_file(&link).unwrap();
    assert_eq!(home.library.settle(), []);
    assert_eq!(leads_to(&home), file_of(&home, ids[0]));
    assert!(!home.path("library/active/.small.slm.new").exists());
    // A foreign file is reported and stays.
    fs::remove_file(&link).unwrap();
    fs::write(&link, "mine").unwrap();
    assert_eq!(home.library.settle().len(), 1);
    assert_eq!(fs::read(&link).unwrap(), b"mine");
}

#[test]
fn removed_version_loses_its_link_and_is_skipped_by_rollback() {
    let home = Home::new();
    let [one, two, three] = versions(["1", "2", "3"]);
    let ids = [home.own(&one, "a.slm", 1), home.cached(&two, 1), home.own(&three, "c.slm", 1)];
    ids.into_iter().for_each(|id| drop(home.library.activate(id, 1).unwrap()));
    home.library.remove(ids[1], &NOBODY).unwrap();
    assert_eq!(leads_to(&home), file_of(&home, ids[2]));
    home.library.remove(ids[2], &NOBODY).unwrap();
    assert!(fs::symlink_metadata(home.path("library/active/small.slm")).is_err());
    assert!(home.path("c.slm").exists());
    let back = home.library.rollback("small", 2).unwrap();
    assert_eq!((back.entry.id, back.previous), (ids[0], None));
    assert_eq!(leads_to(&home), file_of(&home, ids[0]));
}

#[test]
fn a_link_follows_its_entry_to_another_file() {
    let home = Home::new();
    let one = manifest("lab", "small", "1");
    let id = home.own(&one, "a.slm", 1);
    home.library.activate(id, 1).unwrap();
    fs::rename(home.path("a.slm"), home.path("b.slm")).unwrap();
    home.library.placed(id, &home.path("b.slm"), None, false, 2).unwrap();
    assert_eq!(leads_to(&home), fs::canonicalize(home.path("b.slm")).unwrap());
}

#[test]
fn the_librarys_folder_may_be_moved_with_its_links() {
    let home = Home::new();
    let id = home.cached(&manifest("lab", "small", "1"), 1);
    home.library.activate(id, 1).unwrap();
    fs::rename(home.path("library"), home.path("moved")).unwrap();
    assert_eq!(fs::read(home.path("moved/active/small.slm")).unwrap(), manifest_artifact());
}
