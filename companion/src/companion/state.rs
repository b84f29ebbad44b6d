//! State under the companion's one lock, and the decisions that need several of its parts. It starts nothing.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr};

use minimodel::consent::{Action, Permission};
use minimodel_swarm::driver::Controls;

use super::accounts::Rules;
use super::consents::ConsentState;
use super::desired::{Desired, DesiredInputs, desired};
use super::global_limits::GlobalLimits;
use super::grant_limits::{self, LimitInputs};
use super::job::is_shared;
use super::permits::TransferPermits;
use super::retries::Retries;
use super::row::TransferRow;
use super::running::Runs;
use super::table::TransferTable;
use crate::db::Db;
use crate::doctor::ListenAt;
use crate::history::Histories;
use crate::library::Library;
use crate::model::Kind;

/// What is wanted, what is permitted, and what runs.
pub(super) struct State {
    pub(super) table: TransferTable,
    pub(super) runs: Runs,
    pub(super) retries: Retries,
    pub(super) consents: ConsentState,
    pub(super) limits: GlobalLimits,
    pub(super) rates: Histories,
    pub(super) is_ending: bool,
    /// The reconciler must run now.
    pub(super) is_stale: bool,
}

impl State {
    /// Reads the consent log again if it changed, and ends what a companion that was killed left active in it.
    pub(super) fn reload_consents(&mut self, db: &Db) {
        self.consents.reload(db, &mut self.table);
    }

    pub(super) fn permits<'a>(&'a self, row: &'a TransferRow) -> TransferPermits<'a> {
        TransferPermits::new(&self.consents, &self.table, row, &self.runs)
    }

    /// Returns the desired state of a transfer.
    pub(super) fn desired_of(&self, row: &TransferRow) -> Desired {
        let inputs = DesiredInputs {
            hour_is_closed: self.limits.rates().paused,
            pause_after: self.retries.waits_for(row.id),
            is_second: self.is_second(row),
            ..self.permits(row).inputs()
        };
        desired(row, &inputs)
    }

    /// Returns true for a fetch that does not run, of a model that another fetch is getting.
    fn is_second(&self, row: &TransferRow) -> bool {
        let is_rival = |other: &TransferRow| {
            other.kind == Kind::Fetch && other.swarm_id == row.swarm_id && self.runs.of(other.id).is_some()
        };
        row.kind == Kind::Fetch && self.runs.of(row.id).is_none() && self.table.all().any(is_rival)
    }

    /// Returns the grants and the daily quota that a transfer's bytes count against.
    pub(super) fn rules_of(&self, row: &TransferRow) -> Rules {
        self.permits(row).rules(self.limits.get().peer_day_bytes)
    }

    /// Returns which peers a transfer may talk to; how many bytes may move is decided by its gate.
    pub(super) fn controls_of(&self, row: &TransferRow) -> Controls {
        let (permits, running) = (self.permits(row), self.runs.of(row.id));
        let (serve, fetch) = (permits.permission(Action::Serve), permits.permission(Action::Fetch));
        let mut controls = grant_limits::controls(&LimitInputs {
            row,
            slots: self.limits.get().slots,
            serve: serve.is_some().then_some(&serve),
            fetch: (row.kind == Kind::Fetch && fetch.is_some()).then_some(&fetch),
            quota_version: running.map_or(0, |running| self.consents.accounts.quota_version(running.run)),
        });
        let ends_with = |permission: &Permission, action| {
            running.filter(|_| !permission.is_some() && permits.has_last_bytes(action))
        };
        if let Some(running) = ends_with(&serve, Action::Serve) {
            // Connected peers may finish what is under way to them; the gate gives no peer more.
            controls.allow = running.control.controls().allow;
        }
        if let Some(running) = ends_with(&fetch, Action::Fetch) {
            // Requested chunks may still arrive; the gate lets no further request pass.
            controls.sources = running.control.controls().sources;
        }
        controls
    }

    /// Forgets what is kept of a removed transfer beside its row and its run.
    pub(super) fn forget(&mut self, id: u64) {
        self.retries.clear(id);
        self.rates.forget(id);
    }

    /// Keeps the rates of this second.
    pub(super) fn sample_rates(&mut self, now_unix: u64) {
        self.rates.sample(now_unix, self.runs.rates());
    }

    /// Returns the library entries that transfers use now or will use when they resume.
    pub(super) fn entries_in_use(&self, library: &Library) -> BTreeSet<u64> {
        let used = self.table.all().filter(|row| row.end.is_none());
        let entry =
            |row: &TransferRow| row.entry.or_else(|| library.find(&row.swarm_id).ok()?.map(|entry| entry.id));
        used.chain(self.runs.draining()).filter_map(entry).collect()
    }

    /// Returns the newest time found in the rows and the consent log.
    pub(super) fn newest_unix(&self) -> Option<u64> {
        self.table.all().map(|row| row.created_unix).max().max(self.consents.book.newest_unix())
    }

    /// Returns the address at which each transfer listens or will listen, and that at which it was to listen, where another
    /// program had the port.
    pub(super) fn listens(&self) -> Vec<ListenAt> {
        // A transfer that is starting or stopping may or may not hold its port, so its port is no evidence.
        let is_settled = |row: &&TransferRow| {
            self.runs.of(row.id).is_none_or(|running| {
                let is_wanted = self.desired_of(row) == running.desired;
                running.snapshot.is_some() && !running.is_ending() && is_wanted
            })
        };
        // The other transfers of the shared endpoint have its port, so that it need not be free for one that does not run.
        let is_held = |row: &TransferRow| {
            let others = || self.table.all().filter(|other| is_shared(other));
            let runs = |row: &TransferRow| self.runs.of(row.id).is_some();
            is_shared(row) && !runs(row) && others().any(runs)
        };
        let settled = self.table.all().filter(is_settled).filter(|row| !is_held(row));
        let listens = settled.flat_map(|row| {
            let at = |port: u16, is_lost: bool| {
                let named = row.endpoint.listen.unwrap_or((Ipv6Addr::UNSPECIFIED, 0).into());
                let port = Some(named.port()).filter(|&port| port != 0).unwrap_or(port);
                ListenAt { transfer: row.id, address: SocketAddr::new(named.ip(), port), is_lost }
            };
            let now = self.runs.of(row.id).and_then(|running| running.listening);
            let port = now.map(|now| now.port).or(row.last_port).unwrap_or(0);
            let lost = now.and_then(|now| now.taken_port).map(|port| at(port, true));
            std::iter::once(at(port, false)).chain(lost)
        });
        listens.filter(|listen| listen.address.port() != 0).collect()
    }
}
