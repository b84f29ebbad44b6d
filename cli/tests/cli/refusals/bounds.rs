//! System limits that a transfer meets: open files, names on a disk, permissions that change.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use super::disk::{SmallDisk, only_the_rest_comes, wait_for_record};
use super::stage::{
    Listener, PART, STATE, TARGET, hint, is_unchanged, manifest, model, names, snapshot, stage,
};
use crate::home::{Home, MINIMODEL, copy_the_program};
use crate::process::Running;

/// A command that may have at most so many files open.
fn with_files(home: &Home, most: u32, arguments: &[&str]) -> Command {
    let command = home.command(arguments);
    let mut limited = Command::new("/bin/sh");
    let line = format!("ulimit -n {most} && exec \"$@\"");
    limited.args(["-c", &line, "sh", MINIMODEL]).args(command.get_args());
    limited.env_clear().envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    limited.current_dir(home.path("")).stdin(Stdio::null());
    limited
}

// Rows: F2
#[test]
fn transfer_needs_fewer_than_40_open_files_on_either_side() {
    let home = stage();
    let line = ["seed", "model.minimodel", "model.slm", "--listen", "127.0.0.1:0", "--consent", "serve"];
    let seeder = Running::start(&mut with_files(&home, 40, &line));
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import,serve"];
    Running::start(&mut with_files(&home, 40, &line)).end().exits(0);
    assert_eq!(home.read(format!("out/{TARGET}")), model());
    seeder.stop().exits(0);
}

// Rows: F2
#[test]
fn too_few_open_files_is_a_named_failure_that_loses_nothing() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let mut failures = 0;
    for most in 4..40 {
        let ran = Running::start(&mut with_files(&home, most, &line)).fate();
        match ran.status.code() {
            Some(0) => break,
            // Too few for the dynamic loader of the program.
            Some(127) => continue,
            Some(13) => failures += 1,
            other => panic!("{most}: {other:?} {ran:?}"),
        }
        assert!(
            ran.stderr.contains("Too many open files") && ran.stderr.contains("ulimit -n"),
            "{most}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
    assert!(failures > 3, "{failures}");
    home.run(line).exits(0);
    assert_eq!(home.read(format!("out/{TARGET}")), model());
}

// Rows: E6, E18
#[test]
fn receipt_without_room_keeps_valid_file_and_next_run_writes_it() {
    let home = stage();
    // Inodes for the folder itself, the record, the partial file and the manifest copy, and not one more.
    let Some(disk) = SmallDisk::mount(home.path("disk"), "size=8m,nr_inodes=4") else { return };
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "disk", "--consent", "fetch,import"];
    for _ in 0..2 {
        let ran = home.run(line).exits(9);
        names(&ran, &["no space", "disk/sample-model-1.0.0.slm.receipt", "in place and checked"]);
        assert!(hint(&ran).contains("it only writes what is missing"), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert_eq!(home.read(format!("disk/{TARGET}")), model());
        assert!(home.path("disk").join(STATE).exists(), "who supplied it was forgotten");
    }
    disk.remount("nr_inodes=20");
    home.run(line).exits(0);
    let receipt = home.read(format!("disk/{TARGET}.receipt"));
    let receipt = minimodel_verifier::receipt::Receipt::parse(&receipt).unwrap();
    let supplied: u64 = receipt.import().peers.iter().map(|peer| peer.bytes).sum();
    assert_eq!(supplied, model().len() as u64);
    assert!(!home.path("disk").join(STATE).exists());
}

const NOBODY: u32 = 65_534;

/// A home whose working folder and own folders belong to a user without privileges, and that user's commands. Where
/// the test cannot become such a user, it runs as its own.
struct Unprivileged(Home);

impl Unprivileged {
    fn new() -> Self {
        let home = stage();
        if rustix::process::geteuid().is_root() {
            let top = home.path("").parent().unwrap().to_owned();
            fs::set_permissions(&top, Permissions::from_mode(0o755)).unwrap();
            fs::create_dir_all(home.own("")).unwrap();
            for folder in [home.own(""), home.path("")] {
                chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            // Other accounts may have no access to the build folder.
            copy_the_program(&top.join("minimodel"));
        }
        Self(home)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let command = self.0.command(arguments);
        if !rustix::process::geteuid().is_root() {
            return command;
        }
        let work = self.0.path("");
        let mut unprivileged = Command::new(work.parent().unwrap().join("minimodel"));
        unprivileged.args(arguments).current_dir(work).stdin(Stdio::null()).env_clear();
        unprivileged.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        unprivileged.uid(NOBODY).gid(NOBODY);
        unprivileged
    }
}

// Rows: E8
#[test]
fn permission_lost_during_transfer_is_named_and_loses_nothing() {
    let user = Unprivileged::new();
    let home = &user.0;
    let seeder = Running::seed(&stage(), ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let fetch = Running::start(&mut user.command(&[&line[..], &["--down", "256KiB"]].concat()));
    wait_for_record(home, "out");
    fs::set_permissions(home.path("out"), Permissions::from_mode(0o555)).unwrap();
    let ran = fetch.end().exits(13);
    names(&ran, &["no permission for out/sample-model-1.0.0.slm"]);
    assert!(!home.path("out").join(TARGET).exists() && home.path("out").join(PART).exists());
    // The same command reports that before it dials, and once permission is back it has nothing left to fetch.
    let listener = Listener::new();
    let other = listener.offer(manifest().swarm_id());
    let early = ["fetch", "model.minimodel", "--peer", &other, "-o", "out", "--consent", "fetch,import"];
    Running::start(&mut user.command(&early)).end().exits(13);
    assert!(!listener.was_dialed());
    fs::set_permissions(home.path("out"), Permissions::from_mode(0o755)).unwrap();
    drop(seeder);
    Running::start(&mut user.command(&early)).end().exits(0);
    assert_eq!(home.read(format!("out/{TARGET}")), model());
}

// Rows: C6
#[test]
fn an_identity_that_may_not_be_read_is_named_and_not_replaced() {
    let user = Unprivileged::new();
    let home = &user.0;
    Running::start(&mut user.command(&["id", "new"])).end().exits(0);
    let path = home.own("data/identity.key");
    let key = fs::read(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let listener = Listener::new();
    let offer = listener.offer(manifest().swarm_id());
    let fetch = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    for line in [
        &fetch[..],
        &["id", "show"],
        &["id", "new"],
        &["manifest", "sign", "model.minimodel", "-o", "signed"],
    ] {
        let before = snapshot(&home.path(""));
        let ran = Running::start(&mut user.command(line)).end().exits(13);
        names(&ran, &["identity", "data/identity.key"]);
        is_unchanged(&before, &home.path(""));
    }
    assert!(!listener.was_dialed());
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), key);
}

#[test]
fn fetch_killed_at_file_limit_resumes_with_missing_chunks_only() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let fetch = Running::start(&mut with_files(&home, 40, &[&line[..], &["--down", "256KiB"]].concat()));
    wait_for_record(&home, "out");
    drop(fetch);
    assert!(only_the_rest_comes(&home, "out", &offer) > 0);
}
