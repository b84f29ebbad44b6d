//! Budgets for replies that need no upload slot: manifests, leaf hashes, bitfields.
//!
//! A few bytes request many, and keys are free. So besides the limits of one connection and one key there are two budgets
//! over all connections: one for peers that have moved payload bytes (members), and one for all others. An attacker with
//! ever new keys exhausts only the second, and members do not notice.

use minimodel_wire::limits::{MAX_LEAVES, MAX_MANIFEST_LEN};

use super::core::Machine;
use super::events::Conn;
use super::rate::Bucket;
use super::time::Time;

/// Refill of each budget in bytes per second: a hundredth of a fast line, a tenth of a slow one.
const PER_SECOND: u64 = 1 << 20;
/// The most that each budget saves up: bytes, plus whole lists of leaf hashes. A fetch that lost its record must not be
/// stopped in the middle of the one list that it needs.
const BURST: (u64, u64) = (64 << 20, 4);
/// Bytes of one leaf hash.
const LEAF: u64 = 32;

/// The two budgets, in bytes sent. A chunk that must be counted for a peer costs as much as the bit that announced it.
#[derive(Debug)]
pub(super) struct Favours {
    members: Bucket,
    strangers: Bucket,
    chunk_count: u32,
}

/// A reply, or other work, that costs the requester next to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Favour {
    Manifest,
    Leaves,
    /// A bitfield that is sent, or received and counted.
    Bitfield,
}

impl Favours {
    pub(super) fn new(chunk_count: u32) -> Self {
        let list = LEAF * u64::from(chunk_count);
        let bucket = Bucket::new(Time::ZERO, PER_SECOND, BURST.0 + BURST.1 * list);
        Self { members: bucket.clone(), strangers: bucket, chunk_count }
    }

    /// Takes the cost of a favour from the budget of members or of all others; returns false if too little is left.
    pub(super) fn try_take(&mut self, now: Time, is_member: bool, favour: Favour) -> bool {
        let cost = match favour {
            Favour::Manifest => u64::from(MAX_MANIFEST_LEN),
            Favour::Leaves => LEAF * u64::from(self.chunk_count.min(MAX_LEAVES)),
            Favour::Bitfield => u64::from(self.chunk_count.div_ceil(8)),
        };
        let budget = if is_member { &mut self.members } else { &mut self.strangers };
        budget.try_take(now, cost)
    }
}

impl Machine {
    /// Returns true if this peer gave us a proven chunk or took payload bytes, as no new key can have done.
    pub(super) fn has_moved_bytes(&self, conn: Conn) -> bool {
        let moved = |peer: &super::peer::Peer| peer.down.proven > 0 || self.standings.given(peer.id) > 0;
        self.peers.get(&conn).is_some_and(moved)
    }

    /// Returns true if the favour is granted; its cost is then taken from the peer's budget.
    pub(super) fn does_favour(&mut self, now: Time, conn: Conn, favour: Favour) -> bool {
        let is_member = self.has_moved_bytes(conn);
        self.favours.try_take(now, is_member, favour)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minimodel_wire::{Bitfield, CloseCode, Frame, ResetCode};

    use super::super::desk::{CHUNKS, Desk, SEED, TAKE, all, both, having, id};
    use super::super::events::{Ask, Input, Output};
    use super::super::standing::Standings;
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn h6_what_new_keys_may_have_together_is_bounded_and_is_not_taken_from_the_members() {
        for (favour, bytes) in
            [(Favour::Manifest, 64 << 10), (Favour::Leaves, 256 << 10), (Favour::Bitfield, (1 << 24) / 8)]
        {
            let mut favours = Favours::new(1 << 24);
            let given = (0..100_000).filter(|_| favours.try_take(at(0), false, favour)).count() as u64;
            assert_eq!(given, (BURST.0 + BURST.1 * (512 << 20)) / bytes, "{favour:?}");
            assert!(favours.try_take(at(0), true, favour), "{favour:?} for a member");
            let later = (0..100_000).filter(|_| favours.try_take(at(60), false, favour)).count() as u64;
            assert_eq!(later, 60 * PER_SECOND / bytes, "{favour:?}");
        }
    }

    /// Exhausts the budget of new keys.
    fn drained(desk: &mut Desk) {
        while desk.machine.favours.try_take(desk.now, false, Favour::Manifest) {}
        while desk.machine.favours.try_take(desk.now, false, Favour::Bitfield) {}
    }

    fn answered(desk: &mut Desk) -> Vec<bool> {
        let answer = |output| match output {
            Output::ServeLeaves { .. } | Output::ServeManifest { .. } => Some(true),
            Output::Refuse { code, .. } => {
                assert!(matches!(code, ResetCode::Busy | ResetCode::BudgetUsed), "{code}");
                Some(false)
            }
            _ => None,
        };
        desk.said().into_iter().filter_map(answer).collect()
    }

    #[test]
    fn h6_leaf_lists_and_manifests_are_refused_to_new_keys_when_theirs_are_used_up_and_to_no_member() {
        let mut desk = Desk::new(SEED, Bitfield::full(CHUNKS));
        desk.join(1, TAKE, having([]));
        desk.join(2, TAKE, having([]));
        desk.machine.standings.of(id(2), Time::ZERO).gave(1);
        desk.said();
        drained(&mut desk);
        for (conn, is_given) in [(1, false), (2, true)] {
            desk.tell(Input::AskedLeaves { ask: Ask(10 * conn), conn: Conn(conn) });
            desk.tell(Input::AskedManifest { ask: Ask(10 * conn + 1), conn: Conn(conn) });
            assert_eq!(answered(&mut desk), [is_given; 2]);
        }
        desk.wait(Duration::from_secs(2));
        desk.tell(Input::AskedManifest { ask: Ask(30), conn: Conn(1) });
        assert_eq!(answered(&mut desk), [true], "nobody is refused for good");
        assert_eq!(desk.machine.progress().peers, 2, "and nobody is struck");
    }

    #[test]
    fn h6_leaf_lists_and_manifests_are_counted_by_key_over_its_connections() {
        type Asks = fn(Ask, Conn) -> Input;
        let asks: [(Asks, usize); 2] = [
            (|ask, conn| Input::AskedLeaves { ask, conn }, 16),
            (|ask, conn| Input::AskedManifest { ask, conn }, 64),
        ];
        for (with, most) in asks {
            let mut desk = Desk::new(SEED, Bitfield::full(CHUNKS));
            let mut given = 0;
            for round in 0..50 {
                desk.join(1, TAKE, having([]));
                desk.said();
                (0..4).for_each(|n| desk.tell(with(Ask(10 * round + n), Conn(1))));
                given += answered(&mut desk).into_iter().filter(|&is_given| is_given).count();
                desk.tell(Input::Closed { conn: Conn(1), code: None });
            }
            assert_eq!(given, most);
            desk.wait(Duration::from_secs(24 * 3_600));
            desk.join(1, TAKE, having([]));
            desk.said();
            desk.tell(with(Ask(1_000), Conn(1)));
            assert_eq!(answered(&mut desk), [true], "the next day");
        }
    }

    #[test]
    fn h6_bitfields_that_are_exchanged_and_claims_that_are_taken_back_are_counted_too() {
        // We have a part of the file: our Hello comes with a mixed bitfield, and a mixed one comes back.
        let mut desk = Desk::new(both(), having([0]));
        drained(&mut desk);
        desk.connect(1, 1, false);
        let hello = desk.hello(all());
        desk.frame(1, Frame::Hello(hello));
        assert_eq!(desk.closes(), [(1, CloseCode::Busy)]);
        // Empty and full bitfields cost nothing. A seed that takes a chunk back is counted chunk by chunk, which does.
        let mut desk = Desk::new(TAKE, having([]));
        desk.join(1, SEED, Bitfield::full(CHUNKS));
        drained(&mut desk);
        desk.join(2, SEED, Bitfield::full(CHUNKS));
        desk.said();
        desk.frame(1, Frame::DontHave { index: 3 });
        assert_eq!(desk.closes(), [(1, CloseCode::Busy)]);
        desk.machine.standings.of(id(2), Time::ZERO).gave(1);
        desk.frame(2, Frame::DontHave { index: 3 });
        assert_eq!(desk.closes(), []);
        desk.machine.standings = Standings::default();
    }
}
