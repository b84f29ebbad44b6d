//! Many hostile connections at once, and very many one after another.

use minimodel_hostile::siege::{Plan, run};

use crate::home::MINIMODEL;

/// Resident memory that a seeder may gain under siege, in MiB.
const MOST_GROWTH: u64 = 128;

#[test]
fn f1_b16_256_hostile_connections_leave_an_honest_fetch_whole_and_memory_bounded() {
    let plan = Plan {
        minimodel: MINIMODEL.into(),
        connections: 256,
        size: "6MiB".to_owned(),
        down: Some("1MiB".to_owned()),
        compares: false,
    };
    let figures = run(&plan).unwrap();
    println!("{figures:?}");
    assert!(figures.attempts >= plan.connections, "{figures:?}");
    assert!(figures.growth_mib() <= MOST_GROWTH, "{figures:?}");
}
