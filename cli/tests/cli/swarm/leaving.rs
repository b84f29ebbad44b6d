//! Seeders that leave, and come back or do not; and a seeder that is merely slow.

use std::time::Instant;

use super::model::{Fetcher, Model};
use crate::home::Home;
use crate::process::{Running, own_host};

/// A seeder at a fixed port, so that it can come back there.
fn seed_at(model: &Model, home: &Home, listen: &str, rate: &str) -> Running {
    model.seed(home, &["--listen", listen, "--up", rate, "--json"])
}

// Rows: G4
#[test]
fn a_seeder_that_leaves_half_way_and_comes_back_is_found_again() {
    let model = Model::of("16MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = seed_at(&model, &home, &own_host(), "2MiB");
    let (offer, peer, address) = (seeder.offer(), seeder.peer(), seeder.address());
    let running = fetcher.start(&[&offer], &["--json"]);
    fetcher.wait_for_chunks(model.manifest.chunk_count() as usize / 8);
    seeder.stop().exits(0);
    assert_eq!(running.wait_for_event("peer-left")["peer"], peer);

    let back = seed_at(&model, &home, &address.to_string(), "64MiB");
    assert_eq!((back.peer(), back.address()), (peer, address));
    running.end().exits(0);
    fetcher.has_it_all();
}

/// Both ways to leave for good: with a shutdown close, and killed.
#[test]
fn fetch_whose_only_seeder_leaves_exits_7_and_resumes_later() {
    let model = Model::of("24MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let mut listen = own_host();
    let line = ["--stall-timeout", "3s"];
    let chunks = model.manifest.chunk_count() as usize;
    for (part, says_goodbye) in [(chunks / 16, true), (chunks / 8, false)] {
        let seeder = seed_at(&model, &home, &listen, "2MiB");
        listen = seeder.address().to_string();
        let running = fetcher.start(&[&seeder.offer()], &line);
        fetcher.wait_for_chunks(part);
        if says_goodbye {
            seeder.stop().exits(0);
        } else {
            seeder.kill();
        }
        let left = Instant::now();
        let ran = running.end().exits(7);
        assert!((2.0..30.0).contains(&left.elapsed().as_secs_f32()), "after {:?}", left.elapsed());
        assert!(ran.stderr.contains("error: nothing came from any peer for 3 s"), "{}", ran.stderr);
        assert!(ran.stderr.contains("run the same command again: it resumes"), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert_eq!(fetcher.names(), [".slm.part", ".slm.part.state"]);
        assert!(fetcher.recorded().len() < chunks);
    }
    let recorded = fetcher.recorded().len();
    let back = seed_at(&model, &home, &listen, "64MiB");
    let ran = fetcher.run(&[&back.offer()], &line).exits(0);
    let told = format!("resuming: {recorded} of {chunks} chunks are here and proven");
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    fetcher.has_it_all();
}

// Rows: B10
#[test]
fn a_seeder_that_takes_seconds_for_a_chunk_is_slow_and_not_gone() {
    let model = Model::in_chunks("500KiB", "512KiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = seed_at(&model, &home, &own_host(), "64KiB");
    fetcher.run(&[&seeder.offer()], &["--stall-timeout", "4s"]).exits(0);
    fetcher.has_it_all();
}

// Rows: B10
#[test]
fn own_download_limit_strikes_no_peer_for_silence() {
    let model = Model::in_chunks("2MiB", "2MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = seed_at(&model, &home, &own_host(), "1GiB");
    let ran = fetcher.run(&[&seeder.offer()], &["--stall-timeout", "4s", "--down", "320KiB", "-v"]).exits(0);
    assert!(!ran.stderr.contains("struck") && !ran.stderr.contains("did not finish"), "{}", ran.stderr);
    fetcher.has_it_all();
}
