//! Liars, mutes, tricklers, floods: one honest seeder beside them is enough, and no honest peer is blamed.

use minimodel_sim::{Behaviour, KIB, MBIT, MIB, PeerNo, Plan, World, id_of, ideal, ms, secs};
use minimodel_swarm::machine::{Breach, Time};
use minimodel_wire::{CloseCode, PeerId};

/// A hostile peer, an honest seeder of `rate` bytes a second, and a leecher that knows both.
fn beside_an_honest_seeder(behaviour: Behaviour, bytes: u64, rate: u64) -> (World, PeerNo) {
    let mut world = World::new(bytes, 64 * KIB, 11);
    let hostile = world.add(Plan::hostile(behaviour));
    let honest = world.add(Plan::seeder().rates(rate, rate));
    let leecher = world.add(Plan::leecher().knows(&[hostile, honest]));
    (world, leecher)
}

const HOSTILE: PeerNo = 0;

fn finishes_in(world: &mut World, leecher: PeerNo, seconds: f64) {
    world.must_run(secs(3_600), |world| world.is_complete(leecher));
    let took = world.seconds(leecher);
    assert!(took < seconds, "{took:.2} s");
    let tally = &world.peers[leecher].tally;
    assert!(tally.banned.iter().all(|(id, ..)| *id == id_of(HOSTILE)), "{:?}", tally.banned);
    assert!(tally.struck.iter().all(|(id, ..)| *id == id_of(HOSTILE)), "{:?}", tally.struck);
}

fn bans(world: &World, no: PeerNo) -> Vec<Breach> {
    world.peers[no].tally.banned.iter().map(|&(_, breach, _)| breach).collect()
}

fn strikes(world: &World, no: PeerNo) -> Vec<Breach> {
    world.peers[no].tally.struck.iter().map(|&(_, breach, _)| breach).collect()
}

// Rows: B1
#[test]
fn liar_is_banned_after_its_first_bad_chunk_and_not_asked_again() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::Liar, 16 * MIB, 50 * MBIT);
    finishes_in(&mut world, leecher, 1.25 * ideal(16 * MIB, 50 * MBIT));
    let tally = &world.peers[leecher].tally;
    assert_eq!(bans(&world, leecher), [Breach::BadChunk]);
    assert!(tally.last_asked[&id_of(HOSTILE)] <= tally.banned[0].2);
    assert!(tally.asked_of[&id_of(HOSTILE)] <= 8, "{:?}", tally.asked_of);
    assert!(!tally.chunks_from.contains_key(&id_of(HOSTILE)));
    assert_eq!(tally.dials.iter().filter(|(id, _)| *id == id_of(HOSTILE)).count(), 1);
}

// Rows: B1
#[test]
fn only_liars_end_in_exhaustion_with_every_one_banned() {
    let mut world = World::new(8 * MIB, 64 * KIB, 12);
    let liars: Vec<_> = (0..5).map(|_| world.add(Plan::hostile(Behaviour::Liar))).collect();
    let leecher = world.add(Plan::taker().knows(&liars));
    world.must_run(secs(30), |world| world.peers[leecher].tally.exhausted_at.is_some());
    assert_eq!(bans(&world, leecher), [Breach::BadChunk; 5]);
    assert_eq!(world.peers[leecher].machine.have().ones(), 0);
}

// Rows: B6
#[test]
fn a_peer_that_refuses_what_it_announced_is_struck_and_left() {
    // Long enough for several refusals, each with the time to wait for a DontHave that may follow.
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::Refuser, 16 * MIB, 8 * MBIT);
    finishes_in(&mut world, leecher, 1.1 * ideal(16 * MIB, 8 * MBIT));
    assert_eq!(strikes(&world, leecher), [Breach::RefusedAnnounced; 3]);
    assert!(world.peers[leecher].tally.asked_of[&id_of(HOSTILE)] <= 8);
}

// Rows: B6
#[test]
fn a_peer_that_is_always_busy_is_asked_ever_more_rarely() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::AlwaysBusy, 8 * MIB, MBIT);
    finishes_in(&mut world, leecher, 1.1 * ideal(8 * MIB, MBIT));
    let asked = world.peers[leecher].tally.asked_of[&id_of(HOSTILE)];
    assert!(asked < 60, "{asked} times in {:.0} s", world.seconds(leecher));
}

// Rows: B6
#[test]
fn a_peer_that_chokes_after_each_unchoke_costs_little() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::Teaser, 8 * MIB, MBIT);
    finishes_in(&mut world, leecher, 1.1 * ideal(8 * MIB, MBIT));
    let asked = world.peers[leecher].tally.asked_of.get(&id_of(HOSTILE)).copied().unwrap_or(0);
    assert!(asked < 200, "{asked} times in {:.0} s", world.seconds(leecher));
}

// Rows: B6
#[test]
fn silent_new_key_is_asked_for_at_most_four_chunks_by_size() {
    // Four chunks of at most 128 KiB together; else two chunks of at most half a MiB together; else one larger chunk.
    for (chunk, most) in [
        (16 * KIB, 4),
        (32 * KIB, 4),
        (64 * KIB, 2),
        (128 * KIB, 2),
        (256 * KIB, 2),
        (512 * KIB, 1),
        (MIB, 1),
        (4 * MIB, 1),
    ] {
        assert!(u64::from(most) * chunk <= MIB / 2 || most == 1, "more than half a MiB only in one chunk");
        let mut world = World::new(64 * chunk, chunk, 19);
        let mute = world.add(Plan::hostile(Behaviour::Mute));
        let leecher = world.add(Plan::taker().knows(&[mute]));
        // Before the leecher strikes the peer for its silence.
        world.run(secs(4), |_| false);
        assert_eq!(world.peers[leecher].tally.asked_of[&id_of(mute)], most, "chunks of {chunk} bytes");
    }
}

// Rows: B8
#[test]
fn chunk_index_past_the_end_disconnects_and_bans_second_time() {
    let mut world = World::new(8 * MIB, 64 * KIB, 13);
    let honest = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
    // Rates so low that the honest seeder is busy for longer than the minute for which the hostile peer is shut out.
    let seeder = world.add(Plan::hostile(Behaviour::BadHave).rates(64 * KIB, 64 * KIB));
    let leecher = world.add(Plan::leecher().knows(&[honest, seeder]));
    world.must_run(secs(200), |world| world.is_complete(leecher));
    assert_eq!(bans(&world, leecher), [Breach::BadIndex]);
    assert_eq!(strikes(&world, leecher), [Breach::BadIndex]);
}

// Rows: A7
#[test]
fn an_ask_past_the_end_is_refused_and_ends_the_connection() {
    let mut world = World::new(8 * MIB, 64 * KIB, 13);
    // Busy for twice the minute for which the requesting peer is shut out after its first breach.
    let seeder = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
    world.add(Plan { behaviour: Behaviour::BadAsk, ..Plan::taker().knows(&[seeder]) });
    let leecher = world.add(Plan::taker().knows(&[seeder]));
    world.must_run(secs(200), |world| world.is_complete(leecher));
    assert_eq!(bans(&world, seeder), [Breach::BadIndex]);
    assert_eq!(strikes(&world, leecher), []);
}

// Rows: B9
#[test]
fn mute_peer_is_struck_and_does_not_delay_the_fetch() {
    // Long enough for one strike for silence.
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::Mute, 128 * MIB, 64 * MBIT);
    finishes_in(&mut world, leecher, 1.1 * ideal(128 * MIB, 64 * MBIT));
    assert_eq!(strikes(&world, leecher), [Breach::NoAnswer]);
    let tally = &world.peers[leecher].tally;
    let of_mute: Vec<_> = tally.asked.iter().filter(|(_, id, _)| *id == id_of(HOSTILE)).collect();
    // When each request was given up, and when its chunk was first requested of the other peer.
    let given_up = |at: Time, index: u32| {
        let found = tally.gave_up.iter().find(|&&(asked, of, _)| (asked, of) == (at, index));
        at + found.expect("it never answers").2
    };
    let elsewhere = |index: u32| {
        let found = tally.asked.iter().find(|(_, to, of)| *of == index && *to != id_of(HOSTILE));
        found.expect("the other peer brought all chunks").0
    };
    // Deadlines are checked four times a second. Of its first two chunks the older is requested of the other peer as
    // well, and the newer is free to be.
    let late = |at: Time| at + ms(5_250);
    assert!(of_mute[..2].iter().any(|&&(at, _, index)| elsewhere(index) <= late(at)), "{of_mute:?}");
    for &&(at, _, index) in &of_mute[..2] {
        let free_at = elsewhere(index).min(given_up(at, index));
        assert!(free_at <= late(at), "chunk {index} after {:?}", free_at.since(at));
    }
    // From then on it has one request at a time, which shows whether it answers; the end of the fetch takes that over.
    for two in of_mute[1..].windows(2) {
        assert!(given_up(two[0].0, two[0].2) <= two[1].0, "{of_mute:?}");
    }
    for &&(at, _, index) in &of_mute[2..] {
        assert!(elsewhere(index) < given_up(at, index), "chunk {index}");
    }
    assert!(of_mute.len() <= 4, "{of_mute:?}");
}

// Rows: B9
#[test]
fn fetch_from_a_mute_peer_alone_strikes_it_and_retries_rarely() {
    let mut world = World::new(8 * MIB, 64 * KIB, 14);
    let mute = world.add(Plan::hostile(Behaviour::Mute));
    let leecher = world.add(Plan::taker().knows(&[mute]));
    assert!(!world.run(secs(600), |world| world.is_complete(leecher)));
    let tally = &world.peers[leecher].tally;
    assert!(tally.struck.len() >= 3 && tally.struck.len() <= 24, "{:?}", tally.struck);
    assert!((2..=7).contains(&tally.joined.len()), "{:?}", tally.joined);
    assert_eq!(tally.banned, []);
    assert!(tally.asked_of[&id_of(mute)] < 150, "{:?}", tally.asked_of);
}

/// Asserts that every chunk requested of the hostile peer was requested of another peer as well before the first request
/// was given up, and that next to nothing came twice.
fn hostile_chunks_are_hedged(world: &World, leecher: PeerNo) {
    let tally = &world.peers[leecher].tally;
    for &(at, _, index) in tally.asked.iter().filter(|(_, id, _)| *id == id_of(HOSTILE)) {
        let given_up = tally.gave_up.iter().find(|&&(then, of, _)| (then, of) == (at, index));
        let &(.., age) = given_up.expect("a trickler finishes no chunk");
        let is_hedge =
            |&&(then, to, of): &&(Time, PeerId, u32)| of == index && to != id_of(HOSTILE) && then < at + age;
        assert!(tally.asked.iter().any(|ask| is_hedge(&ask)), "chunk {index}: {:?}", tally.asked);
    }
    let twice = tally.received_bytes - world.terms.byte_count;
    assert!(twice < u64::from(world.terms.chunk_size), "{twice} bytes came in vain");
}

// Rows: B10
#[test]
fn trickler_is_struck_and_does_not_delay_the_fetch() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::Trickler(1), 16 * MIB, 8 * MBIT);
    finishes_in(&mut world, leecher, 1.1 * ideal(16 * MIB, 8 * MBIT));
    // Ten seconds of next to nothing are a strike. The two chunks that it was asked for at first are all it ever gets:
    // at the end of the fetch they are taken over.
    assert_eq!(strikes(&world, leecher), [Breach::Trickle]);
    assert_eq!(world.peers[leecher].tally.asked_of[&id_of(HOSTILE)], 2);
    hostile_chunks_are_hedged(&world, leecher);
}

// Rows: H12, B10
#[test]
fn of_an_unknown_peer_little_is_asked_until_it_delivers() {
    for (chunk, most) in [(16 * KIB, 4), (64 * KIB, 2), (MIB, 1), (16 * MIB, 1)] {
        let mut world = World::new(32 * MIB, chunk, 19);
        let slow = world.add(Plan::seeder().rates(KIB, KIB));
        let leecher = world.add(Plan::taker().knows(&[slow]));
        world.run(secs(15), |_| false);
        let asked = world.peers[leecher].tally.asked_of[&id_of(slow)];
        assert!((1..=most).contains(&asked), "{asked} chunks of {chunk}");
        assert_eq!(world.peers[leecher].tally.struck, []);
    }
}

// Rows: B10
#[test]
fn trickler_at_the_end_of_a_fast_fetch_costs_seconds_at_most() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::Trickler(1), 16 * MIB, 50 * MBIT);
    // The fetch is over long before a trickler is struck, after ten seconds; the endgame takes its first window over.
    finishes_in(&mut world, leecher, 1.1 * ideal(16 * MIB, 50 * MBIT));
    assert_eq!(world.peers[leecher].tally.asked_of[&id_of(HOSTILE)], 2);
    hostile_chunks_are_hedged(&world, leecher);
}

// Rows: B11
#[test]
fn peer_breaking_off_in_mid_chunk_is_struck_from_fourth_time() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::Leaver(0), 32 * MIB, 8 * MBIT);
    finishes_in(&mut world, leecher, 1.1 * ideal(32 * MIB, 8 * MBIT));
    let tally = &world.peers[leecher].tally;
    let came = tally.joined.iter().filter(|(id, _)| *id == id_of(HOSTILE)).count();
    assert!((4..=8).contains(&came), "{:?}", tally.joined);
    // The first three breaks may be the path's fault; the fourth and each later break is a strike.
    let broke: Vec<_> =
        tally.left.iter().filter(|(id, ..)| *id == id_of(HOSTILE)).map(|&(.., at)| at).collect();
    assert!(strikes(&world, leecher).iter().all(|&breach| breach == Breach::BrokeOff));
    let struck: Vec<_> = tally.struck.iter().map(|&(.., at)| at).collect();
    assert_eq!(struck.first(), broke.get(3), "{broke:?}");
    assert_eq!(struck.len(), broke.len() - 3);
    let twice = tally.received_bytes as f64 / (32 * MIB) as f64;
    assert!(twice < 1.05, "{twice}");
}

// Rows: B11
#[test]
fn a_peer_that_leaves_after_ten_chunks_helped_until_then() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::Leaver(10), 16 * MIB, 8 * MBIT);
    finishes_in(&mut world, leecher, 1.1 * ideal(16 * MIB, 8 * MBIT));
    assert!((3..=10).contains(&world.peers[leecher].tally.chunks_from[&id_of(HOSTILE)]));
}

// Rows: B14
#[test]
fn request_flood_is_refused_and_struck_and_others_are_served() {
    let mut world = World::new(8 * MIB, 64 * KIB, 15);
    let seeder = world.add(Plan::seeder().rates(4 * MIB, 4 * MIB));
    let flooder = world.add(Plan { behaviour: Behaviour::AskFlooder, ..Plan::taker().knows(&[seeder]) });
    let leecher = world.add(Plan::taker().knows(&[seeder]));
    world.must_run(secs(20), |world| world.is_complete(leecher));
    let tally = &world.peers[seeder].tally;
    assert!(strikes(&world, seeder).contains(&Breach::AskFlood));
    assert!(tally.struck.iter().all(|(id, ..)| *id == id_of(flooder)));
    assert!(
        tally.left.iter().any(|(id, code, _)| *id == id_of(flooder) && *code == Some(CloseCode::TooSlow)
            || *id == id_of(flooder) && *code == Some(CloseCode::Flood))
    );
    assert!(world.seconds(leecher) < 1.5 * ideal(8 * MIB, 4 * MIB), "{}", world.seconds(leecher));
}

// Rows: A8
#[test]
fn a_flood_of_control_frames_ends_the_connection_and_never_bans() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::ControlFlooder, 16 * MIB, MBIT);
    world.settings.check_every = 16;
    finishes_in(&mut world, leecher, 1.1 * ideal(16 * MIB, MBIT));
    let strikes = strikes(&world, leecher);
    assert!(
        strikes.len() >= 3 && strikes.iter().all(|&breach| breach == Breach::ControlFlood),
        "{strikes:?}"
    );
    assert_eq!(bans(&world, leecher), []);
    // Three strikes shut the peer out, for longer each time.
    let came = world.peers[leecher].tally.joined.iter().filter(|(id, _)| *id == id_of(HOSTILE)).count();
    assert!(came <= 7, "{came}");
}

// Rows: A5
#[test]
fn frames_out_of_order_disconnect_and_ban_the_second_time() {
    for behaviour in [Behaviour::HaveBeforeHello, Behaviour::SecondHello] {
        let (mut world, leecher) = beside_an_honest_seeder(behaviour, 16 * MIB, MBIT);
        finishes_in(&mut world, leecher, 1.1 * ideal(16 * MIB, MBIT));
        assert_eq!(strikes(&world, leecher), [Breach::WrongState]);
        assert_eq!(bans(&world, leecher), [Breach::WrongState]);
    }
}

// Rows: C4
#[test]
fn sender_of_forged_offers_is_banned_and_the_fetch_finishes() {
    let (mut world, leecher) = beside_an_honest_seeder(Behaviour::ForgedOffer, 16 * MIB, MBIT);
    finishes_in(&mut world, leecher, 1.1 * ideal(16 * MIB, MBIT));
    // Each forged offer has its signature checked; the peer that it names is not dialed.
    let tally = &world.peers[leecher].tally;
    assert_eq!(tally.offer_checks.len(), 2);
    assert!(tally.dials.iter().all(|(id, _)| *id != id_of(HOSTILE + 100)), "{:?}", tally.dials);
    // The first ends the connection and shuts the key out for a minute, the second bans it.
    assert_eq!(strikes(&world, leecher), [Breach::ForgedOffer]);
    assert_eq!(bans(&world, leecher), [Breach::ForgedOffer]);
    assert!(tally.banned[0].2.since(tally.struck[0].2) >= secs(60), "{:?}", tally.banned);
}

// Rows: B19
#[test]
fn one_honest_seeder_among_99_liars_is_enough() {
    let mut world = World::new(16 * MIB, 64 * KIB, 16);
    world.settings.check_every = 32;
    let mut all: Vec<_> = (0..99).map(|_| world.add(Plan::hostile(Behaviour::Liar))).collect();
    let honest = world.add(Plan::seeder().rates(50 * MBIT, 50 * MBIT));
    all.push(honest);
    let leecher = world.add(Plan::leecher().knows(&all));
    world.must_run(secs(60), |world| world.is_complete(leecher));
    assert!(world.peers[leecher].tally.banned.iter().all(|(id, ..)| *id != id_of(honest)));
    let got = world.peers[leecher].tally.chunks_from[&id_of(honest)];
    assert_eq!(got, 256);
    eprintln!("99 liars: {:.2} s, ideal {:.2}", world.seconds(leecher), ideal(16 * MIB, 50 * MBIT));
    assert!(world.seconds(leecher) < 3.0 * ideal(16 * MIB, 50 * MBIT), "{}", world.seconds(leecher));
}

// Rows: B19
#[test]
fn honest_seeder_among_mute_peers_is_not_starved_of_memory() {
    let mut world = World::new(128 * MIB, 4 * MIB, 17);
    world.settings.check_every = 8;
    let mut all: Vec<_> = (0..40).map(|_| world.add(Plan::hostile(Behaviour::Mute))).collect();
    let honest = world.add(Plan::seeder().rates(200 * MBIT, 200 * MBIT));
    all.push(honest);
    let leecher = world.add(Plan::leecher().knows(&all));
    world.must_run(secs(300), |world| world.is_complete(leecher));
    eprintln!("40 mutes: {:.2} s, ideal {:.2}", world.seconds(leecher), ideal(128 * MIB, 200 * MBIT));
    assert!(world.seconds(leecher) < 45.0, "{}", world.seconds(leecher));
}

// Rows: B20
#[test]
fn a_stall_on_the_last_chunk_is_hedged_with_at_most_two_copies() {
    // The machine's invariants bound the copies; the time shows the hedge.
    let mut world = World::new(4 * MIB, 256 * KIB, 18);
    let mutes: Vec<_> = (0..3).map(|_| world.add(Plan::hostile(Behaviour::Mute))).collect();
    let honest = world.add(Plan::seeder().rates(50 * MBIT, 50 * MBIT));
    let leecher = world.add(Plan::leecher().knows(&[mutes[0], mutes[1], mutes[2], honest]));
    world.must_run(secs(60), |world| world.is_complete(leecher));
    assert!(world.peers[leecher].tally.complete_at < Some(Time::after_start(secs(7))));
}
