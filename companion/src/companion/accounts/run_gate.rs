//! Quota gate of one transfer: reserves each chunk in the accounts before it moves.

use minimodel_swarm::driver::{Account, Direction, QuotaGate, QuotaRefusal};
use minimodel_wire::PeerId;

use super::{Accounts, Reserved};
use crate::companion::quota_leases::QuotaLeases;

/// Quota gate that the session of one run asks before each chunk.
#[derive(Debug)]
pub(super) struct RunGate {
    pub(super) accounts: Accounts,
    pub(super) run: u64,
}

impl QuotaGate for RunGate {
    fn reserve(&self, direction: Direction, peer: PeerId, bytes: u64) -> Result<Account, QuotaRefusal> {
        let mut state = self.accounts.lock();
        let reserved = state.reserve(self.run, direction, peer, bytes);
        if state.leases.as_ref().is_some_and(QuotaLeases::wants) {
            self.accounts.0.1.notify_all();
        }
        reserved
    }

    fn settle(&self, direction: Direction, peer: PeerId, account: Account, bytes: u64, moved: u64) {
        let reserved = Reserved { run: self.run, way: direction, peer, account };
        self.accounts.lock().settle(&reserved, bytes, moved);
    }
}
