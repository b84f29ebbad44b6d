//! Contacts: connections between two members that have every chunk, kept so that others can be introduced.
//!
//! A seeder behind a router is reached by those alone to whom a member introduces it, so it keeps the connections to a few members
//! that it could dial itself, its *hosts*. A member keeps some such connections of others in turn. Over a contact nothing is asked
//! for, and it takes no place of other peers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use minimodel_wire::Consent;

use super::events::Conn;
use super::peer::{Admission, Peer, Phase};
use super::site::Network;
use super::swarm::Swarm;
use super::time::Time;

/// Hosts that a seeder keeps, in different networks if it can: as many as must agree on the address at which it is seen.
const HOSTS: usize = 2;
/// How long all hosts stay before another one takes the place of one. Which of them is of use shows only to those who ask it.
pub(super) const CHANGES: Duration = Duration::from_secs(600);
/// Contacts of others that a member keeps.
const OF_OTHERS: usize = 16;

/// Returns true if neither side can ever want a chunk of the other.
pub(super) fn is_useless(swarm: &Swarm, peer: &Peer) -> bool {
    peer.phase == Phase::Ready && peer.announced.have.is_full() && swarm.chunks.is_complete()
}

/// Returns true if the user agreed to be introduced as a seeder, and to introduce others.
fn is_member(swarm: &Swarm) -> bool {
    swarm.config.consent.contains(Consent::SERVE | Consent::PUBLISH) && !swarm.stopping
}

/// Returns true if the peer may be a contact.
pub(super) fn may_be_contact(swarm: &Swarm, peer: &Peer) -> bool {
    is_member(swarm) && peer.consent.contains(Consent::SERVE | Consent::PUBLISH)
}

/// Other members that we dialed, or that dialed us and are of no other use.
fn others(swarm: &Swarm, dialed: bool) -> impl Iterator<Item = Conn> {
    let counts = move |peer: &Peer| {
        let publishes = peer.consent.contains(Consent::PUBLISH);
        peer.dialed == dialed
            && peer.phase == Phase::Ready
            && publishes
            && (dialed || is_useless(swarm, peer))
    };
    swarm.peers.iter().filter(move |(_, peer)| counts(peer)).map(|(&conn, _)| conn)
}

/// The network of a peer. A user may hold many networks of one provider's allocation, and is one here.
fn network_of(swarm: &Swarm, conn: Conn) -> Option<Network> {
    swarm.peers.get(&conn).map(|peer| peer.site.allocation())
}

/// Hosts that a complete member lacks. Those of one network count as one, as long as there is another member to try.
pub(super) fn hosts_wanted(swarm: &Swarm) -> usize {
    let Some(change) = hosts_change_at(swarm) else { return 0 };
    let networks: BTreeSet<_> = others(swarm, true).map(|conn| network_of(swarm, conn)).collect();
    HOSTS.saturating_sub(networks.len()).max(usize::from(change <= swarm.now))
}

/// When another host may be dialed though there are enough, so that none is kept for ever; `None` if this is no complete member.
pub(super) fn hosts_change_at(swarm: &Swarm) -> Option<Time> {
    let since = others(swarm, true).filter_map(|conn| Some(swarm.peers.get(&conn)?.connected_at));
    (is_member(swarm) && swarm.chunks.is_complete())
        .then(|| since.max().map_or(Time::ZERO, |since| since + CHANGES))
}

/// Keeps the peer as a contact if neither side can want a chunk of the other, and returns the connection to close if one is
/// superfluous now: this one, or a contact that gives way to it. No network has more places than another that wants one, so that
/// nobody takes up all of them from one network.
pub(super) fn keep(swarm: &mut Swarm, conn: Conn) -> Option<Conn> {
    let peer = swarm.peers.get(&conn).filter(|peer| is_useless(swarm, peer))?;
    let dialed = peer.dialed;
    if !may_be_contact(swarm, peer) {
        return Some(conn);
    }
    let gone = superfluous(swarm, conn, dialed);
    if gone != Some(conn)
        && let Some(peer) = swarm.peers.get_mut(&conn)
    {
        peer.admission = Admission::Contact;
    }
    gone
}

fn superfluous(swarm: &Swarm, conn: Conn, dialed: bool) -> Option<Conn> {
    let before: Vec<Conn> = others(swarm, dialed).filter(|&other| other != conn).collect();
    if before.len() < if dialed { HOSTS } else { OF_OTHERS } {
        return None;
    }
    let networks = before.iter().chain([&conn]).map(|&conn| network_of(swarm, conn));
    let mut held: BTreeMap<_, usize> = BTreeMap::new();
    networks.for_each(|network| *held.entry(network).or_default() += 1);
    let peer = |conn: &Conn| swarm.peers.get(conn);
    let since = |conn: &Conn| peer(conn).map(|peer| peer.connected_at);
    let own = network_of(swarm, conn);
    if dialed && before.iter().filter_map(since).all(|since| since + CHANGES <= swarm.now) {
        let is_near = |conn: &Conn| network_of(swarm, *conn) == own;
        return before.into_iter().max_by_key(|conn| (is_near(conn), Reverse(since(conn))));
    }
    // Of the network that holds most, one that gave nothing, and the newest: those who came before have shown more patience.
    let gave_nothing = |conn: &Conn| peer(conn).is_some_and(|peer| peer.down.proven == 0);
    let claim = |conn: &Conn| (held.get(&network_of(swarm, *conn)).copied(), gave_nothing(conn), *conn);
    before.into_iter().chain([conn]).max_by_key(claim)
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, CloseCode, Frame};

    use super::super::chunks::ChunkState;
    use super::super::events::Input;
    use super::super::harness::{CHUNKS, Harness, SEED, TAKE, having, id, offer_at};
    use super::*;

    const MEMBER: Consent = SEED;

    fn seeder(consent: Consent) -> Harness {
        Harness::new(consent, Bitfield::full(CHUNKS))
    }

    /// Seeders connect, or are dialed, and which connections are closed with `Done`.
    fn closed(ours: Consent, theirs: Consent, dialed: bool, peers: u8) -> Vec<u64> {
        closed_from(ours, theirs, dialed, (1..=peers).map(|n| (n, [10, n, 0, 1])))
    }

    /// The same, of seeders at these addresses.
    fn closed_from(
        ours: Consent,
        theirs: Consent,
        dialed: bool,
        peers: impl Iterator<Item = (u8, [u8; 4])>,
    ) -> Vec<u64> {
        let mut harness = seeder(ours);
        for (n, address) in peers {
            harness.connect_from(n.into(), n, address, dialed);
            let hello = harness.hello(theirs);
            harness.frame(n.into(), Frame::Hello(hello));
            harness.frame(n.into(), Frame::Bitfield(Bitfield::full(CHUNKS)));
        }
        let closes = harness.closes().into_iter();
        closes
            .filter(|&(_, code)| code == CloseCode::Done || code == CloseCode::NoConsent)
            .map(|(conn, _)| conn)
            .collect()
    }

    #[test]
    fn seeder_keeps_two_hosts_and_a_member_sixteen_contacts() {
        let publishes = MEMBER | Consent::PUBLISH;
        assert_eq!(closed(publishes, publishes, true, 4), [3, 4]);
        assert_eq!(closed(publishes, publishes, false, 18), [17, 18]);
    }

    // Rows: H14
    #[test]
    fn contacts_of_one_network_give_way_to_those_of_others() {
        let publishes = MEMBER | Consent::PUBLISH;
        let crowd = (1..=16).map(|n| (n, [8, 8, 8, n]));
        let others = (17..=40).map(|n| (n, [9, n, 9, 9]));
        // One stays of the crowd, and of the others all but those that come when every network has one place.
        let closed = closed_from(publishes, publishes, false, crowd.chain(others));
        let left = |of: std::ops::RangeInclusive<u64>| of.filter(|conn| !closed.contains(conn)).count();
        assert_eq!((left(1..=16), left(17..=40)), (1, 15));
    }

    // Rows: H14
    #[test]
    fn without_consent_to_publish_two_seeders_part_at_once() {
        let publishes = MEMBER | Consent::PUBLISH;
        for (ours, theirs) in [(MEMBER, publishes), (publishes, MEMBER), (MEMBER, MEMBER)] {
            assert_eq!(closed(ours, theirs, true, 1), [1], "{ours:?} {theirs:?}");
            assert_eq!(closed(ours, theirs, false, 1), [1], "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn seeder_dials_two_of_the_members_it_was_given_and_no_more() {
        let dialed = |consent| {
            let mut harness = seeder(consent);
            for n in 1..=4 {
                harness.tell(Input::Source(offer_at(n, &format!("10.0.0.{n}:1"), 10_000)));
            }
            harness.wait(Duration::from_secs(1));
            harness.dialed().len()
        };
        assert_eq!((dialed(MEMBER | Consent::PUBLISH), dialed(MEMBER)), (2, 0));
    }

    #[test]
    fn hosts_of_one_network_are_kept_until_another_is_found() {
        let mut harness = seeder(MEMBER | Consent::PUBLISH);
        for n in 1..=4 {
            harness.tell(Input::Source(offer_at(n, &format!("10.0.{}.{n}:1", n / 4), 10_000)));
        }
        harness.wait(Duration::from_secs(1));
        let publishes = MEMBER | Consent::PUBLISH;
        let mut at = |n: u8| {
            harness.connect_from(n.into(), n, [10, 0, n / 4, n], true);
            let hello = harness.hello(publishes);
            harness.frame(n.into(), Frame::Hello(hello));
            harness.frame(n.into(), Frame::Bitfield(Bitfield::full(CHUNKS)));
            harness.closes()
        };
        let done = |conn| vec![(conn, CloseCode::Done)];
        assert_eq!([1, 2, 3, 4].map(&mut at), [vec![], vec![], done(3), done(2)]);
        assert_eq!(hosts_wanted(&harness.machine.swarm), 0);
    }

    // Rows: H14
    #[test]
    fn contacts_of_one_ipv6_allocation_are_of_one_network() {
        let mut harness = seeder(MEMBER | Consent::PUBLISH);
        let mut joins = |n: u8, address: String| {
            let site = super::super::site::Site::of(address.parse().unwrap());
            harness.tell(Input::Connected { conn: Conn(n.into()), peer: id(n), site, dialed: false });
            let hello = harness.hello(MEMBER | Consent::PUBLISH);
            harness.frame(n.into(), Frame::Hello(hello));
            harness.frame(n.into(), Frame::Bitfield(Bitfield::full(CHUNKS)));
            harness.closes()
        };
        let crowd: Vec<_> = (1..=16).flat_map(|n| joins(n, format!("2001:db8:{n}::1"))).collect();
        assert_eq!(crowd, []);
        assert_eq!(joins(17, "2001:db9::1".to_owned()), [(16, CloseCode::Done)]);
        assert_eq!(joins(18, "2001:db8:99::1".to_owned()), [(18, CloseCode::Done)]);
    }

    // Rows: H14
    #[test]
    fn crowd_of_one_address_puts_no_contact_out() {
        let mut harness = Harness::with(MEMBER | Consent::PUBLISH, Bitfield::full(CHUNKS), |config| {
            config.limits.max_connections = 8;
        });
        harness.join_from(1, [9, 9, 9, 9], MEMBER | Consent::PUBLISH, Bitfield::full(CHUNKS));
        for n in 2..90 {
            harness.join_from(n, [8, 8, 8, 8], TAKE, having([]));
        }
        assert!(harness.machine.swarm.peers.is_connected(id(1)));
        assert!(harness.closes().iter().all(|&(conn, _)| conn != 1));
        // And it takes no place of theirs.
        assert_eq!(harness.machine.swarm.peers.places_taken(), 8);
    }

    // Rows: H14
    #[test]
    fn host_that_gave_chunks_stays_when_its_fetch_ends() {
        let mut harness = Harness::new(MEMBER | Consent::PUBLISH | Consent::FETCH, having([]));
        for n in 1..=3 {
            harness.connect_from(n.into(), n, [10, n, 0, 1], true);
            let hello = harness.hello(MEMBER | Consent::PUBLISH);
            harness.frame(n.into(), Frame::Hello(hello));
            harness.frame(n.into(), Frame::Bitfield(Bitfield::full(CHUNKS)));
        }
        harness.machine.swarm.peers.get_mut(&Conn(3)).unwrap().down.proven = 9;
        (0..CHUNKS).for_each(|index| harness.machine.swarm.chunks.set(index, ChunkState::Have));
        let gone: Vec<_> = (1..=3).filter_map(|n| keep(&mut harness.machine.swarm, Conn(n))).collect();
        assert_eq!(gone[0], Conn(2));
    }

    // Rows: H14
    #[test]
    fn hosts_change_every_ten_minutes_and_each_has_its_turn() {
        let mut harness = seeder(MEMBER | Consent::PUBLISH);
        let publishes = MEMBER | Consent::PUBLISH;
        for n in 1..=3 {
            harness.tell(Input::Source(offer_at(n, &format!("10.{n}.0.1:1"), 1_000_000)));
        }
        let mut conn = 0;
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let mut dialed = Vec::new();
            for _ in 0..20 {
                for peer in harness.dialed() {
                    conn += 1;
                    let n = (1..=3).find(|&n| id(n) == peer).unwrap();
                    harness.connect_from(conn, n, [10, n, 0, 1], true);
                    let hello = harness.hello(publishes);
                    harness.frame(conn, Frame::Hello(hello));
                    harness.frame(conn, Frame::Bitfield(Bitfield::full(CHUNKS)));
                    dialed.push(n);
                }
                harness.wait(Duration::from_secs(31));
            }
            rounds.push(dialed);
        }
        assert!(rounds[1..].iter().all(|dialed| dialed.len() == 1), "{rounds:?}");
        assert_eq!(rounds[1..4].iter().flatten().collect::<BTreeSet<_>>().len(), 3, "{rounds:?}");
        assert_eq!(harness.machine.swarm.peers.len(), 2);
    }

    #[test]
    fn host_that_keeps_no_contacts_now_is_dialed_after_ten_minutes() {
        let mut harness = seeder(MEMBER | Consent::PUBLISH);
        harness.tell(Input::Source(offer_at(1, "10.0.0.1:1", 10_000)));
        harness.wait(Duration::from_secs(1));
        assert_eq!(harness.dialed(), [id(1)]);
        harness.connect(1, 1, true);
        let hello = harness.hello(MEMBER | Consent::PUBLISH);
        harness.frame(1, Frame::Hello(hello));
        harness.tell(Input::Closed { conn: Conn(1), code: Some(CloseCode::Done) });
        harness.wait(CHANGES - Duration::from_secs(1));
        assert_eq!(harness.dialed(), []);
        harness.wait(Duration::from_secs(2));
        assert_eq!(harness.dialed(), [id(1)]);
    }

    #[test]
    fn host_that_agreed_to_less_is_not_dialed_again() {
        let mut harness = seeder(MEMBER | Consent::PUBLISH);
        harness.tell(Input::Source(offer_at(1, "10.0.0.1:1", 10_000)));
        harness.wait(Duration::from_secs(1));
        harness.dialed();
        harness.connect(1, 1, true);
        harness.tell(Input::Closed { conn: Conn(1), code: Some(CloseCode::Done) });
        harness.wait(CHANGES);
        assert_eq!(harness.dialed(), []);
    }
}
