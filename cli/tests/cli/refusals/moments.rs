//! Signals while no byte moves between peers: at a question to the user, and while a file is read for a check.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use minimodel_skipped::skipped;
use rustix::process::Signal;

use super::stage::{Listener, TARGET, is_unchanged, manifest, names, snapshot, stage};
use crate::process::{PROMPT, Running, terminal};

/// Five times the limit of G-11.
const SOON: Duration = Duration::from_secs(10);
const BOTH: [(Signal, i32); 2] = [(Signal::INT, 130), (Signal::TERM, 143)];

/// Reads the terminal until its text contains `words`.
fn read_until(person: &mut File, words: &str) -> String {
    let mut shown = Vec::new();
    let mut piece = [0; 1024];
    while !String::from_utf8_lossy(&shown).contains(words) {
        let count = person.read(&mut piece).unwrap();
        shown.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&shown).into_owned()
}

/// Whether this process inherited the signal as ignored, as a shell sets it for background jobs; its children inherit
/// that too.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim).unwrap_or("0");
    u64::from_str_radix(mask, 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}

// Rows: G1, I5
#[test]
fn a_signal_at_the_question_is_no_yes_and_nothing_was_done() {
    for (signal, _) in BOTH {
        if is_ignored(signal) {
            skipped(format_args!("{signal:?} at a question; the tests were started with it ignored"));
            continue;
        }
        let (home, listener) = (stage(), Listener::new());
        let offer = listener.offer(manifest().swarm_id());
        let before = snapshot(&home.path(""));
        let (mut person, process) = terminal();
        let mut command = home.command(["fetch", "model.minimodel", "--peer", &offer, "-o", "out"]);
        command.stdin(Stdio::from(process.try_clone().unwrap()));
        let running = Running::start_on(&mut command, None, Some(process.into()));
        let shown = read_until(&mut person, PROMPT);
        assert!(shown.contains("fetch it from these peers"), "{shown}");
        let start = Instant::now();
        running.signal(signal);
        let fate = running.fate();
        println!(
            "figure: shutdown_ms={} phase=question signal={}",
            start.elapsed().as_millis(),
            signal.as_raw()
        );
        // A shell reports 128 plus the signal number either way.
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(fate.status.signal(), Some(signal.as_raw()), "{fate:?}");
        is_unchanged(&before, &home.path(""));
        assert!(!listener.was_dialed() && !home.own("").exists());
    }
}

// Rows: G3, I5
#[test]
fn an_answer_is_taken_only_for_a_question_that_could_be_shown() {
    let (home, listener) = (stage(), Listener::new());
    let offer = listener.offer(manifest().swarm_id());
    let (mut person, process) = terminal();
    // Input that was typed before any question was on the screen.
    person.write_all(b"yes").unwrap();
    let mut command = home.command(["fetch", "model.minimodel", "--peer", &offer, "-o", "out"]);
    command.stdin(Stdio::from(process.try_clone().unwrap()));
    let running = Running::start_on(&mut command, None, Some(process.into()));
    read_until(&mut person, PROMPT);
    person.write_all(b" no\n").unwrap();
    let fate = running.fate();
    assert_eq!(fate.status.code(), Some(5), "{fate:?}");
    assert!(!listener.was_dialed() && !home.path("out").exists());
}

// Rows: G1
#[test]
fn a_signal_while_a_whole_file_is_read_through_leaves_it_alone() {
    // A sparse file of the declared length: longer to read than any timeout here.
    let bytes = 4_u64 << 40;
    let long = manifest()
        .with("artifact.byte_count", &bytes.to_string())
        .with("chunk.size", "16777216")
        .with("chunk.count", &(bytes >> 24).to_string());
    for (signal, code) in BOTH {
        let (home, listener) = (stage(), Listener::new());
        home.write("long.minimodel", long.render());
        std::fs::create_dir(home.path("out")).unwrap();
        for place in [format!("out/{TARGET}"), "long.slm".to_owned()] {
            File::create(home.path(place)).unwrap().set_len(bytes).unwrap();
        }
        let offer = listener.offer(long.swarm_id());
        let lines = [
            &["fetch", "long.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"][..],
            &["seed", "long.minimodel", "long.slm", "--listen", "127.0.0.1:0", "--consent", "serve"],
            &["verify-artifact", "long.minimodel", "long.slm"],
        ];
        for line in lines {
            let running = Running::start(home.command(line).args(["--progress", "json"]));
            // The check reports its progress.
            running.wait_until_said("\"proven_bytes\":");
            let start = Instant::now();
            running.signal(signal);
            let ran = running.end_within(SOON).exits(code);
            println!(
                "figure: shutdown_ms={} phase=checking-{} signal={}",
                start.elapsed().as_millis(),
                line[0],
                signal.as_raw()
            );
            names(&ran, &["stopped by"]);
        }
        assert_eq!(std::fs::metadata(home.path(format!("out/{TARGET}"))).unwrap().len(), bytes);
        assert_eq!(std::fs::read_dir(home.path("out")).unwrap().count(), 1);
        assert!(!listener.was_dialed());
    }
}
