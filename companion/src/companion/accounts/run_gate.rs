//! Gate of one transfer: reserves each chunk in the accounts before it moves.

use minimodel_swarm::driver::{Account, Gate, Held, Way};
use minimodel_wire::PeerId;

use super::Accounts;
use crate::companion::ahead::Ahead;

/// Gate that the session of one run asks before each chunk.
#[derive(Debug)]
pub(super) struct RunGate {
    pub(super) accounts: Accounts,
    pub(super) run: u64,
}

impl Gate for RunGate {
    fn pass(&self, way: Way, peer: PeerId, bytes: u64) -> Result<Account, Held> {
        let mut books = self.accounts.lock();
        let passed = books.pass(self.run, way, peer, bytes);
        if books.ahead.as_ref().is_some_and(Ahead::wants) {
            self.accounts.0.1.notify_all();
        }
        passed
    }

    fn settle(&self, way: Way, peer: PeerId, account: Account, bytes: u64, moved: u64) {
        self.accounts.lock().settle(self.run, way, peer, account, bytes, moved);
    }
}
