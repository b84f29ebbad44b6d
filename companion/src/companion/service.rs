//! The companion's implementation of [`Service`].

use std::path::Path;

use minimodel::clock::now_unix;
use minimodel::consent::{self, Grant, LogEntry, LogVerdict, NewGrant};
use minimodel_verifier::Manifest;

use super::Companion;
use super::row::parse;
use crate::doctor;
use crate::folders::AllowedFolders;
use crate::limits::{ledger, schedule};
use crate::model::validate;
use crate::model::{
    Activated, Activation, Announcement, ChunkMap, Consent, Entry, EntryState, Event, Files, Finding, Fits,
    KnownBan, KnownPublisher, Limits, Moved, NewEntry, NewFetch, NewShare, Pruned, RateHistory, ReceiptLine,
    ReceiptText, Span, Status, Transfer, TransferLimits,
};
use crate::problem::{Problem, code};
use crate::records::{self, Bans, Imported};
use crate::service::{Answer, Service};

impl Companion {
    fn told_library<T>(&self, answer: Answer<T>) -> Answer<T> {
        if answer.is_ok() {
            self.core.notify(Event::Library);
        }
        answer
    }

    fn check(&self) -> impl Fn(&Manifest, &Path) -> Result<(), Problem> + '_ {
        |manifest, path| self.core.checks.file(manifest, path)
    }
}

impl Service for Companion {
    fn status(&self) -> Answer<Status> {
        Ok(self.core.status())
    }

    fn stop(&self) -> Answer<()> {
        self.core.asked_to_stop.send_replace(true);
        Ok(())
    }

    fn share(&self, new: NewShare) -> Answer<Transfer> {
        self.core.add_share(new)
    }

    fn fetch(&self, new: NewFetch) -> Answer<Transfer> {
        self.core.add_fetch(new)
    }

    fn transfer(&self, id: u64) -> Answer<Transfer> {
        self.core.view(&self.core.lock(), id)
    }

    fn chunks(&self, id: u64, cells: u32) -> Answer<ChunkMap> {
        self.core.chunk_map(id, validate::cells(cells)?)
    }

    fn history(&self, id: Option<u64>, span: Span) -> Answer<RateHistory> {
        let state = self.core.lock();
        id.map(|id| state.table.row(id)).transpose()?;
        Ok(state.rates.of(id, span, now_unix()))
    }

    fn answer(&self, id: u64, consent: Consent) -> Answer<Transfer> {
        validate::consent(&consent)?;
        self.core.answered(id, &consent)
    }

    fn start(&self, id: u64) -> Answer<Transfer> {
        self.core.started(id)
    }

    fn pause(&self, id: u64) -> Answer<Transfer> {
        self.core.paused(id)
    }

    fn limit(&self, id: u64, limits: TransferLimits) -> Answer<Transfer> {
        self.core.limited(id, limits)
    }

    fn forget(&self, id: u64) -> Answer<()> {
        self.core.forgotten(id)
    }

    fn limits(&self) -> Answer<Limits> {
        Ok(self.core.lock().limits.get().clone())
    }

    fn set_limits(&self, limits: Limits) -> Answer<Limits> {
        schedule::validate(&limits)?;
        let mut state = self.core.lock();
        state.limits.set(limits.clone()).map_err(Problem::from)?;
        self.core.notify(Event::Limits);
        self.core.wake(&mut state);
        Ok(limits)
    }

    fn moved(&self, days: u32) -> Answer<Vec<Moved>> {
        let now = now_unix();
        self.core.accounts.flush(&self.core.db, now).map_err(Problem::from)?;
        ledger::moved(&self.core.db, days, now).map_err(Problem::from)
    }

    fn grants(&self) -> Answer<Vec<Grant>> {
        let mut state = self.core.lock();
        state.consents.book.reload_if_changed().map_err(Problem::from)?;
        Ok(state.consents.list())
    }

    fn grant(&self, new: NewGrant) -> Answer<Vec<Grant>> {
        validate::grant(&new)?;
        let numbers = {
            let mut state = self.core.lock();
            let numbers = state.consents.book.grant(&new, now_unix()).map_err(Problem::from)?;
            self.core.notify(Event::Consent);
            self.core.wake(&mut state);
            numbers
        };
        numbers.into_iter().map(|number| self.core.lock().consents.grant(number)).collect()
    }

    fn revoke(&self, id: u64) -> Answer<Grant> {
        self.core.lock().consents.grant(id)?;
        {
            let mut state = self.core.lock();
            state.consents.book.revoke(id, "user", now_unix()).map_err(Problem::from)?;
            self.core.notify(Event::Consent);
            self.core.wake(&mut state);
        }
        self.core.lock().consents.grant(id)
    }

    fn consent_log(&self) -> Answer<Vec<LogEntry>> {
        let mut state = self.core.lock();
        state.consents.book.reload_if_changed()?;
        Ok(state.consents.book.lines())
    }

    fn verify_log(&self) -> Answer<LogVerdict> {
        let remembered = self.core.lock().consents.book.remembered().to_vec();
        Ok(consent::verify(&self.core.places.state, &self.core.places.data, &remembered)?)
    }

    fn announcements(&self) -> Answer<Vec<Announcement>> {
        Ok(self.core.announced_now())
    }

    fn announce(&self, transfer: u64, consent: Consent) -> Answer<Announcement> {
        self.core.announced(transfer, &consent)
    }

    fn unannounce(&self, transfer: u64) -> Answer<()> {
        self.core.unannounced(transfer)
    }

    fn library(&self) -> Answer<Vec<Entry>> {
        self.core.library.refresh_all()?;
        self.core.library.list()
    }

    fn entry(&self, id: u64) -> Answer<Entry> {
        self.core.library.refresh(id)
    }

    fn manifest(&self, id: u64) -> Answer<String> {
        self.core.library.manifest(id)
    }

    fn add(&self, new: NewEntry) -> Answer<Entry> {
        validate::entry(&new)?;
        let (manifest, now) = (parse(&new.manifest)?, now_unix());
        let accepted = self.core.signers.check_library(&manifest, new.accept_publisher_key.as_deref())?;
        if let Some(path) = &new.path {
            self.core.checks.file(&manifest, path)?;
        }
        self.core.signers.keep(&manifest, accepted.as_ref())?;
        let id = self.core.library.add_manifest(&manifest, now)?;
        if let Some(path) = &new.path {
            self.core.library.placed(id, path, None, false, now)?;
        }
        self.told_library(self.core.library.refresh(id))
    }

    fn verify(&self, id: u64) -> Answer<Entry> {
        self.told_library(self.core.library.verify(id, &self.check(), now_unix()))
    }

    fn remove(&self, id: u64) -> Answer<()> {
        // The lock is held so that no transfer starts to use the entry meanwhile.
        let state = self.core.lock();
        let in_use = state.entries_in_use(&self.core.library);
        self.told_library(self.core.library.remove(id, &in_use))
    }

    fn pin(&self, id: u64, pinned: bool) -> Answer<Entry> {
        self.told_library(self.core.library.pin(id, pinned))
    }

    fn prune(&self, keep_bytes: u64) -> Answer<Pruned> {
        let state = self.core.lock();
        let in_use = state.entries_in_use(&self.core.library);
        self.told_library(self.core.library.prune(keep_bytes, &in_use))
    }

    fn activate(&self, id: u64, activation: Activation) -> Answer<Activated> {
        validate::activation(&activation)?;
        let (manifest, now) = (self.core.library.parsed_manifest(id)?, now_unix());
        let accepted =
            self.core.signers.check_library(&manifest, activation.accept_publisher_key.as_deref())?;
        // An entry that cannot be activated does not make its publisher's key known.
        if self.core.library.refresh(id)?.state == EntryState::Ready {
            self.core.signers.keep(&manifest, accepted.as_ref())?;
        }
        self.told_library(self.core.library.activate(id, now))
    }

    fn rollback(&self, model_id: &str) -> Answer<Activated> {
        self.told_library(self.core.library.rollback(model_id, now_unix()))
    }

    fn receipts(&self) -> Answer<Vec<ReceiptLine>> {
        let imports = records::imports(self.core.library.list()?, self.core.status().transfers);
        Ok(imports.into_iter().map(Imported::line).collect())
    }

    fn receipt(&self, id: &str) -> Answer<ReceiptText> {
        let mut imports =
            records::imports(self.core.library.list()?, self.core.status().transfers).into_iter();
        let hint = "see all: GET /v1/receipts";
        let none = || Problem::new(code::NOT_FOUND, "no receipt has this name", hint);
        imports.find(|import| import.is(id)).ok_or_else(none)?.text()
    }

    fn bans(&self) -> Answer<Vec<KnownBan>> {
        Bans::of(&self.core.checks.home)?.list(now_unix())
    }

    fn lift_ban(&self, id: &str) -> Answer<()> {
        Bans::of(&self.core.checks.home)?.lift(id, now_unix())
    }

    fn publishers(&self) -> Answer<Vec<KnownPublisher>> {
        self.core.signers.publishers()
    }

    fn pin_publisher(&self, id: &str, key: Option<&str>) -> Answer<KnownPublisher> {
        self.core.signers.pin(id, validate::publisher_key(key)?)
    }

    fn forget_publisher(&self, id: &str) -> Answer<()> {
        self.core.signers.forget(id)
    }

    fn fits(&self, manifest: &str) -> Answer<Fits> {
        Ok(self.core.library.fits(&parse(manifest)?))
    }

    fn files(&self, under: Option<&Path>) -> Answer<Files> {
        AllowedFolders::below(&self.core.places.folder).files(under)
    }

    fn chosen_manifest(&self, path: &Path) -> Answer<String> {
        AllowedFolders::below(&self.core.places.folder).manifest(path)
    }

    fn doctor(&self) -> Answer<Vec<Finding>> {
        let status = self.core.status();
        let (newest_written_unix, listens) = {
            let state = self.core.lock();
            (state.newest_unix(), state.listens())
        };
        Ok(doctor::examine(&doctor::gather(doctor::Around {
            now_unix: now_unix(),
            newest_written_unix,
            state: &self.core.places.state,
            data: &self.core.places.data,
            status: Some(status),
            listens: &listens,
            database_fault: None,
            is_repaired: self.core.db.is_repaired(),
            log: self.verify_log().map_err(|problem| problem.cause.unwrap_or(problem.error)),
        })))
    }
}
