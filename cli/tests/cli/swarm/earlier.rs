//! A fetch without an offer, from those that gave the file to this user before.

use std::fs;

use rustix::process::Signal;

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::home::Ran;
use crate::process::{Running, event, events};

const CONSENT: [&str; 3] = ["--json", "--consent", "fetch,import"];

fn fetch_again(fetcher: &Fetcher<'_>, more: &[&str]) -> Ran {
    let mut line = fetcher.line(&[], more);
    Running::start(line.args(CONSENT).env_remove("MINIMODEL_LISTEN")).end()
}

#[test]
fn file_is_fetched_again_from_peers_of_before_without_an_offer() {
    let model = Model::of("2MiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    let fetcher = Fetcher::of(&model);
    // Of nobody anything is known yet.
    fetch_again(&fetcher, &[]).exits(3);
    let first = fetcher.run(&[seeder.offer()], &["--json"]).exits(0);
    assert_eq!(events(&first.stdout, "earlier-peers").count(), 0);
    fs::remove_dir_all(fetcher.path("out")).unwrap();
    let again = fetch_again(&fetcher, &[]).exits(0);
    assert_eq!(event(&again.stdout, "earlier-peers")["peers"], 1);
    assert!(event(&again.stdout, "done")["peers"][seeder.peer()]["chunks"].as_u64() > Some(0));
    assert!(
        again.stderr.contains("asking a peer that gave chunks of it to this machine before"),
        "{}",
        again.stderr
    );
    // Forgotten by its user, it is unknown again.
    fs::remove_dir_all(fetcher.path("out")).unwrap();
    fs::remove_dir_all(fetcher.own("state/peers")).unwrap();
    fetch_again(&fetcher, &[]).exits(3);
}

#[test]
fn interrupted_fetch_goes_on_without_an_offer() {
    let model = Model::in_chunks("2MiB", "16KiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    seeder.gives(8);
    let fetcher = Fetcher::of(&model);
    let running = fetcher.start(&[seeder.offer()], &[]);
    fetcher.wait_for_chunks(4);
    running.signal(Signal::INT);
    running.end().exits(130);
    seeder.gives_all();
    let again = fetch_again(&fetcher, &[]).exits(0);
    assert!(event(&again.stdout, "resumed")["have"].as_u64() >= Some(4));
}
