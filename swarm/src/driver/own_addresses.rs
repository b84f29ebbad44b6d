//! The addresses of this machine, looked at often enough that a change of network is noticed soon, and no more often for many sessions
//! than for one.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long what the system said is taken for true.
const FRESH: Duration = Duration::from_secs(2);

/// The addresses of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// All of them.
    pub all: Vec<IpAddr>,
    /// Those to name in offers, best first: those that lead here from everywhere before those of a private network.
    pub named: Vec<IpAddr>,
}

/// The addresses of this machine, as the system says.
#[derive(Debug)]
pub(super) struct OwnAddresses {
    ask: fn() -> Interfaces,
    last: Mutex<Option<Look>>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    found: Interfaces,
    /// How often the addresses have changed.
    changes: u64,
}

impl OwnAddresses {
    pub(super) fn new(ask: fn() -> Interfaces) -> Self {
        Self { ask, last: Mutex::new(None) }
    }

    /// The addresses now.
    pub(super) fn look(&self) -> Interfaces {
        let found = (self.ask)();
        Self::note(&mut self.lock(), found.clone());
        found
    }

    /// How often the addresses have changed since the first look, as far as is known: the last look may be [`FRESH`] old.
    pub(super) fn changes(&self) -> u64 {
        let mut last = self.lock();
        match last.as_ref().filter(|look| look.at.elapsed() < FRESH) {
            Some(look) => look.changes,
            None => Self::note(&mut last, (self.ask)()),
        }
    }

    fn note(last: &mut Option<Look>, found: Interfaces) -> u64 {
        let changes = last.as_ref().map_or(0, |before| before.changes + u64::from(before.found != found));
        *last = Some(Look { at: Instant::now(), found, changes });
        changes
    }

    fn lock(&self) -> MutexGuard<'_, Option<Look>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// These hosts with a port, as a socket at `local` hears there.
pub(super) fn heard_at(ips: &[IpAddr], local: SocketAddr) -> Vec<SocketAddr> {
    let heard = ips.iter().filter(|ip| local.is_ipv6() || ip.is_ipv4());
    heard.map(|&ip| SocketAddr::new(ip, local.port())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    static ASKED: AtomicU32 = AtomicU32::new(0);

    fn changing() -> Interfaces {
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let host = IpAddr::from([10, 0, 0, if asked < 2 { 1 } else { 2 }]);
        Interfaces { all: vec![host], named: vec![host] }
    }

    #[test]
    fn changes_are_counted_and_the_system_is_not_asked_each_time() {
        let own = OwnAddresses::new(changing);
        let counts: Vec<u64> = (0..100).map(|_| own.changes()).collect();
        assert_eq!((counts, ASKED.load(Ordering::Relaxed)), (vec![0; 100], 1));
        own.look();
        assert_eq!(own.changes(), 0);
        assert_eq!((own.look().all, own.changes()), (vec![IpAddr::from([10, 0, 0, 2])], 1));
    }

    #[test]
    fn socket_of_one_family_hears_at_addresses_of_that_family() {
        let ips = ["2001:db8::7", "192.0.2.7"].map(|ip| ip.parse().unwrap());
        let heard = |local: &str| heard_at(&ips, local.parse().unwrap()).len();
        assert_eq!((heard("[::]:1"), heard("0.0.0.0:1")), (2, 1));
    }
}
