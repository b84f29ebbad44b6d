//! Supply of chunks: many seeders, many fetchers, and a fetcher that became a seeder.

use std::collections::BTreeSet;
use std::fs;

use minimodel_skipped::walk;
use minimodel_verifier::digest::tagged;

use super::model::{Fetcher, Model};
use crate::home::Home;
use crate::process::Running;

#[test]
fn three_seeders_supply_one_file_and_the_receipt_adds_up() {
    let model = Model::of(walk("260MiB", "40MiB"));
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
