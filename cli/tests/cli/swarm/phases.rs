//! Signals in each phase of a transfer, a second signal, and suspended processes. The duration of an orderly end is
//! printed (G-11); the asserted bound is far higher, so that no busy machine fails.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::home::{Home, Ran};
use crate::process::{Running, event, full_pipe};

/// Five times the limit of G-11.
const SOON: Duration = Duration::from_secs(10);
const BOTH: [(Signal, i32); 2] = [(Signal::INT, 130), (Signal::TERM, 143)];

/// Sends a signal, waits for the end, and prints how long it took.
#[expect(clippy::print_stdout, reason = "a figure of record")]
#[track_caller]
fn end(running: Running, signal: Signal, phase: &str) -> Ran {
    let start = Instant::now();
    running.signal(signal);
    let ran = running.end_within(SOON);
    println!("figure: shutdown_ms={} phase={phase} signal={}", start.elapsed().as_millis(), signal.as_raw());
    ran
}

/// An offer of a seeder that has just ended.
fn dead_offer(model: &Model) -> String {
    Seeder::honest(model, 1 << 30).offer().to_owned()
}

// Rows: G1
#[test]
fn signal_while_waiting_for_peers_leaves_a_resumable_fetch() {
    let model = Model::in_chunks("256KiB", "16KiB");
    let offer = dead_offer(&model);
    for (signal, code) in BOTH {
        let fetcher = Fetcher::of(&model);
        let running = fetcher.start(&[&offer], &["--json"]);
        running.wait_for_event("resumed");
        std::thread::sleep(Duration::from_millis(200));
        let ran = end(running, signal, "waiting").exits(code);
        assert_eq!(event(&ran.stdout, "error")["hint"], "run the same command again: it resumes");
        assert_eq!(fetcher.names(), [".slm.part", ".slm.part.state"]);
        fetcher.run(&[Seeder::honest(&model, 1 << 30).offer()], &[]).exits(0);
        fetcher.has_it_all();
    }
}

// Rows: G1
#[test]
fn signal_while_transferring_or_finishing_loses_no_chunk() {
    let model = Model::in_chunks("2MiB", "16KiB");
    for (signal, code) in BOTH {
        let fetcher = Fetcher::of(&model);
        let count = model.manifest.chunk_count() as usize;
        for chunks in [count / 3, count * 2 / 3, count] {
            // In the last round there is nothing left to fetch but the check and the end; the run may be over before
            // the signal.
            let phase = if chunks < count { "transferring" } else { "finishing" };
            // No more chunks than that, so that the transfer does not end before the signal.
            let seeder = Seeder::honest(&model, 4 << 20);
            seeder.gives(chunks - fetcher.recorded().len());
            let running = fetcher.start(&[seeder.offer()], &["--full-check"]);
            fetcher.wait_until("so many chunks", || {
                fetcher.artifact().exists() || fetcher.recorded().len() >= chunks
            });
            let recorded = fetcher.recorded();
            let ran = end(running, signal, phase);
            assert!(ran.code == code || (ran.code == 0 && chunks == count), "{ran:?}");
            if ran.code == code && !fetcher.artifact().exists() {
                assert!(recorded.is_subset(&fetcher.recorded()));
            }
            let resumed = seeder.served().len();
            assert!(chunks < count / 2 || resumed < count, "{resumed} of {count} came again");
        }
        fetcher.run(&[Seeder::honest(&model, 64 << 20).offer()], &[]).exits(0);
        fetcher.has_it_all();
    }
}

// Rows: G1, G4
#[test]
fn signal_ends_idle_or_busy_seeder_and_leecher_uses_another() {
    let model = Model::in_chunks("1MiB", "16KiB");
    for (signal, _) in BOTH {
        let idle = model.seed(&Home::new(), &["--json"]);
        let ran = end(idle, signal, "seeding-idle").exits(0);
        assert_eq!(event(&ran.stdout, "stopped")["sent_bytes"], 0);

        let (busy, other) =
            (model.seed(&Home::new(), &["--up", "64KiB", "--json"]), Seeder::honest(&model, 1 << 20));
        // The leaving seeder alone would take a quarter of a minute for the rest.
        other.gives(4);
        let fetcher = Fetcher::of(&model);
        let running = fetcher.start(&[&busy.offer(), other.offer()], &[]);
        fetcher.wait_for_chunks(10);
        let ran = end(busy, signal, "seeding-busy").exits(0);
        other.gives_all();
        assert_eq!(event(&ran.stdout, "stopped")["source_changed"], false);
        let fetched = running.end().exits(0);
        assert!(!fetched.stderr.contains("banned"), "{}", fetched.stderr);
        fetcher.has_it_all();
    }
}

// Rows: C8
#[test]
fn seeder_interrupted_in_transfer_stops_bytes_and_logs_consent() {
    let model = Model::in_chunks("1MiB", "16KiB");
    let home = Home::new();
    let seeder = model.seed(&home, &["--up", "128KiB", "--json"]);
    let (fetcher, peer) = (Fetcher::of(&model), seeder.peer());
    let running = fetcher.start(&[&seeder.offer()], &["--json", "--stall-timeout", "4s"]);
    fetcher.wait_for_chunks(4);
    seeder.signal(Signal::INT);
    let left = running.wait_for_event("peer-left");
    assert_eq!((left["peer"].as_str(), left["reason"].as_str()), (Some(&*peer), Some("shutting down")));
    let served = event(&seeder.end().exits(0).stdout, "stopped")["sent_bytes"].as_u64().unwrap();
    // No further byte comes, and what came is kept.
    running.end().exits(7);
    let got = fetcher.recorded().len() as u64 * model.manifest.chunk_size();
    assert!(got <= served && served < model.manifest.byte_count(), "{got} of {served}");
    let log = std::fs::read_to_string(home.own("state/consent.log")).unwrap();
    assert_eq!(log.matches("\"actions\":[\"serve\"]").count(), 1, "{log}");
}

// Rows: G2
#[test]
fn a_second_signal_ends_at_once_and_the_next_run_loses_nothing() {
    let model = Model::in_chunks("1MiB", "16KiB");
    for (signal, code) in BOTH {
        let (seeder, fetcher) = (Seeder::honest(&model, 1 << 20), Fetcher::of(&model));
        seeder.gives(10);
        // No process reads its last output, so it does not end before its timeout.
        let (_reader, writer) = full_pipe();
        let mut line = fetcher.line(&[seeder.offer()], &["--json"]);
        let mut running =
            Running::start_on(line.args(["--consent", "fetch,import"]), None, Some(writer.into()));
        fetcher.wait_for_chunks(10);
        running.signal(signal);
        // The process has handled the first signal when it releases the lock of its record.
        fetcher.wait_until("its lock free", || File::open(fetcher.state()).unwrap().try_lock().is_ok());
        assert!(!running.has_ended(), "the first signal ended it without its last words");
        let recorded = fetcher.recorded();
        let start = Instant::now();
        running.signal(signal);
        let ran = running.end_within(SOON).exits(code);
        println!(
            "figure: shutdown_ms={} phase=second signal={}",
            start.elapsed().as_millis(),
            signal.as_raw()
        );
        // An orderly end would have been reported.
        assert!(!ran.stdout.contains("\"error\""), "{}", ran.stdout);
        assert!(recorded.is_subset(&fetcher.recorded()));
        let seeder = Seeder::honest(&model, 64 << 20);
        fetcher.run(&[seeder.offer()], &[]).exits(0);
        assert!(recorded.is_disjoint(&seeder.served_after(0)));
        fetcher.has_it_all();
    }
}

/// Suspends the seeder and then the fetcher in the middle of a transfer.
fn suspend_both(pause: Duration) {
    let model = Model::in_chunks("1MiB", "16KiB");
    // Long enough to suspend both in the middle of the transfer, on a busy machine too.
    let seeder = model.seed(&Home::new(), &["--up", "128KiB", "--json"]);
    let fetcher = Fetcher::of(&model);
    let running = fetcher.start(&[&seeder.offer()], &["--json", "--stall-timeout", "300s"]);
    for (number, process) in [&seeder, &running].into_iter().enumerate() {
        fetcher.wait_for_chunks(4 + 8 * number);
        process.signal(Signal::STOP);
        std::thread::sleep(pause);
        process.signal(Signal::CONT);
    }
    let ran = running.end_within(pause * 4 + Duration::from_secs(60)).exits(0);
    fetcher.has_it_all();
    assert!(fetcher.receipt().import().peers.iter().all(|peer| peer.rejected.is_none()));
    let served = seeder.stop().exits(0);
    for said in [ran.stdout, served.stdout] {
        assert!(!said.contains("peer-banned"), "{said}");
    }
}

// Rows: G5
#[test]
fn seeder_and_fetcher_suspended_for_3_s_resume_without_bans() {
    suspend_both(Duration::from_secs(3));
}

// Rows: G5
#[test]
#[ignore = "takes more than two minutes: cargo test -p minimodel-cli --test cli suspended_for_60_s -- --ignored"]
fn seeder_and_fetcher_suspended_for_60_s_resume_without_bans() {
    suspend_both(Duration::from_secs(60));
}
