//! States of an entry after a fetch, a check and a use.

use super::*;

fn state(home: &Home, id: u64) -> (EntryState, Option<String>) {
    let entry = home.library.get(id).unwrap();
    (entry.state, entry.reason)
}

#[test]
fn second_fetch_of_a_ready_entry_leaves_it_ready_at_any_end() {
    let home = Home::new();
    let [one, two] = versions(["1", "2"]);
    for id in [home.own(&one, "a.slm", 1), home.cached(&two, 1)] {
        let before = home.library.get(id).unwrap();
        assert_eq!(home.library.begin_fetch(id).unwrap(), before);
        assert_eq!(home.library.fetch_failed(id, "no room").unwrap(), before);
        assert_eq!(home.library.fetch_dropped(id).unwrap(), before);
        // As an older version of this program recorded it.
        home.library.set_state(id, EntryState::Downloading, None).unwrap();
        assert_eq!(home.library.fetch_dropped(id).unwrap(), before);
        home.library.set_state(id, EntryState::Downloading, None).unwrap();
        assert_eq!(home.library.fetch_failed(id, "no room").unwrap(), before);
        home.library.activate(id, 1).unwrap();
    }
}

#[test]
fn a_fetch_of_what_is_not_ready_stands_as_its_end_says() {
    let home = Home::new();
    let [one, two, three] = versions(["1", "2", "3"]);
    let id = home.library.add_manifest(&one, 1).unwrap();
    assert_eq!(home.library.begin_fetch(id).unwrap().state, EntryState::Downloading);
    assert_eq!(home.library.fetch_dropped(id).unwrap().state, EntryState::Available);
    home.library.begin_fetch(id).unwrap();
    home.library.fetch_failed(id, "no room").unwrap();
    assert_eq!(state(&home, id), (EntryState::Failed, Some("no room".to_owned())));
    assert_eq!(home.library.fetch_dropped(id).unwrap().state, EntryState::Failed, "it was over");
    home.library.begin_fetch(id).unwrap();
    assert_eq!(state(&home, id), (EntryState::Downloading, None));
    assert_eq!(home.library.fetch_dropped(id).unwrap().state, EntryState::Available);
    // A fetch that ends without a file does not make one Ready that failed its check.
    let failed = home.cached(&two, 1);
    home.library.set_state(failed, EntryState::Failed, Some("chunk 3".to_owned())).unwrap();
    home.library.begin_fetch(failed).unwrap();
    assert_eq!(state(&home, failed), (EntryState::Downloading, None));
    home.library.fetch_dropped(failed).unwrap();
    assert_eq!(state(&home, failed), (EntryState::Failed, Some("chunk 3".to_owned())));
    // A missing file is fetched again.
    let gone = home.own(&three, "c.slm", 1);
    fs::remove_file(home.path("c.slm")).unwrap();
    assert_eq!(home.library.begin_fetch(gone).unwrap().state, EntryState::Downloading);
    let entry = home.library.fetch_dropped(gone).unwrap();
    assert_eq!((entry.state, entry.path), (EntryState::Available, None));
}

#[test]
fn own_copy_of_a_cached_model_leaves_the_cached_file_known() {
    let home = Home::new();
    let one = manifest("lab", "small", "1");
    let id = home.cached(&one, 1);
    let before = home.library.get(id).unwrap();
    fs::write(home.path("b.slm"), manifest_artifact()).unwrap();
    for state in [EntryState::Ready, EntryState::Downloading] {
        home.library.set_state(id, state, None).unwrap();
        assert_eq!(home.library.placed(id, &home.path("b.slm"), None, false, 1).unwrap(), before);
    }
    assert!(home.path("b.slm").exists());
    // A missing cached file does not block a user's own.
    fs::remove_file(before.path.unwrap()).unwrap();
    let entry = home.library.placed(id, &home.path("b.slm"), None, false, 1).unwrap();
    assert!(!entry.cached && entry.path.unwrap().ends_with("b.slm"));
}

#[test]
fn check_result_is_dropped_if_another_file_took_the_place() {
    let home = Home::new();
    let [one, two] = versions(["1", "2"]);
    let evicted = home.cached(&one, 1);
    let evict = |_: &Manifest, _: &Path| {
        home.library.prune(0, &NOBODY).unwrap();
        Ok(())
    };
    assert_eq!(home.library.verify(evicted, &evict, 2).unwrap_err().code, code::BUSY);
    assert_eq!(state(&home, evicted), (EntryState::Available, None));
    let moved = home.own(&two, "a.slm", 1);
    let replace = |_: &Manifest, _: &Path| {
        fs::write(home.path("b.slm"), manifest_artifact()).unwrap();
        home.library.placed(moved, &home.path("b.slm"), None, false, 2).unwrap();
        Err(Problem::new(code::VERIFICATION, "wrong", "-").because("chunk 3"))
    };
    assert_eq!(home.library.verify(moved, &replace, 2).unwrap_err().code, code::BUSY);
    assert_eq!(state(&home, moved), (EntryState::Ready, None));
}

#[test]
fn a_use_is_put_down_once_a_minute() {
    let home = Home::new();
    let id = home.own(&manifest("lab", "small", "1"), "a.slm", 100);
    let used = |now| home.library.touch(id, now).unwrap().used_utc;
    for (now, at) in
        [(159, "00:01:40"), (160, "00:02:40"), (219, "00:02:40"), (90, "00:02:40"), (220, "00:03:40")]
    {
        assert_eq!(used(now), format!("1970-01-01T{at}Z"), "{now}");
    }
}
