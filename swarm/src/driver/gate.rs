//! Quotas that several sessions share: asked before each chunk moves, so that what one of them used is used for all.

use std::fmt::Debug;
use std::sync::Arc;

use minimodel_wire::PeerId;

/// Which way bytes of the model go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From us to a peer.
    Sent,
    /// From a peer to us.
    Received,
}

/// What bytes were counted against, in the words of the [`Gate`] that let them pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account(pub u64);

/// Why bytes may not move now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// What moved already leaves no room for them.
    UsedUp,
    /// What is on its way takes the room; some of it may be there again when that ends.
    OnTheWay,
}

/// Counts what moves in all sessions that were given it, and lets no more pass than may. [`Controls`](super::Controls) say
/// the same ahead, so that a session plans with what is left; they are a moment old, and a gate is not.
///
/// It is asked from the tasks of sessions: it must not wait.
pub trait Gate: Debug + Send + Sync {
    /// Whether so many payload bytes may move now; if so they are on their way from now on, against the account that is
    /// given, until they are settled.
    ///
    /// # Errors
    ///
    /// They may not.
    fn pass(&self, way: Way, peer: PeerId, bytes: u64) -> Result<Account, Held>;

    /// Of `bytes` that were let pass none is on its way any more: `moved` of them moved, and the rest never will.
    fn settle(&self, way: Way, peer: PeerId, account: Account, bytes: u64, moved: u64);
}

/// Bytes that were let pass; dropped, they are settled.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Option<(Arc<dyn Gate>, Account)>,
    way: Way,
    peer: PeerId,
    bytes: u64,
    moved: u64,
}

impl Pass {
    /// Without a gate all bytes may move.
    pub(super) fn ask(
        gate: Option<&Arc<dyn Gate>>,
        way: Way,
        peer: PeerId,
        bytes: u64,
    ) -> Result<Self, Held> {
        let pass = |gate: &Arc<dyn Gate>| Ok((gate.clone(), gate.pass(way, peer, bytes)?));
        Ok(Self { gate: gate.map(pass).transpose()?, way, peer, bytes, moved: 0 })
    }

    /// So many more of them moved.
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
