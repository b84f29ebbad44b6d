//! What moved: counted in memory as it happens, written down every few seconds. A crash loses these few seconds of the
//! log, never more; budgets of a day then let through what was not written.

use std::collections::BTreeMap;

use super::bounds::Moved;
use crate::consent::usage;
use crate::db::{Db, DbError};
use crate::limits::{ledger, today};

/// Bytes that are not written down yet.
#[derive(Debug, Default)]
struct Pending {
    moved: BTreeMap<(String, String, String), Moved>,
    used: BTreeMap<u64, u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pending: Pending,
    /// Bytes that moved under each grant, ever.
    used: BTreeMap<u64, u64>,
    /// Bytes that each peer took on `day`.
    sent_today: BTreeMap<String, u64>,
    day: u64,
}

const DAY: u64 = 24 * 3600;

impl Accounts {
    /// What was written down before.
    pub(super) fn load(db: &Db, now_unix: u64) -> Result<Self, DbError> {
        Ok(Self {
            pending: Pending::default(),
            used: usage::used(db)?,
            sent_today: ledger::sent_today(db, now_unix)?,
            day: now_unix / DAY,
        })
    }

    /// Bytes that moved under a grant.
    pub(super) fn used(&self, grant: u64) -> u64 {
        self.used.get(&grant).copied().unwrap_or(0)
    }

    /// What each peer took today.
    pub(super) fn sent_today(&self) -> &BTreeMap<String, u64> {
        &self.sent_today
    }

    /// A new day begins with nothing.
    pub(super) fn turn(&mut self, now_unix: u64) {
        if self.day != now_unix / DAY {
            self.day = now_unix / DAY;
            self.sent_today.clear();
        }
    }

    /// Bytes moved with a peer (or with [`ledger::OTHERS`]), under these grants (to serve, to fetch).
    pub(super) fn add(
        &mut self,
        peer: &str,
        swarm_id: &str,
        model: &str,
        moved: Moved,
        (serve, fetch): (Option<u64>, Option<u64>),
    ) {
        if moved.sent > 0 {
            today::add_sent(&mut self.sent_today, peer, moved.sent);
        }
        for (grant, bytes) in [(serve, moved.sent), (fetch, moved.received)] {
            if let Some(grant) = grant.filter(|_| bytes > 0) {
                *self.used.entry(grant).or_default() += bytes;
                *self.pending.used.entry(grant).or_default() += bytes;
            }
        }
        let row =
            self.pending.moved.entry((peer.to_owned(), swarm_id.to_owned(), model.to_owned())).or_default();
        row.received += moved.received;
        row.sent += moved.sent;
    }

    /// Writes down what is pending; what cannot be written stays pending.
    pub(super) fn flush(&mut self, db: &Db, now_unix: u64) -> Result<(), DbError> {
        if self.pending.moved.is_empty() {
            return Ok(());
        }
        db.change::<_, DbError>(|change| {
            let mut deltas = Vec::new();
            for ((peer, swarm_id, model), moved) in &self.pending.moved {
                deltas.push(ledger::Delta {
                    peer,
                    swarm_id,
                    model,
                    sent: moved.sent,
                    received: moved.received,
                });
            }
            ledger::add_all(change, now_unix, &deltas)?;
            self.pending.used.iter().try_for_each(|(&grant, &bytes)| usage::add_used(change, grant, bytes))
        })?;
        self.pending = Pending::default();
        Ok(())
    }
}
