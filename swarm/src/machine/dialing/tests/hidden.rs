//! The keys of one network, whatever they say, hide no peer that an honest member is connected to, and send nobody to a victim.

use ed25519_dalek::SigningKey;
use minimodel_wire::{Meeting, NoMeeting, Offer, WireAddress};

use super::*;
use crate::machine::introductions::Sent;

/// Where the peer to be found is, by its own offer and by the word of the honest member.
const HIDDEN: &str = "9.9.9.7:4433";
/// Connections of the honest member, and of others.
const MEMBER: u64 = 2;
const OTHER: u64 = 1;

/// One of many keys, and its offer for these addresses.
fn many(n: u32, addresses: &str, expires_unix: u64) -> SignedOffer {
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&n.to_be_bytes());
    let key = SigningKey::from_bytes(&secret);
    let peer = PeerId(key.verifying_key().to_bytes());
    let addresses = addresses.split_whitespace().map(|address| address.parse().unwrap()).collect();
    SignedOffer::sign(Offer { peer, swarm_id: [1; 32], addresses, expires_unix }, &key).unwrap()
}

fn meet(peer: PeerId, at: &str) -> Frame {
    let address = WireAddress::seen(at.parse().unwrap()).unwrap();
    Frame::Meet(Meeting { peer, address, offered_port: 0, answers: true, delay: 0, nat: Default::default() })
}

/// A fetcher with both connections.
fn fetcher() -> Harness {
    let mut harness = Harness::new(all(), having([0]));
    harness.join_from(2, [8, 8, 2, 2], all(), having([1]));
    harness.join_from(1, [8, 8, 1, 1], all(), having([]));
    harness.said();
    harness
}

fn tell(harness: &mut Harness, conn: u64, offers: &[SignedOffer]) {
    for some in offers.chunks(16) {
        let offers = some.iter().map(|offer| Bytes::from(offer.to_bytes())).collect();
        harness.frame(conn, Frame::Peers { offers });
    }
}

/// Waits for so many seconds, or until the peer is met: dials and other meetings lead to nothing, the honest member introduces the
/// peer and a guest of its own, and others answer with `lie`.
fn is_met(harness: &mut Harness, seconds: u64, lie: impl Fn(PeerId) -> Option<Frame>) -> bool {
    for _ in 0..4 * seconds {
        for output in harness.said() {
            match output {
                Output::Dial { peer, .. } => {
                    harness.tell(Input::DialFailed { peer, wrong_key: None, code: None });
                }
                Output::Meet { peer, .. } if peer == id(9) => return true,
                Output::Meet { peer, by, .. } => {
                    harness.tell(Input::MeetingEnded { peer, by, sent: Sent::default() });
                }
                Output::Send { conn, frame: Frame::Introduce { peer } } => {
                    let unknown = || Frame::NoMeet { peer, reason: NoMeeting::NotConnected };
                    let frame = match conn {
                        Conn(MEMBER) if peer == id(9) => meet(peer, HIDDEN),
                        Conn(MEMBER) if peer == id(200) => meet(peer, "7.7.77.1:5"),
                        Conn(MEMBER) => unknown(),
                        _ => lie(peer).unwrap_or_else(unknown),
                    };
                    harness.frame(conn.0, frame);
                }
                _ => {}
            }
        }
        harness.wait(Duration::from_millis(250));
    }
    false
}

// Rows: H4, H14
#[test]
fn lies_and_dead_offers_of_one_network_close_no_other() {
    let mut harness = fetcher();
    let dead: Vec<_> = (1..13).map(|n| many(n, &format!("9.9.9.200:{n} 9.9.9.201:{n}"), LATE)).collect();
    tell(&mut harness, OTHER, &dead);
    let lie = |peer: PeerId| Some(meet(peer, &format!("9.9.9.120:{}", 1 + u16::from(peer.0[0]))));
    assert!(!is_met(&mut harness, 60, lie));
    tell(&mut harness, MEMBER, &[offer_at(9, HIDDEN, LATE)]);
    assert!(is_met(&mut harness, 5, lie));
}

// Rows: H14
#[test]
fn member_that_named_a_peer_is_asked_for_it_in_any_case() {
    let mut harness = fetcher();
    for n in 20..24 {
        harness.join_from(n, [7, 7, n, 1], all(), having([1]));
    }
    // A guest of the member, whom nobody can meet.
    tell(&mut harness, MEMBER, &[offer_at(200, "7.7.77.1:5", LATE)]);
    assert!(!is_met(&mut harness, 60, |_| None));
    tell(&mut harness, MEMBER, &[offer_at(9, HIDDEN, LATE)]);
    assert!(is_met(&mut harness, 5, |_| None));
}

// Rows: H14
#[test]
fn short_lived_offers_leave_room_among_the_peers_to_be_met() {
    let mut harness = fetcher();
    let mut keys = 0..;
    for second in 0..300 {
        // Offers beyond the first of a key are read more slowly, and keys cost nothing.
        let conn = 30 + second / 10;
        if second % 10 == 0 {
            harness.tell(Input::Closed { conn: Conn(conn - 1), code: None });
            harness.join_from(u8::try_from(conn).unwrap(), [8, 8, 1, 1], all(), having([]));
        }
        let dead = |n: u32| many(n, &format!("50.{}.{}.1:9", n >> 8, n & 0xff), 1_000 + second + 30);
        let some: Vec<_> = keys.by_ref().take(8).map(dead).collect();
        tell(&mut harness, conn, &some);
        assert!(!is_met(&mut harness, 1, |_| None));
    }
    tell(&mut harness, MEMBER, &[offer_at(9, HIDDEN, LATE)]);
    assert!(is_met(&mut harness, 5, |_| None));
}

// Rows: B19, H2
#[test]
fn networks_of_one_ipv6_allocation_do_not_fill_the_table() {
    let mut harness = fetcher();
    for n in 0..300_u16 {
        let site = Site::of(std::net::Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 1).into());
        let conn = 1_000 + u64::from(n);
        let offer = many(n.into(), &format!("50.{}.{}.1:9", n >> 8, n & 0xff), LATE);
        let peer = many(10_000 + u32::from(n), "50.0.0.1:9", LATE).offer().peer;
        harness.tell(Input::Connected { conn: Conn(conn), peer, site, dialed: false });
        let hello = harness.hello(all());
        harness.frame(conn, Frame::Hello(hello));
        harness.frame(conn, Frame::Bitfield(having([])));
        tell(&mut harness, conn, &[offer]);
        assert!(!is_met(&mut harness, 1, |_| None));
        harness.tell(Input::Closed { conn: Conn(conn), code: None });
    }
    tell(&mut harness, MEMBER, &[offer_at(9, HIDDEN, LATE)]);
    assert!(is_met(&mut harness, 5, |_| None));
}

// Rows: H4
#[test]
fn named_peer_that_renews_its_offer_gets_no_victim_back() {
    let mut harness = Harness::new(all(), having([0]));
    harness.tell(Input::Source(offer_at(9, "8.8.1.1:4433", LATE)));
    let (mut victims, mut conn) = (0, 10);
    for second in 0..3_500 {
        harness.wait(Duration::from_secs(1));
        for output in harness.said() {
            let Output::Dial { pex_addresses, .. } = output else { continue };
            victims +=
                pex_addresses.iter().filter(|address| address.ip().to_string() == "203.0.113.9").count();
            conn += 1;
            harness.connect_from(conn, 9, [8, 8, 1, 1], true);
            let hello = harness.hello(all());
            harness.frame(conn, Frame::Hello(hello));
            harness.frame(conn, Frame::Bitfield(Bitfield::full(20)));
            let ports = format!("8.8.1.1:1 203.0.113.9:{}", 1_000 + second);
            tell(&mut harness, conn, &[offer_at(9, &ports, LATE + second)]);
            harness.tell(Input::Closed { conn: Conn(conn), code: None });
        }
    }
    assert!((1..=16).contains(&victims), "{victims}");
}
