//! Chunks that are on disk without a record: the leecher asks for leaf hashes, rescans the disk, then fetches the
//! rest.

use minimodel_sim::{Behaviour, KIB, MIB, Plan, Scripted, World, id_of, secs};

fn with_half_on_disk(suppliers: &[Plan]) -> (World, usize) {
    let mut world = World::new(8 * MIB, 64 * KIB, 41);
    let known: Vec<_> = suppliers.iter().map(|plan| world.add(plan.clone())).collect();
    let plan = Plan { unrecorded: (0..64).collect(), ..Plan::leecher().knows(&known) };
    let leecher = world.add(plan);
    (world, leecher)
}

// Rows: E4
#[test]
fn what_is_good_on_disk_is_found_by_leaf_hashes_and_not_fetched() {
    let (mut world, leecher) = with_half_on_disk(&[Plan::seeder().rates(4 * MIB, 4 * MIB)]);
    world.must_run(secs(20), |world| world.is_complete(leecher));
    let tally = &world.peers[leecher].tally;
    assert_eq!(tally.rescans, 1);
    assert!(tally.order.iter().all(|&index| index >= 64), "{:?}", tally.order);
    assert_eq!(tally.received_bytes, 4 * MIB);
}

// Rows: E4
#[test]
fn a_mute_peer_does_not_hold_the_search_for_ever() {
    let mute = Plan::hostile(Behaviour::Mute);
    let (mut world, leecher) = with_half_on_disk(&[mute, Plan::seeder().rates(4 * MIB, 4 * MIB)]);
    world.must_run(secs(60), |world| world.is_complete(leecher));
    assert!(world.seconds(leecher) < 30.0, "{}", world.seconds(leecher));
}

// Rows: E4
#[test]
fn a_search_that_only_mutes_could_answer_is_given_up() {
    let mutes: Vec<_> = (0..4).map(|_| Plan::hostile(Behaviour::Mute)).collect();
    let (mut world, leecher) = with_half_on_disk(&mutes);
    world.run(secs(90), |_| false);
    assert!(!world.peers[leecher].tally.order.is_empty(), "chunks are asked for in the end");
}

// Rows: E4
#[test]
fn wrong_leaf_hashes_ban_and_the_next_peer_is_asked() {
    let liar = Plan::hostile(Behaviour::Liar);
    let (mut world, leecher) = with_half_on_disk(&[liar, Plan::seeder().rates(4 * MIB, 4 * MIB)]);
    world.must_run(secs(20), |world| world.is_complete(leecher));
    assert_eq!(world.peers[leecher].tally.rescans, 1);
    assert!(world.peers[leecher].tally.banned.iter().all(|(id, ..)| *id == id_of(0)));
}

// Rows: E4
#[test]
fn seeder_leaving_during_the_rescan_does_not_block_the_leecher() {
    let mut world = World::new(8 * MIB, 64 * KIB, 42);
    let seeder = world.add(Plan::seeder().delay_ms(200));
    let half = world.add(Plan::leecher().has(64..128).joins_at(secs(0)));
    let plan = Plan { unrecorded: (0..32).collect(), ..Plan::leecher().knows(&[seeder, half]) };
    let leecher = world.add(plan);
    world.must_run(secs(5), |world| {
        world.peers[leecher].tally.joined.iter().any(|(id, _)| *id == id_of(seeder))
    });
    world.scripted(Scripted::Cut(seeder));
    world.scripted(Scripted::Kill(seeder));
    world.must_run(secs(30), |world| world.peers[leecher].machine.have().ones() >= 64);
}
