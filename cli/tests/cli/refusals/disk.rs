//! A disk that fills up, a limit on file sizes, and two processes that fetch the same file.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use minimodel_skipped::skipped;

use super::stage::{CHUNK, Listener, PART, STATE, TARGET, hint, manifest, model, names, stage};
use crate::home::{Home, MINIMODEL, Ran};
use crate::process::{Running, event};

/// A file system in memory, mounted in a folder of the test and unmounted on drop.
pub(super) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts it; `None`, reported as skipped, where this is not permitted.
    pub(super) fn mount(path: PathBuf, options: &str) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        match mount(&path, options) {
            Ok(()) => Some(Self { path }),
            Err(error) => {
                skipped(format_args!(
                    "a small file system; a tmpfs cannot be mounted here (root may): {error}"
                ));
                None
            }
        }
    }

    /// Changes its size or other options in place.
    pub(super) fn remount(&self, options: &str) {
        mount(&self.path, &format!("remount,{options}")).unwrap();
    }

    /// Writes a file of this name until no further byte fits.
    fn fill(&self, name: &str) {
        let mut filler = File::create(self.path.join(name)).unwrap();
        for piece in [&[7; 65_536][..], &[7; 512], &[7]] {
            while filler.write_all(piece).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount: a process that is just ending may still use the file system.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn mount(path: &Path, options: &str) -> Result<(), String> {
    let mut command = Command::new("mount");
    let output =
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Waits until the record in `out` holds some chunks: each entry takes well over a hundred bytes.
pub(super) fn wait_for_record(home: &Home, out: &str) {
    let (state, until) = (home.path(out).join(STATE), Instant::now() + Duration::from_secs(20));
    while fs::metadata(&state).map_or(0, |metadata| metadata.len()) < 6_000 {
        assert!(Instant::now() < until, "no chunk was recorded");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Fetches the missing chunks from `offer`, and asserts that only they were fetched.
#[track_caller]
pub(super) fn only_the_rest_comes(home: &Home, out: &str, offer: &str) -> u64 {
    let line =
        ["--json", "fetch", "model.minimodel", "--peer", offer, "-o", out, "--consent", "fetch,import"];
    let ran = home.run(line).exits(0);
    let (resumed, done) = (event(&ran.stdout, "resumed"), event(&ran.stdout, "done"));
    let have = resumed["have"].as_u64().unwrap();
    assert_eq!(resumed["lost"], 0, "{resumed}");
    assert_eq!(
        done["received_bytes"].as_u64().unwrap(),
        model().len() as u64 - have * CHUNK,
        "{resumed} {done}"
    );
    let supplied = done["peers"].as_object().unwrap().values().map(|peer| peer["bytes"].as_u64().unwrap());
    assert_eq!(supplied.sum::<u64>(), model().len() as u64, "{done}");
    let target = PathBuf::from(out).join(TARGET);
    assert_eq!(home.read(&target), model());
    assert!(!home.path(out).join(PART).exists() && !home.path(out).join(STATE).exists());
    have
}

/// The numbers behind `need` and `free` in an error.
fn needed_and_free(ran: &Ran) -> (u64, u64) {
    let number = |word: &str| {
        let rest = ran.stderr.split_once(word).unwrap_or_else(|| panic!("no `{word}` in: {}", ran.stderr)).1;
        rest.split_once(" bytes").unwrap().0.parse().unwrap()
    };
    (number("need "), number("free "))
}

// Rows: E6
#[test]
fn a_disk_that_is_too_small_is_exit_9_before_anything_is_dialed() {
    let (home, listener) = (stage(), Listener::new());
    let Some(disk) = SmallDisk::mount(home.path("disk"), "size=1m") else { return };
    let offer = listener.offer(manifest().swarm_id());
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "disk/out", "--consent", "fetch,import"];
    let ran = home.run(line).exits(9);
    names(&ran, &["disk/out/", "no space"]);
    let (needed, free) = needed_and_free(&ran);
    assert_eq!(needed, model().len() as u64);
    assert!(free < 1 << 20, "{free}");
    assert!(
        hint(&ran).contains("make 2.0 MiB of space") && hint(&ran).contains("run the same command again"),
        "{ran:?}"
    );
    assert!(!listener.was_dialed());

    // A disk that is full to its last byte: not even the record fits.
    disk.fill("filler");
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "disk", "--consent", "fetch,import"];
    let ran = home.run(line).exits(9);
    names(&ran, &["disk/", "no space"]);
    assert_eq!(needed_and_free(&ran), (model().len() as u64, 0));
    assert!(!listener.was_dialed());
}

// Rows: E6
#[test]
fn full_disk_exits_9_and_fetch_resumes_once_space_is_made() {
    let home = stage();
    let Some(disk) = SmallDisk::mount(home.path("disk"), "size=4m") else { return };
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "disk/out", "--consent", "fetch,import"];
    let fetch =
        Running::start(home.command([&line[..], &["--down", "256KiB"]].concat()).env("MINIMODEL_UP", "1MiB"));
    wait_for_record(&home, "disk/out");
    disk.fill("filler");
    let ran = fetch.end().exits(9);
    names(&ran, &["disk/out/", "no space"]);
    let (needed, free) = needed_and_free(&ran);
    assert!(needed > 0 && needed < model().len() as u64 && free < CHUNK, "need {needed}, free {free}");
    assert!(hint(&ran).contains("what is there stays") && !home.path("disk/out").join(TARGET).exists());
    assert_eq!(ran.stdout, "");

    // On the still full disk: the same error, before a dial, and again nothing is lost.
    let again = home.run(line).exits(9);
    // Less by what the disk took of the chunk that did not fit, where not even its record entry has room.
    assert!((needed - CHUNK..=needed).contains(&needed_and_free(&again).0), "{needed}: {}", again.stderr);

    disk.remount("size=16m");
    let have = only_the_rest_comes(&home, "disk/out", &offer);
    assert_eq!(model().len() as u64 - have * CHUNK, needed);
    home.say(&format!("verify-artifact model.minimodel disk/out/{TARGET}")).exits(0);
}

/// A command with a file size limit of half a MiB.
fn limited(home: &Home, arguments: &[&str]) -> Command {
    let command = home.command(arguments);
    let mut limited = Command::new("/bin/sh");
    // `ulimit -f` counts units of 512 bytes, as POSIX says.
    limited.args(["-c", "ulimit -f 1024 && exec \"$@\"", "sh", MINIMODEL]).args(command.get_args());
    limited.env_clear().envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    limited.current_dir(home.path("")).stdin(Stdio::null());
    limited
}

// Rows: E7
#[test]
fn a_limit_on_file_sizes_is_exit_9_and_not_a_signal() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = Running::start(&mut limited(&home, &line)).end().exits(9);
    names(&ran, &["out/", "no space"]);
    let (needed, free) = needed_and_free(&ran);
    assert!(needed >= model().len() as u64 - (512 << 10) && free > needed, "need {needed}, free {free}");
    // There is room on the disk: the hint must not send the user looking for more of it.
    assert!(hint(&ran).contains("ulimit -f"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    assert!(only_the_rest_comes(&home, "out", &offer) > 0);
}

// Rows: E12
#[test]
fn second_fetch_of_one_target_exits_11_and_names_the_process() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let first = Running::start(&mut home.command([&line[..], &["--down", "256KiB"]].concat()));
    wait_for_record(&home, "out");
    let listener = Listener::new();
    let other = listener.offer(manifest().swarm_id());
    let ran =
        home.run(["fetch", "model.minimodel", "--peer", &other, "-o", "out", "--consent", "fetch,import"]);
    let ran = ran.exits(11);
    let pid = first.pid().to_string();
    names(&ran, &["out/", &format!("process {pid}")]);
    assert!(hint(&ran).contains(&format!("ps -p {pid}")), "{}", ran.stderr);
    assert!(!listener.was_dialed());
    // The first fetch is undisturbed.
    first.end().exits(0);
    assert_eq!(home.read(format!("out/{TARGET}")), model());
}

// Rows: E12
#[test]
fn a_killed_fetch_holds_nothing() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let first = Running::start(&mut home.command([&line[..], &["--down", "256KiB"]].concat()));
    wait_for_record(&home, "out");
    drop(first);
    assert!(only_the_rest_comes(&home, "out", &offer) > 0);
}
