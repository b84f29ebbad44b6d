//! Seeders that go, and come back or do not.

use std::time::{Duration, Instant};

use super::model::{Fetcher, Model};
use crate::home::Home;
use crate::process::Running;

/// A seeder at a port that it can come back to.
fn seed_at(model: &Model, home: &Home, listen: &str, rate: &str) -> Running {
    model.seed(home, &["--listen", listen, "--up", rate, "--json"])
}

#[track_caller]
fn wait_for_half(model: &Model, fetcher: &Fetcher<'_>) {
    let until = Instant::now() + Duration::from_secs(30);
    while fetcher.recorded().len() < model.manifest.chunk_count() as usize / 2 {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_seeder_that_leaves_half_way_and_comes_back_is_found_again() {
    let model = Model::of("16MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = seed_at(&model, &home, "127.0.0.1:0", "8MiB");
    let (offer, peer, address) = (seeder.offer(), seeder.peer(), seeder.address());
    let running = fetcher.start(&[&offer], &["--json"]);
    wait_for_half(&model, &fetcher);
    seeder.stop().exits(0);
    assert_eq!(running.wait_for_event("peer-left")["peer"], peer);

    let back = seed_at(&model, &home, &address.to_string(), "64MiB");
    assert_eq!((back.peer(), back.address()), (peer, address));
    running.end().exits(0);
    fetcher.has_it_all();
}

#[test]
fn a_seeder_that_is_killed_and_comes_back_is_found_again() {
    let model = Model::of("16MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = seed_at(&model, &home, "127.0.0.1:0", "8MiB");
    let (offer, address) = (seeder.offer(), seeder.address());
    let running = fetcher.start(&[&offer], &["--json"]);
    wait_for_half(&model, &fetcher);
    seeder.kill();
    let _back = seed_at(&model, &home, &address.to_string(), "64MiB");
    running.end().exits(0);
    fetcher.has_it_all();
}

#[test]
fn without_its_only_seeder_a_fetch_ends_with_7_and_the_same_line_resumes_later() {
    let model = Model::of("16MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = seed_at(&model, &home, "127.0.0.1:0", "8MiB");
    let (offer, address) = (seeder.offer(), seeder.address());
    let line = ["--stall-timeout", "3s"];
    let running = fetcher.start(&[&offer], &line);
    wait_for_half(&model, &fetcher);
    seeder.stop();
    let left = Instant::now();
    let ran = running.end().exits(7);
    assert!((2.0..6.0).contains(&left.elapsed().as_secs_f32()), "after {:?}", left.elapsed());
    assert!(ran.stderr.contains("error: nothing came from any peer for 3 s"), "{}", ran.stderr);
    assert!(ran.stderr.contains("run the same command again: it resumes"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    let recorded = fetcher.recorded().len();
    assert_eq!(fetcher.names(), [".slm.part", ".slm.part.state"]);

    let _back = seed_at(&model, &home, &address.to_string(), "64MiB");
    let ran = fetcher.run(&[&offer], &line).exits(0);
    let (have, all) = (recorded, model.manifest.chunk_count());
    let told = format!("resuming: {have} of {all} chunks are here and proven");
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    fetcher.has_it_all();
}
