//! Peers that send wrong bytes: the bytes are never kept, and the peer's key is named.

use minimodel_verifier::digest::tagged;

use super::model::{Fetcher, Model};
use super::seeder::{Seeder, falsified};
use crate::home::Home;
use crate::process::events;

/// Most requests in flight to a peer that has not delivered a good chunk yet.
const MAX_REQUESTS: usize = 4;

// Rows: B1
#[test]
fn corrupting_seeder_is_banned_after_first_bad_chunk_and_named() {
    // A rate so low that the liars are asked as well.
    let model = Model::of("8MiB");
    let home = Home::new();
    let honest = model.seed(&home, &["--up", "2MiB"]);
    let (liar, turncoat) = (Seeder::liar(&model, 0), Seeder::liar(&model, 20));

    let fetcher = Fetcher::of(&model);
    let ran = fetcher.run(&[&honest.offer(), liar.offer(), turncoat.offer()], &[]).exits(0);
    assert_eq!(ran.stdout, fetcher.answer());
    fetcher.has_it_all();

    let receipt = fetcher.receipt();
    let peer = |id: &str| receipt.import().peers.iter().find(|peer| peer.id == id).unwrap();
    assert_eq!(peer(&honest.peer()).rejected, None);
    for bad in [&liar, &turncoat] {
        let rejected = peer(bad.peer()).rejected.as_ref().unwrap();
        assert!(rejected.contains("sent a chunk that fails its proof"), "{rejected}");
        let warning =
            format!("warning: banned peer {}: sent a chunk that fails its proof (chunk ", bad.peer());
        assert_eq!(ran.stderr.matches(&warning).count(), 1, "{}", ran.stderr);
    }
    // The liar was never asked again: its requests were in flight when its first chunk was found bad.
    assert!((1..=MAX_REQUESTS).contains(&liar.served().len()), "{:?}", liar.served());
    println!("the liar was asked for {} chunks before its ban", liar.served().len());
    assert_eq!((peer(liar.peer()).bytes, peer(liar.peer()).chunks), (0, 0));
    assert!(peer(turncoat.peer()).chunks <= 20);
    let chunk = rejected_chunk(peer(liar.peer()).rejected.as_ref().unwrap());
    assert!(liar.served().contains(&chunk));
}

/// The index in `chunk 5: sent a chunk that fails its proof`.
fn rejected_chunk(rejected: &str) -> u32 {
    let (index, _) = rejected.strip_prefix("chunk ").unwrap().split_once(':').unwrap();
    index.parse().unwrap()
}

// Rows: B1
#[test]
fn fetch_from_corrupting_seeders_alone_exits_4_and_names_them() {
    let model = Model::of("4MiB");
    let artifact = std::fs::read(model.artifact()).unwrap();
    let liars = [Seeder::liar(&model, 0), Seeder::liar(&model, 0)];
    let fetcher = Fetcher::of(&model);
    let ran = fetcher.run(&liars.each_ref().map(Seeder::offer), &[]).exits(4);
    assert_eq!(ran.stdout, "");

    let (_, blame) = ran.stderr.split_once("error: ").unwrap();
    for liar in &liars {
        let named = format!("peer {} sent a chunk that fails its proof: chunk ", liar.peer());
        let (_, rest) =
            blame.split_once(&named).unwrap_or_else(|| panic!("{} is not in: {blame}", liar.peer()));
        let (index, rest) = rest.split_once(';').unwrap();
        let index: u32 = index.parse().unwrap();
        assert!(liar.served().contains(&index));
        let chunk = artifact.chunks(model.manifest.chunk_size() as usize).nth(index as usize).unwrap();
        let got = tagged(&minimodel_verifier::sha256(&falsified(chunk)));
        assert!(rest.starts_with(&format!(" its bytes have {got}")), "{rest}");
    }
    assert!(blame.contains("\nhint: "), "{blame}");
    assert_eq!(fetcher.names(), [".slm.part", ".slm.part.state"]);
    assert!(fetcher.recorded().is_empty());
    assert_eq!(std::fs::metadata(fetcher.part()).unwrap().len(), 0, "a byte of a liar is on the disk");

    // With the same offers in a new run, the banned peers are not even asked.
    let ran = fetcher.run(&liars.each_ref().map(Seeder::offer), &["--json"]).exits(4);
    assert!(liars.iter().all(|liar| ran.stderr.contains(liar.peer())), "{}", ran.stderr);
    assert_eq!(events(&ran.stdout, "peer-joined").count(), 0, "{}", ran.stdout);
}

// Rows: B1
#[test]
fn a_ban_outlives_the_kill_of_the_process_that_spoke_it() {
    let model = Model::of("4MiB");
    let home = Home::new();
    let honest = model.seed(&home, &["--up", "512KiB"]);
    let liar = Seeder::liar(&model, 0);
    let honest_peer = honest.peer();
    let offers = [&honest.offer(), liar.offer()];
    let fetcher = Fetcher::of(&model);
    let running = fetcher.start(&offers, &["--json"]);
    let banned = running.wait_for_event("peer-banned");
    assert_eq!(banned["peer"], liar.peer());
    let chunk = banned["chunk"].as_u64().unwrap() as u32;
    fetcher.wait_until("the blame", || fetcher.blamed() == [chunk] && fetcher.has_ban_of(liar.peer()));
    running.kill();

    // The liar's own list does not show it: it may still read for requests of the process that was killed.
    let ran = fetcher.run(&offers, &["--json"]).exits(0);
    let joined: Vec<_> = events(&ran.stdout, "peer-joined").map(|event| event["peer"].clone()).collect();
    assert_eq!(joined, [honest_peer.as_str()], "the liar was dialed again");
    fetcher.has_it_all();
    let receipt = fetcher.receipt();
    let named = receipt.import().peers.iter().find(|peer| peer.id == liar.peer()).unwrap();
    assert!(named.rejected.as_ref().unwrap().starts_with(&format!("chunk {chunk}")), "{named:?}");
}
