//! Every refusal is reported twice, in blocks for people and in one object for scripts; output that no process reads
//! is no failure.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use super::disk::wait_for_record;
use super::stage::{
    Listener, PART, TARGET, hint, identity_of, manifest, model, names, now, offer, offer_until, stage,
    stranger,
};
use crate::home::{Home, Ran};
use crate::process::{Running, event};

/// Runs a command line for people and for scripts, and compares the errors.
#[track_caller]
fn told_twice(home: &Home, line: &[&str], code: i32, object: &str) {
    let people = home.run(line).exits(code);
    names(&people, &[object]);
    assert_eq!(people.stdout, "");
    assert_eq!(people.stderr.matches("error: ").count(), 1, "{}", people.stderr);
    let scripts = home.run([&["--json"], line].concat()).exits(code);
    let error = the_error(&scripts);
    let told = format!("{} {}", error["error"], error["cause"]);
    assert!(told.contains(object), "{object} is not in: {told}");
}

/// The only `error` object, last on stdout, with all its keys.
#[track_caller]
fn the_error(ran: &Ran) -> serde_json::Value {
    ran.is_harmless();
    let error = event(&ran.stdout, "error");
    let last: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last, error);
    let keys: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["cause", "code", "error", "event", "hint", "version"]);
    assert_eq!(error["code"], ran.code);
    for key in ["error", "hint"] {
        assert!(error[key].as_str().unwrap().len() > 10, "{error}");
    }
    // stderr has the same text for people.
    let (_, blocks) = ran.stderr.split_once("error: ").unwrap();
    assert!(blocks.starts_with(error["error"].as_str().unwrap()), "{}", ran.stderr);
    error
}

// Rows: I4
#[test]
fn every_refusal_without_a_peer_has_its_blocks_and_its_object() {
    let (home, listener) = (stage(), Listener::new());
    let swarm = manifest().swarm_id();
    let good = listener.offer(swarm);
    let stale = offer_until(&stranger(), swarm, listener.address(), now() - 7200);
    let other = listener.offer([1; 32]);
    home.write(
        "bad.minimodel",
        manifest().with("artifact.project_server_url", "https://x.example.org").render(),
    );
    home.write("bad.slm", &model()[1..]);
    home.write("request.json", "{}");
    fs::create_dir_all(home.path("taken")).unwrap();
    home.write(format!("taken/{TARGET}"), "mine");
    let of = |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).to_owned()).collect() };
    let fetch = |manifest: &str, peer: &str, out: &str| {
        of(&["fetch", manifest, "--peer", peer, "-o", out, "--consent", "fetch,import"])
    };
    let seed = |file: &str, more: &[&str]| {
        of(&[&["seed", "model.minimodel", file, "--listen", "127.0.0.1:0"], more].concat())
    };
    let serve = ["--consent", "serve"];
    let cases = [
        (of(&["fetch", "model.minimodel", "--peer", &good]), 2, "--out"),
        (seed("model.slm", &["--consent", "serve,import"]), 2, "import"),
        (fetch("none.minimodel", &good, "out"), 3, "none.minimodel"),
        (fetch("model.minimodel", "none.offer", "out"), 3, "none.offer"),
        (of(&["fetch", "model.minimodel", "-o", "out", "--consent", "fetch,import"]), 3, "no peer"),
        (seed("none.slm", &serve), 3, "none.slm"),
        (seed("bad.slm", &serve), 4, "bad.slm"),
        (of(&["fetch", "model.minimodel", "--peer", &good, "-o", "out"]), 5, "consent"),
        (seed("model.slm", &[]), 5, "consent"),
        (fetch("bad.minimodel", &good, "out"), 10, "artifact.project_server_url"),
        (fetch("model.minimodel", &stale, "out"), 10, "has expired"),
        (fetch("model.minimodel", &other, "out"), 10, "something else"),
        (fetch("model.minimodel", &good[..90], "out"), 10, "is not valid"),
        (of(&["import-peer-request", "request.json", "model.minimodel", "out"]), 10, "request.json"),
        (fetch("model.minimodel", &good, "taken"), 13, TARGET),
        (fetch("model.minimodel", &good, "model.slm"), 13, "model.slm"),
        (seed("taken", &serve), 13, "taken"),
        (seed("model.slm", &[&serve[..], &["--offer-out", "bad.slm"]].concat()), 13, "bad.slm"),
    ];
    for (line, code, object) in cases {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        told_twice(&home, &line, code, object);
    }
    assert!(!listener.was_dialed() && !home.path("out").exists());
}

// Rows: I4
#[test]
fn every_refusal_by_or_of_a_peer_has_its_blocks_and_its_object() {
    let (home, listener) = (stage(), Listener::new());
    let nobody = listener.offer(manifest().swarm_id());
    let line = ["fetch", "model.minimodel", "--peer", &nobody, "-o", "out", "--consent", "fetch,import"];
    told_twice(&home, &[&line[..], &["--stall-timeout", "300ms"]].concat(), 3, "no peer could be reached");

    let theirs = stage();
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
    let other = manifest().with("license.route", "/another/license");
    home.write("other.minimodel", other.render());
    let forged = offer(&identity_of(&theirs), other.swarm_id(), seeder.address());
    let line = ["fetch", "other.minimodel", "--peer", &forged, "-o", "out-6", "--consent", "fetch,import"];
    told_twice(&home, &line, 6, "license");
    let forged = offer(&stranger(), manifest().swarm_id(), seeder.address());
    let line = ["fetch", "model.minimodel", "--peer", &forged, "-o", "out-3", "--consent", "fetch,import"];
    told_twice(&home, &line, 3, &seeder.peer());
    let taken = seeder.address().to_string();
    let line = ["seed", "model.minimodel", "model.slm", "--consent", "serve", "--listen", &taken];
    told_twice(&home, &line, 13, &taken);
}

// Rows: I4
#[test]
fn busy_stalled_and_interrupted_have_error_block_and_json_error() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let slow = [&["--json"], &line[..], &["--down", "64KiB", "--stall-timeout", "4s"]].concat();
    let fetch = Running::start(&mut home.command(&slow));
    wait_for_record(&home, "out");
    told_twice(&home, &line, 11, &format!("process {}", fetch.pid()));
    fetch.signal(Signal::TERM);
    let ended = fetch.end().exits(143);
    assert!(the_error(&ended)["hint"].as_str().unwrap().contains("it resumes"), "{}", ended.stdout);

    let fetch = Running::start(&mut home.command(&slow));
    fetch.wait_until_said("joined");
    drop(seeder);
    let ended = fetch.end().exits(7);
    assert!(the_error(&ended)["hint"].as_str().unwrap().contains("it resumes"), "{}", ended.stdout);
}

/// Runs a command with a stdout whose reader is closed already.
fn to_nobody(home: &Home, line: &[&str]) -> (Option<i32>, String) {
    let mut child = home.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

// Rows: G3
#[test]
fn a_closed_stdout_changes_no_exit_code_and_nothing_panics() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let fetch = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let into = |out: &'static str| [&fetch[..5], &[out], &fetch[6..]].concat();
    let json = |line: &[&'static str]| [&["--json", "--progress", "json"], line].concat();
    for (line, code) in [
        (into("out"), 0),
        ([&["--json"], &into("out-json")[..]].concat(), 0),
        (into("out"), 0),
        (fetch[..6].to_vec(), 5),
        ([&["--json"], &fetch[..6]].concat(), 5),
        (json(&["seed", "model.minimodel", "model.minimodel", "--consent", "serve"]), 4),
        (vec!["--json", "verify-manifest", "model.slm"], 10),
        (vec!["--help"], 0),
    ] {
        let (found, stderr) = to_nobody(&home, &line);
        assert_eq!(found, Some(code), "{line:?}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("Broken pipe"), "{line:?}: {stderr}");
    }
    assert_eq!(home.read(format!("out/{TARGET}")), model());
    assert_eq!(home.read(format!("out-json/{TARGET}")), model());
    assert!(home.path(format!("out/{TARGET}.receipt")).exists());
}

// Rows: G3
#[test]
fn a_seeder_whose_stdout_is_closed_still_serves() {
    let home = stage();
    let line = ["seed", "model.minimodel", "model.slm", "--listen", "127.0.0.1:0", "--consent", "serve"];
    for json in [&[][..], &["--json"]] {
        let name = format!("offer{}", json.len());
        let mut command = home.command([json, &line, &["--offer-out", &name]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !home.path(&name).exists() {
            assert!(std::time::Instant::now() < until, "no offer");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let out = format!("out{}", json.len());
        let fetch = ["fetch", "model.minimodel", "--peer", &name, "-o", &out, "--consent", "fetch,import"];
        home.run(fetch).exits(0);
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

// Rows: G3
#[test]
fn both_streams_closed_is_no_failure_either() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let fetch =
        ["-v", "fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let mut child = home.command(fetch).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(home.read(format!("out/{TARGET}")), model());
}

// Rows: I4
#[test]
fn link_loops_files_as_folders_and_past_times_have_plain_errors() {
    let (home, listener) = (stage(), Listener::new());
    symlink("two", home.path("one")).unwrap();
    symlink("one", home.path("two")).unwrap();
    for line in [
        "verify-manifest one",
        "inspect one",
        "verify-artifact model.minimodel one",
        "sample one/x --bytes 64KiB",
    ] {
        let ran = home.say(line).exits(13);
        names(&ran, &["leads back to itself"]);
        assert!(hint(&ran).contains("`ls -l") && hint(&ran).contains("one"), "{line}: {}", ran.stderr);
    }

    home.write("file", "mine");
    let offer = listener.offer(manifest().swarm_id());
    for out in ["file", "file/below"] {
        let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", out, "--consent", "fetch,import"];
        let ran = home.run(line).exits(13);
        names(&ran, &["cannot be the folder", &format!("`{out}`"), "no folder"]);
        assert!(hint(&ran).contains("--out"), "{}", ran.stderr);
    }
    assert_eq!(home.read("file"), b"mine");

    let ran = home.say("consent grant serve --until 2020-01-01T00:00:00Z --consent serve").exits(2);
    names(&ran, &["it would have ended at 2020-01-01T00:00:00Z, and it is 20", "Z now"]);
    // A fetch into a folder has no library to cache in.
    let ran = home.run(["fetch", "--offer", &offer, "-o", "out"]).exits(5);
    assert!(
        hint(&ran).contains("may also name import, serve, publish, lan, dht, map, executable)"),
        "{}",
        ran.stderr
    );

    fs::create_dir(home.path("out")).unwrap();
    mknodat(CWD, home.path("out").join(PART), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    names(&home.run(line).exits(13), &[&format!("refusing a named pipe: `out/{PART}`")]);
    assert!(!listener.was_dialed());
}
