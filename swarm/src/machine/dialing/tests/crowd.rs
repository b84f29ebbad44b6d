//! Peers that give nothing, offers of peers that are not there, and long lists.

use minimodel_wire::{Meeting, WireAddress};

use super::*;

// Rows: B19, I8
#[test]
fn idle_connections_are_no_reason_to_stop_dialing() {
    for dialed in [false, true] {
        let mut harness = Harness::new(all(), having([0]));
        for n in 10..50 {
            harness.connect_from(n.into(), n, [203, 0, 113, 9], dialed);
            let hello = harness.hello(all());
            harness.frame(n.into(), Frame::Hello(hello));
            harness.frame(n.into(), Frame::Bitfield(if dialed { Bitfield::full(20) } else { having([]) }));
        }
        // Those that were dialed have their time to give something.
        harness.wait(Duration::from_secs(61));
        harness.join_from(1, PUBLIC, all(), having([1]));
        harness.said();
        pass_on(&mut harness, &[offer_at(9, "9.9.9.9:1", LATE)]);
        harness.wait(Duration::from_secs(5));
        assert_eq!(harness.dialed(), [id(9)], "{dialed}");
    }
}

// Rows: B19, I8
#[test]
fn peers_that_give_nothing_hold_no_place_for_ever() {
    let mut harness = Harness::with(all(), having([0]), |config| {
        (config.limits.max_connections, config.limits.enough_peers) = (12, 6);
    });
    harness.join_from(1, PUBLIC, all(), having([1]));
    for n in 10..21 {
        harness.connect_from(n.into(), n, [203, 0, n, 9], true);
        let hello = harness.hello(all());
        harness.frame(n.into(), Frame::Hello(hello));
        harness.frame(n.into(), Frame::Bitfield(Bitfield::full(20)));
    }
    assert_eq!(harness.machine.swarm.peers.places_taken(), 12);
    harness.wait(Duration::from_secs(61));
    harness.said();
    pass_on(&mut harness, &[offer_at(9, "9.9.9.9:1", LATE), offer_at(8, "9.9.8.9:1", LATE)]);
    harness.wait(Duration::from_secs(5));
    let first = harness.dialed();
    assert_eq!(first.len(), 1, "one at a time");
    harness.connect_from(99, 99, [9, 9, 9, 9], true);
    assert_eq!(harness.closes().len(), 1);
    assert!(harness.machine.swarm.peers.is_connected(id(99)));
}

// Rows: B19, I8
#[test]
fn dead_offers_delay_those_of_another_bringer_by_a_dial() {
    let mut harness = with_a_member();
    let dead: Vec<SignedOffer> =
        (20..220).map(|n| offer_at(n, &format!("9.{n}.9.9:1 8.{n}.8.9:1"), LATE)).collect();
    for some in dead.chunks(100) {
        pass_on(&mut harness, some);
        harness.wait(Duration::from_secs(10));
    }
    let failed = fail_for(&mut harness, 600);
    assert!((100..=136).contains(&failed), "{failed}: half of all, and its own part");
    harness.join_from(2, [7, 7, 7, 7], all(), having([1]));
    let good = Bytes::from(offer_at(9, "9.9.9.9:1", LATE).to_bytes());
    harness.frame(2, Frame::Peers { offers: vec![good] });
    harness.wait(Duration::from_secs(2));
    assert!(harness.dialed().contains(&id(9)));
    // Within the hour's part they take turns: a member's only offer is the next.
    let mut harness = with_a_member();
    pass_on(&mut harness, &dead[..64]);
    harness.wait(Duration::from_secs(2));
    let dialed = harness.dialed();
    harness.join_from(2, [7, 7, 7, 7], all(), having([1]));
    let good = Bytes::from(offer_at(9, "9.9.9.9:1", LATE).to_bytes());
    harness.frame(2, Frame::Peers { offers: vec![good] });
    harness.wait(Duration::from_secs(2));
    assert_eq!(harness.dialed(), [], "all dials for others are under way");
    harness.tell(Input::DialFailed { peer: dialed[0], wrong_key: None, code: None });
    assert_eq!(harness.dialed(), [id(9)]);
}

// Rows: H4
#[test]
fn offers_of_a_list_are_bounded_by_network_and_tried_for_ever() {
    let mut harness = Harness::new(TAKE, having([]));
    for n in 10..70 {
        harness.tell(Input::Listed(offer_at(
            n,
            &format!("203.0.113.9:{n} 203.0.113.8:{n} 203.0.113.7:1"),
            LATE,
        )));
    }
    let hour = fail_for(&mut harness, 3_000);
    assert!((2..=16).contains(&hour), "{hour}");
    let mut harness = Harness::new(TAKE, having([]));
    harness.tell(Input::Listed(offer_at(9, "10.0.0.9:1", LATE)));
    let tries = fail_for(&mut harness, 3_600);
    assert!((8..=12).contains(&tries), "{tries}");
    harness.wait(Duration::from_secs(600));
    harness.said();
    harness.connect_from(9, 9, [10, 0, 0, 9], true);
    assert_eq!(harness.machine.peer_state(Conn(9)).unwrap().found, Found::Named);
}

// Rows: H4, H14
#[test]
fn meeting_takes_no_dial_of_a_later_address_back() {
    let mut harness = with_a_member();
    let mut victim = 0;
    for n in 120..220 {
        pass_on(&mut harness, &[offer_at(n, &format!("9.9.9.9:9 {VICTIM}"), LATE)]);
        harness.wait(Duration::from_secs(2));
        let dialed = dials(&mut harness);
        victim +=
            dialed.iter().filter(|(_, _, addresses)| addresses.contains(&VICTIM.parse().unwrap())).count();
        // The first address is silent; a member of the same hand leads to another port there.
        let address = WireAddress::seen(([9, 9, 9, 9], 1).into()).unwrap();
        let nat = Default::default();
        let meeting = Meeting { peer: id(n), address, offered_port: 0, answers: true, delay: 0, nat };
        harness.frame(1, Frame::Meet(meeting));
        assert!(harness.said().iter().any(|output| matches!(output, Output::Meet { .. })));
        harness.connect_from(n.into(), n, [9, 9, 9, 9], true);
        harness.tell(Input::Closed { conn: Conn(n.into()), code: Some(CloseCode::NotAllowed) });
        harness.wait(Duration::from_secs(30));
        harness.said();
    }
    assert_eq!(victim, 6);
}
