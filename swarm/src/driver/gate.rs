//! Quotas that several sessions share: each chunk is reserved before it moves, so that bytes used by one session are
//! used for all.

use std::fmt::Debug;
use std::sync::Arc;

use minimodel_wire::PeerId;

/// Direction in which bytes of the model move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From this node to a peer.
    Sent,
    /// From a peer to this node.
    Received,
}

/// The quota that a reservation was charged to, as numbered by the [`Gate`] that granted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account(pub u64);

/// Why a reservation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Bytes that were transferred leave no room.
    UsedUp,
    /// Reserved bytes in flight take the room; some of it may be free again when their transfers end.
    OnTheWay,
}

/// Shared quotas: counts the bytes of all sessions that have this gate, and grants no more than the quotas allow.
/// [`Controls`](super::Controls) give each session the remaining quota in advance, so that it plans with that; they are
/// a moment old, and a gate is not.
///
/// Sessions call it from their async tasks: an implementation must not block.
pub trait Gate: Debug + Send + Sync {
    /// Reserves payload bytes. They are in flight from now on, against the returned account, until
    /// [`settle`](Self::settle).
    ///
    /// # Errors
    ///
    /// The quota has no room for the bytes now.
    fn pass(&self, way: Way, peer: PeerId, bytes: u64) -> Result<Account, Held>;

    /// Settles a reservation: `moved` of the reserved `bytes` were transferred; the remainder is released.
    fn settle(&self, way: Way, peer: PeerId, account: Account, bytes: u64, moved: u64);
}

/// A reservation, settled on drop.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Option<(Arc<dyn Gate>, Account)>,
    way: Way,
    peer: PeerId,
    bytes: u64,
    moved: u64,
}

impl Pass {
    /// Asks the gate for a reservation; without a gate every reservation is granted.
    pub(super) fn ask(
        gate: Option<&Arc<dyn Gate>>,
        way: Way,
        peer: PeerId,
        bytes: u64,
    ) -> Result<Self, Held> {
        let pass = |gate: &Arc<dyn Gate>| Ok((gate.clone(), gate.pass(way, peer, bytes)?));
        Ok(Self { gate: gate.map(pass).transpose()?, way, peer, bytes, moved: 0 })
    }

    /// Records `bytes` of this reservation as transferred.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved += bytes;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some((gate, account)) = &self.gate {
            gate.settle(self.way, self.peer, *account, self.bytes, self.moved);
        }
    }
}
