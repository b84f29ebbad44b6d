//! Budgets for replies that need no upload slot: manifests, leaf hashes, bitfields.
//!
//! A few bytes request many, and keys are free. So besides the limits of one connection and one key there are two budgets
//! over all connections: one for peers that have moved payload bytes (members), and one for all others. An attacker with
//! ever new keys exhausts only the second, and members do not notice. Of the second each site has a share, so that an
//! attacker at one address leaves the rest to newcomers from other addresses.

use minimodel_wire::limits::{MAX_LEAVES, MAX_MANIFEST_LEN};

use super::events::Conn;
use super::rate::Bucket;
use super::site::Site;
use super::site_buckets::SiteBuckets;
use super::standing::Standings;
use super::swarm::Swarm;
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
pub(super) struct ReplyBudgets {
    members: Bucket,
    others: Bucket,
    others_by_site: SiteBuckets,
    chunk_count: u32,
}

/// A reply, or other work, that costs the requester next to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Manifest,
    Leaves,
    /// A bitfield that is sent, or received and counted.
    Bitfield,
}

impl ReplyBudgets {
    pub(super) fn new(chunk_count: u32) -> Self {
        let list = LEAF * u64::from(chunk_count);
        let bucket = Bucket::new(Time::ZERO, PER_SECOND, BURST.0 + BURST.1 * list);
        let share = Bucket::new(Time::ZERO, PER_SECOND / SHARE.0, BURST.0 / SHARE.1 + list);
        let others_by_site = SiteBuckets::new(share);
        Self { members: bucket.clone(), others: bucket, others_by_site, chunk_count }
    }

    /// Returns true if the reply is granted to the peer; its cost is then taken from the peer's budget.
    pub(super) fn grants(&mut self, swarm: &Swarm, standings: &Standings, conn: Conn, reply: Reply) -> bool {
        let Some(peer) = swarm.peers.get(&conn) else { return false };
        let unknown_at = (!standings.has_moved_bytes(peer)).then_some(peer.site);
        self.try_take(swarm.now, unknown_at, reply)
    }

    /// Takes the cost of a reply: from the budget of members, or from that of all others and the share of `unknown_at`, the
    /// site of an unknown key. Returns false if too little is left.
    pub(super) fn try_take(&mut self, now: Time, unknown_at: Option<Site>, reply: Reply) -> bool {
        let cost = match reply {
            Reply::Manifest => u64::from(MAX_MANIFEST_LEN),
            Reply::Leaves => LEAF * u64::from(self.chunk_count.min(MAX_LEAVES)),
            Reply::Bitfield => u64::from(self.chunk_count.div_ceil(8)),
        };
        match unknown_at {
            None => self.members.try_take(now, cost),
            Some(site) => {
                self.others_by_site.of(now, site).try_take(now, cost) && self.others.try_take(now, cost)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minimodel_wire::{Bitfield, CloseCode, Frame, ResetCode};

    use super::super::events::{Ask, Input, Output};
    use super::super::harness::{CHUNKS, Harness, SEED, TAKE, all, both, having, id};
    use super::super::standing::Standings;
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::after_start(Duration::from_secs(seconds))
    }

    // Rows: H6
    #[test]
    fn replies_to_new_keys_have_a_common_bound_that_spares_members() {
        for (reply, bytes) in
            [(Reply::Manifest, 64 << 10), (Reply::Leaves, 256 << 10), (Reply::Bitfield, (1 << 24) / 8)]
        {
            let mut reply_budgets = ReplyBudgets::new(1 << 24);
            let mut given_to = |time, sites: u64| {
                (0..sites).map(|n| given(&mut reply_budgets, time, site(n as u8), reply)).collect::<Vec<_>>()
            };
            let list = 512 << 20;
            let (all, share) = (BURST.0 + BURST.1 * list, BURST.0 / SHARE.1 + list);
            // The sixth site finds what is left, and the seventh nothing.
            let first = given_to(at(0), 7);
            assert_eq!(first[0], share / bytes, "{reply:?}");
            assert!(
                first.iter().sum::<u64>().abs_diff(all / bytes) <= 7 && first[6] == 0,
                "{reply:?}: {first:?}"
            );
            let later = given_to(at(60), 4);
            let due = 60 * PER_SECOND / SHARE.0 / bytes;
            assert!(later.iter().all(|&given| given.abs_diff(due) <= 1), "{reply:?}: {later:?}");
            assert!(reply_budgets.try_take(at(60), None, reply), "{reply:?} for a member");
        }
    }

    fn site(n: u8) -> Site {
        Site::of(std::net::Ipv4Addr::new(192, 0, 2, n).into())
    }

    fn given(reply_budgets: &mut ReplyBudgets, now: Time, site: Site, reply: Reply) -> u64 {
        (0..100_000).take_while(|_| reply_budgets.try_take(now, Some(site), reply)).count() as u64
    }

    /// Exhausts the budget of new keys, from many sites.
    fn drained(harness: &mut Harness) {
        for n in 0..64 {
            given(&mut harness.machine.reply_budgets, harness.now, site(n), Reply::Manifest);
            given(&mut harness.machine.reply_budgets, harness.now, site(n), Reply::Bitfield);
        }
    }

    // Rows: H2, H6
    #[test]
    fn keys_of_one_site_leave_manifests_to_newcomers_of_others() {
        let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
        let mut ask = 0;
        let mut asks = |harness: &mut Harness, n: u8, site: [u8; 4]| {
            harness.join_from(n, site, TAKE, having([]));
            harness.said();
            ask += 1;
            harness.tell(Input::AskedManifest { ask: Ask(ask), conn: Conn(n.into()) });
            let is_given = answered(harness) == [true];
            harness.tell(Input::Closed { conn: Conn(n.into()), code: None });
            is_given
        };
        // Ever new keys of one address, far more than all may have.
        let given = (0..4_000).filter(|n| asks(&mut harness, (n % 200) as u8 + 1, [192, 0, 2, 1])).count();
        assert!((100..200).contains(&given), "{given}");
        assert!((1..=20).all(|n| asks(&mut harness, 200 + n, [198, 51, 100, n])));
    }

    fn answered(harness: &mut Harness) -> Vec<bool> {
        let answer = |output| match output {
            Output::ServeLeaves { .. } | Output::ServeManifest { .. } => Some(true),
            Output::Refuse { code, .. } => {
                assert!(matches!(code, ResetCode::Busy | ResetCode::BudgetUsed), "{code}");
                Some(false)
            }
            _ => None,
        };
        harness.said().into_iter().filter_map(answer).collect()
    }

    // Rows: H6
    #[test]
    fn used_up_reply_budget_refuses_new_keys_but_no_member() {
        let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
        harness.join(1, TAKE, having([]));
        harness.join(2, TAKE, having([]));
        harness.machine.standings.of(id(2), Time::ZERO).gave(1);
        harness.said();
        drained(&mut harness);
        for (conn, is_given) in [(1, false), (2, true)] {
            harness.tell(Input::AskedLeaves { ask: Ask(10 * conn), conn: Conn(conn) });
            harness.tell(Input::AskedManifest { ask: Ask(10 * conn + 1), conn: Conn(conn) });
            assert_eq!(answered(&mut harness), [is_given; 2]);
        }
        harness.wait(Duration::from_secs(2));
        harness.tell(Input::AskedManifest { ask: Ask(30), conn: Conn(1) });
        assert_eq!(answered(&mut harness), [true], "nobody is refused for good");
        assert_eq!(harness.machine.progress().peers, 2, "and nobody is struck");
    }

    // Rows: H6
    #[test]
    fn leaf_lists_and_manifests_are_counted_per_key_not_connection() {
        type Asks = fn(Ask, Conn) -> Input;
        let asks: [(Asks, usize); 2] = [
            (|ask, conn| Input::AskedLeaves { ask, conn }, 16),
            (|ask, conn| Input::AskedManifest { ask, conn }, 64),
        ];
        for (with, most) in asks {
            let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
            let mut given = 0;
            for round in 0..50 {
                harness.join(1, TAKE, having([]));
                harness.said();
                (0..4).for_each(|n| harness.tell(with(Ask(10 * round + n), Conn(1))));
                given += answered(&mut harness).into_iter().filter(|&is_given| is_given).count();
                harness.tell(Input::Closed { conn: Conn(1), code: None });
            }
            assert_eq!(given, most);
            harness.wait(Duration::from_secs(24 * 3_600));
            harness.join(1, TAKE, having([]));
            harness.said();
            harness.tell(with(Ask(1_000), Conn(1)));
            assert_eq!(answered(&mut harness), [true], "the next day");
        }
    }

    // Rows: H6
    #[test]
    fn mixed_bitfields_and_withdrawn_chunks_use_the_reply_budget() {
        // We have a part of the file: our Hello comes with a mixed bitfield, and a mixed one comes back.
        let mut harness = Harness::new(both(), having([0]));
        drained(&mut harness);
        harness.connect(1, 1, false);
        let hello = harness.hello(all());
        harness.frame(1, Frame::Hello(hello));
        assert_eq!(harness.closes(), [(1, CloseCode::Busy)]);
        // Empty and full bitfields cost nothing. A seed that takes a chunk back is counted chunk by chunk, which does.
        let mut harness = Harness::new(TAKE, having([]));
        harness.join(1, SEED, Bitfield::full(CHUNKS));
        drained(&mut harness);
        harness.join(2, SEED, Bitfield::full(CHUNKS));
        harness.said();
        harness.frame(1, Frame::DontHave { index: 3 });
        assert_eq!(harness.closes(), [(1, CloseCode::Busy)]);
        harness.machine.standings.of(id(2), Time::ZERO).gave(1);
        harness.frame(2, Frame::DontHave { index: 3 });
        assert_eq!(harness.closes(), []);
        harness.machine.standings = Standings::default();
    }
}
