//! Samples of one connection: transferred bytes, and whether its path is alive.

use std::time::Duration;

use quinn::ConnectionStats;

use crate::machine::{Meter, Time};

/// Datagrams sent without any coming back that show a silent path: an acknowledgement alone is never answered, but
/// everything else is, or is sent again and again (RFC 9002 section 6.2).
const UNHEARD: u64 = 4;
/// One packet in this many lost during the interval, and more than one, is trouble.
const LOST_PART: u64 = 5;
/// A round trip of more than this many times its minimum, and more than this above it, is trouble: a queue that does
/// not end.
const LONG: (u32, Duration) = (4, Duration::from_millis(200));
/// Datagrams sent in an interval without new payload that show that the send buffer is still draining.
const DRAINING: u64 = 3;

/// The last sample of a connection.
#[derive(Debug, Default)]
pub(super) struct PathSampler {
    received: u64,
    sent: u64,
    heard: u64,
    said: u64,
    lost: u64,
    packets: u64,
    unheard: u64,
    down: Meter,
    up: Meter,
}

/// What happened on a connection between two samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PathSample {
    /// Payload bytes.
    pub(super) received: u64,
    pub(super) sent: u64,
    /// A datagram was received.
    pub(super) is_heard: bool,
    /// The path is silent, losing, or its round trip far above its minimum.
    pub(super) is_in_trouble: bool,
    /// Datagrams go out with payload that was handed to QUIC earlier.
    pub(super) is_draining: bool,
    /// Payload bytes a second, smoothed.
    pub(super) down_rate: u64,
    pub(super) up_rate: u64,
}

impl PathSampler {
    /// Takes a sample. `received` and `sent`: payload bytes since the connection began.
    pub(super) fn sample(
        &mut self,
        now: Time,
        (received, sent): (u64, u64),
        stats: &ConnectionStats,
    ) -> PathSample {
        let (heard, said) = (stats.udp_rx.datagrams, stats.udp_tx.datagrams);
        let fresh = |new: u64, old: &mut u64| new.saturating_sub(std::mem::replace(old, new));
        let (received, sent) = (fresh(received, &mut self.received), fresh(sent, &mut self.sent));
        let (heard, said) = (fresh(heard, &mut self.heard), fresh(said, &mut self.said));
        let lost = fresh(stats.path.lost_packets, &mut self.lost);
        let packets = fresh(stats.path.sent_packets, &mut self.packets);
        self.unheard = if heard > 0 { 0 } else { self.unheard + said };
        self.down.add(now, received);
        self.up.add(now, sent);
        let (rtt, least) = (stats.path.rtt, stats.path.min_rtt);
        let is_long = rtt > least * LONG.0 && rtt > least + LONG.1;
        let is_losing = lost > 1 && lost * LOST_PART >= packets;
        PathSample {
            received,
            sent,
            is_heard: heard > 0,
            is_in_trouble: self.unheard >= UNHEARD || is_losing || is_long,
            is_draining: sent == 0 && said >= DRAINING,
            down_rate: self.down.rate(now),
            up_rate: self.up.rate(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(heard: u64, said: u64) -> ConnectionStats {
        let mut stats = ConnectionStats::default();
        (stats.udp_rx.datagrams, stats.udp_tx.datagrams) = (heard, said);
        (stats.path.rtt, stats.path.min_rtt) = (Duration::from_millis(10), Duration::from_millis(10));
        stats.path.sent_packets = said;
        stats
    }

    fn sample(sampler: &mut PathSampler, second: u64, stats: &ConnectionStats) -> PathSample {
        sampler.sample(Time::after_start(Duration::from_secs(second)), (0, 0), stats)
    }

    #[test]
    fn path_without_replies_is_in_trouble_until_a_reply_arrives() {
        let mut sampler = PathSampler::default();
        assert!(!sample(&mut sampler, 0, &stats(10, 10)).is_in_trouble);
        assert!(!sample(&mut sampler, 1, &stats(10, 13)).is_in_trouble, "acknowledgements, perhaps");
        assert!(sample(&mut sampler, 2, &stats(10, 14)).is_in_trouble);
        assert!(sample(&mut sampler, 3, &stats(10, 14)).is_in_trouble, "and nothing more is said");
        assert!(!sample(&mut sampler, 4, &stats(11, 20)).is_in_trouble);
    }

    #[test]
    fn losses_and_a_round_trip_far_above_its_least_are_trouble() {
        let mut sampler = PathSampler::default();
        sample(&mut sampler, 0, &stats(10, 10));
        let mut losing = stats(20, 20);
        losing.path.lost_packets = 2;
        assert!(sample(&mut sampler, 1, &losing).is_in_trouble);
        assert!(!sample(&mut sampler, 2, &losing).is_in_trouble, "not any more");
        let mut long = stats(30, 30);
        long.path.lost_packets = 2;
        long.path.rtt = Duration::from_millis(211);
        assert!(sample(&mut sampler, 3, &long).is_in_trouble);
        long.path.min_rtt = Duration::from_millis(100);
        assert!(!sample(&mut sampler, 4, &long).is_in_trouble);
    }

    #[test]
    fn bytes_and_rates_are_those_since_the_last_look() {
        let mut sampler = PathSampler::default();
        let at = |second| Time::after_start(Duration::from_secs(second));
        let first = sampler.sample(at(0), (0, 0), &stats(1, 1));
        let second = sampler.sample(at(1), (1_000, 200), &stats(2, 5));
        let third = sampler.sample(at(2), (1_000, 200), &stats(2, 8));
        assert_eq!(
            [first, second, third].map(|sample| (sample.received, sample.sent)),
            [(0, 0), (1_000, 200), (0, 0)]
        );
        assert_eq!([first, second, third].map(|sample| sample.is_draining), [false, false, true]);
        assert!(second.down_rate == 1_000 && third.down_rate < 1_000 && third.down_rate > 0);
    }
}
