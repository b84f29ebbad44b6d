//! Cache of the longest payload that the first hop towards an address takes: a newcomer's first packet proves nothing,
//! and must not cost a socket each time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::socket::route_payload;

/// Addresses cached at once; a full cache is cleared, which costs a socket for each address.
const MAX_ROUTES: usize = 256;
/// Lifetime of an entry: a route may change. Path MTU discovery finds out by itself, only more slowly.
const FRESH: Duration = Duration::from_secs(60);

/// The cache, shared by its clones.
#[derive(Debug, Clone, Default)]
pub(super) struct Routes(Arc<Mutex<BTreeMap<IpAddr, Known>>>);

/// Time of the lookup, and the kernel's answer.
type Known = (Instant, Option<u16>);

impl Routes {
    /// The longest payload on the route to `remote`, where the kernel reports one.
    pub(super) fn payload(&self, remote: SocketAddr) -> Option<u16> {
        let address = remote.ip().to_canonical();
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&(at, payload)) = routes.get(&address)
            && at.elapsed() < FRESH
        {
            return payload;
        }
        if routes.len() >= MAX_ROUTES {
            routes.clear();
        }
        let payload = route_payload(remote);
        routes.insert(address, (Instant::now(), payload));
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: B16
    #[test]
    fn route_is_looked_up_once_per_address_and_table_is_bounded() {
        let routes = Routes::default();
        let at = |n: u32| SocketAddr::new(IpAddr::from((0x7f00_0000 + n).to_be_bytes()), 9);
        let first = routes.payload(at(1));
        routes.0.lock().unwrap().values_mut().for_each(|(_, payload)| *payload = Some(1_234));
        assert_eq!(routes.payload(at(1)), Some(1_234), "it was looked up again");
        let other_port = SocketAddr::new(at(1).ip(), 10);
        assert_eq!(routes.payload(other_port), Some(1_234));
        assert_eq!(routes.payload(at(2)), first);
        for n in 1..1_000 {
            routes.payload(at(n));
            assert!(routes.0.lock().unwrap().len() <= MAX_ROUTES);
        }
    }
}
