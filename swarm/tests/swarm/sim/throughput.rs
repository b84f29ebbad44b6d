//! One path of 200 Mbit/s and 50 ms: the pipeline keeps it full, whatever the size of a chunk.

use minimodel_sim::{KIB, MBIT, MIB, Plan, World, ideal, secs};

fn time_over_ideal(bytes: u64, chunk: u64) -> f64 {
    let mut world = World::new(bytes, chunk, 3);
    world.settings.check_every = 16;
    let seeder = world.add(Plan::seeder().rates(200 * MBIT, 200 * MBIT).delay_ms(12));
    let leecher = world.add(Plan::taker().rates(200 * MBIT, 200 * MBIT).delay_ms(13).knows(&[seeder]));
    world.must_run(secs(60), |world| world.is_complete(leecher));
    world.seconds(leecher) / ideal(bytes, 200 * MBIT)
}

#[test]
fn chunks_of_1_mib_fill_a_path_of_200_mbit_and_50_ms() {
    let over = time_over_ideal(64 * MIB, MIB);
    eprintln!("200 Mbit/s and 50 ms, 64 * MIB in chunks of MIB: {over:.3} of the ideal time");
    assert!(over < 1.15, "{over}");
}

#[test]
fn chunks_of_64_kib_fill_a_path_of_200_mbit_and_50_ms() {
    let over = time_over_ideal(64 * MIB, 64 * KIB);
    eprintln!("200 Mbit/s and 50 ms, 64 * MIB in chunks of 64 * KIB: {over:.3} of the ideal time");
    assert!(over < 1.15, "{over}");
}

#[test]
fn chunks_of_4_mib_fill_a_path_of_200_mbit_and_50_ms() {
    let over = time_over_ideal(256 * MIB, 4 * MIB);
    eprintln!("200 Mbit/s and 50 ms, 256 * MIB in chunks of 4 * MIB: {over:.3} of the ideal time");
    assert!(over < 1.15, "{over}");
}
