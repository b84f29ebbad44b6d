//! History of rates: ten minutes at a second a point and a day at 144 seconds a point, for each transfer and for all together.
//!
//! It is bounded (`MAX_KEPT` transfers, the rings of `ring`) and kept in rows of the database, which are written at most once a
//! minute and at the end.

mod ring;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::ring::{POINTS, Point, Ring};
use crate::db::{Change, Db, DbError, Table, number_key};
use crate::model::{RateHistory, Span};

/// Transfers whose history is kept; beyond it the one that rested longest loses its own.
const MAX_KEPT: usize = 256;
/// Seconds from one write to the next.
const WRITE_EVERY: u64 = 60;
/// Seconds without a sample that count as the pause of a busy machine and not as rest.
const GAP: u64 = 3;
/// The key of all transfers together; no transfer has this number.
const ALL: u64 = 0;
/// Beginning of the keys in [`Table::Settings`].
const PREFIX: &str = "rates/";

/// The two rings of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rings {
    minutes: Ring,
    day: Ring,
}

impl Rings {
    fn of(&self, span: Span) -> &Ring {
        match span {
            Span::Minutes => &self.minutes,
            Span::Day => &self.day,
        }
    }

    fn add(&mut self, unix: u64, rates: Point) {
        self.minutes.add(unix / Span::Minutes.step(), rates);
        self.day.add(unix / Span::Day.step(), rates);
    }

    /// The last second of which it has a sample.
    fn newest(&self) -> u64 {
        self.minutes.newest()
    }
}

/// The rates of all transfers, second by second.
#[derive(Debug, Default)]
pub struct Histories {
    kept: BTreeMap<u64, Rings>,
    /// The last second that was sampled.
    sampled: u64,
    /// Since when there is something to write, and for which transfers.
    written: u64,
    unwritten: BTreeSet<u64>,
}

impl Histories {
    /// Loads the rows of transfers that are there. A row that cannot be read is as none: rates are no reason not to start.
    ///
    /// # Errors
    ///
    /// A database error.
    pub fn load(db: &Db, is_there: impl Fn(u64) -> bool, now_unix: u64) -> Result<Self, DbError> {
        let mut loaded = Self { written: now_unix, ..Self::default() };
        for (key, row) in db.all::<serde_json::Value>(Table::Settings)? {
            let Some(id) = key.strip_prefix(PREFIX).and_then(|number| number.parse().ok()) else { continue };
            match serde_json::from_value(row) {
                Ok(rings) if id == ALL || is_there(id) => drop(loaded.kept.insert(id, rings)),
                // Its row is removed by the next write.
                _ => drop(loaded.unwritten.insert(id)),
            }
        }
        Ok(loaded)
    }

    /// Takes the rates of the running transfers, once a second at most.
    pub fn sample(&mut self, now_unix: u64, rates: impl Iterator<Item = (u64, Point)>) {
        if now_unix == self.sampled {
            return;
        }
        let last = std::mem::replace(&mut self.sampled, now_unix);
        let mut all = None;
        for (id, rates) in rates {
            self.add(id, rates, last);
            all = Some(all.map_or(rates, |all: Point| all.plus(rates)));
        }
        if let Some(all) = all {
            self.add(ALL, all, last);
        }
        while self.kept.len() > MAX_KEPT + 1 {
            let transfers = self.kept.iter().filter(|&(&id, _)| id != ALL);
            let rested = transfers.min_by_key(|(_, rings)| rings.newest()).map(|(&id, _)| id);
            let Some(id) = rested else { return };
            self.kept.remove(&id);
            self.unwritten.insert(id);
        }
    }

    /// Adds the rates of now; also to the seconds since `last`, the sample before, if the transfer ran then and they are few.
    fn add(&mut self, id: u64, rates: Point, last: u64) {
        let rings = self.kept.entry(id).or_default();
        let missed = self.sampled.checked_sub(last).filter(|missed| (2..=GAP).contains(missed));
        let first = if missed.is_some() && rings.newest() == last { last + 1 } else { self.sampled };
        (first..=self.sampled).for_each(|second| rings.add(second, rates));
        self.unwritten.insert(id);
    }

    /// Returns the history of a transfer, or of all together, that ends with the last sample, or now if that is long ago.
    pub fn of(&self, id: Option<u64>, span: Span, now_unix: u64) -> RateHistory {
        let is_fresh = self.sampled <= now_unix && now_unix - self.sampled <= GAP;
        let last = if is_fresh { self.sampled } else { now_unix } / span.step();
        let rings = self.kept.get(&id.unwrap_or(ALL));
        let points = rings.map_or_else(|| Ring::default().until(last), |rings| rings.of(span).until(last));
        RateHistory {
            span: span.seconds(),
            step_seconds: span.step(),
            from_unix: (last + 1).saturating_sub(POINTS) * span.step(),
            down: points.iter().map(|point| point.map(|point| point.down)).collect(),
            up: points.iter().map(|point| point.map(|point| point.up)).collect(),
        }
    }

    /// Forgets a transfer; its row goes with the transfer's ([`remove`]).
    pub fn forget(&mut self, id: u64) {
        self.kept.remove(&id);
        self.unwritten.remove(&id);
    }

    /// Takes what is to be written now: once a minute, and at the end whatever there is.
    pub fn take_unwritten(&mut self, now_unix: u64, is_end: bool) -> Option<Unwritten> {
        let is_due = is_end || now_unix.abs_diff(self.written) >= WRITE_EVERY;
        if !is_due || self.unwritten.is_empty() {
            return None;
        }
        self.written = now_unix;
        let ids = std::mem::take(&mut self.unwritten);
        Some(Unwritten(ids.into_iter().map(|id| (id, self.kept.get(&id).cloned())).collect()))
    }
}

/// Rows to write; `None`: to remove.
#[derive(Debug)]
pub struct Unwritten(Vec<(u64, Option<Rings>)>);

impl Unwritten {
    /// Writes the rows of transfers that are still there, in a change of its own.
    ///
    /// # Errors
    ///
    /// A database error; the next write has all of the transfers that run on.
    pub fn write(&self, db: &Db) -> Result<(), DbError> {
        db.change(|change| {
            for (id, rings) in &self.0 {
                let is_there = *id == ALL
                    || change.get::<serde::de::IgnoredAny>(Table::Transfers, &number_key(*id))?.is_some();
                match rings {
                    Some(rings) if is_there => change.put(Table::Settings, &key(*id), rings)?,
                    _ => change.remove(Table::Settings, &key(*id))?,
                }
            }
            Ok(())
        })
    }
}

/// Removes the row of a transfer.
///
/// # Errors
///
/// A database error.
pub fn remove(change: &mut Change<'_>, id: u64) -> Result<(), DbError> {
    change.remove(Table::Settings, &key(id))
}

fn key(id: u64) -> String {
    format!("{PREFIX}{id}")
}

#[cfg(test)]
mod tests;
