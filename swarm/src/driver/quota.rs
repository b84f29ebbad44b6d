//! Quotas, also those that several sessions share: each chunk is reserved before it moves, so that bytes used by one session
//! are used for all.

use std::fmt::Debug;
use std::sync::Arc;

use minimodel_wire::PeerId;

use crate::machine::QuotaRefusal;

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

/// The only place where quotas are decided: counts the bytes of all sessions that have this gate, and grants no more than
/// the quotas allow. Only whole chunks move. A session plans as if there were no quotas, and what the gate refuses waits:
/// - [`QuotaRefusal::InFlight`]: for half a second.
/// - [`QuotaRefusal::UsedUp`]: requests to the peer for ten seconds. A peer that requests gets the answers under way and is
///   closed with [`CloseCode::BudgetUsed`]; a peer from which we want chunks is choked instead.
///
/// Another [`Controls::quota_version`](super::Controls::quota_version) than before ends these waits and the choke.
///
/// Sessions call it from their async tasks: an implementation must not block.
///
/// [`CloseCode::BudgetUsed`]: minimodel_wire::CloseCode::BudgetUsed
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
