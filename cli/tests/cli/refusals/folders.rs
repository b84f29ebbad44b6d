//! Output folders that cannot be written to, and obstacles at the output names: named in the error, and left alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use minimodel_fixtures::{Quantization, Shape, slm_vec};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::disk::SmallDisk;
use super::stage::{
    Listener, PART, STATE, TARGET, hint, is_unchanged, manifest, model, names, snapshot, stage,
};
use crate::home::{Home, Ran, copy_the_program};
use crate::process::Running;

/// Fetches into `out` with an offer that leads to `listener`; asserts exit code 13 and that nothing was dialed.
#[track_caller]
fn refuses(home: &Home, listener: &Listener, out: &str, words: &[&str]) -> Ran {
    let offer = listener.offer(manifest().swarm_id());
    let before = snapshot(&home.path(""));
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", out, "--consent", "fetch,import"];
    let ran = home.run(line).exits(13);
    names(&ran, words);
    assert!(!listener.was_dialed(), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    is_unchanged(&before, &home.path(""));
    ran
}

// Rows: E8
#[test]
fn a_read_only_file_system_is_exit_13_before_anything_is_dialed() {
    let (home, listener) = (stage(), Listener::new());
    let Some(disk) = SmallDisk::mount(home.path("disk"), "size=8m") else { return };
    fs::create_dir(home.path("disk/out")).unwrap();
    disk.remount("ro");
    refuses(&home, &listener, "disk/out", &["disk/out", "read-only"]);
    refuses(&home, &listener, "disk/new", &["disk/new", "Read-only"]);
}

// Rows: E8
#[test]
fn folder_without_permission_exits_13_before_any_dial() {
    let (home, listener) = (stage(), Listener::new());
    fs::create_dir(home.path("out")).unwrap();
    fs::write(home.path("out/theirs"), "theirs").unwrap();
    fs::set_permissions(home.path("out"), Permissions::from_mode(0o555)).unwrap();
    let offer = listener.offer(manifest().swarm_id());
    for (out, word) in [("out", "no permission for out/"), ("out/new", "out/new")] {
        let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", out, "--consent", "fetch,import"];
        let ran = run_without_privilege(&home, &line).exits(13);
        names(&ran, &[word]);
        assert!(hint(&ran).contains("a folder that you may write to"), "{}", ran.stderr);
    }
    assert!(!listener.was_dialed());
    assert_eq!(snapshot(&home.path("out")).len(), 1);
    // Lets the test delete the folder.
    fs::set_permissions(home.path("out"), Permissions::from_mode(0o755)).unwrap();
}

/// User id of another account.
pub(super) const NOBODY: u32 = 65_534;

/// Runs a command without privileges: where the test is root, as a user with no rights at all, since no permission
/// binds root.
pub(crate) fn run_without_privilege(home: &Home, arguments: &[&str]) -> Ran {
    if !rustix::process::geteuid().is_root() {
        return home.run(arguments);
    }
    let work = home.path("");
    let top = work.parent().unwrap();
    fs::set_permissions(top, Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(home.own("")).unwrap();
    std::os::unix::fs::chown(home.own(""), Some(NOBODY), Some(NOBODY)).unwrap();
    // Other accounts may have no access to the build folder.
    let copy = top.join("minimodel");
    if !copy.exists() {
        copy_the_program(&copy);
    }
    let command = home.command(arguments);
    let mut unprivileged = std::process::Command::new(copy);
    unprivileged.args(arguments).current_dir(work).env_clear();
    unprivileged.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    Running::start(unprivileged.uid(NOBODY).gid(NOBODY).stdin(std::process::Stdio::null())).end()
}

// Rows: E8
#[test]
fn an_output_folder_that_is_a_file_is_exit_13() {
    let (home, listener) = (stage(), Listener::new());
    home.write("file", "mine");
    symlink("nowhere", home.path("link")).unwrap();
    refuses(&home, &listener, "file", &["`file`"]);
    refuses(&home, &listener, "file/below", &["`file/below`"]);
    refuses(&home, &listener, "link", &["`link`"]);
}

// Rows: E8
#[test]
fn a_folder_that_is_not_there_is_made() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "a/b/c", "--consent", "fetch,import"];
    assert_eq!(home.run(line).exits(0).stdout, format!("a/b/c/{TARGET}\n"));
    assert_eq!(home.read(format!("a/b/c/{TARGET}")), model());
}

// Rows: E8
#[test]
fn folder_removed_during_transfer_exits_13_and_is_named() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let fetch = Running::start(&mut home.command([&line[..], &["--down", "256KiB"]].concat()));
    super::disk::wait_for_record(&home, "out");
    fs::remove_dir_all(home.path("out")).unwrap();
    let ran = fetch.end().exits(13);
    names(&ran, &["out/sample-model-1.0.0.slm"]);
    assert_eq!(ran.stdout, "");
    assert!(!home.path("out").join(TARGET).exists());
}

/// Obstacles, and the word for each in the error.
pub(super) const OBSTACLES: [(&str, &str); 6] = [
    ("symlink", "symlink"),
    ("dangling", "symlink"),
    ("fifo", "named pipe"),
    ("directory", "directory"),
    ("socket", "socket"),
    ("hard link", "hard link"),
];

pub(super) fn put(home: &Home, obstacle: &str, path: &Path) {
    fs::write(home.path("precious"), "not to be touched").unwrap();
    match obstacle {
        "symlink" => symlink(home.path("precious"), path).unwrap(),
        "dangling" => symlink(home.path("nowhere"), path).unwrap(),
        "fifo" => mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
        "directory" => fs::create_dir(path).unwrap(),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        _ => fs::hard_link(home.path("precious"), path).unwrap(),
    }
}

// Rows: E9
#[test]
fn what_is_no_plain_file_is_refused_and_left_alone() {
    for name in [PART, STATE, TARGET] {
        for (obstacle, word) in OBSTACLES {
            let (home, listener) = (stage(), Listener::new());
            fs::create_dir(home.path("out")).unwrap();
            put(&home, obstacle, &home.path("out").join(name));
            let path = format!("out/{name}");
            // A second hard link to the target does no harm: the file is only read, and reported as another file.
            let word = if (name, obstacle) == (TARGET, "hard link") { "another file" } else { word };
            let ran = refuses(&home, &listener, "out", &[&path, word]);
            assert!(hint(&ran).contains("move it away"), "{name} {obstacle}: {}", ran.stderr);
        }
    }
}

// Rows: E11
#[test]
fn a_target_with_other_content_is_left_alone_and_named() {
    let mut one_byte = model().to_vec();
    *one_byte.last_mut().unwrap() ^= 1;
    let other = slm_vec(&Shape::about(2 << 20, Quantization::Q8_0).unwrap(), 99);
    for content in [Vec::new(), b"mine".to_vec(), one_byte, other, [model(), b"\0"].concat()] {
        let (home, listener) = (stage(), Listener::new());
        fs::create_dir(home.path("out")).unwrap();
        fs::write(home.path("out").join(TARGET), content).unwrap();
        let ran = refuses(&home, &listener, "out", &["another file is already at", &format!("out/{TARGET}")]);
        assert!(hint(&ran).contains("it was left as it is"), "{}", ran.stderr);
    }
}

// Rows: E11
#[test]
fn target_that_is_the_artifact_is_already_here_without_a_dial() {
    let (home, listener) = (stage(), Listener::new());
    fs::create_dir(home.path("out")).unwrap();
    fs::copy(home.path("model.slm"), home.path("out").join(TARGET)).unwrap();
    let offer = listener.offer(manifest().swarm_id());
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = home.run(line).exits(0);
    assert!(ran.stderr.contains("already here"), "{}", ran.stderr);
    assert_eq!(ran.stdout, format!("out/{TARGET}\n"));
    assert!(!listener.was_dialed() && !home.path("out").join(STATE).exists());
    // A second run finds the receipt and changes nothing.
    let before = snapshot(&home.path("out"));
    home.run(line).exits(0);
    is_unchanged(&before, &home.path("out"));
}

// Rows: E11
#[test]
fn existing_receipt_path_is_refused_before_any_dial() {
    let (home, listener) = (stage(), Listener::new());
    home.write("theirs", "theirs");
    let offer = listener.offer(manifest().swarm_id());
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--receipt", "theirs"];
    let ran = home.run([&line[..], &["--consent", "fetch,import"]].concat()).exits(13);
    names(&ran, &["the receipt `theirs` is there already"]);
    assert_eq!(home.read("theirs"), b"theirs");
    assert!(!listener.was_dialed() && !home.path("out").exists());
}

// Rows: E11
#[test]
fn another_manifest_beside_the_file_stays_with_a_warning() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    fs::create_dir(home.path("out")).unwrap();
    home.write("out/sample-model-1.0.0.minimodel", "theirs");
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = home.run(line).exits(0);
    assert!(ran.stderr.contains("warning: another manifest is already at"), "{}", ran.stderr);
    assert_eq!(home.read("out/sample-model-1.0.0.minimodel"), b"theirs");
    assert_eq!(home.read(format!("out/{TARGET}")), model());
}

#[test]
fn a_model_file_behind_a_link_is_seeded_like_any_other() {
    let home = stage();
    symlink("model.slm", home.path("link.slm")).unwrap();
    let seeder = Running::seed(&home, ["model.minimodel", "link.slm"]);
    let offer = seeder.offer();
    // The seeder serves the file that the link led to at the start, wherever it leads later.
    fs::remove_file(home.path("link.slm")).unwrap();
    symlink("model.minimodel", home.path("link.slm")).unwrap();
    home.run(["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"])
        .exits(0);
    assert_eq!(home.read(format!("out/{TARGET}")), model());
}

// Rows: E11
#[test]
fn existing_receipt_or_offer_file_is_named_and_left_alone() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    fs::create_dir(home.path("out")).unwrap();
    let receipt = format!("out/{TARGET}.receipt");
    home.write(&receipt, "theirs");
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let before = snapshot(&home.path("out"));
    let ran = home.run(line).exits(13);
    names(&ran, &[&receipt, "left as it is"]);
    assert!(hint(&ran).contains("nothing was fetched") && hint(&ran).contains(&receipt), "{}", ran.stderr);
    is_unchanged(&before, &home.path("out"));
    // As the hint says: another receipt path, or the old receipt moved away.
    home.run(line.iter().chain(&["--receipt", "elsewhere"])).exits(0);
    assert_eq!(home.read(&receipt), b"theirs");
    fs::remove_file(home.path("out").join(TARGET)).unwrap();
    fs::rename(home.path(&receipt), home.path("moved")).unwrap();
    home.run(line).exits(0);
    assert!(home.read(&receipt).starts_with(b"receipt."));

    let line = ["seed", "model.minimodel", "model.slm", "--listen", "127.0.0.1:0", "--consent", "serve"];
    let ran = home.run([&line[..], &["--offer-out", "moved"]].concat()).exits(13);
    names(&ran, &["`moved`"]);
    assert_eq!((ran.stdout.as_str(), home.read("moved")), ("", b"theirs".to_vec()));
}
