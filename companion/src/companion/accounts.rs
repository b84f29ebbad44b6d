//! What moved and against what it counts: days of peers and grants. Each chunk is counted before it moves, here and for
//! all transfers, so that no quota is passed by taking from several at once. What moved is written down every few seconds. What
//! counts against a quota or a peer's day is written down *before* it moves (`ahead`): a crash counts too much, by a bounded
//! amount, and never too little.

mod run_gate;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use minimodel_swarm::driver::{Account, Gate, Held, Way};
use minimodel_wire::PeerId;

use self::run_gate::RunGate;
use super::ahead::{Ahead, Covers};
use super::bounds::Moved;
use crate::consent::{Open, charged, usage};
use crate::db::{Db, DbError};
use crate::limits::{ledger, today};

/// Peers of one run that are counted by name, beside those whom a grant names.
const MAX_ROWS: usize = 4_096;

const DAY: u64 = 24 * 3600;

/// Until a disk that took no cover is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// Against what the bytes of a run count.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Grants to serve, the one that counts first first.
    pub(super) serve: Vec<Open>,
    /// The same to fetch.
    pub(super) fetch: Vec<Open>,
    /// Bytes that each peer may be sent a day.
    pub(super) day_bytes: Option<u64>,
}

/// What moved in a run so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    pub(super) rows: BTreeMap<PeerId, Moved>,
    pub(super) total: Moved,
}

/// A session of a transfer.
#[derive(Debug, Default)]
struct Run {
    rules: Rules,
    taken: Taken,
    /// Grants that something was let pass under.
    charged: BTreeSet<(Way, u64)>,
    /// The swarm and the model, for the log.
    swarm_id: String,
    model: String,
}

/// The books as they are at one moment.
#[derive(Debug)]
pub(super) struct Picture {
    used: BTreeMap<u64, u64>,
    /// Bytes that each peer took today.
    pub(super) sent_today: BTreeMap<String, u64>,
    /// What moved in the run that was asked for.
    pub(super) session: Taken,
}

impl Picture {
    /// Bytes that moved under a grant.
    pub(super) fn used(&self, grant: u64) -> u64 {
        self.used.get(&grant).copied().unwrap_or(0)
    }
}

/// Bytes with one peer in one swarm of that model.
type Moves = BTreeMap<(String, String, String), Moved>;

#[derive(Debug, Default)]
struct Books {
    runs: BTreeMap<u64, Run>,
    /// What the log of transfers does not have yet.
    unlogged: Moves,
    /// Bytes that moved under each grant, ever, and those grants of which that is not written down.
    used: BTreeMap<u64, u64>,
    unwritten: BTreeSet<u64>,
    /// Bytes that each peer took on `day`.
    sent_today: BTreeMap<String, u64>,
    day: u64,
    /// Bytes that were let pass and are not settled: under each grant, and to each peer.
    under_way: BTreeMap<u64, u64>,
    under_way_to: BTreeMap<PeerId, u64>,
    /// What the database says already; none: nobody writes ahead, as where no transfer runs.
    ahead: Option<Ahead>,
    /// A cover is on its way to the disk.
    is_writing: bool,
    /// The covers of the day are to be taken back with the next writing.
    was_ahead: bool,
}

/// See the module. Clones are one. It is locked for moments only, and after the companion's own lock where both are.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts(Arc<(Mutex<Books>, Condvar)>);

impl Accounts {
    /// What was written down before.
    pub(super) fn load(db: &Db, now_unix: u64) -> Result<Self, DbError> {
        let mut books = Books {
            used: usage::used(db)?,
            sent_today: ledger::sent_today(db, now_unix)?,
            day: now_unix / DAY,
            ..Books::default()
        };
        // What a crash left of a day's covers counts as sent.
        Covers::load(db)?.count_as_sent(books.day, &mut books.sent_today);
        Ok(Self(Arc::new((books.into(), Condvar::new()))))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing passes under a quota or a peer's day that is not written down before:
    /// [`write_ahead`](Self::write_ahead) does that.
    pub(super) fn keep_ahead(&self) {
        let mut books = self.lock();
        books.ahead = Some(Ahead::new(books.day));
    }

    /// Writes covers as they are asked for, until [`end_ahead`](Self::end_ahead); for a thread of its own, since it waits for
    /// the disk.
    pub(super) fn write_ahead(&self, db: &Db) {
        let mut books = self.lock();
        loop {
            let Some(ahead) = &mut books.ahead else { return };
            let Some(wanted) = ahead.take_wanted() else {
                books = self.0.1.wait(books).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            books.is_writing = true;
            drop(books);
            let is_written = db.change::<_, DbError>(|change| wanted.write(change)).is_ok();
            if !is_written {
                // A disk that takes nothing holds back what would not be counted after a crash.
                std::thread::sleep(AGAIN);
            }
            books = self.lock();
            books.is_writing = false;
            if let Some(ahead) = &mut books.ahead {
                ahead.written(wanted, is_written);
            }
            self.0.1.notify_all();
        }
    }

    /// The end of [`write_ahead`](Self::write_ahead), in good order: what is written down then is what moved.
    pub(super) fn end_ahead(&self) {
        let mut books = self.lock();
        if let Some(ahead) = books.ahead.take() {
            let covered: Vec<u64> = ahead.grants().collect();
            books.unwritten.extend(covered);
            books.was_ahead = true;
        }
        self.0.1.notify_all();
        // A cover that is on its way to the disk must not come after what is true.
        let waited = self.0.1.wait_while(books, |books| books.is_writing);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// The gate of a run that begins, of this swarm and model.
    pub(super) fn gate(&self, run: u64, swarm_id: &str, model: &str, rules: Rules) -> Arc<dyn Gate> {
        let (swarm_id, model) = (swarm_id.to_owned(), model.to_owned());
        let mut books = self.lock();
        books.cover(&rules);
        books.runs.insert(run, Run { rules, swarm_id, model, ..Run::default() });
        drop(books);
        self.0.1.notify_all();
        Arc::new(RunGate { accounts: self.clone(), run })
    }

    /// What a run counts against from now on.
    pub(super) fn rule(&self, run: u64, rules: Rules) {
        if let Some(run) = self.lock().runs.get_mut(&run) {
            run.rules = rules;
        }
    }

    /// A run is over; its gate lets nothing pass.
    pub(super) fn end(&self, run: u64) {
        self.lock().runs.remove(&run);
    }

    /// Bytes that moved under a grant.
    pub(super) fn used(&self, grant: u64) -> u64 {
        self.lock().used_under(grant)
    }

    /// How everything stands, with what moved in a run; nothing of one that is none.
    pub(super) fn picture(&self, run: Option<u64>) -> Picture {
        let books = self.lock();
        let session = run.and_then(|run| books.runs.get(&run)).map(|run| run.taken.clone());
        Picture {
            used: books.used.clone(),
            sent_today: books.sent_today.clone(),
            session: session.unwrap_or_default(),
        }
    }

    /// Payload bytes that moved in a run, and the grants under which any were let pass this way.
    pub(super) fn of_run(&self, run: u64, way: Way) -> (Moved, Vec<u64>) {
        let books = self.lock();
        let Some(run) = books.runs.get(&run) else { return (Moved::default(), Vec::new()) };
        let charged = run.charged.iter().filter(|(of, _)| *of == way).map(|&(_, grant)| grant);
        (run.taken.total, charged.collect())
    }

    /// A new day begins with nothing.
    pub(super) fn turn(&self, now_unix: u64) {
        let mut books = self.lock();
        if books.day != now_unix / DAY {
            books.day = now_unix / DAY;
            books.sent_today.clear();
            let day = books.day;
            if let Some(ahead) = &mut books.ahead {
                ahead.turn(day);
            }
        }
    }

    /// Writes down what is not yet; what cannot be written stays to be written.
    pub(super) fn flush(&self, db: &Db, now_unix: u64) -> Result<(), DbError> {
        // Not locked while the disk works: transfers ask for each chunk.
        let (moves, used, was_ahead) = {
            let mut books = self.lock();
            let (moves, grants) = (std::mem::take(&mut books.unlogged), std::mem::take(&mut books.unwritten));
            // What is covered is there already, with what may have moved by the time of a crash.
            let used: Vec<_> = grants
                .iter()
                .filter(|&&grant| books.covered(grant) == 0)
                .map(|&grant| (grant, books.used_under(grant)))
                .collect();
            (moves, used, std::mem::take(&mut books.was_ahead))
        };
        if moves.is_empty() && used.is_empty() && !was_ahead {
            return Ok(());
        }
        let written = db.change::<_, DbError>(|change| {
            let mut deltas = Vec::new();
            for ((peer, swarm_id, model), moved) in &moves {
                let Moved { sent, received } = *moved;
                deltas.push(ledger::Delta { peer, swarm_id, model, sent, received });
            }
            ledger::add_all(change, now_unix, &deltas)?;
            if was_ahead {
                Covers::clear(change)?;
            }
            used.iter().try_for_each(|&(grant, bytes)| usage::put_used(change, grant, bytes))
        });
        if written.is_err() {
            let mut books = self.lock();
            for (key, moved) in moves {
                books.unlogged.entry(key).or_default().add(moved);
            }
            books.unwritten.extend(used.iter().map(|(grant, _)| grant));
            books.was_ahead |= was_ahead;
        }
        written
    }
}

impl Books {
    fn used_under(&self, grant: u64) -> u64 {
        self.used.get(&grant).copied().unwrap_or(0)
    }

    /// Asks for the first covers, so that no chunk waits for them.
    fn cover(&mut self, rules: &Rules) {
        for open in rules.serve.iter().chain(&rules.fetch) {
            let used = self.used_under(open.grant);
            if let (Some(quota), Some(ahead)) = (open.quota_bytes, &mut self.ahead) {
                ahead.has_grant(open.grant, used, quota);
            }
        }
    }

    /// Bytes under a grant that the database says moved, at least.
    fn covered(&self, grant: u64) -> u64 {
        self.ahead.as_ref().map_or(0, |ahead| ahead.covered(grant))
    }

    fn pass(&mut self, run: u64, way: Way, peer: PeerId, bytes: u64) -> Result<Account, Held> {
        let rules = &self.runs.get(&run).ok_or(Held::UsedUp)?.rules;
        let name = peer.to_string();
        let (open, day_bytes) = match way {
            Way::Sent => (&rules.serve, rules.day_bytes),
            Way::Received => (&rules.fetch, None),
        };
        let to_peer = self.under_way_to.get(&peer).copied().unwrap_or(0);
        let under_way = |grant| self.under_way.get(&grant).copied().unwrap_or(0);
        // Whether the peer's day and a grant have room beside what is on its way, or beside nothing.
        let account = |is_alone: bool| {
            let beside = |bytes: u64| if is_alone { 0 } else { bytes };
            let today = ledger::used(&self.sent_today, &name).saturating_add(beside(to_peer));
            let used = |grant| self.used_under(grant).saturating_add(beside(under_way(grant)));
            let is_within = day_bytes.is_none_or(|most| today.saturating_add(bytes) <= most);
            if is_within { charged(open, &name, bytes, used) } else { None }
        };
        let Some(grant) = account(false) else {
            return Err(if account(true).is_some() { Held::OnTheWay } else { Held::UsedUp });
        };
        let quota = open.iter().find(|open| open.grant == grant).and_then(|open| open.quota_bytes);
        let need = self.used_under(grant).saturating_add(under_way(grant)).saturating_add(bytes);
        let today = ledger::used(&self.sent_today, &name).saturating_add(to_peer).saturating_add(bytes);
        if let Some(ahead) = &mut self.ahead {
            let by_grant = quota.is_none_or(|quota| ahead.has_grant(grant, need, quota));
            let by_day = day_bytes.is_none_or(|most| ahead.has_day(&name, today, most));
            if !(by_grant && by_day) {
                return Err(Held::OnTheWay);
            }
        }
        *self.under_way.entry(grant).or_default() += bytes;
        if way == Way::Sent {
            *self.under_way_to.entry(peer).or_default() += bytes;
        }
        if let Some(run) = self.runs.get_mut(&run) {
            run.charged.insert((way, grant));
        }
        Ok(Account(grant))
    }

    fn settle(&mut self, run: u64, way: Way, peer: PeerId, Account(grant): Account, bytes: u64, moved: u64) {
        less(&mut self.under_way, grant, bytes);
        if way == Way::Sent {
            less(&mut self.under_way_to, peer, bytes);
        }
        if moved == 0 {
            return;
        }
        if way == Way::Sent {
            today::add_sent(&mut self.sent_today, &peer.to_string(), moved);
        }
        let used = self.used.entry(grant).or_default();
        *used = used.saturating_add(moved);
        self.unwritten.insert(grant);
        if let Some(run) = self.runs.get_mut(&run) {
            let moved = Moved::of(way, moved);
            run.count(peer, moved);
            let key = (peer.to_string(), run.swarm_id.clone(), run.model.clone());
            self.unlogged.entry(key).or_default().add(moved);
        }
    }
}

/// So many less; nothing left is no entry.
fn less<K: Ord>(of: &mut BTreeMap<K, u64>, key: K, bytes: u64) {
    if let Entry::Occupied(mut entry) = of.entry(key) {
        *entry.get_mut() = entry.get().saturating_sub(bytes);
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

impl Run {
    fn count(&mut self, peer: PeerId, moved: Moved) {
        self.taken.total.add(moved);
        let rows = &mut self.taken.rows;
        let has_room = rows.len() < MAX_ROWS;
        if let Some(row) = rows.get_mut(&peer) {
            row.add(moved);
        } else if has_room || self.rules.names(peer) {
            rows.insert(peer, moved);
        }
    }
}

impl Rules {
    fn names(&self, peer: PeerId) -> bool {
        let name = peer.to_string();
        self.serve.iter().chain(&self.fetch).any(|open| open.peer.as_ref() == Some(&name))
    }
}

#[cfg(test)]
mod tests;
