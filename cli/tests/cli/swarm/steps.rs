//! `kill -9` at each labelled step: just before and just after every single call that changes the disk, one after the
//! other until a run survives. Only debug builds can be killed so; see `docs/store.md`.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use minimodel_skipped::walk;

use super::killed::Random;
use super::killing::{SIDE_BY_SIDE, Toll, Victim};
use super::model::Model;
use super::seeder::Seeder;
use crate::home::{Home, MINIMODEL};
use crate::process::Running;

const KILL_AT: &str = "MINIMODEL_KILL_AT";

/// Calls `killed_at` with `1`, `2`, ... or `1+`, `2+`, ... side by side until it returns `false`, since that run
/// survived. Returns the number of steps before it. Outside of a soak only every fourth step is taken, from a random one on.
#[expect(clippy::print_stdout, reason = "a seed to run it again with")]
fn enumerate(suffix: &str, killed_at: impl Fn(&str) -> bool + Sync) -> u64 {
    let (stride, mut random) = (walk(1, 4), Random::new());
    println!("MINIMODEL_TEST_SEED={}", random.0);
    let (next, survivor) = (AtomicU64::new(1 + random.below(stride)), AtomicU64::new(u64::MAX));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(stride, Ordering::Relaxed);
                    if n > survivor.load(Ordering::Relaxed) {
                        return;
                    }
                    if !killed_at(&format!("{n}{suffix}")) {
                        survivor.fetch_min(n, Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
    });
    survivor.into_inner() - 1
}

// Rows: E1, E18, I2, I3
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build cannot be told where to end")]
fn fetch_killed_at_each_disk_call_is_finished_by_the_next_run() {
    let model = Model::in_chunks("160KiB", "16KiB");
    let all = Mutex::new(Toll::default());
    let mut steps = Vec::new();
    for suffix in ["", "+"] {
        steps.push(enumerate(suffix, |at| {
            // A seeder of its own, whose slots no killed fetcher holds.
            let seeder = Seeder::honest(&model, 1 << 30);
            let (mut victim, mut toll) = (Victim::new(&model, seeder.offer()), Toll::default());
            let fate = Running::start(victim.line().env(KILL_AT, at)).fate();
            let is_killed = fate.is_killed();
            if is_killed {
                victim.look(&fate, &mut toll);
                victim.finish(&mut toll);
            } else {
                assert_eq!(fate.status.code(), Some(0), "{at}: {fate:?}");
                victim.fetcher.has_it_all();
            }
            all.lock().unwrap().add(&toll);
            is_killed
        }));
    }
    println!("steps before and after: {steps:?}");
    all.into_inner().unwrap().settle("step");
    // Steps of consent, identity, record, chunks, final name, manifest copy, receipt, record of the check.
    assert!(steps.iter().all(|&steps| steps > 50 + model.manifest.chunk_count()), "{steps:?}");
}

/// A verb that writes one file: its command line, and the path of that file.
struct Verb {
    name: &'static str,
    line: &'static str,
    output: fn(&Home) -> PathBuf,
    /// Whether a second run that finds the file succeeds.
    is_kept: bool,
}

fn out(home: &Home) -> PathBuf {
    home.path("out")
}

const VERBS: [Verb; 6] = [
    Verb { name: "id", line: "id new", output: |home| home.own("data/identity.key"), is_kept: false },
    Verb { name: "id show", line: "id show", output: |home| home.own("data/identity.key"), is_kept: true },
    Verb { name: "sample", line: "sample out --bytes 64KiB", output: out, is_kept: false },
    Verb {
        name: "manifest create",
        line: "manifest create a.slm --model-id m --model-version 1 --publisher-id p --license-route /l.txt \
               --model-card-route /c.html -o out",
        output: out,
        is_kept: false,
    },
    Verb { name: "manifest sign", line: "manifest sign a.minimodel -o out", output: out, is_kept: false },
    Verb {
        name: "write-import-receipt",
        line: "write-import-receipt a.minimodel a.slm out",
        output: out,
        is_kept: false,
    },
];

// Rows: E1, C6
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build cannot be told where to end")]
fn other_outputs_killed_at_each_disk_call_are_whole_or_absent() {
    let mut kills = 0;
    for verb in &VERBS {
        let line: Vec<&str> = verb.line.split_whitespace().collect();
        for suffix in ["", "+"] {
            let killed = enumerate(suffix, |at| {
                let home = Home::with_artifact();
                let fate = Running::start(home.command(&line).env(KILL_AT, at)).fate();
                if !fate.is_killed() {
                    assert_eq!(fate.status.code(), Some(0), "{} {at}: {fate:?}", verb.name);
                    return false;
                }
                let output = (verb.output)(&home);
                let there = fs::read(&output).ok();
                let verdict = minimodel::consent::verify(&home.own("state"), &home.own("data"), &[]).unwrap();
                assert!(verdict.ok, "{} {at}: {verdict:?}", verb.name);
                // The final name appears by the last rename only, for a whole file, which nothing replaces.
                let code = if there.is_some() && !verb.is_kept { 13 } else { 0 };
                home.run(&line).exits(code);
                let now = fs::read(&output).unwrap();
                assert!(now.len() > 100 && there.is_none_or(|there| there == now), "{} {at}", verb.name);
                if verb.name.starts_with("id") {
                    home.say("id show").exits(0);
                } else {
                    home.run([OsString::from("inspect"), output.into()]).exits(0);
                }
                true
            });
            assert!(killed >= 4, "{}: {killed}", verb.name);
            kills += killed;
        }
    }
    println!("figure: output_kills={kills} torn_outputs=0");
}

// Rows: E1
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build cannot be told where to end")]
fn grant_or_revocation_killed_at_a_disk_call_is_whole_or_absent() {
    let mut kills = 0;
    for (line, before, after) in [
        (&["consent", "grant", "fetch", "--consent", "fetch"][..], "none", "active"),
        (&["consent", "revoke", "1"], "active", "revoked"),
    ] {
        for suffix in ["", "+"] {
            let killed = enumerate(suffix, |at| {
                let home = Home::new();
                if before == "active" {
                    home.say("consent grant fetch --consent fetch").exits(0);
                }
                let fate = Running::start(home.command(line).env(KILL_AT, at)).fate();
                if !fate.is_killed() {
                    assert_eq!(fate.status.code(), Some(0), "{line:?} {at}: {fate:?}");
                    return false;
                }
                let verdict = minimodel::consent::verify(&home.own("state"), &home.own("data"), &[]).unwrap();
                assert!(verdict.ok, "{line:?} {at}: {verdict:?}");
                let state = |home: &Home| {
                    let listed = home.say("--json consent list --all").exits(0);
                    let last = listed.stdout.lines().last().map(serde_json::from_str::<serde_json::Value>);
                    last.map_or("none".to_owned(), |grant| {
                        grant.unwrap()["state"].as_str().unwrap().to_owned()
                    })
                };
                let found = state(&home);
                assert!(found == before || found == after, "{line:?} {at}: {found}");
                assert_eq!(state(&home), found, "what was read once stays");
                home.run(line).exits(0);
                assert_eq!(state(&home), after);
                home.say("consent log --verify").exits(0);
                true
            });
            assert!(killed >= 8, "{line:?}: {killed}");
            kills += killed;
        }
    }
    println!("figure: consent_kills={kills} torn_logs=0");
}

/// Steps of `seed` before it serves: consent, the record of the check, identity, offer file.
// Rows: E1, E18
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build cannot be told where to end")]
fn seeder_killed_at_each_disk_call_restarts_with_same_command() {
    let model = Model::in_chunks("64KiB", "16KiB");
    let mut kills = 0;
    for suffix in ["", "+"] {
        let killed = enumerate(suffix, |at| {
            let home = Home::new();
            let mut line = home.command(["seed", "--json", "--consent", "serve", "--offer-out", "an.offer"]);
            line.arg(model.manifest_path()).arg(model.artifact()).env("MINIMODEL_LISTEN", "127.0.0.1:0");
            let mut seeder = Running::start(line.env(KILL_AT, at));
            while !seeder.has_ended() && !seeder.has_said("\"offer\"") {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            if !seeder.has_ended() {
                return false;
            }
            assert!(seeder.fate().is_killed());
            // The offer file is whole or missing; an existing file is not overwritten, so it is moved away as the
            // hint says.
            let offer = home.path("an.offer");
            if offer.exists() {
                home.run(["inspect", "an.offer"]).exits(0);
                fs::remove_file(offer).unwrap();
            }
            let again = Running::start(line.env_remove(KILL_AT));
            again.offer();
            again.stop().exits(0);
            home.run(["inspect", "an.offer"]).exits(0);
            true
        });
        assert!(killed > 12, "{killed}");
        kills += killed;
    }
    println!("figure: seeder_kills={kills} torn_outputs=0");
}

#[test]
fn a_release_build_has_no_step_to_end_at() {
    let binary = fs::read(MINIMODEL).unwrap();
    let has_means = binary.windows(KILL_AT.len()).any(|window| window == KILL_AT.as_bytes());
    assert_eq!(has_means, cfg!(debug_assertions));
}
