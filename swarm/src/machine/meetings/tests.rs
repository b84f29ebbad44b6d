use minimodel_wire::{Bitfield, CloseCode, NoMeeting, WireAddress};

use super::super::events::Input;
use super::super::harness::{CHUNKS, Harness, SEED, TAKE, all, having, id, offer_at};
use super::super::introducers::{UNASKED, UNASKED_AT_A_NETWORK};
use super::super::user_controls::Controls;
use super::*;

const PUBLIC: [u8; 4] = [8, 8, 4, 4];
const SEEN: &str = "9.9.9.9:4433";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A fetch that knows peer 9, which does not answer, and is connected to these members.
fn fetch(members: u8) -> Harness {
    let mut harness = Harness::new(all(), having([]));
    for n in 1..=members {
        harness.join_from(n, [8, 8, n, 4], all(), Bitfield::full(CHUNKS));
    }
    harness.tell(Input::Source(offer_at(9, SEEN, 10_000)));
    harness.said();
    harness
}

/// The members that are asked for an introduction, since the last call.
fn asked(harness: &mut Harness) -> Vec<u64> {
    let question = |output| match output {
        Output::Send { conn, frame: Frame::Introduce { peer } } => {
            assert_eq!(peer, id(9));
            Some(conn.0)
        }
        _ => None,
    };
    harness.said().into_iter().filter_map(question).collect()
}

fn nothing_came(by: PeerId) -> NotMet {
    NotMet::NothingCame(Attempt { by, ours: Sent::default(), theirs: Nat::Varies })
}

fn meeting(peer: u8, address: &str) -> Meeting {
    let address = WireAddress::seen(address.parse().unwrap()).unwrap();
    Meeting { peer: id(peer), address, offered_port: 0, answers: true, delay: 20, nat: Nat::Varies }
}

/// The addresses at which peers are met, since the last call.
fn met(harness: &mut Harness) -> Vec<String> {
    let meet = |output| match output {
        Output::Meet { addresses, .. } => Some(addresses),
        _ => None,
    };
    let addresses = harness.said().into_iter().filter_map(meet).flatten();
    addresses.map(|address| address.to_string()).collect()
}

fn refuse(harness: &mut Harness, conn: u64, reason: NoMeeting) {
    harness.frame(conn, Frame::NoMeet { peer: id(9), reason });
}

#[test]
fn member_is_asked_once_a_dial_is_silent_for_half_a_second() {
    let mut harness = fetch(1);
    harness.wait(Duration::from_millis(499));
    assert_eq!(asked(&mut harness), [0; 0]);
    harness.wait(Duration::from_millis(1));
    assert_eq!(asked(&mut harness), [1]);
    let mut answers = fetch(1);
    answers.wait(Duration::from_millis(300));
    answers.connect(9, 9, true);
    answers.wait(seconds(5));
    assert_eq!(asked(&mut answers), [0; 0]);
}

#[test]
fn peer_that_answers_a_dial_with_a_refusal_is_not_asked_for() {
    let mut harness = fetch(1);
    let code = Some(CloseCode::Busy);
    harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code });
    harness.wait(Duration::from_millis(700));
    assert_eq!(asked(&mut harness), [0; 0]);
}

#[test]
fn four_members_are_asked_one_after_the_other_and_then_none() {
    let mut harness = fetch(6);
    harness.wait(seconds(1));
    let next = |harness: &mut Harness| asked(harness).into_iter().sum::<u64>();
    // One says no, one says nothing, and an answer that comes too late is not heard.
    let first = next(&mut harness);
    refuse(&mut harness, first, NoMeeting::NotConnected);
    let second = next(&mut harness);
    harness.wait(ANSWER);
    let third = next(&mut harness);
    refuse(&mut harness, second, NoMeeting::Limit);
    assert_eq!(asked(&mut harness), [0; 0]);
    refuse(&mut harness, third, NoMeeting::NoAddress);
    let fourth = next(&mut harness);
    refuse(&mut harness, fourth, NoMeeting::NotConnected);
    assert_eq!(BTreeSet::from([0, first, second, third, fourth]).len(), 5, "each once");
    let not_met = Event::NotMet { peer: id(9), why: NotMet::NobodyKnowsIt };
    assert!(harness.events().contains(&not_met));
    let fails = |harness: &mut Harness| {
        harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
        harness.wait(MAY_COME - seconds(1));
    };
    fails(&mut harness);
    assert_eq!(asked(&mut harness), [0; 0], "dials go on, questions do not");
    // It may have come to one of them meanwhile. The one that said nothing is asked last.
    harness.wait(seconds(2));
    fails(&mut harness);
    let others = asked(&mut harness);
    assert!(!others.is_empty() && !others.contains(&second), "{others:?}");
}

// Rows: H14
#[test]
fn one_of_each_network_is_asked_before_a_second_of_any() {
    for seed in 0..20 {
        let mut harness = Harness::with(all(), having([]), |config| config.seed = seed);
        (10..=20).for_each(|n| harness.join_from(n, [8, 8, 1, n], all(), Bitfield::full(CHUNKS)));
        harness.join_from(21, [8, 8, 2, 4], all(), Bitfield::full(CHUNKS));
        harness.tell(Input::Source(offer_at(9, SEEN, 10_000)));
        harness.wait(seconds(1));
        let mut questions = asked(&mut harness);
        refuse(&mut harness, questions[0], NoMeeting::NotConnected);
        questions.extend(asked(&mut harness));
        assert!(questions.contains(&21), "{questions:?}");
    }
}

// Rows: H14
#[test]
fn member_whose_word_led_to_a_peer_is_asked_first() {
    for seed in 0..20 {
        let mut harness = Harness::with(all(), having([]), |config| config.seed = seed);
        (1..=7).for_each(|n| harness.join_from(n, [8, 8, n, 4], all(), Bitfield::full(CHUNKS)));
        harness.said();
        harness.frame(5, Frame::Meet(meeting(8, SEEN)));
        assert_eq!(met(&mut harness), [SEEN]);
        harness.connect_from(80, 8, [9, 9, 9, 9], false);
        harness.tell(Input::Source(offer_at(9, "9.9.8.9:1", 10_000)));
        harness.wait(seconds(1));
        assert_eq!(asked(&mut harness), [5]);
    }
}

#[test]
fn member_that_is_ready_while_the_dial_is_silent_is_asked() {
    let mut harness = Harness::new(all(), having([0]));
    harness.tell(Input::Source(offer_at(9, SEEN, 1_000_000)));
    harness.wait(seconds(2));
    assert_eq!(asked(&mut harness), [0; 0], "no member is connected");
    harness.join(1, all(), having([1]));
    harness.wait(LOOKS_AGAIN);
    assert_eq!(asked(&mut harness), [1]);
}

#[test]
fn second_meeting_follows_after_a_minute_without_a_dial_between() {
    let mut harness = fetch(1);
    let meets = |harness: &mut Harness| {
        harness.said();
        harness.frame(1, Frame::Meet(meeting(9, SEEN)));
        assert_eq!(met(harness), [SEEN]);
        harness.wait(seconds(5));
        harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
        harness.said();
        harness.tell(Input::MeetingEnded { peer: id(9), by: id(1), sent: Sent::default() });
        assert_eq!(harness.events()[..1], [Event::NotMet { peer: id(9), why: nothing_came(id(1)) }]);
    };
    harness.wait(seconds(1));
    meets(&mut harness);
    harness.wait(SECOND_AFTER - seconds(1));
    assert_eq!(harness.dialed(), []);
    harness.wait(seconds(2));
    assert_eq!(asked(&mut harness), [1]);
    meets(&mut harness);
    harness.wait(seconds(300));
    assert_eq!(asked(&mut harness), [0; 0]);
}

// Rows: H14
#[test]
fn who_is_met_for_others_is_one_that_may_come_and_is_not_here() {
    let told = |consent, change: &dyn Fn(&mut Harness), meeting: Meeting| {
        let mut harness = Harness::new(consent, Bitfield::full(CHUNKS));
        harness.join_from(1, PUBLIC, all(), having([]));
        change(&mut harness);
        harness.said();
        harness.frame(1, Frame::Meet(meeting));
        met(&mut harness)
    };
    let publishes = SEED | Consent::PUBLISH;
    assert_eq!(told(publishes, &|_| {}, meeting(9, SEEN)), [SEEN]);
    let mapped = Meeting { offered_port: 4434, ..meeting(9, SEEN) };
    assert_eq!(told(publishes, &|_| {}, mapped), [SEEN, "9.9.9.9:4434"]);
    // From here a private address leads to another host.
    for address in ["10.0.0.9:1", "127.0.0.1:1", "100.64.0.1:1"] {
        assert_eq!(told(publishes, &|_| {}, meeting(9, address)), [""; 0], "{address}");
    }
    assert_eq!(told(publishes, &|harness| harness.ban(9), meeting(9, SEEN)), [""; 0]);
    assert_eq!(told(publishes, &|_| {}, meeting(100, SEEN)), [""; 0], "ourselves");
    let joined = |harness: &mut Harness| harness.join(9, TAKE, having([]));
    assert_eq!(told(publishes, &joined, meeting(9, SEEN)), [""; 0]);
    let closed = |harness: &mut Harness| {
        let allow = Some([id(1)].into());
        harness.tell(Input::Controls(Controls { allow, ..Controls::default() }));
    };
    assert_eq!(told(publishes, &closed, meeting(9, SEEN)), [""; 0]);
    let kept_away = |harness: &mut Harness| {
        let now = harness.now;
        harness.machine.standings.of(id(9), now).shut_out(now);
    };
    assert_eq!(told(publishes, &kept_away, meeting(9, SEEN)), [""; 0]);
    // It would be dialed: a session that fetches dials its sources alone, and one that only serves whom it lets in.
    let no_source = |harness: &mut Harness| {
        harness.tell(Input::Controls(Controls { sources: Some([].into()), ..Controls::default() }));
    };
    assert_eq!(told(all(), &no_source, meeting(9, SEEN)), [""; 0]);
    assert_eq!(told(publishes, &no_source, meeting(9, SEEN)), [SEEN]);
    // One that only fetches is met by nobody else's wish.
    assert_eq!(told(TAKE | Consent::PUBLISH, &|_| {}, meeting(9, SEEN)), [""; 0]);
}

// Rows: H14
#[test]
fn meetings_for_others_are_few_for_each_address_and_in_all() {
    let mut harness = Harness::new(SEED | Consent::PUBLISH, Bitfield::full(CHUNKS));
    harness.join_from(1, PUBLIC, all(), having([]));
    let mut told = |n: u8, address: &str| {
        harness.said();
        harness.frame(1, Frame::Meet(meeting(n, address)));
        let met = met(&mut harness).len();
        harness.tell(Input::MeetingEnded { peer: id(n), by: id(1), sent: Sent::default() });
        met
    };
    let at_one: usize = (10..20).map(|n| told(n, SEEN)).sum();
    assert_eq!(at_one, UNASKED_AT_A_NETWORK[0] as usize);
    let others: usize = (20..60).map(|n| told(n, &format!("7.7.{n}.7:1"))).sum();
    assert_eq!(others + at_one, UNASKED as usize);
    let mut harness = Harness::new(SEED | Consent::PUBLISH, Bitfield::full(CHUNKS));
    harness.join_from(1, PUBLIC, all(), having([]));
    let mut to_a_network = 0;
    for n in 10..200 {
        harness.said();
        harness.frame(1, Frame::Meet(meeting(n, &format!("7.7.7.{n}:1"))));
        to_a_network += met(&mut harness).len();
        harness.tell(Input::MeetingEnded { peer: id(n), by: id(1), sent: Sent::default() });
        harness.wait(seconds(15));
    }
    assert_eq!(to_a_network, UNASKED_AT_A_NETWORK[1] as usize);
}

// Rows: H14
#[test]
fn word_to_meet_that_was_not_asked_for_ends_the_connection() {
    let mut harness = Harness::new(TAKE, having([]));
    harness.join_from(1, PUBLIC, all(), Bitfield::full(CHUNKS));
    harness.said();
    harness.frame(1, Frame::Meet(meeting(9, SEEN)));
    let struck = Event::Struck { peer: id(1), breach: Breach::WrongState };
    assert_eq!(harness.events()[..1], [struck]);
}

// Rows: H14
#[test]
fn member_that_was_asked_may_name_no_other_peer_to_a_taker() {
    let mut harness = Harness::new(TAKE, having([]));
    harness.join_from(1, PUBLIC, all(), Bitfield::full(CHUNKS));
    harness.tell(Input::Source(offer_at(9, SEEN, 10_000)));
    harness.wait(seconds(1));
    assert_eq!(asked(&mut harness), [1]);
    harness.frame(1, Frame::Meet(meeting(8, "7.7.7.7:1")));
    assert_eq!(met(&mut harness), [""; 0]);
    harness.frame(1, Frame::Meet(meeting(9, SEEN)));
    assert_eq!(met(&mut harness), [SEEN]);
    harness.connect(9, 9, true);
    assert!(harness.events().contains(&Event::Met { peer: id(9), by: id(1) }));
}

// Rows: H14
#[test]
fn false_words_of_one_member_leave_the_meeting_of_another() {
    let mut harness = fetch(2);
    harness.wait(seconds(1));
    let honest = asked(&mut harness)[0];
    let liar = 3 - honest;
    // The other one names the peer elsewhere, uses up the network, and what is done for others.
    harness.frame(liar, Frame::Meet(meeting(9, "7.7.7.7:1")));
    for n in 20..40 {
        harness.frame(liar, Frame::Meet(meeting(n, SEEN)));
    }
    harness.said();
    harness.frame(honest, Frame::Meet(meeting(9, SEEN)));
    assert_eq!(met(&mut harness), [SEEN]);
    // Its meeting ends first, and is not that of the member that was asked.
    harness.tell(Input::MeetingEnded { peer: id(9), by: id(liar as u8), sent: Sent::default() });
    assert_eq!(harness.events(), []);
    harness.connect(9, 9, true);
    assert!(harness.events().contains(&Event::Met { peer: id(9), by: id(honest as u8) }));
}

// Rows: H14
#[test]
fn member_whose_word_led_to_nothing_is_asked_last_next_time() {
    let mut harness = fetch(2);
    harness.wait(seconds(1));
    let first = asked(&mut harness)[0];
    harness.frame(first, Frame::Meet(meeting(9, "7.7.7.7:1")));
    harness.said();
    harness.wait(seconds(5));
    harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
    harness.tell(Input::MeetingEnded { peer: id(9), by: id(first as u8), sent: Sent::default() });
    harness.said();
    harness.wait(SECOND_AFTER + seconds(1));
    assert_eq!(asked(&mut harness), [3 - first]);
}

// Rows: H14
#[test]
fn second_key_of_a_network_that_lied_is_not_asked_first() {
    for seed in 0..20 {
        let mut harness = Harness::with(all(), having([]), |config| config.seed = seed);
        for (n, network) in [(1, 1), (2, 1), (3, 3)] {
            harness.join_from(n, [8, 8, network, n], all(), Bitfield::full(CHUNKS));
        }
        harness.said();
        // Its word has led to a peer.
        harness.frame(1, Frame::Meet(meeting(8, SEEN)));
        harness.connect_from(80, 8, [9, 9, 9, 9], false);
        harness.tell(Input::Source(offer_at(9, "9.9.8.9:1", 10_000)));
        harness.wait(seconds(1));
        let liar = asked(&mut harness)[0];
        assert!([1, 2].contains(&liar), "{liar}");
        harness.frame(liar, Frame::Meet(meeting(9, "7.7.7.7:1")));
        harness.wait(seconds(5));
        harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
        harness.tell(Input::MeetingEnded { peer: id(9), by: id(liar as u8), sent: Sent::default() });
        harness.said();
        harness.wait(SECOND_AFTER + seconds(1));
        assert_eq!(asked(&mut harness), [3]);
    }
}

// Rows: H14
#[test]
fn nobody_is_asked_for_our_own_key_though_it_is_dialed() {
    let mut harness = Harness::new(all(), having([]));
    harness.join_from(1, PUBLIC, all(), Bitfield::full(CHUNKS));
    harness.tell(Input::Source(offer_at(100, SEEN, 10_000)));
    harness.wait(seconds(10));
    let said = harness.said();
    assert!(said.iter().any(|output| matches!(output, Output::Dial { .. })));
    assert!(!said.iter().any(|output| matches!(output, Output::Send { frame: Frame::Introduce { .. }, .. })));
}

// Rows: H14
#[test]
fn packets_at_a_stranger_s_stay_counted_if_the_key_is_elsewhere() {
    let met_of_100 = |comes_from: [u8; 4]| {
        let mut harness = Harness::new(SEED | Consent::PUBLISH, Bitfield::full(CHUNKS));
        harness.join_from(1, PUBLIC, all(), having([]));
        let mut count = 0;
        for n in 110..210 {
            harness.said();
            harness.frame(1, Frame::Meet(meeting(n, &format!("7.7.7.7:{n}"))));
            count += met(&mut harness).len();
            harness.connect_from(9, n, comes_from, false);
            harness.tell(Input::Closed { conn: Conn(9), code: None });
            harness.wait(seconds(30));
        }
        count
    };
    assert_eq!(met_of_100([9, 9, 9, 9]), UNASKED_AT_A_NETWORK[1] as usize);
    assert!(met_of_100([7, 7, 7, 7]) > 64);
}
