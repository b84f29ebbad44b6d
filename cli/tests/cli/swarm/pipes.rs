//! Streams that no process reads, or that are closed: no transfer waits for them, and no output is torn.

use std::io::{Read as _, pipe};
use std::process::Stdio;
use std::time::Duration;

use minimodel_skipped::skipped;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::Signal;
use rustix::termios::{Action, tcflow};

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::home::Home;
use crate::process::{Running, drained, events, fill, full_pipe, terminal};

/// Far less than a process takes that waits for its reader, and far more than any other takes.
const SOON: Duration = Duration::from_secs(20);
const CONSENT: [&str; 2] = ["--consent", "fetch,import"];

// Rows: G3
#[test]
fn no_local_verb_hangs_on_a_stderr_that_nobody_reads() {
    let cases = [
        ("-v verify-artifact a.minimodel a.slm", 0),
        ("-v verify-artifact a.minimodel none", 3),
        ("verify-manifest a.slm", 10),
        ("sample b.slm --bytes 64KiB", 0),
        ("id show", 0),
        ("manifest sign a.minimodel -o signed", 0),
        ("inspect a.slm", 0),
        ("write-import-receipt a.minimodel a.slm receipt", 0),
        ("frobnicate", 2),
    ];
    std::thread::scope(|scope| {
        for (line, code) in cases {
            scope.spawn(move || does_not_hang(line, code));
        }
    });
}

fn does_not_hang(line: &str, code: i32) {
    let line = line.split(' ');
    let told = Home::with_artifact().run(line.clone()).exits(code);
    let (home, (reader, writer)) = (Home::with_artifact(), full_pipe());
    let mut command = home.command(line);
    let ran = Running::start_on(&mut command, None, Some(writer.into())).end_within(SOON).exits(code);
    drop(command);
    assert_eq!(ran.stdout.lines().count(), told.stdout.lines().count());
    // Messages that did not fit were dropped whole.
    assert_eq!(drained(reader), "");
}

// Rows: G3
#[test]
fn a_fetch_whose_stderr_nobody_reads_finishes() {
    let model = Model::in_chunks("256KiB", "16KiB");
    let seeder = Seeder::honest(&model, 1 << 30);
    let (fetcher, (_reader, writer)) = (Fetcher::of(&model), full_pipe());
    let mut line = fetcher.line(&[seeder.offer()], &["-v", "--progress", "json"]);
    let ran = Running::start_on(line.args(CONSENT), None, Some(writer.into())).end_within(SOON).exits(0);
    assert_eq!(ran.stdout, fetcher.answer());
    fetcher.has_it_all();
}

// Rows: G3
#[test]
fn stopped_or_unread_terminal_does_not_block_a_fetch() {
    for is_stopped in [false, true] {
        let model = Model::in_chunks("256KiB", "16KiB");
        // A rate so low that progress bars are drawn.
        let seeder = Seeder::honest(&model, 128 << 10);
        let (fetcher, (_person, process)) = (Fetcher::of(&model), terminal());
        if is_stopped {
            // As Ctrl-S does.
            tcflow(&process, Action::OOff).unwrap();
        } else {
            fill(&process);
        }
        let mut line = fetcher.line(&[seeder.offer()], &["-v"]);
        let ran = Running::start_on(line.args(CONSENT), None, Some(process.into())).end_within(SOON).exits(0);
        assert_eq!(ran.stdout, fetcher.answer());
        fetcher.has_it_all();
    }
}

// Rows: G3
#[test]
fn fetch_with_unread_stdout_places_file_and_waits_for_reader() {
    let model = Model::in_chunks("256KiB", "16KiB");
    let seeder = Seeder::honest(&model, 1 << 30);
    let (fetcher, (reader, writer)) = (Fetcher::of(&model), full_pipe());
    let mut line = fetcher.line(&[seeder.offer()], &[]);
    let mut running = Running::start_on(line.args(CONSENT), Some(writer.into()), None);
    drop(line);
    running.wait_until_said("receipt ");
    fetcher.has_it_all();
    std::thread::sleep(Duration::from_millis(200));
    assert!(!running.has_ended(), "it did not wait for its reader");
    assert_eq!(drained(reader), fetcher.answer());
    running.end_within(SOON).exits(0);
}

// Rows: G3
#[test]
fn unread_event_stream_does_not_block_the_transfer() {
    let model = Model::in_chunks("512KiB", "16KiB");
    let seeder = Seeder::honest(&model, 256 << 10);
    let fetcher = Fetcher::of(&model);
    let (reader, writer) = pipe().unwrap();
    // A pipe of one page: with the first event in it, the second event has to wait.
    if let Err(error) = fcntl_setpipe_size(&writer, 4096) {
        skipped(format_args!("an event stream in a pipe of one page: {error}"));
        return;
    }
    let mut line = fetcher.line(&[seeder.offer()], &["--json"]);
    let running = Running::start_on(line.args(CONSENT), Some(writer.into()), None);
    drop(line);
    fetcher.wait_until("a receipt", || fetcher.receipt_path().exists());
    // Read at last, every event is whole, and the last event is the answer.
    let said = drained(reader);
    running.end_within(SOON).exits(0);
    assert_eq!(events(&said, "resumed").count(), 1, "{said}");
    assert_eq!(events(&said, "done").count(), 1, "{said}");
    assert!(said.ends_with('\n'));
    fetcher.has_it_all();
}

// Rows: G1, G3
#[test]
fn signal_ends_fetch_with_unread_answer_and_the_file_stays() {
    let model = Model::in_chunks("256KiB", "16KiB");
    let seeder = Seeder::honest(&model, 1 << 30);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (fetcher, (_reader, writer)) = (Fetcher::of(&model), full_pipe());
        let mut line = fetcher.line(&[seeder.offer()], &[]);
        let running = Running::start_on(line.args(CONSENT), Some(writer.into()), None);
        running.wait_until_said("receipt ");
        running.signal(signal);
        let ran = running.end_within(SOON).exits(code);
        assert!(ran.stderr.contains("error: stopped while nobody read the answer"), "{}", ran.stderr);
        fetcher.has_it_all();
        assert_eq!(fetcher.run(&[seeder.offer()], &[]).exits(0).stdout, fetcher.answer());
    }
}

// Rows: G3
#[test]
fn a_reader_that_goes_away_in_mid_transfer_changes_nothing() {
    let model = Model::in_chunks("512KiB", "16KiB");
    let seeder = Seeder::honest(&model, 1 << 20);
    for closes_stderr in [false, true] {
        let fetcher = Fetcher::of(&model);
        let ((mut reader, writer), (other, stderr)) = (pipe().unwrap(), pipe().unwrap());
        seeder.gives(5);
        let mut line = fetcher.line(&[seeder.offer()], &["--json", "-v"]);
        let stderr = closes_stderr.then(|| Stdio::from(stderr));
        let running = Running::start_on(line.args(CONSENT), Some(writer.into()), stderr);
        reader.read_exact(&mut [0; 10]).unwrap();
        fetcher.wait_for_chunks(5);
        drop((reader, other));
        seeder.gives_all();
        running.end_within(SOON).exits(0);
        fetcher.has_it_all();
    }
}

// Rows: G3
#[test]
fn a_seeder_that_nobody_listens_to_serves_on() {
    let model = Model::in_chunks("256KiB", "16KiB");
    let (home, (_reader, writer)) = (Home::new(), full_pipe());
    let mut command = home.command(["seed", "--json", "--consent", "serve"]);
    command.arg(model.manifest_path()).arg(model.artifact()).env("MINIMODEL_LISTEN", "127.0.0.1:0");
    let seeder = Running::start_on(&mut command, None, Some(writer.into()));
    for _ in 0..2 {
        let fetcher = Fetcher::of(&model);
        fetcher.run(&[&seeder.offer()], &[]).exits(0);
        fetcher.has_it_all();
    }
    seeder.signal(Signal::TERM);
    seeder.end_within(SOON).exits(0);
}
