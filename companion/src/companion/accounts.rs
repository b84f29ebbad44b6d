//! Quota accounting: bytes moved per peer and day, and per grant. Each chunk is counted before it moves, over all transfers, so
//! that a peer that takes from several transfers at once exceeds no quota. Moved bytes are written to the database every few
//! seconds. Bytes that count against a quota or a peer's day are written *before* they move (`quota_leases`): after a crash too much is
//! counted, by a bounded amount, and never too little.

mod run_gate;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use minimodel::consent::{Open, charged};
use minimodel_swarm::driver::{Account, Direction, QuotaGate, QuotaRefusal};
use minimodel_wire::PeerId;

use self::run_gate::RunGate;
use super::moved_bytes::MovedBytes;
use super::quota_leases::{DayLeases, QuotaLeases};
use crate::db::{Db, DbError};
use crate::limits::{ledger, today, usage};

const DAY: u64 = 24 * 3600;

/// Pause before a failed write of leases is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// Grants and daily quota that the bytes of a run count against.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Grants to serve, in the order in which they are charged.
    pub(super) serve: Vec<Open>,
    /// Grants to fetch, in the same order.
    pub(super) fetch: Vec<Open>,
    /// Payload bytes that may be sent to each peer per day.
    pub(super) day_bytes: Option<u64>,
}

/// One run (session) of a transfer.
#[derive(Debug, Default)]
struct Run {
    rules: Rules,
    /// Changes with the rules and with the day, after which a quota that was used up may have room.
    quota_version: u64,
    moved: MovedBytes,
    /// Grants that admitted bytes.
    charged: BTreeSet<(Direction, u64)>,
    /// Swarm id and model, for the transfer log.
    swarm_id: String,
    model: String,
}

/// Bytes moved by peer, swarm and model.
type Moves = BTreeMap<(String, String, String), MovedBytes>;

#[derive(Debug, Default)]
struct AccountsState {
    runs: BTreeMap<u64, Run>,
    /// Bytes that are not in the transfer log yet.
    unlogged: Moves,
    /// All bytes ever moved under each grant, and the grants whose sum is not written yet.
    used: BTreeMap<u64, u64>,
    unwritten: BTreeSet<u64>,
    /// Bytes sent to each peer on `day`.
    sent_today: BTreeMap<String, u64>,
    day: u64,
    /// Reserved bytes that are not settled yet: under each grant, and to each peer.
    under_way: BTreeMap<u64, u64>,
    under_way_to: BTreeMap<PeerId, u64>,
    /// Leases; `None`: nothing is written ahead, as in a process that runs no transfers.
    leases: Option<QuotaLeases>,
    /// A lease is being written.
    is_writing: bool,
    /// The next flush must remove the day's leases.
    had_leases: bool,
}

/// Cloneable handle to the shared accounts. Locked for moments only; lock order: the companion's lock, then this one.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts(Arc<(Mutex<AccountsState>, Condvar)>);

impl Accounts {
    /// Loads the accounts from the database.
    pub(super) fn load(db: &Db, now_unix: u64) -> Result<Self, DbError> {
        let mut state = AccountsState {
            used: usage::used(db)?,
            sent_today: ledger::sent_today(db, now_unix)?,
            day: now_unix / DAY,
            ..AccountsState::default()
        };
        // Leases that a crash left of today count as sent.
        DayLeases::load(db)?.count_as_sent(state.day, &mut state.sent_today);
        Ok(Self(Arc::new((state.into(), Condvar::new()))))
    }

    fn lock(&self) -> MutexGuard<'_, AccountsState> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requires from now on that bytes under a quota or a peer's day have a lease on disk before they pass;
    /// [`write_leases`](Self::write_leases) writes the leases.
    pub(super) fn require_leases(&self) {
        let mut state = self.lock();
        state.leases = Some(QuotaLeases::new(state.day));
    }

    /// Writes leases as they are asked for, until [`end_leases`](Self::end_leases); runs on a thread of its own, since it waits for
    /// the disk.
    pub(super) fn write_leases(&self, db: &Db) {
        let mut state = self.lock();
        loop {
            let Some(leases) = &mut state.leases else { return };
            let Some(wanted) = leases.take_wanted() else {
                state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.is_writing = true;
            drop(state);
            let is_written = db.change::<_, DbError>(|change| wanted.write(change)).is_ok();
            if !is_written {
                // Bytes whose lease a failing disk cannot write do not move.
                std::thread::sleep(AGAIN);
            }
            state = self.lock();
            state.is_writing = false;
            if let Some(leases) = &mut state.leases {
                leases.written(wanted, is_written);
            }
            self.0.1.notify_all();
        }
    }

    /// Ends [`write_leases`](Self::write_leases) in good order: the next flush replaces leases by what has moved.
    pub(super) fn end_leases(&self) {
        let mut state = self.lock();
        if let Some(leases) = state.leases.take() {
            let leased: Vec<u64> = leases.grants().collect();
            state.unwritten.extend(leased);
            state.had_leases = true;
        }
        self.0.1.notify_all();
        // A pending lease must not be written after the true sums.
        let waited = self.0.1.wait_while(state, |state| state.is_writing);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Creates the gate of a new run of this swarm and model.
    pub(super) fn gate(&self, run: u64, swarm_id: &str, model: &str, rules: Rules) -> Arc<dyn QuotaGate> {
        let (swarm_id, model) = (swarm_id.to_owned(), model.to_owned());
        let mut state = self.lock();
        state.request_leases(&rules);
        state.runs.insert(run, Run { rules, swarm_id, model, ..Run::default() });
        drop(state);
        self.0.1.notify_all();
        Arc::new(RunGate { accounts: self.clone(), run })
    }

    /// Replaces the rules of a run.
    pub(super) fn rule(&self, run: u64, rules: Rules) {
        if let Some(run) = self.lock().runs.get_mut(&run).filter(|run| run.rules != rules) {
            run.rules = rules;
            run.quota_version += 1;
        }
    }

    /// Returns the version of the quotas of a run.
    pub(super) fn quota_version(&self, run: u64) -> u64 {
        self.lock().runs.get(&run).map_or(0, |run| run.quota_version)
    }

    /// Ends a run; its gate admits nothing more.
    pub(super) fn end(&self, run: u64) {
        self.lock().runs.remove(&run);
    }

    /// Bytes that moved under a grant.
    pub(super) fn used(&self, grant: u64) -> u64 {
        self.lock().used_under(grant)
    }

    /// Returns the payload bytes moved in a run, and the grants that admitted bytes in this direction.
    pub(super) fn of_run(&self, run: u64, way: Direction) -> (MovedBytes, Vec<u64>) {
        let state = self.lock();
        let Some(run) = state.runs.get(&run) else { return (MovedBytes::default(), Vec::new()) };
        let charged = run.charged.iter().filter(|(of, _)| *of == way).map(|&(_, grant)| grant);
        (run.moved, charged.collect())
    }

    /// Starts a new day's counters when the day has changed.
    pub(super) fn turn(&self, now_unix: u64) {
        let mut state = self.lock();
        if state.day != now_unix / DAY {
            state.day = now_unix / DAY;
            state.sent_today.clear();
            state.runs.values_mut().for_each(|run| run.quota_version += 1);
            let day = state.day;
            if let Some(leases) = &mut state.leases {
                leases.turn(day);
            }
        }
    }

    /// Writes what is not in the database yet; after an error it stays queued.
    pub(super) fn flush(&self, db: &Db, now_unix: u64) -> Result<(), DbError> {
        // Not locked while the disk works: transfers reserve each chunk here.
        let (moves, used, had_leases) = {
            let mut state = self.lock();
            let (moves, grants) = (std::mem::take(&mut state.unlogged), std::mem::take(&mut state.unwritten));
            // A grant's lease is on disk already and is at least what has moved.
            let used: Vec<_> = grants
                .iter()
                .filter(|&&grant| state.leased(grant) == 0)
                .map(|&grant| (grant, state.used_under(grant)))
                .collect();
            (moves, used, std::mem::take(&mut state.had_leases))
        };
        if moves.is_empty() && used.is_empty() && !had_leases {
            return Ok(());
        }
        let written = db.change::<_, DbError>(|change| {
            let mut deltas = Vec::new();
            for ((peer, swarm_id, model), moved) in &moves {
                let MovedBytes { sent, received } = *moved;
                deltas.push(ledger::Delta { peer, swarm_id, model, sent, received });
            }
            ledger::add_all(change, now_unix, &deltas)?;
            if had_leases {
                DayLeases::clear(change)?;
            }
            used.iter().try_for_each(|&(grant, bytes)| usage::put_used(change, grant, bytes))
        });
        if written.is_err() {
            let mut state = self.lock();
            for (key, moved) in moves {
                state.unlogged.entry(key).or_default().add(moved);
            }
            state.unwritten.extend(used.iter().map(|(grant, _)| grant));
            state.had_leases |= had_leases;
        }
        written
    }
}

impl AccountsState {
    fn used_under(&self, grant: u64) -> u64 {
        self.used.get(&grant).copied().unwrap_or(0)
    }

    /// Asks for the first leases of a run, so that no chunk waits for them.
    fn request_leases(&mut self, rules: &Rules) {
        for open in rules.serve.iter().chain(&rules.fetch) {
            let used = self.used_under(open.grant);
            if let (Some(quota), Some(leases)) = (open.quota_bytes, &mut self.leases) {
                leases.has_grant(open.grant, used, quota);
            }
        }
    }

    /// Returns the bytes under a grant that the database counts as moved, at least.
    fn leased(&self, grant: u64) -> u64 {
        self.leases.as_ref().map_or(0, |leases| leases.leased(grant))
    }

    fn reserve(
        &mut self,
        run: u64,
        way: Direction,
        peer: PeerId,
        bytes: u64,
    ) -> Result<Account, QuotaRefusal> {
        let rules = &self.runs.get(&run).ok_or(QuotaRefusal::UsedUp)?.rules;
        let name = peer.to_string();
        let (open, day_bytes) = match way {
            Direction::Sent => (&rules.serve, rules.day_bytes),
            Direction::Received => (&rules.fetch, None),
        };
        let to_peer = self.under_way_to.get(&peer).copied().unwrap_or(0);
        let under_way = |grant| self.under_way.get(&grant).copied().unwrap_or(0);
        // The grant that has room, if the peer's day has too; counted with the bytes under way, or without them.
        let account = |is_alone: bool| {
            let beside = |bytes: u64| if is_alone { 0 } else { bytes };
            let today = ledger::used(&self.sent_today, &name).saturating_add(beside(to_peer));
            let used = |grant| self.used_under(grant).saturating_add(beside(under_way(grant)));
            let is_within = day_bytes.is_none_or(|most| today.saturating_add(bytes) <= most);
            if is_within { charged(open, &name, bytes, used) } else { None }
        };
        let Some(grant) = account(false) else {
            return Err(if account(true).is_some() { QuotaRefusal::InFlight } else { QuotaRefusal::UsedUp });
        };
        let quota = open.iter().find(|open| open.grant == grant).and_then(|open| open.quota_bytes);
        let need = self.used_under(grant).saturating_add(under_way(grant)).saturating_add(bytes);
        let today = ledger::used(&self.sent_today, &name).saturating_add(to_peer).saturating_add(bytes);
        if let Some(leases) = &mut self.leases {
            let by_grant = quota.is_none_or(|quota| leases.has_grant(grant, need, quota));
            let by_day = day_bytes.is_none_or(|most| leases.has_day(&name, today, most));
            if !(by_grant && by_day) {
                return Err(QuotaRefusal::InFlight);
            }
        }
        *self.under_way.entry(grant).or_default() += bytes;
        if way == Direction::Sent {
            *self.under_way_to.entry(peer).or_default() += bytes;
        }
        if let Some(run) = self.runs.get_mut(&run) {
            run.charged.insert((way, grant));
        }
        Ok(Account(grant))
    }

    /// Ends a reservation of `bytes`, of which `moved` were transferred.
    fn settle(&mut self, reserved: &Reserved, bytes: u64, moved: u64) {
        let Reserved { run, way, peer, account: Account(grant) } = *reserved;
        less(&mut self.under_way, grant, bytes);
        if way == Direction::Sent {
            less(&mut self.under_way_to, peer, bytes);
        }
        if moved == 0 {
            return;
        }
        if way == Direction::Sent {
            today::add_sent(&mut self.sent_today, &peer.to_string(), moved);
        }
        let used = self.used.entry(grant).or_default();
        *used = used.saturating_add(moved);
        self.unwritten.insert(grant);
        if let Some(run) = self.runs.get_mut(&run) {
            let moved = MovedBytes::of(way, moved);
            run.moved.add(moved);
            let key = (peer.to_string(), run.swarm_id.clone(), run.model.clone());
            self.unlogged.entry(key).or_default().add(moved);
        }
    }
}

/// Whose bytes were reserved, and under which grant.
#[derive(Clone, Copy, Debug)]
struct Reserved {
    run: u64,
    way: Direction,
    peer: PeerId,
    account: Account,
}

/// Subtracts `bytes` from an entry and removes it at zero.
fn less<K: Ord>(of: &mut BTreeMap<K, u64>, key: K, bytes: u64) {
    if let Entry::Occupied(mut entry) = of.entry(key) {
        *entry.get_mut() = entry.get().saturating_sub(bytes);
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests;
