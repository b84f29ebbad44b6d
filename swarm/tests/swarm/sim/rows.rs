//! Rows of the fault catalogue that the random worlds cover without naming them, one scenario each, with real stores.

use std::collections::{BTreeMap, BTreeSet};

use minimodel_sim::{
    Behaviour, KIB, MIB, Network, PeerNo, Plan, Scripted, World, config, id_of, ms, secs, site_of, terms,
};
use minimodel_swarm::machine::{Ask, Breach, Config, Conn, Controls, Input, Machine, Output, Time};
use minimodel_wire::{Bitfield, CloseCode, Consent, Frame, PeerId};

use super::scenario::{Scenario, run};

const YEAR: i64 = 365 * 24 * 3_600;

fn finish(world: World, leechers: &[PeerNo], limit: u64) -> World {
    let mut scenario = Scenario { world, leechers: leechers.to_vec(), limit };
    run(&mut scenario);
    scenario.world
}

fn blame(world: &World, no: PeerNo) -> (usize, usize) {
    (world.peers[no].tally.banned.len(), world.peers[no].tally.struck.len())
}

/// A machine that seeds for the peers on its allow list, or for all without a list.
fn doorkeeper(allow: Option<BTreeSet<PeerId>>) -> Machine {
    let controls = Controls { allow, ..Controls::default() };
    let config = Config { controls, ..config(id_of(0), terms(8 * MIB, 64 * KIB as u32), Consent::SERVE) };
    let chunks = config.terms.chunk_count;
    Machine::new(config, Bitfield::full(chunks), BTreeMap::new())
}

/// Frames with which a peer that wants chunks introduces itself.
fn words_of_a_taker() -> [Frame; 3] {
    let mut other = doorkeeper(None);
    other.handle(
        Time::ZERO,
        Input::Connected { conn: Conn(1), peer: id_of(7), site: site_of(7), dialed: true },
    );
    let hello = std::iter::from_fn(|| other.poll()).find_map(|output| match output {
        Output::Send { frame: Frame::Hello(hello), .. } => Some(hello),
        _ => None,
    });
    let mut hello = hello.expect("who dials greets");
    hello.consent = Consent::FETCH;
    [Frame::Hello(hello), Frame::Bitfield(Bitfield::new(128)), Frame::Interested]
}

fn closes(machine: &mut Machine) -> Vec<(Conn, CloseCode)> {
    let close = |output| if let Output::Close { conn, code } = output { Some((conn, code)) } else { None };
    std::iter::from_fn(|| machine.poll()).filter_map(close).collect()
}

// Rows: A9
#[test]
fn a_hello_that_is_replayed_under_another_key_grants_nothing() {
    let (friend, thief) = (id_of(1), id_of(2));
    let mut machine = doorkeeper(Some(BTreeSet::from([friend])));
    let now = Time::after_start(secs(1));
    // The very frames that let the friend in.
    let frames = words_of_a_taker();
    for conn in [Conn(1), Conn(2), Conn(3)] {
        let peer = if conn == Conn(1) { friend } else { thief };
        machine.handle(now, Input::Connected { conn, peer, site: site_of(1), dialed: false });
        for frame in &frames {
            machine.handle(now, Input::Frame { conn, frame: frame.clone() });
        }
        let closed = closes(&mut machine);
        if conn == Conn(1) {
            assert_eq!((closed, machine.progress().served), (vec![], 1));
        } else {
            assert_eq!(closed.first(), Some(&(conn, CloseCode::NotAllowed)));
            assert_eq!((machine.progress().peers, machine.progress().served), (1, 1), "the friend alone");
        }
    }
}

// Rows: F6
#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let (mut machine, words) = (doorkeeper(None), words_of_a_taker());
    let mut most = 0;
    for number in 0..10_000_u64 {
        let now = Time::after_start(ms(20 * number));
        let mut key = [9; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let conn = Conn(number);
        machine.handle(now, Input::Connected { conn, peer: PeerId(key), site: site_of(1), dialed: false });
        // Peers leave at different points of the introduction, and one in four with a request in flight.
        for frame in words.iter().take(number as usize % 4) {
            machine.handle(now, Input::Frame { conn, frame: frame.clone() });
        }
        if number % 4 == 3 {
            machine.handle(now, Input::Asked { ask: Ask(number), conn, index: 5 });
        }
        most = most.max(machine.progress().peers);
        machine.handle(now, Input::Closed { conn, code: None });
        while machine.poll().is_some() {}
        assert_eq!(machine.check_invariants(), Ok(()));
    }
    assert_eq!(most, 1);
    assert!(machine.is_idle());
    assert_eq!(machine.wakeup(), None, "nothing is left to wait for");
}

// Rows: B12
#[test]
fn answer_arriving_after_the_hedge_won_is_dropped_without_blame() {
    let mut late = 0;
    for seed in 0..12 {
        let mut world = World::whole(4, seed);
        let sleepy = world.add(Plan::seeder().rates(256 * KIB, 256 * KIB));
        let steady = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
        let leecher = world.add(Plan::leecher().knows(&[sleepy, steady]));
        world.script(ms(300 + 40 * seed), Scripted::Suspend(sleepy, Time::after_start(ms(7_000))));
        let world = finish(world, &[leecher], 120);
        let tally = &world.peers[leecher].tally;
        late += tally.received_bytes.saturating_sub(world.terms.byte_count);
        assert_eq!(tally.chunks_from.values().sum::<u32>(), world.terms.chunk_count, "each was counted once");
        assert_eq!(blame(&world, leecher), (0, 0), "seed {seed}: {:?}", tally.struck);
    }
    assert!(late > 0, "no answer ever came late");
}

// Rows: B17
#[test]
fn peer_that_requests_and_does_not_read_is_closed_in_20_seconds() {
    let mut world = World::whole(5, 3);
    let mut plan = Plan::seeder().rates(16 * KIB, 64 * KIB);
    plan.limits.upload_slots = 2;
    let seeder = world.add(plan);
    let deaf: Vec<_> = (0..2)
        .map(|_| world.add(Plan { behaviour: Behaviour::NotReader, ..Plan::taker().knows(&[seeder]) }))
        .collect();
    let leecher = world.add(Plan::taker().knows(&[seeder]).joins_at(secs(1)));
    let mut world = finish(world, &[leecher], 400);
    // Either of the two may lose its slot, with the answers that wait in it, before its twenty seconds are over; it
    // is struck in its next turn.
    world.must_run(secs(120), |world| {
        let struck = &world.peers[seeder].tally.struck;
        deaf.iter().all(|&no| struck.iter().any(|(id, ..)| *id == id_of(no)))
    });
    let struck = &world.peers[seeder].tally.struck;
    for no in deaf {
        let first = struck.iter().find(|(id, ..)| *id == id_of(no)).expect("it was struck");
        assert_eq!(first.1, Breach::NotReading);
        let left = world.peers[seeder].tally.left.iter().find(|(id, ..)| *id == id_of(no));
        assert_eq!(left.map(|(_, code, _)| *code), Some(Some(CloseCode::TooSlow)));
    }
    assert!(struck.iter().all(|(id, ..)| *id != id_of(leecher)));
    // Alone the leecher takes 25 s; both slots are taken for the first twenty, which adds as much.
    assert!(world.seconds(leecher) < 60.0, "{}", world.seconds(leecher));
}

// Rows: B18
#[test]
fn hogs_that_take_chunks_without_end_leave_others_their_share() {
    let mut world = World::whole(5, 4);
    let mut plan = Plan::seeder().rates(64 * KIB, 64 * KIB);
    plan.limits.upload_slots = 2;
    let seeder = world.add(plan);
    for _ in 0..3 {
        world.add(Plan { behaviour: Behaviour::Hog, ..Plan::taker().knows(&[seeder]) });
    }
    let leecher = world.add(Plan::taker().knows(&[seeder]));
    let world = finish(world, &[leecher], 600);
    let alone = world.terms.byte_count as f64 / (64 * KIB) as f64;
    println!("figure: hogs3_slowdown={:.2}", world.seconds(leecher) / alone);
    // A fair share among four takes four times as long, and slots rotate every ten seconds.
    assert!(world.seconds(leecher) < 4.0 * alone + 20.0, "{} s, alone {alone} s", world.seconds(leecher));
}

// Rows: B6
#[test]
fn peer_announcing_refused_chunks_twice_is_struck_but_used() {
    let mut world = World::whole(5, 11);
    let claimer = world.add(Plan::hostile(Behaviour::Claimer).rates(256 * KIB, 256 * KIB));
    let honest = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
    let leecher = world.add(Plan::taker().knows(&[claimer, honest]));
    let world = finish(world, &[leecher], 120);
    let tally = &world.peers[leecher].tally;
    assert!(
        tally
            .struck
            .iter()
            .all(|(id, breach, _)| (*id, *breach) == (id_of(claimer), Breach::RefusedAnnounced))
    );
    assert!((1..=3).contains(&tally.struck.len()), "{:?}", tally.struck);
    assert!(tally.chunks_from.contains_key(&id_of(claimer)));
    assert_eq!(tally.banned, []);
    let refused = |index: &u32| index % 2 == 1;
    let asked = tally.asked.iter().filter(|(_, id, index)| *id == id_of(claimer) && refused(index));
    let again: Vec<u32> = asked.map(|&(.., index)| index).collect();
    assert_eq!(
        again.len(),
        again.iter().collect::<BTreeSet<_>>().len(),
        "no claim is believed twice: {again:?}"
    );
}

// Rows: B20
#[test]
fn colluding_stallers_at_the_end_cost_no_more_than_deadlines() {
    let mut slowest = 0.0f64;
    for stallers in [1, 3, 8] {
        for seed in 0..6 {
            let mut world = World::whole(5, seed);
            let mut all: Vec<_> = (0..stallers)
                .map(|_| world.add(Plan::hostile(Behaviour::EndStaller).rates(256 * KIB, 256 * KIB)))
                .collect();
            let honest = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
            all.push(honest);
            let leecher = world.add(Plan::taker().knows(&all));
            let world = finish(world, &[leecher], 300);
            assert!(world.peers[leecher].tally.struck.iter().all(|(id, ..)| *id != id_of(honest)));
            slowest = slowest.max(world.seconds(leecher));
        }
    }
    println!("figure: end_stallers8_slowest_s={slowest:.1}");
    // The honest seeder alone needs 6.2 s. A stalled chunk is freed after 5 s, or after 20 s where two stallers hold
    // it.
    assert!(slowest < 20.0 + 2.0 * 6.2, "{slowest}");
}

// Rows: B8
#[test]
fn announcements_flipping_five_times_a_second_ban_no_peer() {
    let fetch = |is_beside: bool| {
        let mut world = World::whole(5, 12);
        let honest = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
        let mut all = vec![honest];
        if is_beside {
            all.push(world.add(Plan::hostile(Behaviour::Fickle).rates(64 * KIB, 64 * KIB)));
        }
        let leecher = world.add(Plan::taker().knows(&all));
        let world = finish(world, &[leecher], 60);
        let (count, tally) = (world.terms.chunk_count, &world.peers[leecher].tally);
        assert_eq!((&tally.banned[..], &tally.struck[..]), (&[][..], &[][..]));
        // Each chunk is requested of the honest peer once.
        assert_eq!((tally.asked_of[&id_of(honest)], tally.chunks_from[&id_of(honest)]), (count, count));
        assert!(tally.asked.len() <= 2 * count as usize, "{} asks", tally.asked.len());
        (world.seconds(leecher), tally.received_bytes)
    };
    let ((alone, bytes), (beside, received)) = (fetch(false), fetch(true));
    assert!(beside < 1.01 * alone, "{beside} s, alone {alone} s");
    // What the other peer had begun to send before it took all back.
    assert!(received - bytes < 16 * KIB, "{received} bytes, alone {bytes}");
}

// Rows: C7
#[test]
fn peer_with_a_new_address_keeps_its_connection_and_standing() {
    for seed in 0..8 {
        let mut world = World::whole(5, seed);
        let seeder = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
        let leecher = world.add(Plan::leecher().knows(&[seeder]));
        for (second, who) in [(1, leecher), (2, seeder), (3, leecher)] {
            world.script(secs(second), Scripted::Rebind(who, ms(5 + 40 * (seed % 3))));
        }
        let world = finish(world, &[leecher], 120);
        assert_eq!(world.counts.rebinds, 3);
        assert_eq!(world.peers[leecher].tally.joined.len(), 1, "the connection was kept");
        assert_eq!((blame(&world, leecher), blame(&world, seeder)), ((0, 0), (0, 0)));
    }
}

// Rows: E6
#[test]
fn leecher_with_a_full_disk_keeps_chunks_and_resumes_with_room() {
    for eighths in 0..8 {
        let mut world = World::whole(5, 6);
        let seeder = world.add(Plan::seeder().rates(128 * KIB, 128 * KIB));
        let leecher = world.add(Plan::leecher().knows(&[seeder]));
        let bytes = world.terms.byte_count;
        world.script(ms(1), Scripted::Room(leecher, Some(bytes * eighths / 8 + 2_000)));
        world.script(secs(20), Scripted::Room(leecher, None));
        let world = finish(world, &[leecher], 120);
        let tally = &world.peers[leecher].tally;
        assert!(tally.disk_failures >= 1, "{eighths}: it never was full");
        assert_eq!((blame(&world, leecher), blame(&world, seeder)), ((0, 0), (0, 0)), "{eighths}");
        // Chunks that were kept are not fetched again; chunks in flight at a failure are.
        let kept: u32 = tally.chunks_from.values().sum();
        assert_eq!(kept, world.terms.chunk_count, "{eighths} eighths: each chunk was kept once");
    }
}

// Rows: E13, E14
#[test]
fn seeder_with_a_rotten_disk_is_banned_once_then_hashes_chunks() {
    let mut world = World::whole(3, 7);
    let rotten = world.add(Plan::seeder().rates(128 * KIB, 128 * KIB));
    let good = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
    let first = world.add(Plan::taker().knows(&[rotten, good]));
    let second = world.add(Plan::taker().knows(&[rotten, good]).joins_at(secs(30)));
    for index in 0..world.terms.chunk_count {
        world.script(ms(1), Scripted::RotShare(rotten, index));
    }
    let world = finish(world, &[first, second], 120);
    assert_eq!(world.peers[first].tally.banned.len(), 1, "what it sent is provably wrong");
    assert!(world.peers[first].tally.lies[&id_of(rotten)].0 <= 2);
    // The close code told the seeder why: it hashed what it sent from then on, and sent no wrong byte.
    assert_eq!(world.peers[second].tally.lies.get(&id_of(rotten)), None);
    assert_eq!(blame(&world, second), (0, 0));
}

// Rows: E16
#[test]
fn calendar_jump_of_a_year_bans_no_peer_and_stops_no_fetch() {
    for jump in [-YEAR, YEAR] {
        for seed in 0..6 {
            let mut world = World::whole(5, seed);
            let seeder = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
            let leechers: Vec<_> = (0..3).map(|_| world.add(Plan::leecher().knows(&[seeder]))).collect();
            for (second, who) in [(2, leechers[0]), (3, seeder), (4, leechers[1])] {
                world.script(secs(second), Scripted::SetClock(who, jump));
                world.script(secs(second), Scripted::Kill(who));
                world.script(secs(second) + ms(200), Scripted::Restart(who));
            }
            let world = finish(world, &leechers, 300);
            for &no in &leechers {
                assert_eq!(world.peers[no].tally.banned.len(), 0);
            }
            assert_eq!(world.peers[seeder].tally.banned.len(), 0);
        }
    }
}

// Rows: F4
#[test]
fn slow_and_stalling_disk_delays_the_fetch_and_blames_no_peer() {
    let mut world = World::whole(5, 8);
    world.settings.keep_time = ms(16);
    let seeders: Vec<_> = (0..2).map(|_| world.add(Plan::seeder().rates(4 * MIB, 4 * MIB))).collect();
    let mut plan = Plan::leecher().knows(&seeders);
    plan.limits.memory_budget_bytes = 4 * 16 * KIB;
    let leecher = world.add(plan);
    for stall in 0..6 {
        let at = ms(60 + 2_100 * stall);
        world.script(at, Scripted::StallDisk(leecher, Time::after_start(at + secs(2))));
    }
    let world = finish(world, &[leecher], 60);
    assert_eq!(blame(&world, leecher), (0, 0), "{:?}", world.peers[leecher].tally.struck);
    assert_eq!(world.peers[leecher].tally.joined.len(), 2, "no connection was lost over it");
    assert!(world.seconds(leecher) > 2.0, "the disk was never in the way");
}

// Rows: C7, G5
#[test]
fn partitions_shorter_and_longer_than_the_idle_timeout_heal() {
    for length in [1, 6, 20, 29, 31, 90] {
        let mut world = World::whole(5, length);
        world.network =
            Network { jitter: ms(20), lost_of_1000: 50, lost_twice_of_1000: 5, ..Network::default() };
        let seeder = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
        let leechers: Vec<_> = (0..2).map(|_| world.add(Plan::leecher().knows(&[seeder]))).collect();
        world.script(secs(2), Scripted::Split(0b001, Time::after_start(secs(2 + length))));
        let world = finish(world, &leechers, 600);
        let longest = leechers.iter().map(|&no| world.seconds(no)).fold(0.0, f64::max);
        assert!(longest < 2.0 + length as f64 + 160.0, "{length} s: {longest}");
        assert!(leechers.iter().all(|&no| world.peers[no].tally.banned.is_empty()));
    }
}

// Rows: E16, G5
#[test]
fn an_hour_of_sleep_on_both_sides_bans_nobody() {
    let mut world = World::whole(5, 10);
    let seeder = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
    let leecher = world.add(Plan::leecher().knows(&[seeder]));
    for who in [seeder, leecher] {
        world.script(secs(1), Scripted::Suspend(who, Time::after_start(secs(3_600))));
    }
    let world = finish(world, &[leecher], 4_000);
    assert_eq!((blame(&world, leecher).0, blame(&world, seeder).0), (0, 0));
}
