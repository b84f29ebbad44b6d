//! Members on one network. Each test has a network of its own, in which loopback stands for the LAN.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use minimodel_reach::lan::{Lan, LanError, LanFound, LanInterfaces, LanSettings, digest};
use tokio::sync::mpsc::Receiver;

use crate::alone;
use crate::dns::{Announced, Member, is_response, only_question};

const PORT: u16 = 5454;
const A: [u8; 32] = [0xaa; 32];
const B: [u8; 32] = [0xbb; 32];

fn lan() -> (Lan, Receiver<LanFound>) {
    Lan::new(LanSettings { mdns_port: PORT, interfaces: LanInterfaces::Loopback })
}

fn next(found: &mut Receiver<LanFound>) -> LanFound {
    let mut next = None;
    alone::eventually("a member", || {
        next = found.try_recv().ok();
        next.is_some()
    });
    next.unwrap()
}

fn nothing_for(found: &mut Receiver<LanFound>, time: Duration) {
    thread::sleep(time);
    assert!(found.try_recv().is_err());
}

fn at(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a member of `swarms` announces, as another implementation would write it.
fn announced(instance: &str, port: u16, swarms: &[[u8; 32]]) -> Announced {
    let salt = [3; 8];
    let digests: Vec<String> = swarms.iter().map(|swarm| hex(&digest(swarm, &salt))).collect();
    Announced {
        instance: instance.to_owned(),
        port,
        txt: vec!["v=1".to_owned(), format!("s={}", hex(&salt)), format!("h={}", digests.join(","))],
        addresses: vec![Ipv4Addr::LOCALHOST],
        seconds_to_live: 120,
    }
}

#[test]
fn members_of_two_swarms_are_found() {
    alone::run("lan::members_of_two_swarms_are_found", || {
        let (first, _first_found) = lan();
        let (second, mut found) = lan();
        first.announce(4001, &[A, B]).unwrap();
        second.look_for(&[A, B]).unwrap();
        let both: BTreeSet<[u8; 32]> = (0..2).map(|_| next(&mut found)).map(|one| one.swarm).collect();
        assert_eq!(both, BTreeSet::from([A, B]));
        nothing_for(&mut found, Duration::from_millis(1500));
    });
}

#[test]
fn a_member_of_another_swarm_is_not_found() {
    alone::run("lan::a_member_of_another_swarm_is_not_found", || {
        let (first, _first_found) = lan();
        let (second, mut found) = lan();
        first.announce(4001, &[A]).unwrap();
        second.look_for(&[B]).unwrap();
        nothing_for(&mut found, Duration::from_secs(2));
    });
}

#[test]
fn the_own_announcement_is_not_found() {
    alone::run("lan::the_own_announcement_is_not_found", || {
        let (lan, mut found) = lan();
        lan.announce(4001, &[A]).unwrap();
        lan.look_for(&[A]).unwrap();
        nothing_for(&mut found, Duration::from_secs(2));
    });
}

#[test]
fn a_new_announcement_replaces_the_one_before() {
    alone::run("lan::a_new_announcement_replaces_the_one_before", || {
        let (first, _first_found) = lan();
        let (second, mut found) = lan();
        second.look_for(&[A, B]).unwrap();
        first.announce(4001, &[A]).unwrap();
        assert_eq!(next(&mut found), LanFound { swarm: A, addresses: at(4001) });
        thread::sleep(Duration::from_millis(1500));
        first.announce(4002, &[B]).unwrap();
        assert_eq!(next(&mut found), LanFound { swarm: B, addresses: at(4002) });
    });
}

#[test]
fn a_member_is_found_in_a_measured_time() {
    alone::run("lan::a_member_is_found_in_a_measured_time", || {
        let who = |name: &str, announced_before: Duration, looked_before: Duration| {
            let mut times: Vec<Duration> =
                (0..5).map(|_| time_to_find(announced_before, looked_before)).collect();
            times.sort_unstable();
            println!(
                "measured: {name}: found after {:?} in the median, {:?} at most, of 5",
                times[2], times[4]
            );
        };
        who("announced for 3 s", Duration::from_secs(3), Duration::ZERO);
        who("looking for 0.5 s", Duration::ZERO, Duration::from_millis(500));
        who("announced for 0.1 s", Duration::from_millis(100), Duration::ZERO);
    });
}

/// The time from the later of announcement and search to the report.
fn time_to_find(announced_before: Duration, looked_before: Duration) -> Duration {
    let (first, _first_found) = lan();
    let (second, mut found) = lan();
    if looked_before.is_zero() {
        first.announce(4001, &[A]).unwrap();
        thread::sleep(announced_before);
        second.look_for(&[A]).unwrap();
    } else {
        second.look_for(&[A]).unwrap();
        thread::sleep(looked_before);
        first.announce(4001, &[A]).unwrap();
    }
    let start = Instant::now();
    assert_eq!(next(&mut found).addresses, at(4001));
    let time = start.elapsed();
    second.close();
    first.close();
    time
}

// Rows: H15
#[test]
fn an_unused_lan_has_no_socket_thread_or_packet() {
    alone::run("lan::an_unused_lan_has_no_socket_thread_or_packet", || {
        let before = (alone::sockets(), alone::threads(), alone::datagrams());
        let (lan, _found) = lan();
        lan.announce(0, &[]).unwrap();
        lan.look_for(&[]).unwrap();
        thread::sleep(Duration::from_millis(300));
        assert_eq!((alone::sockets(), alone::threads(), alone::datagrams()), before);
    });
}

#[test]
fn the_service_ends_with_its_last_use() {
    alone::run("lan::the_service_ends_with_its_last_use", || {
        let before = (alone::sockets(), alone::threads());
        let (lan, _found) = lan();
        for _ in 0..2 {
            lan.announce(4001, &[A]).unwrap();
            lan.look_for(&[B]).unwrap();
            assert!(alone::threads() > before.1);
            lan.announce(4001, &[]).unwrap();
            lan.look_for(&[]).unwrap();
            alone::eventually("the end", || (alone::sockets(), alone::threads()) == before);
        }
        let packets = alone::datagrams();
        thread::sleep(Duration::from_secs(2));
        assert_eq!(alone::datagrams(), packets);
    });
}

// Rows: H15
#[test]
fn a_search_sends_queries_for_the_type_alone() {
    alone::run("lan::a_search_sends_queries_for_the_type_alone", || {
        let listener = Member::join(PORT);
        let (lan, _found) = lan();
        lan.look_for(&[A]).unwrap();
        let heard = listener.hear(Duration::from_secs(5));
        for packet in &heard {
            assert_eq!(only_question(packet), Some(("_minimodel._udp.local".to_owned(), 12)), "{packet:?}");
        }
        // After 10-50 ms, 1 s and 3 s. What the listener did not hear, the kernel counted.
        assert_eq!(heard.len(), 3);
        assert_eq!(alone::datagrams(), 3);
    });
}

// Rows: H15
#[test]
fn a_search_answers_no_query_and_announces_nothing() {
    alone::run("lan::a_search_answers_no_query_and_announces_nothing", || {
        let listener = Member::join(PORT);
        let (searching, _found) = lan();
        searching.look_for(&[A]).unwrap();
        let (other, _other_found) = lan();
        other.look_for(&[A]).unwrap();
        listener.say(&announced("0011223344556677", 4001, &[A]).bytes());
        let heard = listener.hear(Duration::from_secs(3));
        assert!(heard.iter().filter(|packet| is_response(packet)).count() == 1, "only the one of this test");
    });
}

#[test]
fn a_goodbye_is_sent_at_the_end() {
    alone::run("lan::a_goodbye_is_sent_at_the_end", || {
        let listener = Member::join(PORT);
        let (lan, _found) = lan();
        lan.announce(4001, &[A]).unwrap();
        assert!(!listener.hear(Duration::from_millis(1500)).is_empty());
        lan.close();
        assert!(listener.hear(Duration::from_millis(300)).iter().any(|packet| is_response(packet)));
    });
}

// Rows: H15
#[test]
fn an_announcement_names_no_machine_and_no_swarm() {
    alone::run("lan::an_announcement_names_no_machine_and_no_swarm", || {
        let listener = Member::join(PORT);
        let (lan, _found) = lan();
        lan.announce(4001, &[A]).unwrap();
        let heard = listener.hear(Duration::from_millis(1500)).concat();
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let contains = |bytes: &[u8]| heard.windows(bytes.len()).any(|window| window == bytes);
        assert!(contains(b"_minimodel") && contains(b"v=1"));
        assert!(
            !contains(machine.trim().as_bytes()) && !contains(&A[..8]) && !contains(hex(&A[..8]).as_bytes())
        );
    });
}

#[test]
fn a_member_that_left_without_goodbye_is_found_again() {
    alone::run("lan::a_member_that_left_without_goodbye_is_found_again", || {
        let other = Member::join(PORT);
        let (lan, mut found) = lan();
        lan.look_for(&[A]).unwrap();
        other.wait_for_query();
        let mut member = announced("0011223344556677", 4001, &[A]);
        member.seconds_to_live = 2;
        for _ in 0..2 {
            other.say(&member.bytes());
            assert_eq!(next(&mut found), LanFound { swarm: A, addresses: at(4001) });
            // Nobody answers the queries that would keep it.
            nothing_for(&mut found, Duration::from_millis(3500));
        }
    });
}

#[test]
fn fifty_members_are_all_found() {
    alone::run("lan::fifty_members_are_all_found", || {
        let other = Member::join(PORT);
        let (lan, mut found) = lan();
        lan.look_for(&[A]).unwrap();
        other.wait_for_query();
        for port in 4000..4050 {
            other.say(&announced(&format!("{port:016x}"), port, &[A]).bytes());
        }
        let ports: BTreeSet<u16> = (0..50).map(|_| next(&mut found).addresses[0].port()).collect();
        assert_eq!(ports.len(), 50);
    });
}

// Rows: H15
#[test]
fn garbage_is_ignored_and_the_next_member_found() {
    alone::run("lan::garbage_is_ignored_and_the_next_member_found", || {
        let other = Member::join(PORT);
        let (lan, mut found) = lan();
        lan.look_for(&[A]).unwrap();
        other.wait_for_query();
        let good = announced("00000000000000ff", 4001, &[A]);
        let texts: [&[&str]; 6] =
            [&[], &["v"], &["v=1", "s=zz", "h=1"], &["=", "v=1"], &["v=9"], &["\u{7f}\0=\0"]];
        for (number, text) in texts.iter().enumerate() {
            let mut bad = good.clone();
            bad.instance = format!("{number:016x}");
            bad.txt = text.iter().map(|&text| text.to_owned()).collect();
            other.say_and_rest(&bad.bytes());
        }
        let bytes = good.bytes();
        for length in 0..bytes.len() {
            other.say_and_rest(&bytes[..length]);
        }
        let mut public = good;
        public.instance = "00000000000000fe".to_owned();
        public.addresses = vec![Ipv4Addr::new(203, 0, 113, 7)];
        other.say_and_rest(&public.bytes());
        let mut first = None;
        alone::eventually("a member", || {
            // Announced again until it is heard (RFC 6762 section 8.3): any packet may be lost.
            other.say_and_rest(&bytes);
            first = found.try_recv().ok();
            first.is_some()
        });
        assert_eq!(first, Some(LanFound { swarm: A, addresses: at(4001) }));
        nothing_for(&mut found, Duration::from_millis(500));
    });
}

/// The salt of an announcement of ours, which is another one for each service.
fn salt(packet: &[u8]) -> Option<Vec<u8>> {
    let start = packet.windows(2).position(|two| two == b"s=")?;
    packet.get(start + 2..start + 18).map(<[u8]>::to_vec)
}

// Rows: H15
#[test]
fn a_flood_makes_the_service_forget_and_begin_anew() {
    alone::run("lan::a_flood_makes_the_service_forget_and_begin_anew", || {
        let other = Member::join(PORT);
        let (lan, mut found) = lan();
        lan.announce(4001, &[B]).unwrap();
        lan.look_for(&[A]).unwrap();
        let heard = other.hear(Duration::from_millis(1500));
        let first = heard.iter().find_map(|packet| salt(packet)).expect("an announcement");
        let mut stranger = announced("", 9, &[]);
        stranger.txt = vec!["v=9".to_owned()];
        stranger.seconds_to_live = i32::MAX.unsigned_abs();
        for number in 0..2_000 {
            stranger.instance = format!("{number:016x}");
            other.say(&stranger.bytes());
            thread::sleep(Duration::from_millis(1));
        }
        let mut heard = Vec::new();
        alone::eventually("another announcement", || {
            heard.extend(other.hear(Duration::from_millis(100)));
            heard.iter().filter_map(|packet| salt(packet)).any(|salt| salt != first)
        });
        other.say(&announced("00000000000000ff", 4002, &[A]).bytes());
        assert_eq!(next(&mut found), LanFound { swarm: A, addresses: at(4002) });
    });
}

#[test]
fn a_lan_that_is_flooded_ends_with_its_last_use() {
    alone::run("lan::a_lan_that_is_flooded_ends_with_its_last_use", || {
        let other = Member::join(PORT);
        let (lan, _found) = lan();
        let (sockets, threads) = (alone::sockets(), alone::threads());
        lan.look_for(&[A]).unwrap();
        other.wait_for_query();
        let mut stranger = announced("", 9, &[]);
        let mut number = 0;
        alone::eventually("a rest", || {
            number += 1;
            stranger.instance = format!("{number:016x}");
            // Twice as many as may be held; then a few more, as some may be lost. A busy machine is to find the time to count them.
            if number < 1_024 || number % 64 == 0 {
                other.say(&stranger.bytes());
            }
            alone::sockets() == sockets
        });
        lan.look_for(&[]).unwrap();
        lan.announce(4001, &[]).unwrap();
        alone::eventually("the end of all threads", || alone::threads() == threads);
        assert_eq!(alone::sockets(), sockets);
    });
}

#[test]
fn port_zero_cannot_be_announced() {
    let (lan, _found) = lan();
    assert!(matches!(lan.announce(0, &[A]), Err(LanError::NoPort)));
}

#[test]
#[ignore = "takes five minutes: a measurement"]
fn idle_members_send_few_packets() {
    alone::run_within("lan::idle_members_send_few_packets", Duration::from_secs(400), || {
        let lans: Vec<_> = (0..2).map(|_| lan()).collect();
        for (port, (lan, _)) in (4001..).zip(&lans) {
            lan.announce(port, &[A]).unwrap();
            lan.look_for(&[A]).unwrap();
        }
        thread::sleep(Duration::from_secs(75));
        let before = alone::datagrams();
        thread::sleep(Duration::from_secs(240));
        let idle = alone::datagrams() - before;
        println!("measured: {idle} packets of two members in 4 idle minutes");
        assert!(idle <= 2 * 3 * 4);
        // Who only listens hears who comes.
        let (mut lans, (newcomer, _found)) = (lans, lan());
        for (_, found) in &mut lans {
            while found.try_recv().is_ok() {}
        }
        newcomer.announce(4003, &[A]).unwrap();
        let start = Instant::now();
        for (_, found) in &mut lans {
            assert_eq!(next(found).addresses, at(4003));
        }
        println!("measured: listeners found a newcomer after {:?}", start.elapsed());
    });
}
