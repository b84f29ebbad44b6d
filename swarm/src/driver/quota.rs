//! Quotas that several sessions share: each chunk is reserved before it moves, so that bytes used by one session are
//! used for all.

use std::fmt::Debug;
use std::sync::Arc;

use minimodel_wire::PeerId;

/// Direction in which bytes of the model move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From this node to a peer.
    Sent,
    /// From a peer to this node.
    Received,
}

/// The quota that a reservation was charged to, as numbered by the [`QuotaGate`] that granted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account(pub u64);

/// Why a reservation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaRefusal {
    /// Bytes that were transferred leave no room.
    UsedUp,
    /// Reserved bytes in flight take the room; some of it may be free again when their transfers end.
    InFlight,
}

/// Shared quotas: counts the bytes of all sessions that have this gate, and grants no more than the quotas allow.
/// [`Controls`](super::Controls) give each session the remaining quota in advance, so that it plans with that; they are
/// a moment old, and a gate is not.
///
/// Sessions call it from their async tasks: an implementation must not block.
pub trait QuotaGate: Debug + Send + Sync {
    /// Reserves payload bytes. They are in flight from now on, against the returned account, until
    /// [`settle`](Self::settle).
    ///
    /// # Errors
    ///
    /// The quota has no room for the bytes now.
    fn reserve(&self, direction: Direction, peer: PeerId, bytes: u64) -> Result<Account, QuotaRefusal>;

    /// Settles a reservation: `moved` of the reserved `bytes` were transferred; the remainder is released.
    fn settle(&self, direction: Direction, peer: PeerId, account: Account, bytes: u64, moved: u64);
}

/// A reservation, settled on drop.
#[derive(Debug)]
pub(super) struct Reservation {
    gate: Option<(Arc<dyn QuotaGate>, Account)>,
    direction: Direction,
    peer: PeerId,
    bytes: u64,
    moved: u64,
}

impl Reservation {
    /// Asks the gate for a reservation; without a gate every reservation is granted.
    pub(super) fn request(
        gate: Option<&Arc<dyn QuotaGate>>,
        direction: Direction,
        peer: PeerId,
        bytes: u64,
    ) -> Result<Self, QuotaRefusal> {
        let reserve = |gate: &Arc<dyn QuotaGate>| Ok((gate.clone(), gate.reserve(direction, peer, bytes)?));
        Ok(Self { gate: gate.map(reserve).transpose()?, direction, peer, bytes, moved: 0 })
    }

    /// Records `bytes` of this reservation as transferred.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved += bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some((gate, account)) = &self.gate {
            gate.settle(self.direction, self.peer, *account, self.bytes, self.moved);
        }
    }
}
