//! `id`, and the rules of the key file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;

use crate::home::Home;

#[test]
fn the_identity_is_created_on_first_use_and_said_so_once() {
    let home = Home::new();
    let first = home.say("id show").exits(0);
    assert!(first.stderr.contains("created the identity"), "{}", first.stderr);
    assert_eq!(first.stdout.trim_end().len(), 52);
    let second = home.say("id show").exits(0);
    assert_eq!(first.stdout, second.stdout);
    assert!(!second.stderr.contains("created"), "{}", second.stderr);
    let key = home.own("data/identity.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    let object = home.say("--json id show").exits(0).object();
    assert_eq!((&object["peer_id"], &object["created"]), (&first.stdout.trim_end().into(), &false.into()));
    let other = Home::new();
    assert_ne!(other.say("id show").exits(0).stdout, first.stdout);
}

// Rows: C6
#[test]
fn new_never_replaces() {
    let home = Home::new();
    home.say("id new").exits(0);
    let key = fs::read(home.own("data/identity.key")).unwrap();
    let ran = home.say("id new").exits(13);
    assert!(ran.stderr.contains("never replaced"), "{}", ran.stderr);
    assert_eq!(fs::read(home.own("data/identity.key")).unwrap(), key);
}

// Rows: C6
#[test]
fn a_key_file_that_is_not_right_is_exit_13_and_left_alone() {
    let home = Home::new();
    home.say("id new").exits(0);
    let path = home.own("data/identity.key");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[30] = if flipped[30] == b'0' { b'1' } else { b'0' };
    for bytes in [&b""[..], &good[..100], &flipped, b"\0\x1b[2J"] {
        fs::write(&path, bytes).unwrap();
        let ran = home.say("id show").exits(13);
        assert!(ran.stderr.contains("it is damaged"), "{}", ran.stderr);
        ran.is_harmless();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::write(&path, &good).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o666, 0o700 | 0o001] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let ran = home.say("id show").exits(13);
        assert!(ran.stderr.contains("chmod 600"), "{}", ran.stderr);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    home.say("id show").exits(0);
}

// Rows: C6
#[test]
fn a_key_file_that_is_no_file_is_exit_13() {
    let home = Home::new();
    let path = home.own("data/identity.key");
    fs::create_dir_all(&path).unwrap();
    home.say("id show").exits(13);
    fs::remove_dir(&path).unwrap();
    // The program must not create the target of a dangling link.
    symlink(home.own("elsewhere"), &path).unwrap();
    home.say("id show").exits(13);
    assert!(!home.own("elsewhere").exists());
}

#[test]
fn processes_that_start_together_agree_on_one_identity() {
    let home = Home::new();
    let children: Vec<_> = (0..8)
        .map(|_| home.command(["id", "show"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let mut ids: Vec<_> =
        children.into_iter().map(|child| child.wait_with_output().unwrap().stdout).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(ids[0].len(), 53);
}

#[test]
fn without_a_home_the_hint_names_the_variable() {
    let home = Home::new();
    let output = home.command(["id", "show"]).env_remove("MINIMODEL_HOME").output().unwrap();
    assert_eq!(output.status.code(), Some(13));
    assert!(String::from_utf8(output.stderr).unwrap().contains("MINIMODEL_HOME"));
    let output = home
        .command(["id", "show"])
        .env_remove("MINIMODEL_HOME")
        .env("HOME", home.path(""))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(home.path(".local/share/minimodel/identity.key").exists());
}
