//! Transfer log: bytes moved by day and peer.
//!
//! One row per day, of bounded size, since keys are free to create: beyond [`MAX_PEERS`] peers a day (or [`MAX_ROWS`] pairs of
//! peer and swarm) the peer with the fewest bytes is evicted into one row, [`OTHERS`]. So that eviction gives no peer a fresh
//! quota, the day keeps a floor, the most that any evicted peer may have moved, and charges it to each peer that is not listed
//! ("Efficient computation of frequent and top-k elements in data streams", Metwally et al., 2005: a count may be too high, never
//! too low).

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, civil::Date};
use serde::{Deserialize, Serialize};

use crate::db::{Change, Db, DbError, Table};
use crate::model::Moved;

/// Peers of a day that are listed by name.
pub const MAX_PEERS: usize = 1000;

/// Pairs of peer and swarm of a day that are listed.
pub const MAX_ROWS: usize = 4000;

/// Days that the log keeps.
pub const KEPT_DAYS: i32 = 400;

/// Name of the row for peers that are not listed by their own.
pub const OTHERS: &str = "others";

/// Settings key of the list of days that have rows.
const DAYS_KEY: &str = "moved-days";

/// Longest model name that is stored, in characters.
const MODEL_CHARS: usize = 200;

/// Bytes of one swarm exchanged with one peer, to be added.
#[derive(Clone, Copy, Debug)]
pub struct Delta<'a> {
    /// The peer.
    pub peer: &'a str,
    /// The swarm.
    pub swarm_id: &'a str,
    /// `model.id` and version.
    pub model: &'a str,
    /// Payload bytes sent.
    pub sent: u64,
    /// Payload bytes received.
    pub received: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Amount {
    model: String,
    sent: u64,
    received: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct PeerDay {
    /// Added to the bytes sent to it, because it may have been evicted before.
    base: u64,
    swarms: BTreeMap<String, Amount>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Day {
    peers: BTreeMap<String, PeerDay>,
    others: Amount,
    /// The most that any peer in `others` may have been sent.
    floor: u64,
}

impl PeerDay {
    /// Returns the bytes that count against the daily quota.
    fn used(&self) -> u64 {
        self.swarms.values().fold(self.base, |sum, amount| sum.saturating_add(amount.sent))
    }

    fn weight(&self) -> u64 {
        self.swarms.values().fold(self.used(), |sum, amount| sum.saturating_add(amount.received))
    }
}

impl Day {
    fn add(&mut self, delta: &Delta<'_>) {
        let floor = self.floor;
        let fresh = || PeerDay { base: floor, ..PeerDay::default() };
        let peer = self.peers.entry(delta.peer.to_owned()).or_insert_with(fresh);
        let amount = peer.swarms.entry(delta.swarm_id.to_owned()).or_default();
        if amount.model != delta.model {
            amount.model = delta.model.chars().take(MODEL_CHARS).collect();
        }
        amount.sent = amount.sent.saturating_add(delta.sent);
        amount.received = amount.received.saturating_add(delta.received);
    }

    fn bound(&mut self) {
        let rows = |day: &Self| day.peers.values().map(|peer| peer.swarms.len()).sum::<usize>();
        while self.peers.len() > MAX_PEERS || (rows(self) > MAX_ROWS && self.peers.len() > 1) {
            let least = self.peers.iter().min_by_key(|(_, peer)| peer.weight());
            let Some(name) = least.map(|(name, _)| name.clone()) else { return };
            let Some(peer) = self.peers.remove(&name) else { return };
            self.floor = self.floor.max(peer.weight());
            for amount in peer.swarms.values() {
                self.others.sent = self.others.sent.saturating_add(amount.sent);
                self.others.received = self.others.received.saturating_add(amount.received);
            }
        }
    }
}

/// Adds several amounts with one read and write of the day. Amounts of 0 bytes are skipped.
///
/// # Errors
///
/// A database error.
pub fn add_all(change: &mut Change<'_>, at_unix: u64, deltas: &[Delta<'_>]) -> Result<(), DbError> {
    let mut moved = deltas.iter().filter(|delta| delta.sent > 0 || delta.received > 0).peekable();
    if moved.peek().is_none() {
        return Ok(());
    }
    let date = date(at_unix);
    let key = date.to_string();
    let mut day = match change.get::<Day>(Table::Moved, &key)? {
        Some(day) => day,
        None => {
            begin(change, date)?;
            Day::default()
        }
    };
    moved.for_each(|delta| day.add(delta));
    day.bound();
    change.put(Table::Moved, &key, &day)
}

/// Begins a day and removes days too far from it, also future ones that a wrong clock made.
fn begin(change: &mut Change<'_>, today: Date) -> Result<(), DbError> {
    let days: Vec<String> = change.get(Table::Settings, DAYS_KEY)?.unwrap_or_default();
    let is_near = |day: &String| {
        let apart = day.parse::<Date>().ok().and_then(|day| day.until(today).ok());
        apart.is_some_and(|apart| apart.get_days().abs() < KEPT_DAYS)
    };
    let (mut kept, gone): (Vec<_>, Vec<_>) = days.into_iter().partition(is_near);
    for day in gone {
        change.remove(Table::Moved, &day)?;
    }
    kept.push(today.to_string());
    change.put(Table::Settings, DAYS_KEY, &kept)
}

/// Returns the bytes moved in the last `days` days, today included: the newest day first, then by peer and swarm.
///
/// # Errors
///
/// A database error.
pub fn moved(db: &Db, days: u32, now_unix: u64) -> Result<Vec<Moved>, DbError> {
    let mut all = Vec::new();
    let today = date(now_unix);
    for back in 0..i32::try_from(days).unwrap_or(KEPT_DAYS).min(KEPT_DAYS) {
        let Ok(date) = today.checked_sub(back.days()) else { break };
        let Some(day) = db.get::<Day>(Table::Moved, &date.to_string())? else { continue };
        let row = |peer: &str, swarm_id: &str, amount: &Amount| Moved {
            day: date.to_string(),
            peer: peer.to_owned(),
            swarm_id: swarm_id.to_owned(),
            model: amount.model.clone(),
            sent_bytes: amount.sent,
            received_bytes: amount.received,
        };
        for (peer, of_peer) in &day.peers {
            all.extend(of_peer.swarms.iter().map(|(swarm, amount)| row(peer, swarm, amount)));
        }
        if day.others.sent > 0 || day.others.received > 0 {
            all.push(row(OTHERS, "", &day.others));
        }
    }
    Ok(all)
}

/// Returns the bytes charged to each peer as sent today (a UTC day) over all swarms; under [`OTHERS`], the floor charged to each
/// unlisted peer. [`used`] looks up one peer.
///
/// # Errors
///
/// A database error.
pub fn sent_today(db: &Db, now_unix: u64) -> Result<BTreeMap<String, u64>, DbError> {
    let day: Day = db.get(Table::Moved, &date(now_unix).to_string())?.unwrap_or_default();
    let mut sent: BTreeMap<String, u64> =
        day.peers.into_iter().map(|(name, peer)| (name, peer.used())).collect();
    if day.floor > 0 {
        sent.insert(OTHERS.to_owned(), day.floor);
    }
    Ok(sent)
}

/// Returns the bytes charged to a peer as sent, by the result of [`sent_today`].
pub fn used(sent_today: &BTreeMap<String, u64>, peer: &str) -> u64 {
    sent_today.get(peer).or_else(|| sent_today.get(OTHERS)).copied().unwrap_or(0)
}

/// Returns the UTC day; 1970-01-01 for times outside the calendar.
fn date(unix: u64) -> Date {
    let at = i64::try_from(unix).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    TimeZone::UTC.to_datetime(at.unwrap_or(Timestamp::UNIX_EPOCH)).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-01T12:00:00Z.
    const NOON: u64 = 1_780_315_200;
    const DAY: u64 = 86_400;

    fn open() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("db")).unwrap();
        (folder, db)
    }

    fn put(db: &Db, at: u64, peer: &str, swarm: &str, sent: u64, received: u64) {
        db.change(|change| {
            add_all(change, at, &[Delta { peer, swarm_id: swarm, model: "m 1", sent, received }])
        })
        .unwrap();
    }

    fn lines(moved: &[Moved]) -> Vec<String> {
        let line = |row: &Moved| {
            format!("{} {} {} {} {}", row.day, row.peer, row.swarm_id, row.sent_bytes, row.received_bytes)
        };
        moved.iter().map(line).collect()
    }

    #[test]
    fn moved_bytes_add_up_by_day_peer_and_swarm_newest_day_first() {
        let (_folder, db) = open();
        put(&db, NOON - DAY, "b", "s", 1, 0);
        put(&db, NOON, "b", "s", 2, 5);
        put(&db, NOON + 60, "b", "s", 3, 0);
        put(&db, NOON, "b", "t", 4, 0);
        put(&db, NOON, "a", "s", 0, 7);
        put(&db, NOON, "nobody", "s", 0, 0);
        let all = moved(&db, 2, NOON).unwrap();
        let today = ["2026-06-01 a s 0 7", "2026-06-01 b s 5 5", "2026-06-01 b t 4 0"];
        assert_eq!(lines(&all), [&today[..], &["2026-05-31 b s 1 0"]].concat());
        assert_eq!(lines(&moved(&db, 1, NOON).unwrap()), today);
        assert_eq!(moved(&db, 0, NOON).unwrap(), []);
        assert_eq!(moved(&db, u32::MAX, NOON).unwrap().len(), 4);
        assert!(all.iter().all(|row| row.model == "m 1"));
    }

    #[test]
    fn a_day_ends_at_midnight_utc_and_a_budget_begins_anew() {
        let (_folder, db) = open();
        let midnight = NOON + DAY / 2;
        put(&db, midnight - 1, "a", "s", 10, 0);
        put(&db, midnight - 1, "a", "t", 5, 99);
        assert_eq!(used(&sent_today(&db, midnight - 1).unwrap(), "a"), 15);
        assert_eq!(used(&sent_today(&db, midnight).unwrap(), "a"), 0);
    }

    #[test]
    fn days_beyond_400_and_days_of_a_wrong_clock_are_dropped() {
        let (_folder, db) = open();
        put(&db, NOON, "a", "s", 1, 0);
        put(&db, NOON + 1000 * DAY, "future", "s", 1, 0);
        assert_eq!(moved(&db, 400, NOON).unwrap(), [], "the clock was believed");
        put(&db, NOON, "a", "s", 2, 0);
        put(&db, NOON + 399 * DAY, "a", "s", 3, 0);
        assert_eq!(moved(&db, 400, NOON + 399 * DAY).unwrap().len(), 2);
        put(&db, NOON + 400 * DAY, "a", "s", 4, 0);
        let rows = db.all::<Day>(Table::Moved).unwrap();
        assert_eq!(
            rows.iter().map(|(day, _)| day.as_str()).collect::<Vec<_>>(),
            ["2027-07-05", "2027-07-06"]
        );
        let days: Vec<String> = db.get(Table::Settings, DAYS_KEY).unwrap().unwrap();
        assert_eq!(days, ["2027-07-05", "2027-07-06"]);
    }

    // Rows: B22
    #[test]
    fn stranger_keys_cost_a_bounded_day_and_its_sums_lose_no_byte() {
        let (_folder, db) = open();
        let names: Vec<String> = (0..3000_u32).map(|number| format!("peer-{number:04}")).collect();
        db.change::<_, DbError>(|change| {
            for pair in names.chunks(100) {
                let delta = |peer| Delta { peer, swarm_id: "s", model: "m", sent: 10, received: 1 };
                let deltas: Vec<_> = pair.iter().map(|name| delta(name.as_str())).collect();
                add_all(change, NOON, &deltas)?;
            }
            add_all(
                change,
                NOON,
                &[Delta { peer: "friend", swarm_id: "s", model: "m", sent: 5000, received: 0 }],
            )
        })
        .unwrap();
        let all = moved(&db, 1, NOON).unwrap();
        assert_eq!(all.len(), MAX_PEERS + 1);
        assert_eq!(all.iter().map(|row| row.sent_bytes).sum::<u64>(), 35_000);
        assert_eq!(all.iter().map(|row| row.received_bytes).sum::<u64>(), 3000);
        assert_eq!(all.last().map(|row| (row.peer.as_str(), row.model.as_str())), Some((OTHERS, "")));
        assert!(all.iter().any(|row| row.peer == "friend" && row.sent_bytes == 5000));
    }

    // Rows: B22
    #[test]
    fn nobody_gets_a_fresh_budget_by_being_forgotten() {
        let (_folder, db) = open();
        let mut truth: BTreeMap<String, u64> = BTreeMap::new();
        // More peers than are listed, which come back repeatedly, some with many bytes and some with few.
        for round in 0..3_u64 {
            let names: Vec<String> = (0..1200_u64).map(|number| format!("p{number}")).collect();
            let sent = |number: usize| (number as u64 * 7919 + round * 31) % 50 + 1;
            let delta = |(number, peer): (usize, &'_ String)| (peer.clone(), sent(number));
            let amounts: Vec<_> = names.iter().enumerate().map(delta).collect();
            for part in amounts.chunks(60) {
                let deltas: Vec<_> = part
                    .iter()
                    .map(|(peer, sent)| Delta { peer, swarm_id: "s", model: "m", sent: *sent, received: 0 })
                    .collect();
                db.change(|change| add_all(change, NOON, &deltas)).unwrap();
            }
            amounts.into_iter().for_each(|(peer, sent)| *truth.entry(peer).or_default() += sent);
            let counted = sent_today(&db, NOON).unwrap();
            for (peer, sent) in &truth {
                assert!(
                    used(&counted, peer) >= *sent,
                    "{peer} had {sent} and counts {}",
                    used(&counted, peer)
                );
            }
        }
    }

    #[test]
    fn rows_of_many_swarms_and_peers_are_bounded_and_names_are_cut() {
        let mut day = Day::default();
        let name = "x".repeat(5000);
        for peer in 0..10 {
            for swarm in 0..500 {
                let (peer, swarm) = (format!("p{peer}"), format!("s{swarm}"));
                day.add(&Delta { peer: &peer, swarm_id: &swarm, model: &name, sent: 1, received: 0 });
            }
        }
        day.bound();
        assert_eq!(day.peers.len(), MAX_ROWS / 500);
        assert_eq!(day.others.sent, 1000);
        let cut =
            day.peers.values().flat_map(|peer| peer.swarms.values()).all(|a| a.model.len() == MODEL_CHARS);
        assert!(cut);
    }
}
