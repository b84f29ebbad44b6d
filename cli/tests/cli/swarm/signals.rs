//! Ctrl-C, SIGTERM and the end of stdin: an orderly end within two seconds, without loss of any recorded chunk.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::home::Home;
use crate::process::{Running, event, own_host, terminal};

/// Five times the limit of G-11, which `phases` measures.
const SOON: Duration = Duration::from_secs(10);

// Rows: G1
#[test]
fn sigint_or_sigterm_ends_fetch_soon_and_loses_no_chunk() {
    let model = Model::of("24MiB");
    let fetcher = Fetcher::of(&model);
    let mut before = BTreeSet::new();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let seeder = Seeder::honest(&model, 16 << 20);
        seeder.gives(50);
        let running = fetcher.start(&[seeder.offer()], &["--json"]);
        assert_eq!(running.wait_for_event("resumed")["have"], before.len());
        fetcher.wait_for_chunks(before.len() + 50);
        let recorded = fetcher.recorded();
        running.signal(signal);
        let ran = running.end_within(SOON).exits(code);
        let error = event(&ran.stdout, "error");
        assert_eq!(
            (&error["code"], &error["hint"]),
            (&code.into(), &"run the same command again: it resumes".into())
        );
        assert!(recorded.is_subset(&fetcher.recorded()));
        assert!(before.is_disjoint(&seeder.served_after(0)));
        before = fetcher.recorded();
        assert_eq!(fetcher.names(), [".slm.part", ".slm.part.state"]);
    }
    let seeder = Seeder::honest(&model, 64 << 20);
    let ran = fetcher.run(&[seeder.offer()], &["--json"]).exits(0);
    assert_eq!(event(&ran.stdout, "resumed")["have"], before.len());
    assert!(before.is_disjoint(&seeder.served_after(0)));
    fetcher.has_it_all();
}

// Rows: G1
#[test]
fn sigint_or_sigterm_ends_seeder_soon_and_fetcher_goes_on() {
    let model = Model::of("24MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    // Slow until the last seeder, so that the fetch is not over before a signal.
    let first = model.seed(&home, &["--up", "1MiB", "--json"]);
    let (offer, address) = (first.offer(), first.address().to_string());
    let running = fetcher.start(&[&offer], &["--json"]);
    let mut seeder = Some(first);
    let mut sent = 0;
    for (signal, next) in [(Signal::INT, "1MiB"), (Signal::TERM, "32MiB")] {
        fetcher.wait_for_chunks(fetcher.recorded().len() + 20);
        let recorded = fetcher.recorded();
        let serving = seeder.take().unwrap();
        serving.signal(signal);
        let ran = serving.end_within(SOON).exits(0);
        let stopped = event(&ran.stdout, "stopped");
        assert_eq!(stopped["source_changed"], false);
        sent += stopped["sent_bytes"].as_u64().unwrap();
        assert!(recorded.is_subset(&fetcher.recorded()));
        seeder = Some(model.seed(&home, &["--listen", &address, "--up", next, "--json"]));
    }
    running.end().exits(0);
    fetcher.has_it_all();
    assert!(sent > 0);
}

/// Starts a command whose stdin is a pipe, and the other end of that.
fn with_pipe(command: &mut Command) -> (Running, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    (Running::start(command.stdin(reader)), writer)
}

// Rows: G1
#[test]
fn end_of_stdin_ends_share_and_fetch_in_order_if_asked() {
    let model = Model::of("24MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let mut line = home.command(["seed", "--json", "--consent", "serve", "--up", "1MiB", "--end-with-stdin"]);
    line.env("MINIMODEL_LISTEN", own_host()).args([model.manifest_path(), model.artifact()]);
    let (seeder, seeder_stdin) = with_pipe(&mut line);
    let offer = seeder.offer();
    let arguments = ["--json", "--consent", "fetch,import", "--end-with-stdin"];
    let (fetch, fetch_stdin) = with_pipe(&mut fetcher.line(&[&offer], &arguments));
    fetcher.wait_for_chunks(20);

    drop(fetch_stdin);
    let ran = fetch.end_within(SOON).exits(143);
    assert_eq!(event(&ran.stdout, "error")["code"], 143);
    assert_eq!(fetcher.names(), [".slm.part", ".slm.part.state"]);
    assert!(!seeder.has_said("stopped"));
    drop(seeder_stdin);
    let ran = seeder.end_within(SOON).exits(0);
    assert_eq!(event(&ran.stdout, "stopped")["source_changed"], false);
}

#[test]
fn end_of_stdin_is_not_awaited_at_a_terminal() {
    let model = Model::of("1MiB");
    let (_person, process) = terminal();
    let fetcher = Fetcher::of(&model);
    let mut line = fetcher.line(&[], &["--json", "--consent", "fetch,import", "--end-with-stdin"]);
    let ran = Running::start(line.stdin(Stdio::from(process))).end().exits(2);
    assert!(event(&ran.stdout, "error")["error"].as_str().unwrap().contains("--end-with-stdin"));
}
