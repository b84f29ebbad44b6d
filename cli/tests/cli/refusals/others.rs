//! Files and folders of other accounts, and files of the user under names that the program uses.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use minimodel_skipped::is_root;

use super::folders::{NOBODY, run_without_privilege};
use super::stage::{Listener, PART, STATE, TARGET, hint, manifest, model, names, stage};
use crate::home::Home;
use crate::process::Running;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A folder that all accounts share, like `/tmp` or without its sticky bit, in which another account's file is there
/// first.
// Rows: H8
#[test]
fn a_fetch_never_goes_on_with_what_another_account_can_change() {
    let gives_away = is_root("a partial file of another account");
    for sticky in [0o1000, 0] {
        let (home, listener) = (stage(), Listener::new());
        let offer = listener.offer(manifest().swarm_id());
        fs::create_dir(home.path("out")).unwrap();
        chmod(&home.path("out"), 0o777 | sticky);
        let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
        let receipt = format!("{TARGET}.receipt");
        for (name, bytes) in [(PART, vec![7; 100]), (STATE, vec![7; 100]), (TARGET, model().to_vec())] {
            let path = home.path("out").join(name);
            fs::write(&path, &bytes).unwrap();
            let owners: &[Option<u32>] = if gives_away { &[None, Some(NOBODY)] } else { &[None] };
            for &owner in owners {
                chown(&path, owner, owner).unwrap();
                chmod(&path, if owner.is_none() { 0o666 } else { 0o644 });
                let ran = home.run(line).exits(13);
                let word =
                    if owner.is_none() { "other accounts may write" } else { "file of another account" };
                names(&ran, &[name, word]);
                assert!(hint(&ran).contains("move it away"), "{}", ran.stderr);
                assert_eq!(fs::read(&path).unwrap(), bytes);
                assert!(!home.path("out").join(&receipt).exists());
            }
            fs::remove_file(&path).unwrap();
        }
        assert!(!listener.was_dialed());
    }
}

/// The same without privileges: there the file is root's.
// Rows: H8
#[test]
fn a_partial_file_of_root_is_not_gone_on_with_by_a_user() {
    if !is_root("a partial file of root that a user meets") {
        return;
    }
    let (home, listener) = (stage(), Listener::new());
    let offer = listener.offer(manifest().swarm_id());
    fs::create_dir(home.path("out")).unwrap();
    chmod(&home.path("out"), 0o1777);
    let path = home.path("out").join(PART);
    fs::write(&path, b"").unwrap();
    chmod(&path, 0o666);
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = run_without_privilege(&home, &line).exits(13);
    names(&ran, &[PART, "file of another account"]);
    assert!(!listener.was_dialed());
}

// Rows: H8
#[test]
fn user_files_with_temporary_or_partial_names_stay_unchanged() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let out = home.path("out");
    fs::create_dir(&out).unwrap();
    let receipt = format!("{TARGET}.receipt");
    let taken = [STATE, &receipt, COPY, TARGET, PART].map(|name| format!("{name}.new"));
    for name in &taken {
        fs::write(out.join(name), name).unwrap();
    }
    // An unrelated file longer than the model, and a shorter one.
    for notes in [vec![7; model().len() + 5], b"my notes".to_vec()] {
        let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
        fs::write(out.join(PART), &notes).unwrap();
        let ran = home.run(line).exits(0);
        let found = format!("{PART}.found");
        assert!(ran.stderr.contains(&found) && ran.stderr.contains("left as it is"), "{}", ran.stderr);
        assert_eq!(fs::read(out.join(&found)).unwrap(), notes);
        assert_eq!(fs::read(out.join(TARGET)).unwrap(), model());
        for name in &taken {
            assert_eq!(fs::read_to_string(out.join(name)).unwrap(), *name);
        }
        for name in [TARGET, COPY, &receipt, &found] {
            fs::remove_file(out.join(name)).unwrap();
        }
        assert_eq!(fs::read_dir(&out).unwrap().count(), taken.len(), "nothing else is left");
    }
}

const COPY: &str = "sample-model-1.0.0.minimodel";

/// Folders of the program, and a verb that needs each.
const FOLDERS: [(&str, &str); 4] =
    [("data", "id show"), ("state", "consent list"), ("", "id show"), ("data/library", "library list")];

// Rows: H11
#[test]
fn own_folder_writable_by_others_is_refused_with_chmod_hint() {
    let gives_away = is_root("a folder of this program's that another group may write to");
    for (name, line) in FOLDERS {
        let home = Home::new();
        home.say("id new").exits(0);
        fs::create_dir_all(home.own("data/library")).unwrap();
        home.say("consent grant serve --consent serve").exits(0);
        let path = home.own(name);
        // A user's own group is permitted, as under a umask of 002; another group is not.
        chmod(&path, 0o775);
        home.say(line).exits(0);
        let (own_group, other_groups) = (fs::metadata(&path).unwrap().gid(), gives_away.then_some(0o775));
        for mode in [0o777, 0o1777, 0o702].into_iter().chain(other_groups) {
            let group = if mode == 0o775 { NOBODY } else { own_group };
            chown(&path, None, Some(group)).unwrap();
            chmod(&path, mode);
            let ran = home.say(line).exits(13);
            names(&ran, &["is not yours alone", &format!("its mode is {mode:04o}")]);
            assert!(hint(&ran).contains("chmod go-w "), "{}", ran.stderr);
            for line in ["companion run", "seed a b --consent serve", "consent grant fetch --consent fetch"] {
                assert_ne!(home.say(line).code, 0, "{line} {name} {mode:o}");
            }
        }
        // As the hint says.
        chmod(&path, 0o700);
        home.say(line).exits(0);
    }
}

// Rows: H11
#[test]
fn a_folder_of_ours_that_is_another_accounts_is_refused() {
    if !is_root("a folder of this program's that another account owns") {
        return;
    }
    for (name, line) in FOLDERS {
        let home = Home::new();
        home.say("id new").exits(0);
        fs::create_dir_all(home.own("data/library")).unwrap();
        home.say("consent grant serve --consent serve").exits(0);
        chown(home.own(name), Some(NOBODY), Some(NOBODY)).unwrap();
        let ran = home.say(line).exits(13);
        names(&ran, &["is not yours alone", "it belongs to user 65534"]);
        assert!(hint(&ran).contains("chown -R 0 "), "{}", ran.stderr);
        chown(home.own(name), Some(0), Some(0)).unwrap();
        home.say(line).exits(0);
    }
}

/// An output folder that the user names may be shared: the fetch succeeds, with a warning that others can exchange
/// the file.
// Rows: H11
#[test]
fn a_shared_output_folder_is_a_warning() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    for (mode, warns) in [(0o777, true), (0o1777, false), (0o755, false)] {
        let out = format!("out-{mode:o}");
        fs::create_dir(home.path(&out)).unwrap();
        chmod(&home.path(&out), mode);
        let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", &out, "--consent", "fetch,import"];
        let ran = home.run(line).exits(0);
        assert_eq!(ran.stderr.contains("other accounts can put another file"), warns, "{}", ran.stderr);
        assert_eq!(fs::read(home.path(&out).join(TARGET)).unwrap(), model());
    }
}
