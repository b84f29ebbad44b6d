//! A bound on the bytes that one transfer serves, however many peers ask.

use std::sync::{Mutex, MutexGuard, PoisonError};

use minimodel_swarm::driver::{Account, Direction, QuotaGate};
use minimodel_swarm::machine::QuotaRefusal;
use minimodel_wire::PeerId;

/// Serves at most so many payload bytes, to all peers together; what is received does not count.
///
/// ```
/// use std::sync::Arc;
///
/// use minimodel::transfer::{Control, Limits, ServeQuota};
///
/// // A share that serves 10 GB, and then nobody.
/// let control = Control::new(Limits { gate: Some(Arc::new(ServeQuota::new(10_000_000_000))), ..Limits::default() });
/// # drop(control);
/// ```
#[derive(Debug)]
pub struct ServeQuota(Mutex<Bytes>);

#[derive(Debug)]
struct Bytes {
    /// Neither sent nor under way.
    left: u64,
    under_way: u64,
}

impl ServeQuota {
    /// A quota of this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Mutex::new(Bytes { left: bytes, under_way: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QuotaGate for ServeQuota {
    fn reserve(&self, direction: Direction, _: PeerId, bytes: u64) -> Result<Account, QuotaRefusal> {
        if direction == Direction::Sent {
            let mut of = self.lock();
            let Some(left) = of.left.checked_sub(bytes) else {
                // What is under way may come back.
                let may_fit = of.left.saturating_add(of.under_way) >= bytes;
                return Err(if may_fit { QuotaRefusal::InFlight } else { QuotaRefusal::UsedUp });
            };
            of.left = left;
            of.under_way = of.under_way.saturating_add(bytes);
        }
        Ok(Account(0))
    }

    fn settle(&self, direction: Direction, _: PeerId, _: Account, bytes: u64, moved: u64) {
        if direction == Direction::Sent {
            let mut of = self.lock();
            of.under_way = of.under_way.saturating_sub(bytes);
            of.left = of.left.saturating_add(bytes.saturating_sub(moved));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_may_come_back_and_what_was_sent_does_not() {
        let (quota, peer) = (ServeQuota::new(100), PeerId([1; 32]));
        let of = |direction, bytes| quota.reserve(direction, peer, bytes);
        let first = of(Direction::Sent, 60).unwrap();
        assert!(of(Direction::Received, 1_000).is_ok());
        assert_eq!(of(Direction::Sent, 60), Err(QuotaRefusal::InFlight));
        assert_eq!(of(Direction::Sent, 101), Err(QuotaRefusal::UsedUp));
        quota.settle(Direction::Sent, peer, first, 60, 10);
        assert!(of(Direction::Sent, 60).is_ok());
        quota.settle(Direction::Sent, peer, first, 60, 60);
        assert_eq!(of(Direction::Sent, 60), Err(QuotaRefusal::UsedUp));
        assert!(of(Direction::Sent, 30).is_ok());
    }
}
