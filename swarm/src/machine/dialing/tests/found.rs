//! Peers that were found at an address, or whose offers were.

use super::*;

fn found(n: u8, addresses: &str, at: Option<&str>) -> Input {
    let at = at.map(|at| at.parse().unwrap());
    Input::Found(FoundPeer { offer: offer_at(n, addresses, LATE), at, way: Way::Lan })
}

#[test]
fn found_peer_is_dialed_where_it_answered_and_at_public_ones() {
    let mut harness = Harness::new(TAKE, having([]));
    harness.tell(found(1, "10.0.0.9:1 8.8.4.4:2", Some("192.168.1.9:4433")));
    let at = |text: &str| vec![text.parse().unwrap()];
    assert_eq!(dials(&mut harness), [(id(1), at("192.168.1.9:4433"), at("8.8.4.4:2"))]);
    // Without an answer, the private address of its offer leads to another host.
    harness.tell(found(2, "10.0.0.9:1", None));
    assert_eq!(dials(&mut harness), []);
    harness.tell(found(3, "10.0.0.9:1 8.8.8.8:2", None));
    assert_eq!(dials(&mut harness), [(id(3), vec![], at("8.8.8.8:2"))]);
    harness.tell(Input::Connected {
        conn: Conn(1),
        peer: id(1),
        site: Site::of([192, 168, 1, 9].into()),
        dialed: true,
    });
    assert_eq!(harness.machine.peer_state(Conn(1)).unwrap().found, Found::By(Way::Lan));
}

#[test]
fn peer_of_another_swarm_or_time_and_oneself_are_not_found() {
    let mut harness = Harness::new(TAKE, having([]));
    let tell = |harness: &mut Harness, offer| {
        harness.tell(Input::Found(FoundPeer { offer, at: Some(([10, 0, 0, 9], 1).into()), way: Way::Dht }));
    };
    tell(&mut harness, offer(1, [2; 32], LATE));
    tell(&mut harness, offer(2, [1; 32], 1));
    tell(&mut harness, offer(100, [1; 32], LATE));
    harness.machine.dialer.sources.ban(id(3), false, Time::ZERO);
    tell(&mut harness, offer(3, [1; 32], LATE));
    assert_eq!(dials(&mut harness), []);
}

// Rows: H15
#[test]
fn crowd_of_found_keys_at_one_address_keeps_no_other_peer_out() {
    let most = 16;
    let mut harness = Harness::with(TAKE, having([]), |config| config.limits.max_known = most);
    for n in 1..=40 {
        harness.tell(found(n, "8.8.4.4:2", Some("192.168.1.9:4433")));
    }
    assert_eq!(harness.machine.dialer.sources.count(), most);
    harness.tell(found(50, "8.8.8.8:2", Some("192.168.1.10:4433")));
    assert!(harness.machine.dialer.sources.is_known(id(50)));
}

#[test]
fn peer_found_anew_is_dialed_at_once_despite_failed_tries() {
    let mut harness = Harness::new(TAKE, having([]));
    harness.tell(Input::Source(offer(1, [1; 32], LATE)));
    for _ in 0..5 {
        while harness.dialed().is_empty() {
            harness.wait(Duration::from_secs(1));
        }
        harness.tell(Input::DialFailed { peer: id(1), wrong_key: None, code: None });
    }
    harness.said();
    harness.tell(found(1, "10.0.0.1:4433", Some("192.168.1.9:4433")));
    let at: Vec<SocketAddr> = ["192.168.1.9:4433", "10.0.0.1:4433"].map(|at| at.parse().unwrap()).to_vec();
    assert_eq!(dials(&mut harness), [(id(1), at, vec![])]);
}

// Rows: H15
#[test]
fn found_places_put_out_none_of_the_users_addresses() {
    let mut harness = Harness::new(TAKE, having([]));
    let users: Vec<String> = (1..=8).map(|n| format!("10.0.1.{n}:4433")).collect();
    harness.tell(Input::Source(offer_at(1, &users.join(" "), LATE)));
    let first: Vec<SocketAddr> = dials(&mut harness)[0].1.clone();
    for n in 1..=20 {
        harness.tell(found(1, "8.8.4.4:2", Some(&format!("192.168.1.{n}:4433"))));
    }
    harness.tell(Input::DialFailed { peer: id(1), wrong_key: None, code: None });
    let second: Vec<SocketAddr> = dials(&mut harness)[0].1.clone();
    assert!(first.iter().all(|address| second.contains(address)));
    assert_eq!(second.len(), first.len() + 4);
    assert_eq!(second[0], "192.168.1.20:4433".parse().unwrap());
}
