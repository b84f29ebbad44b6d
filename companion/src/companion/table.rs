//! Table of the transfers, in memory as in the database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::row::TransferRow;
use crate::db::{Change, Db, DbError, Table, number_key};
use crate::history;
use crate::problem::{Problem, code};

/// Most transfers that are kept, those that wait or ask among them.
const MAX_TRANSFERS: usize = 1_024;

/// All transfers by number. A row is written to the database before it changes in memory, except in [`Self::keep`].
pub(super) struct TransferTable {
    db: Arc<Db>,
    rows: BTreeMap<u64, TransferRow>,
}

impl TransferTable {
    pub(super) fn load(db: Arc<Db>) -> Result<Self, DbError> {
        let rows = db.all::<TransferRow>(Table::Transfers)?;
        Ok(Self { db, rows: rows.into_iter().map(numbered).collect() })
    }

    /// A table of these rows, in a database of its own.
    #[cfg(test)]
    pub(super) fn of<const N: usize>(rows: [TransferRow; N]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Arc::new(Db::open(&folder.path().join("table.redb")).unwrap());
        Self { db, rows: rows.into_iter().map(|row| (row.id, row)).collect() }
    }

    pub(super) fn get(&self, id: u64) -> Option<&TransferRow> {
        self.rows.get(&id)
    }

    /// Returns a copy of a row.
    ///
    /// # Errors
    ///
    /// There is no such transfer.
    pub(super) fn row(&self, id: u64) -> Result<TransferRow, Problem> {
        self.get(id).cloned().ok_or_else(|| unknown(id))
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.rows.keys().copied().collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &TransferRow> {
        self.rows.values()
    }

    /// Returns the row of the same kind, swarm and place.
    pub(super) fn same(&self, row: &TransferRow) -> Option<&TransferRow> {
        self.all()
            .find(|other| (other.kind, &other.swarm_id, &other.path) == (row.kind, &row.swarm_id, &row.path))
    }

    /// Returns the grants that were given with other transfers.
    pub(super) fn grants_of_others(&self, row: &TransferRow) -> BTreeSet<u64> {
        let others = self.all().filter(|other| other.id != row.id);
        others.flat_map(|other| other.grants.iter().copied()).collect()
    }

    /// Refuses a request for one more transfer than are kept. What follows from a transfer that is there, as the share of a fetch
    /// that is done, is kept in any case.
    pub(super) fn check_room(&self, is_one_more: bool) -> Result<(), Problem> {
        if !is_one_more || self.rows.len() < MAX_TRANSFERS {
            return Ok(());
        }
        Err(Problem::new(
            code::BUSY,
            format!("there are {MAX_TRANSFERS} transfers already"),
            "remove some: `minimodel status`, then `minimodel transfer remove ID`",
        ))
    }

    /// Adds or replaces rows in one change of the database. A row with number 0 gets one, which is returned for the last row.
    ///
    /// # Errors
    ///
    /// The database's error.
    pub(super) fn put_all<const N: usize>(&mut self, mut rows: [TransferRow; N]) -> Result<u64, Problem> {
        let mut last = 0;
        self.db.change::<_, DbError>(|change| {
            for row in &mut rows {
                if row.id == 0 {
                    row.id = change.next_number()?;
                }
                last = row.id;
                write(change, row)?;
            }
            Ok(())
        })?;
        self.rows.extend(rows.into_iter().map(|row| (row.id, row)));
        Ok(last)
    }

    /// Adds or replaces a row, as [`Self::put_all`]; returns its number.
    pub(super) fn put(&mut self, row: TransferRow) -> Result<u64, Problem> {
        self.put_all([row])
    }

    /// Replaces a row in memory even if the disk fails; the error is for the caller to judge.
    pub(super) fn keep(&mut self, row: TransferRow) -> Result<(), Problem> {
        let written = self.db.change::<_, DbError>(|change| write(change, &row));
        self.rows.insert(row.id, row);
        Ok(written?)
    }

    pub(super) fn remove(&mut self, id: u64) -> Result<Option<TransferRow>, Problem> {
        self.db.change::<_, DbError>(|change| {
            history::remove(change, id)?;
            change.remove(Table::Transfers, &number_key(id))
        })?;
        Ok(self.rows.remove(&id))
    }
}

fn write(change: &mut Change<'_>, row: &TransferRow) -> Result<(), DbError> {
    change.put(Table::Transfers, &number_key(row.id), row)
}

/// Sets a row's id to its database key, whatever the row itself says.
fn numbered((key, row): (String, TransferRow)) -> (u64, TransferRow) {
    let id = key.parse().unwrap_or(row.id);
    (id, TransferRow { id, ..row })
}

pub(super) fn unknown(id: u64) -> Problem {
    Problem::new(code::NOT_FOUND, format!("there is no transfer {id}"), "see all: `minimodel status`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NewFetch;

    #[test]
    fn transfers_beyond_the_limit_are_refused_and_known_ones_change() {
        let row = |id| TransferRow { id, ..TransferRow::fetch(NewFetch::default(), format!("{id:064}"), 7) };
        let mut table = TransferTable::of([row(1)]);
        table.rows.extend((2..=MAX_TRANSFERS as u64).map(|id| (id, row(id))));
        assert_eq!(table.check_room(true).unwrap_err().code, code::BUSY);
        table.check_room(false).unwrap();
        // A fetch that is done becomes a share all the same.
        table.put_all([row(0), row(1)]).unwrap();
        table.remove(1).unwrap();
        table.remove(2).unwrap();
        table.check_room(true).unwrap();
    }
}
