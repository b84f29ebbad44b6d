//! Endgame: a fast seeder takes over the last chunks from a slow seeder, and few bytes come twice.

use minimodel_sim::{KIB, MIB, Plan, World, id_of, ideal, secs};

#[test]
fn three_unequal_seeders_end_together_with_little_waste() {
    for (chunk, seed) in [(64 * KIB, 51), (256 * KIB, 52), (MIB, 53)] {
        let mut world = World::new(64 * MIB, chunk, seed);
        world.settings.check_every = 16;
        let rates = [16 * MIB, 4 * MIB, MIB];
        let seeders: Vec<_> = rates.iter().map(|&rate| world.add(Plan::seeder().rates(rate, rate))).collect();
        let leecher = world.add(Plan::leecher().rates(32 * MIB, 32 * MIB).knows(&seeders));
        world.must_run(secs(60), |world| world.is_complete(leecher));
        let twice = world.peers[leecher].tally.received_bytes as f64 / (64 * MIB) as f64;
        let over = world.seconds(leecher) / ideal(64 * MIB, 21 * MIB);
        eprintln!(
            "3 unequal seeders, chunks of {chunk}: {twice:.4} of the bytes, {over:.3} of the ideal time"
        );
        assert!(twice < 1.05, "{twice}");
        assert!(over < 1.2, "{over}");
    }
}

#[test]
fn a_very_slow_seeder_does_not_keep_the_last_chunk() {
    let mut world = World::new(32 * MIB, MIB, 54);
    let slow = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
    let fast = world.add(Plan::seeder().rates(16 * MIB, 16 * MIB));
    let leecher = world.add(Plan::leecher().rates(32 * MIB, 32 * MIB).knows(&[slow, fast]));
    world.must_run(secs(60), |world| world.is_complete(leecher));
    // The slow seeder needs 16 s for one chunk; the fast seeder needs 2 s for the whole file.
    assert!(world.seconds(leecher) < 3.0, "{}", world.seconds(leecher));
    assert_eq!(world.peers[leecher].tally.struck, []);
    assert!(world.peers[leecher].tally.chunks_from[&id_of(fast)] >= 31);
}

#[test]
fn long_idle_fast_seeder_still_takes_over_the_end_of_a_fetch() {
    // The fast peer has all chunks but the last: it idles while the slow seeder sends that chunk.
    let mut world = World::new(16 * MIB, MIB, 55);
    let slow = world.add(Plan::seeder().rates(256 * KIB, 256 * KIB));
    let fast = world.add(Plan::leecher().has(0..15).rates(16 * MIB, 16 * MIB));
    let leecher = world.add(Plan::leecher().rates(32 * MIB, 32 * MIB).knows(&[slow, fast]));
    world.must_run(secs(60), |world| world.is_complete(leecher));
    let over = world.seconds(leecher);
    assert!(over < 7.0, "{over}");
}
