//! Leechers that help each other, so that a slow seeder is enough.

use std::time::Duration;

use minimodel_sim::{KIB, MIB, Plan, Scripted, World, ideal, secs};

const SLOW: u64 = 8 * MIB;

fn one_slow_seeder_and_four_leechers(bytes: u64, chunk: u64, seed: u64) -> (f64, f64) {
    let mut world = World::new(bytes, chunk, seed);
    world.settings.check_every = 32;
    let seeder = world.add(Plan::seeder().rates(SLOW, SLOW));
    let leechers: Vec<_> = (0..4).map(|_| world.add(Plan::leecher().knows(&[seeder]))).collect();
    world.must_run(secs(120), |world| leechers.iter().all(|&leecher| world.is_complete(leecher)));
    for &leecher in &leechers {
        let from_others =
            world.peers[leecher].tally.chunks_from.keys().filter(|&&id| id != world.peers[seeder].id);
        assert!(from_others.count() >= 2, "leecher {leecher} found no other");
        assert_eq!(world.peers[leecher].tally.banned, []);
    }
    let sent = world.peers[seeder].tally.sent_bytes as f64 / bytes as f64;
    let last = leechers.iter().map(|&leecher| world.seconds(leecher)).fold(0.0, f64::max);
    (sent, last / ideal(bytes, SLOW))
}

#[test]
fn four_leechers_of_one_slow_seeder_supply_each_other() {
    let (mut most_sent, mut most_over) = (0.0f64, 0.0f64);
    for (bytes, chunk) in [(64 * MIB, 64 * KIB), (64 * MIB, 256 * KIB), (256 * MIB, MIB)] {
        for seed in 0..3 {
            let (sent, over) = one_slow_seeder_and_four_leechers(bytes, chunk, seed);
            eprintln!(
                "1 to 4, {} chunks of {} KiB: the seeder sent {sent:.3} files, the last had it at {over:.3} of the ideal time",
                bytes / chunk,
                chunk / KIB
            );
            (most_sent, most_over) = (most_sent.max(sent), most_over.max(over));
        }
    }
    assert!(most_sent < 1.3, "{most_sent}");
    assert!(most_over < 1.4, "{most_over}");
}

#[test]
fn leechers_holding_the_file_together_finish_without_the_seeder() {
    let mut world = World::new(8 * MIB, 64 * KIB, 5);
    let seeder = world.add(Plan::seeder().rates(4 * MIB, 4 * MIB));
    let leechers: Vec<_> = (0..3)
        .map(|n| {
            // Low upload rates, so that no leecher has the whole file when the seeder leaves.
            let third = (0..128).filter(move |index| index % 3 == n);
            world.add(Plan::leecher().rates(2 * MIB, 8 * MIB).knows(&[seeder]).has(third))
        })
        .collect();
    world.must_run(secs(10), |world| {
        leechers.iter().all(|&leecher| world.peers[leecher].tally.joined.len() >= 3)
    });
    world.scripted(Scripted::Stop(seeder));
    assert!(leechers.iter().all(|&leecher| !world.is_complete(leecher)));
    world.must_run(secs(60), |world| leechers.iter().all(|&leecher| world.is_complete(leecher)));
    assert!(leechers.iter().all(|&leecher| world.peers[leecher].tally.struck.is_empty()));
}

// Rows: G4
#[test]
fn leechers_finish_although_seeders_and_leechers_come_and_go() {
    let mut world = World::new(16 * MIB, 64 * KIB, 8);
    world.settings.check_every = 16;
    let one = world.add(Plan::seeder().rates(2 * MIB, 2 * MIB));
    let two = world.add(Plan::seeder().rates(2 * MIB, 2 * MIB));
    let leechers: Vec<_> = (0..6)
        .map(|n| {
            let plan = Plan::leecher().rates(4 * MIB, 8 * MIB).knows(&[one, two]);
            world.add(plan.joins_at(Duration::from_millis(700 * n)))
        })
        .collect();
    for round in 0..4 {
        world.script(secs(1 + 6 * round), Scripted::Kill(one));
        world.script(secs(3 + 6 * round), Scripted::Restart(one));
        world.script(secs(4 + 6 * round), Scripted::Stop(two));
        world.script(secs(6 + 6 * round), Scripted::Restart(two));
        world.script(secs(2 + 3 * round), Scripted::Kill(leechers[round as usize]));
        world.script(secs(5 + 3 * round), Scripted::Restart(leechers[round as usize]));
    }
    world.must_run(secs(180), |world| leechers.iter().all(|&leecher| world.is_complete(leecher)));
    for peer in &world.peers {
        assert_eq!(peer.tally.banned, [], "{}", peer.id);
    }
}

#[test]
fn leechers_starting_together_ask_for_different_chunks() {
    let mut world = World::new(32 * MIB, 64 * KIB, 6);
    let seeder = world.add(Plan::seeder().rates(SLOW, SLOW));
    let leechers: Vec<_> = (0..4).map(|_| world.add(Plan::leecher().knows(&[seeder]))).collect();
    world.must_run(secs(10), |world| leechers.iter().all(|&l| world.peers[l].tally.order.len() >= 4));
    let mut first: Vec<u32> =
        leechers.iter().flat_map(|&leecher| world.peers[leecher].tally.order[..4].to_vec()).collect();
    first.sort_unstable();
    first.dedup();
    assert!(first.len() >= 14, "{first:?}");
}
