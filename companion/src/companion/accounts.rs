//! What moved and against what it counts: days of peers and grants. Each chunk is counted before it moves, here and for
//! all transfers, so that no quota is passed by taking from several at once. Written down every few seconds: a crash
//! loses these few seconds, never more; budgets of a day then let through what was not written.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minimodel_swarm::driver::{Account, Gate, Way};
use minimodel_wire::PeerId;

use super::bounds::Moved;
use crate::consent::{Open, charged, usage};
use crate::db::{Db, DbError};
use crate::limits::{ledger, today};

/// Peers of one run that are counted by name, beside those whom a grant names.
const MAX_ROWS: usize = 4_096;

const DAY: u64 = 24 * 3600;

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
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) rows: BTreeMap<PeerId, Moved>,
    pub(super) total: Moved,
}

#[derive(Debug, Default)]
struct Run {
    rules: Rules,
    taken: Taken,
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
}

/// See the module. Clones are one. It is locked for moments only, and after the companion's own lock where both are.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts(Arc<Mutex<Books>>);

impl Accounts {
    /// What was written down before.
    pub(super) fn load(db: &Db, now_unix: u64) -> Result<Self, DbError> {
        let books = Books {
            used: usage::used(db)?,
            sent_today: ledger::sent_today(db, now_unix)?,
            day: now_unix / DAY,
            ..Books::default()
        };
        Ok(Self(Arc::new(books.into())))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gate of a run, which from now on has these rules.
    pub(super) fn gate(&self, run: u64, rules: Rules) -> Arc<dyn Gate> {
        self.lock().runs.entry(run).or_default().rules = rules;
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

    /// What follows from what each peer took today, and from what moved in a run; nothing of a run that is none.
    pub(super) fn with<T>(
        &self,
        run: Option<u64>,
        look: impl FnOnce(&BTreeMap<String, u64>, &Taken) -> T,
    ) -> T {
        let books = self.lock();
        let nothing = Taken::default();
        let taken = run.and_then(|run| books.runs.get(&run)).map_or(&nothing, |run| &run.taken);
        look(&books.sent_today, taken)
    }

    /// Payload bytes that a run received.
    pub(super) fn received(&self, run: u64) -> u64 {
        self.with(Some(run), |_, taken| taken.total.received)
    }

    /// A new day begins with nothing.
    pub(super) fn turn(&self, now_unix: u64) {
        let mut books = self.lock();
        if books.day != now_unix / DAY {
            books.day = now_unix / DAY;
            books.sent_today.clear();
        }
    }

    /// Bytes moved with a peer (or with [`ledger::OTHERS`]): for the log.
    pub(super) fn log(&self, peer: &str, swarm_id: &str, model: &str, moved: Moved) {
        let mut books = self.lock();
        let key = (peer.to_owned(), swarm_id.to_owned(), model.to_owned());
        books.unlogged.entry(key).or_default().add(moved);
    }

    /// Writes down what is not yet; what cannot be written stays to be written.
    pub(super) fn flush(&self, db: &Db, now_unix: u64) -> Result<(), DbError> {
        // Not locked while the disk works: transfers ask for each chunk.
        let (moves, used) = {
            let mut books = self.lock();
            let (moves, grants) = (std::mem::take(&mut books.unlogged), std::mem::take(&mut books.unwritten));
            let used: Vec<_> = grants.iter().map(|&grant| (grant, books.used_under(grant))).collect();
            (moves, used)
        };
        if moves.is_empty() && used.is_empty() {
            return Ok(());
        }
        let written = db.change::<_, DbError>(|change| {
            let mut deltas = Vec::new();
            for ((peer, swarm_id, model), moved) in &moves {
                let Moved { sent, received } = *moved;
                deltas.push(ledger::Delta { peer, swarm_id, model, sent, received });
            }
            ledger::add_all(change, now_unix, &deltas)?;
            used.iter().try_for_each(|&(grant, bytes)| usage::put_used(change, grant, bytes))
        });
        if written.is_err() {
            let mut books = self.lock();
            for (key, moved) in moves {
                books.unlogged.entry(key).or_default().add(moved);
            }
            books.unwritten.extend(used.iter().map(|(grant, _)| grant));
        }
        written
    }
}

impl Books {
    fn used_under(&self, grant: u64) -> u64 {
        self.used.get(&grant).copied().unwrap_or(0)
    }

    fn pass(&mut self, run: u64, way: Way, peer: PeerId, bytes: u64) -> Option<Account> {
        let rules = &self.runs.get(&run)?.rules;
        let name = peer.to_string();
        let (open, day_bytes) = match way {
            Way::Sent => (&rules.serve, rules.day_bytes),
            Way::Received => (&rules.fetch, None),
        };
        let promised = self.under_way_to.get(&peer).copied().unwrap_or(0).saturating_add(bytes);
        let is_within = |most| ledger::used(&self.sent_today, &name).saturating_add(promised) <= most;
        if !day_bytes.is_none_or(is_within) {
            return None;
        }
        let under_way = |grant| self.under_way.get(&grant).copied().unwrap_or(0);
        let used = |grant| self.used_under(grant).saturating_add(under_way(grant));
        let grant = charged(open, &name, bytes, used)?;
        *self.under_way.entry(grant).or_default() += bytes;
        if way == Way::Sent {
            *self.under_way_to.entry(peer).or_default() += bytes;
        }
        Some(Account(grant))
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
            run.count(peer, Moved::of(way, moved));
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

/// What one run asks.
#[derive(Debug)]
struct RunGate {
    accounts: Accounts,
    run: u64,
}

impl Gate for RunGate {
    fn pass(&self, way: Way, peer: PeerId, bytes: u64) -> Option<Account> {
        self.accounts.lock().pass(self.run, way, peer, bytes)
    }

    fn settle(&self, way: Way, peer: PeerId, account: Account, bytes: u64, moved: u64) {
        self.accounts.lock().settle(self.run, way, peer, account, bytes, moved);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> PeerId {
        PeerId([n; 32])
    }

    fn open(grant: u64, peer: Option<u8>, quota_bytes: Option<u64>) -> Open {
        Open { grant, peer: peer.map(|n| id(n).to_string()), quota_bytes }
    }

    fn rules(serve: Vec<Open>, fetch: Vec<Open>, day_bytes: Option<u64>) -> Rules {
        Rules { serve, fetch, day_bytes }
    }

    #[test]
    fn i5_without_a_grant_and_after_the_end_of_its_run_a_gate_lets_nothing_pass() {
        let accounts = Accounts::default();
        let gate = accounts.gate(1, rules(vec![open(7, Some(1), None)], Vec::new(), None));
        assert_eq!(gate.pass(Way::Sent, id(2), 1), None);
        assert_eq!(gate.pass(Way::Received, id(1), 1), None);
        assert_eq!(gate.pass(Way::Sent, id(1), 1), Some(Account(7)));
        accounts.rule(1, Rules::default());
        assert_eq!(gate.pass(Way::Sent, id(1), 1), None);
        accounts.rule(1, rules(vec![open(7, None, None)], Vec::new(), None));
        assert_eq!(gate.pass(Way::Sent, id(1), 1), Some(Account(7)));
        accounts.end(1);
        assert_eq!(gate.pass(Way::Sent, id(1), 1), None);
        // What was under way then still counts.
        gate.settle(Way::Sent, id(1), Account(7), 1, 1);
        assert_eq!(accounts.used(7), 1);
    }

    #[test]
    fn what_is_under_way_takes_room_is_not_used_yet_and_is_there_again_if_it_did_not_move() {
        let accounts = Accounts::default();
        let gates: Vec<_> = [1, 2]
            .map(|run| accounts.gate(run, rules(vec![open(1, None, Some(100))], Vec::new(), None)))
            .into();
        assert!(gates[0].pass(Way::Sent, id(1), 60).is_some());
        assert_eq!((gates[1].pass(Way::Sent, id(2), 60), accounts.used(1)), (None, 0));
        gates[0].settle(Way::Sent, id(1), Account(1), 60, 10);
        assert_eq!((accounts.used(1), gates[1].pass(Way::Sent, id(2), 90)), (10, Some(Account(1))));
        let sent = |run| accounts.with(Some(run), |_, taken| (taken.total.sent, taken.rows.len()));
        assert_eq!((sent(1), sent(2)), ((10, 1), (0, 0)));
    }

    #[test]
    fn what_could_not_be_written_down_is_written_the_next_time_with_what_came_since() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("db")).unwrap();
        let accounts = Accounts::load(&db, 0).unwrap();
        let gate = accounts.gate(1, rules(vec![open(9, None, None)], Vec::new(), None));
        let move_one = |bytes| {
            let account = gate.pass(Way::Sent, id(1), bytes).unwrap();
            gate.settle(Way::Sent, id(1), account, bytes, bytes);
            accounts.log(&id(1).to_string(), "s", "m", Moved::of(Way::Sent, bytes));
        };
        move_one(5);
        accounts.flush(&db, 0).unwrap();
        move_one(6);
        accounts.flush(&db, 0).unwrap();
        accounts.flush(&db, 0).unwrap();
        let again = Accounts::load(&db, 0).unwrap();
        assert_eq!(
            (again.used(9), again.with(None, |today, _| ledger::used(today, &id(1).to_string()))),
            (11, 11)
        );
        accounts.turn(DAY);
        assert!(accounts.with(None, |today, _| today.is_empty()));
    }

    /// Grants 1 (anyone, 50), 2 (peer 1, 30) and 3 (anyone to fetch, 40), and 45 bytes a peer and day.
    fn all() -> Rules {
        rules(
            vec![open(2, Some(1), Some(30)), open(1, None, Some(50))],
            vec![open(3, None, Some(40))],
            Some(45),
        )
    }

    proptest! {
        #[test]
        fn b22_no_quota_and_no_day_is_ever_passed_and_what_moved_is_counted_once(
            steps in prop::collection::vec((0u64..3, 0u8..3, prop::bool::ANY, 1u64..20, 0u64..20, 0usize..6), 0..300),
        ) {
            let accounts = Accounts::default();
            let gates: Vec<_> = (0..3).map(|run| accounts.gate(run, all())).collect();
            let mut under_way = Vec::new();
            let mut moved_under = BTreeMap::<u64, u64>::new();
            let mut sent_to = BTreeMap::<u8, u64>::new();
            for (run, peer, is_sent, bytes, moved, which) in steps {
                let way = if is_sent { Way::Sent } else { Way::Received };
                if let Some(account) = gates[run as usize].pass(way, id(peer), bytes) {
                    under_way.push((run, way, peer, account, bytes));
                }
                if which < under_way.len() {
                    let (run, way, peer, account, bytes) = under_way.swap_remove(which);
                    let moved = moved.min(bytes);
                    gates[run as usize].settle(way, id(peer), account, bytes, moved);
                    *moved_under.entry(account.0).or_default() += moved;
                    if way == Way::Sent {
                        *sent_to.entry(peer).or_default() += moved;
                    }
                }
                for (grant, quota) in [(1, 50), (2, 30), (3, 40)] {
                    let used = moved_under.get(&grant).copied().unwrap_or(0);
                    prop_assert_eq!(accounts.used(grant), used);
                    let open: u64 = under_way.iter().filter(|pass| pass.3.0 == grant).map(|pass| pass.4).sum();
                    prop_assert!(used + open <= quota);
                }
                for peer in 0..3 {
                    let sent = sent_to.get(&peer).copied().unwrap_or(0);
                    prop_assert_eq!(accounts.with(None, |today, _| ledger::used(today, &id(peer).to_string())), sent);
                    let to = |pass: &&(u64, Way, u8, Account, u64)| pass.1 == Way::Sent && pass.2 == peer;
                    let open: u64 = under_way.iter().filter(to).map(|pass| pass.4).sum();
                    prop_assert!(sent + open <= 45);
                }
            }
            let total: u64 = (0..3).map(|run| accounts.with(Some(run), |_, taken| taken.total.sent + taken.total.received)).sum();
            prop_assert_eq!(total, moved_under.values().sum::<u64>());
            for (run, way, peer, account, bytes) in under_way {
                gates[run as usize].settle(way, id(peer), account, bytes, 0);
            }
            let books = accounts.lock();
            prop_assert!(books.under_way.is_empty() && books.under_way_to.is_empty());
        }
    }
}
