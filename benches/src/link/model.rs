//! One direction of a link: what happens to a packet, and when. It has no clock of its own; every call says what time
//! it is, and times must not go back.
//!
//! The line sends one packet after the other at its rate. What it has not sent yet is the queue, in bytes; a packet
//! that no longer fits is dropped (drop-tail). A packet that was sent may be lost on the way, by a seeded coin; the line
//! was busy with it all the same. What is left arrives after the delay, in order.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;

/// Parameters of a link, equal in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// Bits of IP packets a second.
    pub bits_per_second: u64,
    /// Delay of one direction: half a round trip.
    pub one_way: Duration,
    /// Share of sent packets that get lost, 0 to 1.
    pub loss: f64,
    /// Capacity of the queue, in bytes.
    pub queue_bytes: u64,
    /// The largest packet, in bytes of IP.
    pub mtu: u32,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It will arrive.
    Carried,
    /// The queue was full.
    Dropped,
    /// It was sent and got lost.
    Lost,
    /// It is larger than the link's largest packet.
    TooLarge,
}

/// Counters of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Packets that were handed in, whatever became of them, without those too large.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
    /// Packets that the full queue dropped.
    pub dropped: u64,
    /// Packets that got lost on the way.
    pub lost: u64,
    /// Packets larger than the link's largest.
    pub too_large: u64,
    /// Packets that arrived.
    pub arrived: u64,
    /// The fullest the queue was, in bytes.
    pub fullest: u64,
}

/// One direction, with packets of type `T` on their way.
#[derive(Debug)]
pub struct Direction<T> {
    profile: Profile,
    coin: Rng,
    /// The time at which the line will have sent all queued packets.
    idle_at: Duration,
    under_way: VecDeque<(Duration, T)>,
    counts: Counts,
}

impl<T> Direction<T> {
    /// An idle line. The same `seed` loses the same packets, counted in the order in which they are sent.
    #[must_use]
    pub fn new(profile: Profile, seed: u64) -> Self {
        let coin = Rng::with_seed(seed);
        Self { profile, coin, idle_at: Duration::ZERO, under_way: VecDeque::new(), counts: Counts::default() }
    }

    /// Hands in a packet of `bytes` bytes (of IP) at `now`.
    pub fn offer(&mut self, now: Duration, bytes: u32, packet: T) -> Fate {
        if bytes > self.profile.mtu {
            self.counts.too_large += 1;
            return Fate::TooLarge;
        }
        self.counts.packets += 1;
        self.counts.bytes += u64::from(bytes);
        let queued = self.queued(now) + u64::from(bytes);
        if queued > self.profile.queue_bytes {
            self.counts.dropped += 1;
            return Fate::Dropped;
        }
        self.counts.fullest = self.counts.fullest.max(queued);
        self.idle_at = self.idle_at.max(now) + self.time_to_send(bytes);
        if self.coin.f64() < self.profile.loss {
            self.counts.lost += 1;
            return Fate::Lost;
        }
        self.under_way.push_back((self.idle_at + self.profile.one_way, packet));
        Fate::Carried
    }

    /// The next packet that has arrived at `now`, with the moment at which it was due.
    pub fn arrival(&mut self, now: Duration) -> Option<(Duration, T)> {
        let (due, _) = self.under_way.front()?;
        if *due > now {
            return None;
        }
        self.counts.arrived += 1;
        self.under_way.pop_front()
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Duration> {
        self.under_way.front().map(|(due, _)| *due)
    }

    /// The counters so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes that the line has not sent yet.
    fn queued(&self, now: Duration) -> u64 {
        let busy = self.idle_at.saturating_sub(now).as_nanos();
        let bytes = busy * u128::from(self.profile.bits_per_second) / 8_000_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn time_to_send(&self, bytes: u32) -> Duration {
        Duration::from_nanos(u64::from(bytes) * 8_000_000_000 / self.profile.bits_per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn profile() -> Profile {
        // 1,500 bytes take 60 microseconds.
        Profile { bits_per_second: 200_000_000, one_way: 25 * MS, loss: 0.0, queue_bytes: 1 << 20, mtu: 1500 }
    }

    fn arrivals(line: &mut Direction<u32>) -> Vec<(Duration, u32)> {
        std::iter::from_fn(|| line.arrival(Duration::MAX)).collect()
    }

    #[test]
    fn packet_arrives_after_serialization_plus_delay_and_not_before() {
        let mut line = Direction::new(profile(), 1);
        assert_eq!(line.offer(7 * MS, 1500, 0), Fate::Carried);
        let due = 32 * MS + Duration::from_micros(60);
        assert_eq!(line.next_arrival(), Some(due));
        assert_eq!(line.arrival(due - Duration::from_nanos(1)), None);
        assert_eq!(line.arrival(due), Some((due, 0)));
        assert_eq!((line.arrival(Duration::MAX), line.next_arrival()), (None, None));
    }

    #[test]
    fn packets_handed_in_at_once_leave_at_the_rate_and_in_order() {
        let mut line = Direction::new(profile(), 1);
        for number in 0..500 {
            assert_eq!(line.offer(Duration::ZERO, 1500, number), Fate::Carried);
        }
        for (at, (due, number)) in (0..).zip(arrivals(&mut line)) {
            assert_eq!(number, at);
            assert_eq!(due, 25 * MS + (number + 1) * Duration::from_micros(60));
        }
    }

    #[test]
    fn an_idle_line_saves_nothing_up() {
        let mut line = Direction::new(profile(), 1);
        line.offer(Duration::ZERO, 1500, 0);
        line.offer(100 * MS, 1500, 1);
        line.offer(100 * MS, 1500, 2);
        let due: Vec<_> = arrivals(&mut line).into_iter().map(|(due, _)| due).collect();
        let first = 125 * MS + Duration::from_micros(60);
        assert_eq!(due[1..], [first, first + Duration::from_micros(60)]);
    }

    #[test]
    fn packets_beyond_queue_are_dropped_until_line_has_sent_some() {
        let mut line = Direction::new(Profile { queue_bytes: 15_000, ..profile() }, 1);
        let fates: Vec<_> = (0..12).map(|number| line.offer(Duration::ZERO, 1500, number)).collect();
        assert_eq!(fates[..10], [Fate::Carried; 10]);
        assert_eq!(fates[10..], [Fate::Dropped; 2]);
        // A packet's time later there is room for one, not for two.
        let later = Duration::from_micros(60);
        assert_eq!(line.offer(later, 1500, 12), Fate::Carried);
        assert_eq!(line.offer(later, 1500, 13), Fate::Dropped);
        assert_eq!(arrivals(&mut line).last().map(|(_, number)| *number), Some(12));
        let counts = line.counts();
        assert_eq!((counts.packets, counts.dropped, counts.arrived, counts.fullest), (14, 3, 11, 15_000));
    }

    #[test]
    fn the_asked_share_is_lost_and_the_same_seed_loses_the_same() {
        let lost = |seed| {
            let mut line = Direction::new(Profile { loss: 0.02, ..profile() }, seed);
            let step = Duration::from_micros(60);
            let fates: Vec<_> = (0..100_000).map(|number| line.offer(number * step, 1500, number)).collect();
            fates.iter().map(|fate| *fate == Fate::Lost).collect::<Vec<_>>()
        };
        let first = lost(42);
        let count = first.iter().filter(|lost| **lost).count();
        // Four standard deviations of a fair coin of 2 % are 177.
        assert!((1823..=2177).contains(&count), "{count}");
        assert_eq!(first, lost(42));
        assert_ne!(first, lost(43));
    }

    #[test]
    fn a_lost_packet_kept_the_line_busy() {
        let mut line = Direction::new(Profile { loss: 1.0, ..profile() }, 1);
        assert_eq!(line.offer(Duration::ZERO, 1500, 0), Fate::Lost);
        line.profile.loss = 0.0;
        line.offer(Duration::ZERO, 1500, 1);
        assert_eq!(line.next_arrival(), Some(25 * MS + Duration::from_micros(120)));
    }

    #[test]
    fn no_packet_is_larger_than_the_link_allows() {
        let mut line = Direction::new(profile(), 1);
        assert_eq!(line.offer(Duration::ZERO, 1501, 0), Fate::TooLarge);
        assert_eq!(line.counts(), Counts { too_large: 1, ..Counts::default() });
    }
}
