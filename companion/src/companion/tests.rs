//! Tests of the companion's core on a real database, with no transfer running but those that a test makes up.

use ed25519_dalek::SigningKey;
use minimodel::consent::{Action, GrantState};
use minimodel::transfer::{Control, End, Ways};
use minimodel::{Event as Told, Watcher};
use minimodel_fixtures::{ManifestOptions, ManifestText, manifest_artifact};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;
use minimodel_wire::{Offer, PeerId, SignedOffer};
use tempfile::TempDir;

use super::desired::Desired;
use super::job::JobResult;
use super::row::{FinalState, PlacedFile, TransferRow};
use super::running::RunningTransfer;
use super::state::State;
use super::*;
use crate::model;
use crate::model::{Consent, EntryState, NewFetch, Reach};
use crate::problem::code;
use crate::service::Service as _;

/// A host that has no words.
struct Wordless;

impl Watcher for Wordless {
    fn tell(&self, _: Told) {}
}

impl Host for Wordless {
    fn problem(&self, error: minimodel::Error) -> Problem {
        Problem::new(code::CONSENT, format!("{error:?}"), "")
    }

    fn subject(&self, _: &Manifest) -> Vec<(String, String)> {
        Vec::new()
    }

    fn is_ending(&self) -> bool {
        false
    }
}

const RUN: Desired =
    Desired::Run { serves: false, publishes: false, ways: Ways { lan: false, dht: false, map: false } };

/// A companion in which one fetch is wanted, and nothing runs by itself.
struct OneFetch {
    folder: TempDir,
    companion: Companion,
    new: NewFetch,
    swarm_id: String,
    id: u64,
}

impl OneFetch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = ManifestText::of(&manifest_artifact(), &ManifestOptions::default()).render();
        let swarm_id = hex(Manifest::parse(text.as_bytes()).unwrap().swarm_id());
        let home = Home::at(folder.path());
        let places = Places::new(&folder.path().join("state"), &folder.path().join("data"));
        let companion = Companion::open(places, home, Arc::new(Wordless), false).unwrap();
        let new =
            NewFetch { manifest: Some(text), out: Some(folder.path().join("out")), ..NewFetch::default() };
        let mut one = Self { folder, companion, new, swarm_id, id: 0 };
        one.id = one.add(one.new.clone());
        one
    }

    fn add(&self, new: NewFetch) -> u64 {
        self.add_with(new, None)
    }

    fn add_with(&self, new: NewFetch, consent: Option<&Consent>) -> u64 {
        let core = &self.companion.core;
        let row = TransferRow::fetch(new, self.swarm_id.clone(), 7);
        core.add(&mut core.lock(), row, consent).unwrap().id
    }

    /// The grants of the home folder that permit something.
    fn open_grants(&self) -> Vec<u64> {
        let mut state = self.companion.core.lock();
        state.reload_consents(&self.companion.core.db);
        let grants = state.consents.list().into_iter();
        grants.filter(|grant| grant.state == GrantState::Active).map(|grant| grant.id).collect()
    }
}

/// A consent to fetch and to serve, which a fetch cannot start with: it lacks the one to import.
fn partial_consent() -> Consent {
    Consent {
        actions: vec![Action::Fetch, Action::Serve],
        by: "flag".to_owned(),
        expires_unix: None,
        quota_bytes: None,
        accept_publisher_key: None,
    }
}

#[test]
fn end_of_a_run_is_not_booked_to_the_request_that_replaced_it() {
    for is_replaced in [true, false] {
        let one = OneFetch::new();
        let (core, id) = (&one.companion.core, one.id);
        // Without it the changed request would ask, under a number of its own.
        let actions = vec![Action::Fetch, Action::Import];
        one.add_with(one.new.clone(), Some(&Consent { actions, ..partial_consent() }));
        {
            let mut state = core.lock();
            let row = TransferRow { paused: true, ..state.table.row(id).unwrap() };
            state.table.put(row.clone()).unwrap();
            let control = Control::default();
            let running = RunningTransfer {
                run: 1,
                row,
                desired: RUN,
                control,
                offer: None,
                listening: None,
                snapshot: None,
                ways: Reach::default(),
            };
            state.runs.begin(running);
        }
        if is_replaced {
            let receipt = Some(one.folder.path().join("elsewhere"));
            assert_eq!(one.add(NewFetch { receipt, ..one.new.clone() }), id);
        }
        let path = one.folder.path().join("out/a.slm");
        core.ended(id, 1, Ok(End::Done(JobResult::Fetched(PlacedFile { receipt: path.clone(), path }))));
        assert_eq!(core.lock().table.row(id).unwrap().end.is_none(), is_replaced);
    }
}

// Rows: H7
#[test]
fn consent_ends_with_the_request_that_a_changed_one_replaced() {
    let one = OneFetch::new();
    let id = one.add_with(one.new.clone(), Some(&partial_consent()));
    assert_eq!((id, one.open_grants()), (one.id, vec![1, 2]));
    let receipt = Some(one.folder.path().join("elsewhere"));
    let changed = one.add(NewFetch { receipt, ..one.new.clone() });
    assert_ne!(changed, id);
    assert_eq!(one.open_grants(), [0; 0]);
}

// Rows: H7
#[test]
fn request_for_other_peers_ends_the_consents_for_those_before() {
    let one = OneFetch::new();
    one.add_with(one.new.clone(), Some(&partial_consent()));
    let core = &one.companion.core;
    let row = core.lock().table.row(one.id).unwrap();
    core.lock().table.put(TransferRow { paused: true, ..row }).unwrap();
    one.add(NewFetch { allow: vec!["a".repeat(52)], ..one.new.clone() });
    assert_eq!(one.open_grants(), [0; 0]);
}

// Rows: H7
#[test]
fn answer_to_a_paused_request_does_not_apply_to_a_changed_one() {
    let one = OneFetch::new();
    let core = &one.companion.core;
    let pause = |id: u64| {
        let row = core.lock().table.row(id).unwrap();
        core.lock().table.put(TransferRow { paused: true, ..row }).unwrap();
    };
    let peers = |allow: &[&str]| NewFetch {
        allow: allow.iter().map(|peer| peer.repeat(52)).collect(),
        keep_seeding: true,
        ..one.new.clone()
    };
    let first = one.add(peers(&["a"]));
    pause(first);
    assert_eq!(one.add(peers(&["a"])), first, "the same goes on");
    pause(first);
    let changed = one.add(peers(&[]));
    assert_ne!(changed, first);
    assert!(core.lock().table.get(first).is_none());
}

// Rows: H7
#[test]
fn changed_request_keeps_what_the_user_agreed_to_before() {
    let one = OneFetch::new();
    let core = &one.companion.core;
    let actions = vec![Action::Fetch, Action::Import];
    one.add_with(one.new.clone(), Some(&Consent { actions, ..partial_consent() }));
    let row = core.lock().table.row(one.id).unwrap();
    core.lock().table.put(TransferRow { paused: true, ..row }).unwrap();
    // It asks for one consent more, and nobody gives it: a verb that drops what it added drops nothing here.
    let changed = NewFetch { keep_seeding: true, ..one.new.clone() };
    let row = TransferRow::fetch(changed, one.swarm_id.clone(), 7);
    let told = core.add(&mut core.lock(), row, None).unwrap();
    assert_eq!((told.id, told.is_new), (one.id, false));
    assert_eq!(one.open_grants(), [1, 2]);
}

// Rows: H7
#[test]
fn question_whose_consent_ended_is_asked_anew_when_changed() {
    let one = OneFetch::new();
    let core = &one.companion.core;
    let actions = vec![Action::Fetch, Action::Import];
    one.add_with(one.new.clone(), Some(&Consent { actions, ..partial_consent() }));
    for grant in one.open_grants() {
        one.companion.revoke(grant).unwrap();
    }
    let waiting = one.companion.transfer(one.id).unwrap();
    assert!(waiting.state == model::State::Waiting && waiting.question.is_some_and(|it| it.has_consents));
    let row = |allow: &[&str]| {
        let allow = allow.iter().map(|peer| peer.repeat(52)).collect();
        TransferRow::fetch(NewFetch { allow, ..one.new.clone() }, one.swarm_id.clone(), 7)
    };
    let changed = core.add(&mut core.lock(), row(&["a"]), None).unwrap();
    assert!(changed.id != one.id && !changed.is_new, "the number of the question that was shown is gone");
    assert!(core.lock().table.get(one.id).is_none());
    // So it goes on with the next change: what was asked for the last is not what is asked now.
    let next = core.add(&mut core.lock(), row(&["b"]), None).unwrap();
    assert!(next.id != changed.id && core.lock().table.row(next.id).unwrap().grants.is_empty());
}

// Rows: H7
#[test]
fn request_that_is_refused_changes_nothing() {
    let one = OneFetch::new();
    let core = &one.companion.core;
    one.add_with(one.new.clone(), Some(&partial_consent()));
    let row = core.lock().table.row(one.id).unwrap();
    core.lock().table.put(TransferRow { paused: true, ..row }).unwrap();
    let row = || core.lock().table.row(one.id).unwrap();
    let before = (row(), one.open_grants());
    let changed = NewFetch { allow: vec!["a".repeat(52)], keep_seeding: true, ..one.new.clone() };
    let demanded =
        NewFetch { publisher_key: Some(format!("ed25519:{}", "0a".repeat(32))), ..changed.clone() };
    let not_fitting = Consent { actions: vec![Action::Cache], ..partial_consent() };
    let consents = [
        not_fitting,
        Consent { quota_bytes: Some(0), ..partial_consent() },
        Consent { expires_unix: Some(1), ..partial_consent() },
        Consent { actions: vec![Action::Fetch, Action::Fetch], ..partial_consent() },
        Consent { by: "\u{1b}".to_owned(), ..partial_consent() },
    ];
    let other_peers = NewFetch { allow: vec!["b".repeat(52)], ..one.new.clone() };
    let refused = |new: &NewFetch, consent: Option<&Consent>| {
        let row = TransferRow::fetch(new.clone(), one.swarm_id.clone(), 7);
        core.add(&mut core.lock(), row, consent).unwrap_err();
    };
    refused(&demanded, None);
    assert_eq!((row(), one.open_grants()), before);
    for consent in &consents {
        for new in [&changed, &other_peers] {
            refused(new, Some(consent));
            assert_eq!((row(), one.open_grants()), before, "{consent:?}");
        }
    }
    // One whose options differ in nothing but its peers takes the row's place or changes it, with or without a question.
    let going_on = TransferRow { paused: false, ..row() };
    core.lock().table.put(going_on).unwrap();
    one.add_with(one.new.clone(), Some(&Consent { actions: vec![Action::Import], ..partial_consent() }));
    let before = (row(), one.open_grants());
    for consent in &consents {
        refused(&other_peers, Some(consent));
        assert_eq!((row(), one.open_grants()), before, "{consent:?}");
    }
}

// Rows: H7
#[test]
fn key_that_a_request_demands_is_not_dropped_by_an_equal_one() {
    let one = OneFetch::new();
    let core = &one.companion.core;
    let demanded = Some("k".repeat(52));
    let row = core.lock().table.row(one.id).unwrap();
    core.lock().table.put(TransferRow { publisher_key: demanded.clone(), ..row }).unwrap();
    let id = one.add(one.new.clone());
    assert_eq!(core.lock().table.row(id).unwrap().publisher_key, demanded);
}

// Rows: H7
#[test]
fn grants_that_no_row_lists_after_a_crash_are_revoked() {
    let one = OneFetch::new();
    let core = &one.companion.core;
    {
        let mut state = core.lock();
        let row = state.table.row(one.id).unwrap();
        // The companion ends before the row lists the grants.
        let State { consents, table, .. } = &mut *state;
        consents.begin_giving(&core.db, table, &row).unwrap();
        consents.give(&row, &partial_consent()).unwrap();
        assert_eq!(consents.list().iter().filter(|grant| grant.state == GrantState::Active).count(), 2);
        // Another process gives a consent before the companion starts again: the note of the first is not lost.
        consents.begin_giving(&core.db, table, &row).unwrap();
        assert_eq!(consents.list().iter().filter(|grant| grant.state == GrantState::Active).count(), 0);
        consents.give(&row, &partial_consent()).unwrap();
    }
    // Before anything is permitted, what is left is ended.
    assert_eq!(one.open_grants(), [0; 0]);
    let mut state = core.lock();
    let State { consents, table, .. } = &mut *state;
    // Only what was being given: a grant of the user's own stays.
    let row = table.row(one.id).unwrap();
    let given = consents.give(&row, &partial_consent()).unwrap();
    consents.end_leftovers(&core.db, table).unwrap();
    drop(state);
    assert_eq!(one.open_grants(), given);
}

// Rows: H7
#[test]
fn grants_of_a_finished_fetch_left_by_a_kill_are_revoked() {
    let one = OneFetch::new();
    one.add_with(one.new.clone(), Some(&partial_consent()));
    let core = &one.companion.core;
    let mut state = core.lock();
    let row = state.table.row(one.id).unwrap();
    let path = one.folder.path().join("out/a.slm");
    let end = Some(FinalState::Done(PlacedFile { path: path.clone(), receipt: path }));
    // The companion is killed before the grants are revoked.
    state.table.put(TransferRow { end, ..row }).unwrap();
    let State { consents, table, .. } = &mut *state;
    consents.end_leftovers(&core.db, table).unwrap();
    assert!(state.table.row(one.id).unwrap().grants.is_empty());
    drop(state);
    assert_eq!(one.open_grants(), [0; 0]);
}

#[test]
fn transfer_that_is_to_stop_shows_no_offer_while_its_run_ends() {
    let one = OneFetch::new();
    let (core, id) = (&one.companion.core, one.id);
    let mut state = core.lock();
    let row = TransferRow { paused: true, ..state.table.row(id).unwrap() };
    state.table.put(row.clone()).unwrap();
    let key = SigningKey::from_bytes(&[1; 32]);
    let peer = PeerId(key.verifying_key().to_bytes());
    let addresses = vec![([127, 0, 0, 1], 4433).into()];
    let offer = Offer { peer, swarm_id: [1; 32], addresses, expires_unix: 1_000 };
    let offer = Some(SignedOffer::sign(offer, &key).unwrap());
    let (control, snapshot) = (Control::default(), Some(Box::default()));
    let ways = Reach::default();
    let running =
        RunningTransfer { run: 1, row, desired: RUN, control, offer, listening: None, snapshot, ways };
    state.runs.begin(running);
    assert_eq!(core.view(&state, id).unwrap().offer, None);
}

#[test]
fn consent_ended_before_the_start_leaves_no_entry_downloading() {
    let one = OneFetch::new();
    let core = &one.companion.core;
    core.begin(&mut core.lock(), one.id, RUN).unwrap();
    assert!(core.lock().runs.are_over());
    let entries = core.library.list().unwrap();
    assert!(entries.iter().all(|entry| entry.state != EntryState::Downloading), "{entries:?}");
}
