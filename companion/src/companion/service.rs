//! The companion's implementation of [`Service`].

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use minimodel::clock::now_unix;
use minimodel::consent::{self, Grant, LogEntry, LogVerdict, NewGrant};
use minimodel_verifier::Manifest;

use super::row::{TransferRow, parse};
use super::{Companion, Core};
use crate::doctor;
use crate::limits::{ledger, schedule, store};
use crate::model::validate;
use crate::model::{
    Activated, Activation, Announcement, Consent, Entry, EntryState, Event, Finding, Fits, Limits, Moved,
    NewEntry, NewFetch, NewShare, Pruned, Status, Transfer, TransferLimits,
};
use crate::problem::{Problem, code};
use crate::service::{Answer, Service};

impl Companion {
    fn told_library<T>(&self, answer: Answer<T>) -> Answer<T> {
        if answer.is_ok() {
            let _ = self.core.events.send(Event::Library);
        }
        answer
    }

    fn check(&self) -> impl Fn(&Manifest, &Path) -> Result<(), Problem> + '_ {
        |manifest, path| self.core.check_file(manifest, path)
    }
}

impl Core {
    fn grant_of(&self, id: u64) -> Answer<Grant> {
        let mut inner = self.lock();
        // A damaged log must be reported as such, not as an unknown grant.
        inner.book.reload_if_changed().map_err(Problem::from)?;
        let grants = inner.book.grants().list(now_unix(), |grant| inner.accounts.used(grant));
        grants.into_iter().find(|grant| grant.id == id).ok_or_else(|| {
            Problem::new(
                code::NOT_FOUND,
                format!("there is no grant {id}"),
                "see all: `minimodel consent list --all`",
            )
        })
    }

    /// Returns the newest time found in the rows and the consent log, and the address at which each transfer listens.
    fn for_doctor(&self) -> (Option<u64>, Vec<(u64, SocketAddr)>) {
        let inner = self.lock();
        let agreed = inner.book.newest_unix();
        let newest = inner.rows.values().map(|row| row.created_unix).max().max(agreed);
        // A transfer that is starting or stopping may or may not hold its port, so its port is no evidence.
        let is_settled = |row: &&TransferRow| {
            inner.running.get(&row.id).is_none_or(|running| {
                let is_wanted = self.desired_of(&inner, row.id).as_ref() == Some(&running.desired);
                running.snapshot.is_some() && !running.is_ending() && is_wanted
            })
        };
        let listens = inner.rows.values().filter(is_settled).filter_map(|row| {
            let mut at = row.endpoint.listen.unwrap_or((Ipv6Addr::UNSPECIFIED, 0).into());
            if at.port() == 0 {
                at.set_port(row.last_port?);
            }
            Some((row.id, at))
        });
        (newest, listens.collect())
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
        let inner = self.core.lock();
        self.core.view(&inner, id).ok_or_else(|| super::transfers::unknown(id))
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
        Ok(self.core.lock().limits.clone())
    }

    fn set_limits(&self, limits: Limits) -> Answer<Limits> {
        schedule::validate(&limits)?;
        let mut inner = self.core.lock();
        store::save(&self.core.db, &limits).map_err(Problem::from)?;
        inner.limits = limits.clone();
        let _ = self.core.events.send(Event::Limits);
        self.core.wake(&mut inner);
        Ok(limits)
    }

    fn moved(&self, days: u32) -> Answer<Vec<Moved>> {
        let accounts = self.core.lock().accounts.clone();
        let now = now_unix();
        accounts.flush(&self.core.db, now).map_err(Problem::from)?;
        ledger::moved(&self.core.db, days, now).map_err(Problem::from)
    }

    fn grants(&self) -> Answer<Vec<Grant>> {
        let mut inner = self.core.lock();
        inner.book.reload_if_changed().map_err(Problem::from)?;
        Ok(inner.book.grants().list(now_unix(), |grant| inner.accounts.used(grant)))
    }

    fn grant(&self, new: NewGrant) -> Answer<Vec<Grant>> {
        validate::grant(&new)?;
        let numbers = {
            let mut inner = self.core.lock();
            let numbers = inner.book.grant(&new, now_unix()).map_err(Problem::from)?;
            let _ = self.core.events.send(Event::Consent);
            self.core.wake(&mut inner);
            numbers
        };
        numbers.into_iter().map(|number| self.core.grant_of(number)).collect()
    }

    fn revoke(&self, id: u64) -> Answer<Grant> {
        self.core.grant_of(id)?;
        {
            let mut inner = self.core.lock();
            inner.book.revoke(id, "user", now_unix()).map_err(Problem::from)?;
            let _ = self.core.events.send(Event::Consent);
            self.core.wake(&mut inner);
        }
        self.core.grant_of(id)
    }

    fn consent_log(&self) -> Answer<Vec<LogEntry>> {
        let mut inner = self.core.lock();
        inner.book.reload_if_changed()?;
        Ok(inner.book.lines())
    }

    fn verify_log(&self) -> Answer<LogVerdict> {
        let remembered = self.core.lock().book.remembered().to_vec();
        Ok(consent::verify(&self.core.places.state, &self.core.places.data, &remembered)?)
    }

    fn announcements(&self) -> Answer<Vec<Announcement>> {
        Ok(self.core.announcements())
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
        let accepted = self.core.check_library_signer(&manifest, new.accept_publisher_key.as_deref())?;
        if let Some(path) = &new.path {
            self.core.check_file(&manifest, path)?;
        }
        self.core.publishers.keep(&manifest, accepted.as_ref(), now)?;
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
        let inner = self.core.lock();
        let in_use = self.core.entries_in_use(&inner);
        self.told_library(self.core.library.remove(id, &in_use))
    }

    fn pin(&self, id: u64, pinned: bool) -> Answer<Entry> {
        self.told_library(self.core.library.pin(id, pinned))
    }

    fn prune(&self, keep_bytes: u64) -> Answer<Pruned> {
        let inner = self.core.lock();
        let in_use = self.core.entries_in_use(&inner);
        self.told_library(self.core.library.prune(keep_bytes, &in_use))
    }

    fn activate(&self, id: u64, activation: Activation) -> Answer<Activated> {
        validate::activation(&activation)?;
        let (manifest, now) = (self.core.library.parsed_manifest(id)?, now_unix());
        let accepted =
            self.core.check_library_signer(&manifest, activation.accept_publisher_key.as_deref())?;
        // An entry that cannot be activated does not make its publisher's key known.
        if self.core.library.refresh(id)?.state == EntryState::Ready {
            self.core.publishers.keep(&manifest, accepted.as_ref(), now)?;
        }
        self.told_library(self.core.library.activate(id, now))
    }

    fn rollback(&self, model_id: &str) -> Answer<Activated> {
        self.told_library(self.core.library.rollback(model_id, now_unix()))
    }

    fn fits(&self, manifest: &str) -> Answer<Fits> {
        Ok(self.core.library.fits(&parse(manifest)?))
    }

    fn doctor(&self) -> Answer<Vec<Finding>> {
        let status = self.core.status();
        let (newest_written_unix, listens) = self.core.for_doctor();
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
