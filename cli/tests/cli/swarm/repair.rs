//! `verify-artifact --repair`: only bad chunks are fetched again, and a repair that cannot be done loses nothing.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use minimodel_verifier::receipt::{PeerSupply, Receipt};
use serde_json::Value;

use super::model::{Fetcher, Model, PATIENCE};
use super::record::Record;
use super::seeder::Seeder;
use crate::home::{Home, Ran};
use crate::process::{Running, answer, event};

/// A home with a damaged copy of the model as `mine.slm`.
fn damaged(model: &Model, chunks: &[u32]) -> (Home, PathBuf) {
    let home = Home::new();
    let path = home.path("mine.slm");
    fs::copy(model.artifact(), &path).unwrap();
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    for &chunk in chunks {
        let at = u64::from(chunk) * model.manifest.chunk_size() + 11;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }
    (home, path)
}

fn repair(model: &Model, home: &Home, offer: &str, more: &[&str]) -> Running {
    let mut command = home.command(["verify-artifact"]);
    command.arg(model.manifest_path()).args(["mine.slm", "--repair", "--peer", offer]).args(more);
    Running::start(command.env("MINIMODEL_LISTEN", "127.0.0.1:0"))
}

const CONSENT: [&str; 2] = ["--consent", "fetch,import"];

#[track_caller]
fn is_right(model: &Model, path: &PathBuf) {
    assert!(fs::read(path).unwrap() == fs::read(model.artifact()).unwrap(), "other bytes");
}

// Rows: E13
#[test]
fn repair_fetches_only_wrong_chunks_and_leaves_a_receipt() {
    let model = Model::of("8MiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    let (home, path) = damaged(&model, &[3, 70, 71]);
    fs::write(home.path("mine.slm.receipt"), "the receipt of the import").unwrap();
    let ran = repair(&model, &home, seeder.offer(), &["--json", CONSENT[0], CONSENT[1]]).end().exits(0);
    is_right(&model, &path);
    let repaired = event(&ran.stdout, "repaired");
    assert_eq!(repaired["chunks"], Value::from(vec![3, 70, 71]));
    assert_eq!(seeder.served().into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([3, 70, 71]));
    let receipt = Receipt::parse(&home.read("mine.slm.repair.receipt")).unwrap();
    assert_eq!(receipt.subject().swarm_id, *model.manifest.swarm_id());
    let supplied = |of: fn(&PeerSupply) -> u64| receipt.import().peers.iter().map(of).sum::<u64>();
    assert_eq!(supplied(|peer| peer.chunks), 3);
    assert_eq!(receipt.found_on_disk() + supplied(|peer| peer.bytes), model.manifest.byte_count());
    assert_eq!(home.names(), ["mine.slm", "mine.slm.receipt", "mine.slm.repair.receipt"]);
    assert_eq!(home.read("mine.slm.receipt"), b"the receipt of the import");

    // A file that is right needs no peer and no consent.
    let served = seeder.served().len();
    let ran = repair(&model, &home, seeder.offer(), &[]).end().exits(0);
    assert!(ran.stdout.contains("ok: "), "{}", ran.stdout);
    assert_eq!(seeder.served().len(), served);
}

// Rows: E13
#[test]
fn a_short_or_long_file_is_repaired_as_well() {
    let model = Model::of("2MiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    let size = model.manifest.byte_count();
    for (length, chunks) in [(size - 100, 1), (size + 5, 0), (0, model.manifest.chunk_count())] {
        let (home, path) = damaged(&model, &[]);
        fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
        let ran = repair(&model, &home, seeder.offer(), &["--json", CONSENT[0], CONSENT[1]]).end().exits(0);
        is_right(&model, &path);
        assert_eq!(event(&ran.stdout, "repaired")["chunks"].as_array().unwrap().len() as u64, chunks);
    }
}

#[test]
fn repair_without_consent_or_reachable_peer_restores_the_file() {
    let model = Model::of("2MiB");
    let (home, path) = damaged(&model, &[5]);
    let bytes = fs::read(&path).unwrap();
    let gone = Seeder::honest(&model, 1 << 20);
    let offer = gone.offer().to_owned();
    drop(gone);
    repair(&model, &home, &offer, &[]).end().exits(5);
    let ran = repair(&model, &home, &offer, &[CONSENT[0], CONSENT[1], "--stall-timeout", "1s"]).end();
    assert!([3, 7].contains(&ran.code), "{ran:?}");
    assert_eq!((home.names(), fs::read(&path).unwrap() == bytes), (vec!["mine.slm".to_owned()], true));
    // Flags of a repair are refused without `--repair`.
    let alone = home
        .command(["verify-artifact"])
        .arg(model.manifest_path())
        .args(["mine.slm", "--peer", &offer])
        .output();
    Ran::of(alone.unwrap()).exits(2);
}

// Rows: E9
#[test]
fn unrelated_or_blocked_file_keeps_its_bytes_and_its_name() {
    let model = Model::of("1MiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    let home = Home::new();
    home.run(["sample", "mine.slm", "--bytes", "1MiB", "--seed", "7"]).exits(0);
    let bytes = home.read("mine.slm");
    let ran = repair(&model, &home, seeder.offer(), &CONSENT).end().exits(4);
    assert!(ran.stderr.contains("there is nothing to repair"), "{}", ran.stderr);
    assert_eq!((home.names(), home.read("mine.slm") == bytes), (vec!["mine.slm".to_owned()], true));
    // The record of another download stands in the way.
    let other = Model::of("2MiB");
    let stopped = home.path("mine.slm.part.state");
    let fetcher = Fetcher::of(&other);
    let slow = Seeder::honest(&other, 1 << 20);
    slow.gives(2);
    let running = fetcher.start(&[slow.offer()], &[]);
    fetcher.wait_for_chunks(2);
    running.kill();
    fs::copy(fetcher.state(), &stopped).unwrap();
    repair(&model, &home, seeder.offer(), &CONSENT).end().exits(13);
    assert_eq!(home.names(), ["mine.slm", "mine.slm.part.state"]);
    assert!(home.read("mine.slm") == bytes);
    assert!(seeder.served().is_empty());
}

#[test]
fn failed_repair_leaves_an_unfinished_download_unfinished() {
    let model = Model::of("2MiB");
    let fetcher = Fetcher::of(&model);
    let seeder = Seeder::honest(&model, 1 << 20);
    seeder.gives(5);
    let running = fetcher.start(&[seeder.offer()], &[]);
    fetcher.wait_for_chunks(5);
    running.kill();
    let (names, offer) = (fetcher.names(), seeder.offer().to_owned());
    drop(seeder);
    let mut command = fetcher.command(["verify-artifact"]);
    command.arg(model.manifest_path()).arg(fetcher.artifact()).args(["--repair", "--peer", &offer]);
    command.args([CONSENT[0], CONSENT[1], "--stall-timeout", "1s"]).env("MINIMODEL_LISTEN", "127.0.0.1:0");
    let ran = Running::start(&mut command).end();
    assert!([3, 7].contains(&ran.code), "{ran:?}");
    assert_eq!(fetcher.names(), names);
    fetcher.run(&[Seeder::honest(&model, 64 << 20).offer()], &[]).exits(0);
    fetcher.has_it_all();
}

// Rows: B1
#[test]
fn a_liar_repairs_nothing_and_is_banned() {
    let model = Model::of("2MiB");
    let (home, path) = damaged(&model, &[5]);
    let bytes = fs::read(&path).unwrap();
    let liar = Seeder::liar(&model, 0);
    let ran = repair(&model, &home, liar.offer(), &CONSENT).end().exits(4);
    assert!(ran.stderr.contains("banned"), "{}", ran.stderr);
    assert_eq!((home.names(), fs::read(&path).unwrap() == bytes), (vec!["mine.slm".to_owned()], true));
}

// Rows: E1
#[test]
fn a_repair_that_was_killed_goes_on_when_it_is_typed_again() {
    let model = Model::of("8MiB");
    let seeder = Seeder::honest(&model, 1 << 20);
    seeder.gives(5);
    let bad: Vec<u32> = (0..40).collect();
    let (home, path) = damaged(&model, &bad);
    let running = repair(&model, &home, seeder.offer(), &["--json", CONSENT[0], CONSENT[1]]);
    let record = home.path("mine.slm.part.state");
    let begun = Instant::now();
    let repaired = loop {
        let repaired: BTreeSet<u32> =
            Record::read(&record).chunks.into_iter().filter(|chunk| bad.contains(chunk)).collect();
        if repaired.len() >= 5 {
            break repaired;
        }
        assert!(begun.elapsed() < PATIENCE, "{} chunks are recorded", repaired.len());
        std::thread::sleep(Duration::from_millis(2));
    };
    running.kill();
    assert!(home.names().contains(&"mine.slm.part".to_owned()), "{:?}", home.names());
    // A second seeder: the first may still hold answers for the killed process.
    let seeder = Seeder::honest(&model, 64 << 20);
    let ran = repair(&model, &home, seeder.offer(), &["--json", CONSENT[0], CONSENT[1]]).end().exits(0);
    is_right(&model, &path);
    assert!(repaired.is_disjoint(&seeder.served_after(0)), "what was recorded came again");
    // Only the chunks still missing; the others were repaired before the kill.
    let repaired = event(&ran.stdout, "repaired")["chunks"].as_array().unwrap().clone();
    let repaired: Vec<u32> = repaired.iter().map(|chunk| chunk.as_u64().unwrap() as u32).collect();
    assert!(!repaired.is_empty() && repaired.iter().all(|chunk| bad.contains(chunk)), "{repaired:?}");
    assert_eq!(seeder.served_after(0).len(), 35, "the chunks that were missing, and no other");
    assert_eq!(home.names(), ["mine.slm", "mine.slm.repair.receipt"]);
}

// Rows: E9
#[test]
fn a_link_or_a_second_name_is_not_repaired_through() {
    let model = Model::of("1MiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    let (home, path) = damaged(&model, &[1]);
    let bytes = fs::read(&path).unwrap();
    fs::hard_link(&path, home.path("other.slm")).unwrap();
    let ran = repair(&model, &home, seeder.offer(), &CONSENT).end().exits(13);
    assert!(ran.stderr.contains("hard link"), "{}", ran.stderr);
    fs::rename(home.path("other.slm"), home.path("real.slm")).unwrap();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("real.slm", &path).unwrap();
    let ran = repair(&model, &home, seeder.offer(), &CONSENT).end().exits(13);
    assert!(ran.stderr.contains("symlink"), "{}", ran.stderr);
    assert!(fs::read(home.path("real.slm")).unwrap() == bytes);
    assert!(seeder.served().is_empty());
}

/// A file with few chunks of the artifact may be another file of the user's, whatever its name is.
// Rows: H8
#[test]
fn file_with_few_equal_chunks_needs_repair_most_to_be_repaired() {
    let model = Model::of("2MiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    let home = Home::new();
    home.run(["sample", "mine.slm", "--bytes", "2MiB", "--seed", "7"]).exits(0);
    let (chunk, size) = (model.manifest.chunk_size() as usize, fs::read(model.artifact()).unwrap().len());
    let artifact = fs::read(model.artifact()).unwrap();
    let mut one_equal = home.read("mine.slm");
    one_equal[3 * chunk..4 * chunk].copy_from_slice(&artifact[3 * chunk..4 * chunk]);
    // Nearly all holes, one equal chunk, and some notes.
    let mut hollow = vec![0; size];
    hollow[..chunk].copy_from_slice(&artifact[..chunk]);
    hollow[5 * chunk..5 * chunk + 8].copy_from_slice(b"my notes");
    // An archive that begins with the artifact.
    let mut longer = artifact.clone();
    longer.resize(3 * size, 7);
    for (bytes, good) in [(&one_equal, 1), (&hollow, 1), (&longer, model.manifest.chunk_count())] {
        home.write("mine.slm", bytes);
        let ran = repair(&model, &home, seeder.offer(), &CONSENT).end().exits(4);
        for words in [&format!("only {good} of ")[..], "`mine.slm`", "--repair-most", "nothing was written"] {
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
        assert_eq!((home.names(), home.read("mine.slm") == *bytes), (vec!["mine.slm".to_owned()], true));
        assert!(seeder.served().is_empty());
    }
    // With `--repair-most` the file is repaired, but not a file without any chunk of the artifact.
    home.write("mine.slm", &one_equal);
    let most = [CONSENT[0], CONSENT[1], "--repair-most"];
    repair(&model, &home, seeder.offer(), &most).end().exits(0);
    is_right(&model, &home.path("mine.slm"));
    assert!(!seeder.served().contains(&3), "the chunk that was right");
    home.write("mine.slm", vec![7; size]);
    let ran = repair(&model, &home, seeder.offer(), &most).end().exits(4);
    assert!(ran.stderr.contains("there is nothing to repair"), "{}", ran.stderr);
    assert!(home.read("mine.slm") == vec![7; size]);
    Ran::of(home.command(["verify-artifact", "m", "f.slm", "--repair-most"]).output().unwrap()).exits(2);
    // A truncated file has lost much, and a repair overwrites none of it.
    home.write("mine.slm", &artifact[..3 * chunk]);
    let beside: Vec<String> = home.names();
    repair(&model, &home, seeder.offer(), &CONSENT).end().exits(0);
    is_right(&model, &home.path("mine.slm"));
    assert_eq!(home.names().len(), beside.len() + 1, "a second receipt");
}

/// A record that an earlier fetch left does not apply to another file that gets the name later.
// Rows: H8
#[test]
fn leftover_record_does_not_claim_another_file_under_its_name() {
    let model = Model::of("2MiB");
    let fetcher = Fetcher::of(&model);
    let slow = Seeder::honest(&model, 1 << 20);
    slow.gives(5);
    let running = fetcher.start(&[slow.offer()], &[]);
    fetcher.wait_for_chunks(5);
    running.kill();
    let state = fs::read(fetcher.state()).unwrap();
    fs::remove_file(fetcher.part()).unwrap();
    // Another file of the user's that has the first of the recorded chunks in common with the model.
    let equal = *Record::read(&fetcher.state()).chunks.first().unwrap() as usize;
    let (artifact, chunk) = (fs::read(model.artifact()).unwrap(), model.manifest.chunk_size() as usize);
    let mut mine: Vec<u8> = artifact.iter().map(|byte| byte ^ 0x55).collect();
    mine[equal * chunk..][..chunk].copy_from_slice(&artifact[equal * chunk..][..chunk]);
    fs::write(fetcher.artifact(), &mine).unwrap();
    let seeder = Seeder::honest(&model, 64 << 20);
    let repair = || {
        let mut command = fetcher.command(["verify-artifact"]);
        command.arg(model.manifest_path()).arg(fetcher.artifact()).args([
            "--repair",
            "--peer",
            seeder.offer(),
        ]);
        Running::start(command.args(CONSENT).env("MINIMODEL_LISTEN", "127.0.0.1:0")).end()
    };
    let ran = repair().exits(4);
    for words in ["only 1 of ", ".slm.part.state.old", "--repair-most"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(fs::read(fetcher.artifact()).unwrap() == mine && seeder.served().is_empty());
    assert_eq!(fetcher.names(), [".slm", ".slm.part.state.old"]);
    // The other file under the name of the partial file, beside that record.
    fs::write(fetcher.state(), &state).unwrap();
    fs::rename(fetcher.artifact(), fetcher.part()).unwrap();
    let ran = repair().exits(4);
    assert!(ran.stderr.contains("only 1 of "), "{}", ran.stderr);
    assert!(fs::read(fetcher.part()).unwrap() == mine && seeder.served().is_empty());
    let ran = fetcher.run(&[seeder.offer()], &[]).exits(0);
    assert!(ran.stderr.contains(".slm.part.found"), "{}", ran.stderr);
    is_right(&model, &fetcher.artifact());
    let mut found = fetcher.part().into_os_string();
    found.push(".found");
    assert!(fs::read(found).unwrap() == mine);
}

/// A file whose chunks are right, with bytes appended that may be the user's.
// Rows: H8
#[test]
fn bytes_appended_to_a_file_are_cut_off_only_with_repair_most() {
    let model = Model::of("1MiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    for bad in [&[][..], &[3]] {
        let (home, path) = damaged(&model, bad);
        let bytes = [&fs::read(&path).unwrap()[..], b"\0\0my notes"].concat();
        fs::write(&path, &bytes).unwrap();
        let ran = repair(&model, &home, seeder.offer(), &CONSENT).end().exits(4);
        for words in ["10 bytes behind the artifact's end", "cut off", "--repair-most", "nothing was written"]
        {
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
        assert_eq!((home.names(), fs::read(&path).unwrap() == bytes), (vec!["mine.slm".to_owned()], true));
        let most = [CONSENT[0], CONSENT[1], "--repair-most"];
        repair(&model, &home, seeder.offer(), &most).end().exits(0);
        is_right(&model, &path);
    }
}

// Rows: H8
#[test]
fn terminal_needs_the_word_yes_to_overwrite_a_mostly_other_file() {
    let model = Model::of("1MiB");
    let seeder = Seeder::honest(&model, 64 << 20);
    let (home, path) = damaged(&model, &(1..model.manifest.chunk_count() as u32).collect::<Vec<_>>());
    let bytes = fs::read(&path).unwrap();
    let manifest = model.manifest_path();
    let line =
        ["verify-artifact", manifest.to_str().unwrap(), "mine.slm", "--repair", "--peer", seeder.offer()];
    let line = [&line[..], &["--listen", "127.0.0.1:0", CONSENT[0], CONSENT[1]]].concat();
    for (word, code) in [("y", 4), ("yes", 0)] {
        let (asked, running) = answer(&home, &line, &[word]);
        assert_eq!(running.fate().status.code(), Some(code), "{asked}");
        assert!(
            asked.contains("WARNING") && asked.contains("1 of ") && asked.contains("mine.slm"),
            "{asked}"
        );
        assert_eq!(fs::read(&path).unwrap() == bytes, code == 4);
    }
    is_right(&model, &path);
}
