//! A seeder that goes to the peer that it expects: the fetch knows nobody, and nobody else is there.

use std::io::Write as _;

use super::model::{Fetcher, Model};
use crate::home::Home;
use crate::process::{Running, event};

/// A fetch without a peer, which listens, and its offer.
fn waiting(fetcher: &Fetcher<'_>) -> (Running, String) {
    let mut line = fetcher.line(&[], &["--json", "--consent", "fetch,import,serve"]);
    let running = Running::start(&mut line);
    let offer = running.wait_for_event("offer")["offer"].as_str().unwrap().to_owned();
    (running, offer)
}

#[test]
fn seeder_dials_the_peer_that_it_expects() {
    let model = Model::of("2MiB");
    let (seeder, fetcher) = (Home::new(), Fetcher::of(&model));
    let (running, offer) = waiting(&fetcher);
    let seeding = model.seed(&seeder, &["--expect", &offer]);
    let ran = running.end().exits(0);
    assert!(event(&ran.stdout, "done")["peers"].as_object().unwrap().len() == 1);
    fetcher.has_it_all();
    drop(seeding);
}

#[test]
fn offer_pasted_into_a_running_seeder_is_expected() {
    let model = Model::of("2MiB");
    let (seeder, fetcher) = (Home::new(), Fetcher::of(&model));
    let (running, offer) = waiting(&fetcher);
    let mut line = seeder.command(["seed"]);
    line.arg(model.manifest_path()).arg(model.artifact()).args(["--expect", "-", "--consent", "serve"]);
    let (typed, mut types) = std::io::pipe().unwrap();
    let seeding = Running::start(line.env("MINIMODEL_LISTEN", "127.0.0.1:0").stdin(typed));
    types.write_all(format!("# from a friend\n\nmm1rubbish\n{offer}\n").as_bytes()).unwrap();
    seeding.wait_until_said("the offer on stdin");
    seeding.wait_until_said("expecting peer");
    running.end().exits(0);
    fetcher.has_it_all();
}

#[test]
fn stdin_is_read_by_one_option_alone() {
    let (model, seeder) = (Model::of("100KiB"), Home::new());
    for other in [&["--end-with-stdin"][..], &["--peer", "-"]] {
        let mut line = seeder.command(["seed"]);
        line.arg(model.manifest_path()).arg(model.artifact()).args(["--expect", "-", "--consent", "serve"]);
        let (typed, _types) = std::io::pipe().unwrap();
        let ran = Running::start(line.args(other).stdin(typed)).end().exits(2);
        assert!(ran.stderr.contains("another option reads it too"), "{}", ran.stderr);
    }
}
