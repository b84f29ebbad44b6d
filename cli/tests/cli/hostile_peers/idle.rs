//! Causes of a standstill in the JSON output.

use std::time::{Duration, Instant};

use minimodel_hostile::{Server, Trick};

use super::{Fetcher, is_calm, model, publisher, runtime};
use crate::home::Home;
use crate::process::Running;

/// Waits for the event `idle` and for a progress line that carries its cause; returns the cause.
#[track_caller]
fn cause(running: &Running) -> String {
    let cause = running.wait_for_event("idle")["cause"].as_str().unwrap().to_owned();
    let carried = format!(r#""idle":"{cause}""#);
    let start = Instant::now();
    while !running.has_said(&carried) {
        assert!(start.elapsed() < Duration::from_secs(30), "no line of progress has it");
        std::thread::sleep(Duration::from_millis(20));
    }
    cause
}

#[test]
fn fetch_tells_an_absent_source_from_a_silent_one() {
    let publisher = publisher("200KiB");
    let runtime = runtime();
    let _within = runtime.enter();
    let mute = Server::start(Trick::Mute, model(&publisher)).unwrap();
    let fetcher = Fetcher::of(&publisher);
    let fetching = fetcher.start(&[mute.offer()], &[]);
    assert_eq!(cause(&fetching), "peer-slow");
    is_calm(&fetching.stop());

    let gone = Server::start(Trick::Mute, model(&publisher)).unwrap();
    let offer = gone.offer();
    drop(gone);
    let fetching = fetcher.start(&[offer], &[]);
    assert_eq!(cause(&fetching), "no-source");
    is_calm(&fetching.stop());
}

#[test]
fn a_share_says_that_nobody_asks() {
    let publisher = publisher("200KiB");
    let paths = [publisher.path("model.minimodel"), publisher.path("model.slm")];
    let home = Home::new();
    let seeder = Running::seed(&home, paths.iter().map(|path| path.as_os_str()).chain(["--json".as_ref()]));
    let idle = seeder.wait_for_event("idle");
    assert_eq!(idle["cause"], "no-demand");
    assert_eq!(seeder.stop().code, 0);
}
