//! Supply of chunks: many seeders, many fetchers, and a fetcher that became a seeder.

use std::collections::BTreeSet;
use std::fs;

use minimodel_verifier::digest::tagged;

use super::model::{Fetcher, Model};
use crate::home::Home;
use crate::process::{Running, event};

#[test]
fn three_seeders_supply_256_mib_and_the_receipt_adds_up() {
    let model = Model::of("260MiB");
    assert!(model.manifest.byte_count() >= 256 << 20);
    let homes = [(); 3].map(|()| Home::new());
    let seeders = homes.each_ref().map(|home| model.seed(home, &[]));
    let offers = seeders.each_ref().map(Running::offer);

    let fetcher = Fetcher::of(&model);
    let ran = fetcher.run(&offers.each_ref().map(String::as_str), &[]).exits(0);
    assert_eq!(ran.stdout, fetcher.answer());

    fetcher.has_it_all();
    let receipt = fetcher.receipt();
    let peers = &receipt.import().peers;
    assert_eq!(
        peers.iter().map(|peer| peer.id.clone()).collect::<BTreeSet<_>>(),
        BTreeSet::from(seeders.each_ref().map(Running::peer))
    );
    assert!(peers.iter().all(|peer| peer.chunks > 0 && peer.rejected.is_none()), "{peers:?}");
    assert_eq!(peers.iter().map(|peer| peer.chunks).sum::<u64>(), model.manifest.chunk_count());
    let shares: Vec<u64> = peers.iter().map(|peer| peer.bytes >> 20).collect();
    println!("shares in MiB: {shares:?}");

    let artifact = fetcher.artifact();
    let sha256 = minimodel_verifier::sha256(&fs::read(&artifact).unwrap());
    assert_eq!(tagged(&sha256), tagged(model.manifest.artifact_sha256()));
    let mut verify = fetcher.command(["verify-artifact"]);
    assert!(verify.arg(model.manifest_path()).arg(artifact).output().unwrap().status.success());
}

#[test]
fn four_fetchers_take_less_than_two_files_from_one_slow_seeder() {
    let model = Model::of("48MiB");
    let home = Home::new();
    let seeder = model.seed(&home, &["--up", "8MiB", "--json"]);
    let offer = seeder.offer();

    let fetchers = [(); 4].map(|()| Fetcher::of(&model));
    // The fetchers know nothing but the offer: the manifest, too, comes from the seeder.
    let line = ["fetch", "--offer", &offer, "-o", "out", "--listen", "127.0.0.1:0"];
    let consent = ["--consent", "fetch,import,serve,publish"];
    let running =
        fetchers.each_ref().map(|fetcher| Running::start(&mut fetcher.command(line.iter().chain(&consent))));
    for (fetcher, running) in fetchers.iter().zip(running) {
        assert_eq!(running.end().exits(0).stdout, fetcher.answer());
        fetcher.has_it_all();
    }

    let sent = event(&seeder.stop().stdout, "stopped")["sent_bytes"].as_u64().unwrap();
    let ratio = sent as f64 / model.manifest.byte_count() as f64;
    println!("the seeder sent {ratio:.2} times the file");
    assert!((1.0..2.0).contains(&ratio), "the seeder sent {ratio:.2} times the file");
}

#[test]
fn fetcher_that_keeps_seeding_replaces_a_seeder_that_left() {
    let model = Model::of("8MiB");
    let (home, first) = (Home::new(), Fetcher::of(&model));
    let seeder = model.seed(&home, &[]);
    let mut line = first.line(&[&seeder.offer()], &["--keep-seeding", "--offer-out", "first.offer"]);
    let first_running = Running::start(line.args(["--consent", "fetch,import,serve"]));
    first_running.wait_until_said("serving on until Ctrl-C");
    assert_eq!(first_running.answer(), first.answer().trim_end());
    first.has_it_all();
    seeder.stop();

    let second = Fetcher::of(&model);
    let offer = first.path("first.offer");
    assert_eq!(second.run(&[offer.to_str().unwrap()], &[]).exits(0).stdout, second.answer());
    second.has_it_all();
    let receipt = second.receipt();
    let [peer] = receipt.import().peers.as_slice() else { panic!("{:?}", receipt.import().peers) };
    assert!(
        fs::read_to_string(offer)
            .unwrap()
            .trim()
            .parse::<minimodel_wire::SignedOffer>()
            .is_ok_and(|offer| offer.offer().peer.to_string() == peer.id)
    );
    first_running.stop().exits(0);
}
