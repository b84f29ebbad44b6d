//! A service that keeps its state in memory and returns what was put in, so that tests see what the interface changes on the
//! way. Two instances that receive equal calls give equal answers.

mod state;

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use minimodel::consent::{Action, Grant, GrantState, LogEntry, LogVerdict, NewGrant};
use minimodel_companion::model::*;
use minimodel_companion::problem::code;
use minimodel_companion::{Answer, Problem, Service};

use crate::example::publisher;

pub(crate) use self::state::{Stands, State};

/// The service in memory.
#[derive(Default)]
pub(crate) struct Memory {
    state: Mutex<State>,
    /// `verify` waits while this is true.
    held: Mutex<bool>,
    released: Condvar,
}

fn none(what: &str, id: u64) -> Problem {
    Problem::new(code::NOT_FOUND, format!("there is no {what} {id}"), "look at the list")
        .because("it is not kept")
}

impl Memory {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes `verify` wait, or releases all waiting calls.
    pub(crate) fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Transfer)) -> Answer<Transfer> {
        let mut state = self.state();
        let transfer = state.transfers.get_mut(&id).ok_or_else(|| none("transfer", id))?;
        change(transfer);
        Ok(transfer.clone())
    }

    fn change_entry(&self, id: u64, change: impl FnOnce(&mut Entry)) -> Answer<Entry> {
        let mut state = self.state();
        let (entry, _) = state.entries.get_mut(&id).ok_or_else(|| none("entry", id))?;
        change(entry);
        Ok(entry.clone())
    }
}

fn standing(consent: &Consent) -> NewGrant {
    NewGrant {
        actions: consent.actions.clone(),
        by: consent.by.clone(),
        expires_unix: consent.expires_unix,
        quota_bytes: consent.quota_bytes,
        model: None,
        peer: None,
    }
}

impl Service for Memory {
    fn status(&self) -> Answer<Status> {
        let state = self.state();
        Ok(Status {
            version: "0.0.0-\"test\\".into(),
            label: Some("a\u{202e}b".into()),
            pid: 7,
            started_utc: "2026-11-21T00:00:00Z".into(),
            peer: Some("me".into()),
            limits: state.limits.clone(),
            now: Rates { up: state.limits.up, down: None, paused: true },
            transfers: state.transfers.values().cloned().collect(),
        })
    }

    fn stop(&self) -> Answer<()> {
        self.state().stops += 1;
        Ok(())
    }

    fn share(&self, new: NewShare) -> Answer<Transfer> {
        let mut state = self.state();
        state.shares.push(new);
        Ok(state.add(Kind::Share, Stands::Asking))
    }

    fn fetch(&self, new: NewFetch) -> Answer<Transfer> {
        let mut state = self.state();
        state.fetches.push(new);
        Ok(state.add(Kind::Fetch, Stands::Waiting))
    }

    fn transfer(&self, id: u64) -> Answer<Transfer> {
        self.change(id, |_| ())
    }

    fn chunks(&self, id: u64, cells: u32) -> Answer<ChunkMap> {
        let transfer = self.transfer(id)?;
        let have = u8::try_from(transfer.chunks_have).unwrap();
        self.state().maps += 1;
        Ok(ChunkMap {
            chunks: u32::MAX,
            chunk_bytes: 1 << 20,
            cells,
            have: vec![have; cells as usize],
            in_flight: vec![0; cells as usize],
            least_holders: (0..cells).map(|cell| (cell % 256) as u8).collect(),
        })
    }

    fn history(&self, id: Option<u64>, span: Span) -> Answer<RateHistory> {
        id.map(|id| self.transfer(id)).transpose()?;
        let point = |at: u64| (at > 5).then_some(u64::MAX - at);
        Ok(RateHistory {
            span: span.seconds(),
            step_seconds: span.step(),
            from_unix: id.unwrap_or_default(),
            down: (0..600).map(point).collect(),
            up: vec![None; 600],
        })
    }

    fn answer(&self, id: u64, consent: Consent) -> Answer<Transfer> {
        for action in &consent.actions {
            self.state().grant(*action, &standing(&consent));
        }
        self.change(id, |transfer| transfer.state = Stands::Preparing)
    }

    fn start(&self, id: u64) -> Answer<Transfer> {
        self.change(id, |transfer| transfer.state = Stands::Running)
    }

    fn pause(&self, id: u64) -> Answer<Transfer> {
        self.change(id, |transfer| transfer.state = Stands::Paused)
    }

    fn limit(&self, id: u64, limits: TransferLimits) -> Answer<Transfer> {
        self.change(id, |transfer| transfer.limits = limits)
    }

    fn forget(&self, id: u64) -> Answer<()> {
        self.state().transfers.remove(&id).map(|_| ()).ok_or_else(|| none("transfer", id))
    }

    fn limits(&self) -> Answer<Limits> {
        Ok(self.state().limits.clone())
    }

    fn set_limits(&self, limits: Limits) -> Answer<Limits> {
        self.state().limits = limits.clone();
        Ok(limits)
    }

    fn moved(&self, days: u32) -> Answer<Vec<Moved>> {
        let moved = |day: u32| Moved {
            day: format!("2026-11-{day:02}"),
            peer: "p".into(),
            swarm_id: "s".into(),
            model: "m 1".into(),
            sent_bytes: u64::from(day),
            received_bytes: 1 << 60,
        };
        Ok((0..days).map(moved).collect())
    }

    fn grants(&self) -> Answer<Vec<Grant>> {
        Ok(self.state().grants.clone())
    }

    fn grant(&self, new: NewGrant) -> Answer<Vec<Grant>> {
        let mut state = self.state();
        Ok(new.actions.iter().map(|action| state.grant(*action, &new)).collect())
    }

    fn revoke(&self, id: u64) -> Answer<Grant> {
        let mut state = self.state();
        let grant = state.grants.iter_mut().find(|grant| grant.id == id).ok_or_else(|| none("grant", id))?;
        grant.state = GrantState::Revoked;
        Ok(grant.clone())
    }

    fn consent_log(&self) -> Answer<Vec<LogEntry>> {
        let entry = |grant: &Grant| LogEntry {
            number: grant.id,
            time_utc: grant.given_utc.clone(),
            kind: "grant".into(),
            text: format!("{:?}\t\u{7f}", grant.action),
        };
        Ok(self.state().grants.iter().map(entry).collect())
    }

    fn verify_log(&self) -> Answer<LogVerdict> {
        let entries = self.state().grants.len() as u64;
        Ok(LogVerdict { ok: false, entries, head: "h".into(), fault: Some("line 2".into()) })
    }

    fn announcements(&self) -> Answer<Vec<Announcement>> {
        Ok(self.state().announcements.clone())
    }

    fn announce(&self, transfer: u64, consent: Consent) -> Answer<Announcement> {
        let mut state = self.state();
        let grant = state.grant(Action::Publish, &standing(&consent)).id;
        let announcement = Announcement {
            transfer,
            model: "m".into(),
            offer: "mm1x".into(),
            path: "/tmp/a.offer".into(),
            grant,
            expires_utc: "2027-01-01T00:00:00Z".into(),
        };
        state.announcements.retain(|other| other.transfer != transfer);
        state.announcements.push(announcement.clone());
        Ok(announcement)
    }

    fn unannounce(&self, transfer: u64) -> Answer<()> {
        let mut state = self.state();
        let before = state.announcements.len();
        state.announcements.retain(|announcement| announcement.transfer != transfer);
        if state.announcements.len() < before { Ok(()) } else { Err(none("announcement of", transfer)) }
    }

    fn library(&self) -> Answer<Vec<Entry>> {
        Ok(self.state().entries.values().map(|(entry, _)| entry.clone()).collect())
    }

    fn entry(&self, id: u64) -> Answer<Entry> {
        self.change_entry(id, |_| ())
    }

    fn manifest(&self, id: u64) -> Answer<String> {
        let state = self.state();
        state.entries.get(&id).map(|(_, manifest)| manifest.clone()).ok_or_else(|| none("entry", id))
    }

    fn add(&self, new: NewEntry) -> Answer<Entry> {
        let mut state = self.state();
        let check =
            FitCheck { name: "ram".into(), needs: "1".into(), has: "2".into(), outcome: "pass".into() };
        let entry = Entry {
            id: state.id(),
            model_id: "a/b ü%".into(),
            model_version: "1".into(),
            publisher_id: "me".into(),
            publisher: Some(publisher()),
            swarm_id: "cd".repeat(32),
            byte_count: 5,
            state: EntryState::Ready,
            reason: Some("why".into()),
            path: new.path.map(|path| path.to_string_lossy().into_owned()),
            receipt: None,
            cached: true,
            pinned: false,
            active: false,
            used_utc: "2026-11-21T00:00:00Z".into(),
            added_utc: "2026-11-21T00:00:01Z".into(),
            fits: Fits { fits: true, checks: vec![check] },
        };
        state.entries.insert(entry.id, (entry.clone(), new.manifest));
        Ok(entry)
    }

    fn verify(&self, id: u64) -> Answer<Entry> {
        let held = self.held.lock().unwrap();
        drop(self.released.wait_timeout_while(held, Duration::from_secs(30), |held| *held).unwrap());
        self.change_entry(id, |entry| entry.reason = None)
    }

    fn remove(&self, id: u64) -> Answer<()> {
        self.state().entries.remove(&id).map(|_| ()).ok_or_else(|| none("entry", id))
    }

    fn pin(&self, id: u64, pinned: bool) -> Answer<Entry> {
        self.change_entry(id, |entry| entry.pinned = pinned)
    }

    fn prune(&self, keep_bytes: u64) -> Answer<Pruned> {
        let entries = self.state().entries.keys().copied().collect();
        Ok(Pruned { entries, bytes: keep_bytes })
    }

    fn activate(&self, id: u64, activation: Activation) -> Answer<Activated> {
        let entry = self.change_entry(id, |entry| entry.active = true)?;
        Ok(Activated {
            entry,
            link: activation.accept_publisher_key.unwrap_or("/l".into()),
            previous: Some(4),
        })
    }

    fn rollback(&self, model_id: &str) -> Answer<Activated> {
        let id =
            self.state().entries.values().find(|(entry, _)| entry.model_id == model_id).map(|(e, _)| e.id);
        let entry = self.change_entry(id.unwrap_or_default(), |entry| entry.active = false)?;
        Ok(Activated { entry, link: "/l".into(), previous: None })
    }

    fn receipts(&self) -> Answer<Vec<ReceiptLine>> {
        Ok(vec![ReceiptLine {
            id: "entry-1".into(),
            model_id: "m".into(),
            model_version: "1".into(),
            swarm_id: "s".into(),
            time_utc: None,
            path: "/p".into(),
            ok: false,
            bytes: 7,
        }])
    }

    fn receipt(&self, id: &str) -> Answer<ReceiptText> {
        if id != "entry-1" {
            return Err(none(id, 0));
        }
        let check = ReceiptCheck { name: "n".into(), outcome: "pass".into(), detail: "d".into() };
        let peer = ReceiptPeer { peer: "p".into(), bytes: 1, chunks: 2, rejected: Some("r".into()) };
        Ok(ReceiptText {
            receipt: ReceiptParts { checks: vec![check], peers: vec![peer] },
            text: "<b>\u{202e}".into(),
        })
    }

    fn bans(&self) -> Answer<Vec<KnownBan>> {
        Ok(vec![KnownBan {
            id: "b".into(),
            peer: "p".into(),
            reason: "r".into(),
            model: "m 1".into(),
            swarm_id: "s".into(),
            chunk: Some(3),
            expected: Some("e".into()),
            got: None,
            set_utc: "t".into(),
            until_utc: "u".into(),
            active: true,
            everywhere: false,
        }])
    }

    fn lift_ban(&self, id: &str) -> Answer<()> {
        if id == "b/ä" { Ok(()) } else { Err(none(id, 0)) }
    }

    fn publishers(&self) -> Answer<Vec<KnownPublisher>> {
        Ok(vec![self.pin_publisher("a", None)?])
    }

    fn pin_publisher(&self, id: &str, key: Option<&str>) -> Answer<KnownPublisher> {
        let known = KnownKey {
            key: "k".into(),
            first_seen_unix: 1,
            model: None,
            swarm_id: None,
            by: "pinned".into(),
        };
        Ok(KnownPublisher { id: id.into(), pinned: key.map(str::to_owned), keys: vec![known] })
    }

    fn forget_publisher(&self, id: &str) -> Answer<()> {
        if id == "a" { Ok(()) } else { Err(none(id, 0)) }
    }

    fn fits(&self, manifest: &str) -> Answer<Fits> {
        let check =
            FitCheck { name: manifest.into(), needs: "n".into(), has: "h".into(), outcome: "fail".into() };
        Ok(Fits { fits: false, checks: vec![check] })
    }

    fn files(&self, under: Option<&Path>) -> Answer<Files> {
        let path = under.map_or_else(String::new, |under| under.to_str().unwrap().to_owned());
        let entry = FileEntry { name: "n".into(), path, is_dir: false, bytes: 1 };
        Ok(Files { roots: vec!["/a".into()], entries: vec![entry], more: true })
    }

    fn chosen_manifest(&self, path: &Path) -> Answer<String> {
        Ok(format!("manifest of {}", path.display()))
    }

    fn doctor(&self) -> Answer<Vec<Finding>> {
        Ok(vec![Finding {
            name: "clock".into(),
            outcome: "ok".into(),
            detail: "d".into(),
            hint: Some("h".into()),
        }])
    }
}
