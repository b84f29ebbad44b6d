//! The fluid bound, which no scheduler can beat.
//!
//! `max(F/u_s, F/d_min, N F/(u_s + sum u_i))`: every byte leaves the seeder once, the slowest downlink takes the whole
//! file, and all uplinks together carry it to all leechers (Kumar and Ross, "Peer-Assisted File Distribution: The Minimum
//! Distribution Time", HotWeb 2006). Where peers come and go, the three terms are taken over the time that each was there:
//! no leecher is done before it has joined and taken the file, and an uplink carries only while its peer is there.

use std::time::Duration;

/// One leecher, in bytes a second and the time of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taker {
    pub(super) up: f64,
    pub(super) down: f64,
    pub(super) came: Duration,
    /// `None`: it stayed until the end.
    pub(super) left: Option<Duration>,
    /// It took the whole file.
    pub(super) finished: bool,
}

/// The earliest time, in seconds, at which the last leecher that finished can have been done.
pub(super) fn fluid(file: f64, seeder_up: f64, takers: &[Taker]) -> f64 {
    let finished = takers.iter().filter(|taker| taker.finished);
    let narrowest =
        finished.clone().map(|taker| taker.came.as_secs_f64() + file / taker.down).fold(0.0, f64::max);
    let needed = file * finished.count() as f64;
    (file / seeder_up).max(narrowest).max(carried(needed, seeder_up, takers))
}

/// The time, in seconds, at which all uplinks together have carried `needed` bytes.
fn carried(needed: f64, seeder_up: f64, takers: &[Taker]) -> f64 {
    let mut changes: Vec<(f64, f64)> = Vec::new();
    for taker in takers {
        changes.push((taker.came.as_secs_f64(), taker.up));
        changes.extend(taker.left.map(|left| (left.as_secs_f64(), -taker.up)));
    }
    changes.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut at, mut rate, mut done) = (0.0, seeder_up, 0.0);
    for (when, change) in changes {
        let more = rate * (when - at);
        if done + more >= needed {
            break;
        }
        done += more;
        (at, rate) = (when, rate + change);
    }
    at + (needed - done) / rate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taker(up: f64, down: f64) -> Taker {
        Taker { up, down, came: Duration::ZERO, left: None, finished: true }
    }

    #[test]
    fn each_of_the_three_terms_can_be_the_bound() {
        assert_eq!(fluid(100.0, 1.0, &[taker(50.0, 50.0); 4]), 100.0, "the seeder's way up");
        let mut narrow = vec![taker(50.0, 50.0); 4];
        narrow[2].down = 0.5;
        assert_eq!(fluid(100.0, 10.0, &narrow), 200.0, "the narrowest way down");
        assert_eq!(fluid(100.0, 10.0, &[taker(2.5, 50.0); 4]), 20.0, "all ways up together");
    }

    #[test]
    fn a_way_up_counts_only_while_its_owner_is_there() {
        let late = Taker { came: Duration::from_secs(10), ..taker(10.0, 1_000.0) };
        // 10 a second for 10 s, then 20 a second for the other 100.
        assert_eq!(fluid(100.0, 10.0, &[taker(0.0, 1_000.0), late]), 15.0);
        let leaves = Taker { left: Some(Duration::from_secs(5)), finished: false, ..taker(10.0, 1_000.0) };
        assert_eq!(fluid(100.0, 10.0, &[taker(0.0, 1_000.0), leaves]), 10.0);
        let slower = Taker { left: Some(Duration::from_secs(2)), ..leaves };
        assert_eq!(fluid(100.0, 10.0, &[taker(0.0, 1_000.0), slower]), 10.0, "the seeder alone needs 10 s");
        assert_eq!(fluid(200.0, 20.0, &[taker(0.0, 1_000.0), slower]), 10.0);
    }
}
