//! Budgets for replies that need no upload slot: manifests, leaf hashes, bitfields.
//!
//! A few bytes request many, and keys are free. So besides the limits of one connection and one key there are two budgets
//! over all connections: one for peers that have moved payload bytes (members), and one for all others. An attacker with
//! ever new keys exhausts only the second, and members do not notice. Of the second each site has a share, so that an
//! attacker at one address leaves the rest to newcomers from other addresses.

use minimodel_wire::limits::{MAX_LEAVES, MAX_MANIFEST_LEN};

use super::core::Machine;
use super::events::Conn;
use super::rate::Bucket;
use super::site::Site;
use super::site_buckets::SiteBuckets;
use super::time::Time;

/// Refill of each budget in bytes per second: a hundredth of a fast line, a tenth of a slow one.
const PER_SECOND: u64 = 1 << 20;
/// The most that each budget saves up: bytes, plus whole lists of leaf hashes. A fetch that lost its record must not be
/// stopped in the middle of the one list that it needs.
const BURST: (u64, u64) = (64 << 20, 4);
/// A site's share of the budget of unknown keys: this part of the refill, and of the burst but for one whole list.
const SHARE: (u64, u64) = (4, 8);
/// Bytes of one leaf hash.
const LEAF: u64 = 32;

/// The two budgets, in bytes sent. A chunk that must be counted for a peer costs as much as the bit that announced it.
#[derive(Debug)]
pub(super) struct Favours {
    members: Bucket,
    strangers: Bucket,
    strangers_by_site: SiteBuckets,
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
        let share = Bucket::new(Time::ZERO, PER_SECOND / SHARE.0, BURST.0 / SHARE.1 + list);
        let strangers_by_site = SiteBuckets::new(share);
        Self { members: bucket.clone(), strangers: bucket, strangers_by_site, chunk_count }
    }

    /// Takes the cost of a favour: from the budget of members, or from that of all others and the share of `stranger_of`, the
    /// site of an unknown key. Returns false if too little is left.
    pub(super) fn try_take(&mut self, now: Time, stranger_of: Option<Site>, favour: Favour) -> bool {
        let cost = match favour {
            Favour::Manifest => u64::from(MAX_MANIFEST_LEN),
            Favour::Leaves => LEAF * u64::from(self.chunk_count.min(MAX_LEAVES)),
            Favour::Bitfield => u64::from(self.chunk_count.div_ceil(8)),
        };
        match stranger_of {
            None => self.members.try_take(now, cost),
            Some(site) => {
                self.strangers_by_site.of(now, site).try_take(now, cost) && self.strangers.try_take(now, cost)
            }
        }
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
        let Some(site) = self.peers.get(&conn).map(|peer| peer.site) else { return false };
        let stranger_of = (!self.has_moved_bytes(conn)).then_some(site);
        self.favours.try_take(now, stranger_of, favour)
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
            let mut given_to = |time, sites: u64| {
                (0..sites).map(|n| given(&mut favours, time, site(n as u8), favour)).collect::<Vec<_>>()
            };
            let list = 512 << 20;
            let (all, share) = (BURST.0 + BURST.1 * list, BURST.0 / SHARE.1 + list);
            // The sixth site finds what is left, and the seventh nothing.
            let first = given_to(at(0), 7);
            assert_eq!(first[0], share / bytes, "{favour:?}");
            assert!(
                first.iter().sum::<u64>().abs_diff(all / bytes) <= 7 && first[6] == 0,
                "{favour:?}: {first:?}"
            );
            let later = given_to(at(60), 4);
            let due = 60 * PER_SECOND / SHARE.0 / bytes;
            assert!(later.iter().all(|&given| given.abs_diff(due) <= 1), "{favour:?}: {later:?}");
            assert!(favours.try_take(at(60), None, favour), "{favour:?} for a member");
        }
    }

    fn site(n: u8) -> Site {
        Site::of(std::net::Ipv4Addr::new(192, 0, 2, n).into())
    }

    fn given(favours: &mut Favours, now: Time, site: Site, favour: Favour) -> u64 {
        (0..100_000).take_while(|_| favours.try_take(now, Some(site), favour)).count() as u64
    }

    /// Exhausts the budget of new keys, from many sites.
    fn drained(desk: &mut Desk) {
        for n in 0..64 {
            given(&mut desk.machine.favours, desk.now, site(n), Favour::Manifest);
            given(&mut desk.machine.favours, desk.now, site(n), Favour::Bitfield);
        }
    }

    #[test]
    fn h2_h6_keys_of_one_site_leave_manifests_to_newcomers_of_others() {
        let mut desk = Desk::new(SEED, Bitfield::full(CHUNKS));
        let mut ask = 0;
        let mut asks = |desk: &mut Desk, n: u8, site: [u8; 4]| {
            desk.join_from(n, site, TAKE, having([]));
            desk.said();
            ask += 1;
            desk.tell(Input::AskedManifest { ask: Ask(ask), conn: Conn(n.into()) });
            let is_given = answered(desk) == [true];
            desk.tell(Input::Closed { conn: Conn(n.into()), code: None });
            is_given
        };
        // Ever new keys of one address, far more than all may have.
        let given = (0..4_000).filter(|n| asks(&mut desk, (n % 200) as u8 + 1, [192, 0, 2, 1])).count();
        assert!((100..200).contains(&given), "{given}");
        assert!((1..=20).all(|n| asks(&mut desk, 200 + n, [198, 51, 100, n])));
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
