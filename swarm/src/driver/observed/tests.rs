use super::super::dialed_sites;
use super::*;

const OWN: &str = "192.168.1.7:4433";
const MAPPED: &str = "8.8.4.4:61000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn after(seconds: u64) -> Time {
    Time::after_start(Duration::from_secs(seconds))
}

/// What follows from these words, each as `WITNESS=ADDRESS`.
fn told(words: &str) -> Reach {
    let observations = Observations::new(0);
    for word in words.split_whitespace() {
        let (witness, address) = word.split_once('=').unwrap();
        observations.note(Time::ZERO, SocketAddr::new(witness.parse().unwrap(), 1), at(address));
    }
    let own = vec![at(OWN), at("[2001:db8::7]:4433")];
    observations.set_own(own.clone(), &own);
    observations.reach(Time::ZERO)
}

// Rows: H13
#[test]
fn address_counts_when_members_in_two_networks_name_it() {
    assert_eq!(told("1.1.1.1=8.8.4.4:61000").ipv4, Translation::Unknown);
    let one_user = "1.1.1.1=8.8.4.4:61000 1.1.1.2=8.8.4.4:61000 1.1.1.1=8.8.4.4:61000";
    assert_eq!(told(one_user).ipv4, Translation::Unknown);
    let two = "1.1.1.1=8.8.4.4:61000 9.9.9.9=8.8.4.4:61000";
    assert_eq!(told(two).ipv4, Translation::Same(at(MAPPED)));
    let direct = "2001:db8:1::1=[2001:db8::7]:4433 2001:db8:2::1=[2001:db8::7]:4433";
    assert_eq!(told(direct).ipv6, Translation::None(at("[2001:db8::7]:4433")));
    assert_eq!(told(direct).ipv4, Translation::Unknown);
}

#[test]
fn another_port_for_each_member_is_a_mapping_that_varies() {
    let reach = told("1.1.1.1=8.8.4.4:61000 9.9.9.9=8.8.4.4:61001");
    assert_eq!((reach.ipv4, reach.ipv4.address()), (Translation::Varies, None));
    assert_eq!(told("1.1.1.1=8.8.4.4:1 9.9.9.9=8.8.4.4:2 5.5.5.5=8.8.4.4:3").ipv4, Translation::Varies);
}

// Rows: H13
#[test]
fn lying_witnesses_need_to_be_more_than_honest_ones() {
    let honest = "1.1.1.1=8.8.4.4:61000 9.9.9.9=8.8.4.4:61000";
    assert_eq!(told(&format!("{honest} 5.5.5.5=6.6.6.6:53")).ipv4, Translation::Same(at(MAPPED)));
    let tie = format!("{honest} 5.5.5.5=6.6.6.6:53 4.4.4.4=6.6.6.6:53");
    assert_eq!(told(&tie).ipv4, Translation::Unknown);
    assert_eq!(told(&format!("{tie} 3.3.3.3=8.8.4.4:61000")).ipv4, Translation::Same(at(MAPPED)));
}

// Rows: H13
#[test]
fn words_of_private_addresses_or_another_family_do_not_count() {
    for words in [
        "10.0.0.1=8.8.4.4:61000 192.168.1.1=8.8.4.4:61000",
        "1.1.1.1=192.168.1.7:4433 9.9.9.9=192.168.1.7:4433",
        "1.1.1.1=127.0.0.1:1 9.9.9.9=127.0.0.1:1",
        "2001:db8:1::1=8.8.4.4:61000 2001:db8:2::1=8.8.4.4:61000",
    ] {
        assert_eq!(told(words), Reach::default(), "{words}");
    }
    // A socket of both families sees the IPv4 addresses of its peers in their IPv6 form.
    let mapped = "::ffff:1.1.1.1=8.8.4.4:61000 ::ffff:9.9.9.9=8.8.4.4:61000";
    assert_eq!(told(mapped).ipv4, Translation::Same(at(MAPPED)));
}

#[test]
fn a_word_fades_after_an_hour_and_a_member_may_change_its_word() {
    let observations = Observations::new(0);
    let reach = |seconds| observations.reach(after(seconds)).ipv4;
    observations.note(after(0), at("1.1.1.1:1"), at(MAPPED));
    observations.note(after(1_800), at("9.9.9.9:1"), at(MAPPED));
    assert_eq!(reach(3_599), Translation::Same(at(MAPPED)));
    assert_eq!(reach(3_600), Translation::Unknown);
    for witness in ["1.1.1.1:1", "9.9.9.9:1"] {
        observations.note(after(4_000), at(witness), at("8.8.4.4:5"));
    }
    assert_eq!(reach(4_000), Translation::Same(at("8.8.4.4:5")));
}

// Rows: H13
#[test]
fn throwaway_witnesses_are_bounded_and_the_oldest_goes() {
    let observations = Observations::new(0);
    for second in 0..1_000_u32 {
        let [_, _, high, low] = second.to_be_bytes();
        let witness = SocketAddr::from(([1, high, low, 1], 1));
        observations.note(after(second.into()), witness, at(MAPPED));
    }
    let book = observations.lock();
    assert_eq!(book.ipv4.0.len(), MOST_WITNESSES);
    assert!(book.ipv4.0.values().all(|word| word.at >= after(1_000 - MOST_WITNESSES as u64)));
}

// Rows: H13
#[test]
fn only_a_public_peer_never_dialed_shows_that_we_are_reached() {
    let observations = Observations::new(0);
    let (peer, visits) = (PeerId([7; 32]), |observations: &Observations| {
        let reach = observations.reach(Time::ZERO);
        (reach.visit_ipv4.map(|visit| visit.unix), reach.visit_ipv6.map(|visit| visit.unix))
    });
    observations.dialed(at("9.9.9.9:4433"));
    observations.came(Time::ZERO, peer, at("9.9.9.9:5555"), 1);
    observations.came(Time::ZERO, peer, at("192.168.1.9:4433"), 2);
    observations.came(Time::ZERO, peer, at("127.0.0.1:4433"), 3);
    assert_eq!(visits(&observations), (None, None));
    observations.came(Time::ZERO, peer, at("[::ffff:1.1.1.1]:4433"), 4);
    observations.came(Time::ZERO, peer, at("[2001:db8::1]:4433"), 5);
    assert_eq!(visits(&observations), (Some(4), Some(5)));
    let crowded = Observations::new(0);
    for host in 0..=dialed_sites::MOST as u32 {
        let [_, b, c, d] = host.to_be_bytes();
        crowded.dialed(SocketAddr::from(([11, b, c, d], 1)));
    }
    crowded.came(Time::ZERO, peer, at("1.1.1.1:4433"), 6);
    assert_eq!(visits(&crowded), (None, None));
}

// Rows: H13
#[test]
fn peer_behind_the_same_router_shows_nothing_of_the_outside() {
    let observations = Observations::new(0);
    observations.note(Time::ZERO, at("1.1.1.1:1"), at(MAPPED));
    observations.came(Time::ZERO, PeerId([7; 32]), at("8.8.4.4:5555"), 1);
    assert_eq!(observations.reach(Time::ZERO).visit_ipv4, None);
    observations.came(Time::ZERO, PeerId([7; 32]), at("8.8.4.5:5555"), 2);
    assert!(observations.reach(Time::ZERO).visit_ipv4.is_some());
    // The word has faded: somebody else may have that address now.
    observations.came(after(3_600), PeerId([7; 32]), at("8.8.4.4:5555"), 3);
    assert_eq!(observations.reach(after(3_600)).visit_ipv4.map(|visit| visit.unix), Some(3));
}

// Rows: H13
#[test]
fn visit_counts_after_earlier_mappings_are_gone_and_for_a_day() {
    let visit = |port: u16, second: u64, looked: u64| {
        let observations = Observations::new(port);
        observations.came(after(second), PeerId([7; 32]), at("9.9.9.9:1"), 1);
        observations.reach(after(looked)).visit_ipv4.is_some()
    };
    assert_eq!([visit(4433, 299, 299), visit(4433, 300, 300), visit(0, 0, 0)], [false, true, true]);
    assert_eq!([86_399, 86_400].map(|looked| visit(0, 0, looked)), [true, false]);
}

// Rows: H16
#[test]
fn mapping_counts_until_members_agree_on_another_host() {
    let observations = Observations::new(0);
    let outside = |observations: &Observations| observations.reach(Time::ZERO).outside();
    let mapped = at("8.8.4.4:4433");
    observations.set_mapped(Some(mapped));
    assert_eq!((outside(&observations), observations.mappings()), (vec![mapped], 1));
    assert_eq!(observations.unconfirmed(Time::ZERO), Some(mapped));
    // One member is enough to show that the host is right, and two are needed to show another port, or another host.
    assert!(observations.note(Time::ZERO, at("1.1.1.1:1"), at(MAPPED)));
    assert_eq!((observations.unconfirmed(Time::ZERO), outside(&observations)), (None, vec![mapped]));
    observations.note(Time::ZERO, at("9.9.9.9:1"), at(MAPPED));
    assert_eq!(outside(&observations), [mapped, at(MAPPED)]);
    for witness in ["1.1.1.1:1", "9.9.9.9:1"] {
        observations.note(Time::ZERO, at(witness), at("5.5.5.5:7"));
    }
    assert_eq!(outside(&observations), [at("5.5.5.5:7")]);
    assert_eq!(observations.unconfirmed(Time::ZERO), Some(mapped));
    observations.set_mapped(None);
    observations.set_mapped(None);
    assert_eq!((observations.reach(Time::ZERO).mapped, observations.mappings()), (None, 2));
}

#[test]
fn a_machine_that_moved_forgets_what_was_seen_of_it() {
    let observations = Observations::new(0);
    let seen = |own: &str| {
        observations.set_own(vec![at(own), at("172.17.0.1:4433")], &[at(own)]);
        let Reach { ipv4, visit_ipv4, .. } = observations.reach(Time::ZERO);
        (ipv4.address(), visit_ipv4.is_some())
    };
    for witness in ["1.1.1.1:1", "9.9.9.9:1"] {
        observations.note(Time::ZERO, at(witness), at(MAPPED));
    }
    observations.came(Time::ZERO, PeerId([7; 32]), at("5.5.5.5:1"), 1);
    assert_eq!((seen(OWN), seen(OWN)), ((Some(at(MAPPED)), true), (Some(at(MAPPED)), true)));
    assert_eq!(seen("192.168.2.7:4433"), (None, false));
}
