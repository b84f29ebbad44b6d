use std::thread;
use std::time::Duration;

use mdns_sd::{Error, Metrics, RecvTimeoutError, ServiceDaemon};

/// Records that the mDNS service may hold. It drops none by itself before they expire, after a time that their sender chose. A network of
/// 500 members makes it hold 2,500.
const MAX_RECORDS: i64 = 8_192;
/// Announced names that it may hold, for each of which it sends queries until it knows host and port.
const MAX_NAMES: i64 = 512;
/// Times that the service may keep, 16 bytes each: two for every record, and two each time that it is announced again.
const MAX_TIMES: i64 = 65_536;
/// How often the service is asked what it holds, hence the time for which a flood is taken in.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long its answer is awaited; it takes in a burst of packets first.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

const SHORTEST: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(60);
/// A flood after this time is the first one again.
const CALM: Duration = Duration::from_secs(300);

/// Waits until the service holds more than it may. Returns false if it ended before.
pub(super) fn is_flooded(daemon: &ServiceDaemon) -> bool {
    loop {
        thread::sleep(LOOK_EVERY);
        let answer = match daemon.get_metrics() {
            Ok(answer) => answer,
            // The queue of commands is full for a moment.
            Err(Error::Again) => continue,
            Err(_) => return false,
        };
        match answer.recv_timeout(ANSWER_LIMIT) {
            Ok(held) if is_too_much(&held) => return true,
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn is_too_much(held: &Metrics) -> bool {
    let cached = held.iter().filter(|(name, _)| name.starts_with("cached-"));
    let records: i64 = cached.map(|(_, count)| count).sum();
    let of = |name| held.get(name).copied().unwrap_or(0);
    records > MAX_RECORDS || of("cached-ptr") > MAX_NAMES || of("timer") > MAX_TIMES
}

/// How long the network is left alone after floods.
#[derive(Debug, Default)]
pub(super) struct Rests {
    next: Option<Duration>,
}

impl Rests {
    /// The rest after a service that was flooded when it was `age` old: three seconds, doubled with each further flood up to a minute.
    pub(super) fn after(&mut self, age: Duration) -> Duration {
        let rest = self.next.filter(|_| age < CALM).unwrap_or(SHORTEST);
        self.next = Some((rest * 2).min(LONGEST));
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_until_the_network_is_calm() {
        let mut rests = Rests::default();
        let mut after = |age| rests.after(Duration::from_secs(age)).as_secs();
        assert_eq!([1, 1, 1, 1, 1, 1, 1].map(&mut after), [3, 6, 12, 24, 48, 60, 60]);
        assert_eq!([299, 300, 1].map(&mut after), [60, 3, 6]);
    }
}
