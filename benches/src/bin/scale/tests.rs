//! Ten leechers in each setting, small enough for every change.

use clap::ValueEnum;
use minimodel_swarm::machine::Limits;

use super::run::{Outcome, Run};
use super::settings::{Setting, network};

fn run(setting: Setting, leechers: u32, seed: u64) -> Outcome {
    Run { setting, leechers, chunks: 32, seed, network: network(0.001), limits: Limits::default() }
        .go()
        .unwrap()
}

#[test]
fn ten_leechers_finish_per_setting_and_same_seed_repeats_a_run() {
    for &setting in Setting::value_variants() {
        let outcome = run(setting, 10, 1);
        eprintln!("{}: {:.3} of the fluid bound", outcome.setting, outcome.ratio);
        assert!(outcome.ratio >= 1.0, "nothing beats the bound: {}", outcome.ratio);
        assert!(outcome.ratio < 3.0, "{}", outcome.ratio);
        assert!(outcome.received < 1.15, "{}", outcome.received);
        assert_eq!((outcome.struck, outcome.banned), (0, 0));
        assert_eq!(run(setting, 10, 1).hash, outcome.hash);
        assert_ne!(run(setting, 10, 2).hash, outcome.hash);
    }
}
