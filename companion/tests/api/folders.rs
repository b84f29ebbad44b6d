//! Folders that the user allowed for choosing a file: what is told of them, and that nothing else is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use minimodel_companion::folders::{AllowedFolders, MAX_ENTRIES, MAX_FOLDERS};
use minimodel_companion::model::Files;
use minimodel_companion::problem::code;

/// A home with a folder `open` and a folder `secret`, each with a model.
struct World {
    root: PathBuf,
    open: PathBuf,
    secret: PathBuf,
    folders: AllowedFolders,
    list: PathBuf,
    _home: tempfile::TempDir,
}

fn world() -> World {
    let home = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(home.path()).unwrap();
    let own = root.join("companion");
    let [open, secret] = ["open", "secret"].map(|name| root.join(name));
    for folder in [&open, &secret] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("a.slm"), b"12345").unwrap();
    }
    World {
        folders: AllowedFolders::below(&own),
        list: own.join("folders.json"),
        root,
        open,
        secret,
        _home: home,
    }
}

impl World {
    fn files(&self, under: &Path) -> Result<Files, u8> {
        self.folders.files(Some(under)).map_err(|problem| problem.code)
    }

    fn names(&self, under: &Path) -> Vec<String> {
        self.files(under).unwrap().entries.into_iter().map(|entry| entry.name).collect()
    }
}

#[test]
fn no_folder_is_told_of_before_the_user_allows_it() {
    let world = world();
    assert_eq!(world.folders.files(None).unwrap(), Files::default());
    for path in [world.open.as_path(), Path::new("/"), &world.open.join("none")] {
        assert_eq!(world.files(path), Err(code::CONSENT), "{}", path.display());
    }
    assert_eq!(world.files(Path::new("open")), Err(code::USAGE));
    assert_eq!(world.folders.add(&world.open).unwrap(), world.open);
    let files = world.files(&world.open).unwrap();
    assert_eq!(files.roots, [world.open.to_str().unwrap()]);
    assert_eq!((files.entries[0].name.as_str(), files.entries[0].bytes, files.more), ("a.slm", 5, false));
    assert_eq!(world.files(&world.secret), Err(code::CONSENT));
    world.folders.remove(&world.open).unwrap();
    assert_eq!(world.files(&world.open), Err(code::CONSENT));
}

#[test]
fn no_link_and_no_step_up_leads_out_of_a_folder() {
    let world = world();
    world.folders.add(&world.open).unwrap();
    symlink(&world.secret, world.open.join("link")).unwrap();
    symlink(world.secret.join("a.slm"), world.open.join("b.slm")).unwrap();
    fs::create_dir(world.open.join("below")).unwrap();
    fs::create_dir(world.secret.join("deep")).unwrap();
    assert_eq!(world.names(&world.open), ["below", "a.slm"], "links are left out");
    for out in ["../secret", "below/../../secret", "..", "link/../secret"] {
        assert_eq!(world.files(&world.open.join(out)), Err(code::CONSENT), "{out}");
    }
    for link in ["link", "link/.", "link/deep"] {
        assert_eq!(world.files(&world.open.join(link)), Err(code::NOT_FOUND), "{link}");
    }
    // A name that only begins alike is no folder below.
    fs::create_dir(world.root.join("opener")).unwrap();
    assert_eq!(world.files(&world.root.join("opener")), Err(code::CONSENT));
    // The folder itself may have become a link since, or one above it.
    fs::rename(&world.open, world.root.join("moved")).unwrap();
    symlink(&world.secret, &world.open).unwrap();
    assert_eq!(world.files(&world.open), Err(code::NOT_FOUND));
    // It can be taken back by its name.
    assert_eq!(world.folders.remove(&world.open).unwrap(), world.open);
}

#[test]
fn a_folder_that_flips_to_a_link_never_tells_of_its_target() {
    let world = world();
    fs::write(world.secret.join("secret.slm"), b"x").unwrap();
    let (sub, aside) = (world.open.join("sub"), world.open.join("aside"));
    fs::create_dir(&sub).unwrap();
    world.folders.add(&world.open).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                fs::rename(&sub, &aside).unwrap();
                symlink(&world.secret, &sub).unwrap();
                fs::remove_file(&sub).unwrap();
                fs::rename(&aside, &sub).unwrap();
            }
        });
        // Looked at outside of what may fail: a flip that goes on for ever would hang the test.
        let answers: Vec<_> = (0..2_000).map(|_| world.files(&sub)).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(answers.iter().any(Result::is_ok), "the folder itself was never seen");
        for answer in answers {
            match answer {
                Ok(files) => assert_eq!(files.entries, []),
                Err(code) => assert_eq!(code, code::NOT_FOUND),
            }
        }
    });
}

#[test]
fn models_and_folders_are_told_of_and_nothing_else() {
    let world = world();
    world.folders.add(&world.open).unwrap();
    for name in ["notes.txt", ".hidden.slm", "b.minimodel", "c.slm.part", "key", "\u{202e}x.slm"] {
        fs::write(world.open.join(name), b"x").unwrap();
    }
    fs::write(world.open.join(OsStr::from_bytes(b"\xff.slm")), b"x").unwrap();
    for name in ["z", ".git"] {
        fs::create_dir(world.open.join(name)).unwrap();
    }
    make_pipe(&world.open.join("pipe.slm"));
    let entries = world.files(&world.open).unwrap().entries;
    let told: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.is_dir, entry.bytes)).collect();
    let expected =
        [("z", true, 0), ("a.slm", false, 5), ("b.minimodel", false, 1), ("\u{202e}x.slm", false, 1)];
    assert_eq!(told, expected);
    assert_eq!(entries[0].path, world.open.join("z").to_str().unwrap());
    for none in ["a.slm", "none", "none/.."] {
        let code = if none.contains("..") { code::CONSENT } else { code::NOT_FOUND };
        assert_eq!(world.files(&world.open.join(none)), Err(code), "{none}");
    }
    // What is left out cannot be asked for by name either; an allowed folder may be hidden itself.
    assert_eq!(world.files(&world.open.join(".git")), Err(code::CONSENT));
    world.folders.add(&world.open.join(".git")).unwrap();
    assert_eq!(world.names(&world.open.join(".git")), [""; 0]);
}

/// Makes a named pipe, for which an open would wait.
fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn what_belongs_to_another_account_is_left_out() {
    if !minimodel_skipped::is_root("files of another account") {
        return;
    }
    let world = world();
    world.folders.add(&world.open).unwrap();
    let [file, folder] = ["theirs.slm", "theirs"].map(|name| world.open.join(name));
    fs::write(&file, b"x").unwrap();
    fs::create_dir(&folder).unwrap();
    for path in [&file, &folder] {
        chown(path, Some(4_242), None).unwrap();
    }
    assert_eq!(world.names(&world.open), ["a.slm"]);
    assert_eq!(world.files(&folder), Err(code::CONSENT));
    assert_eq!(world.folders.add(&folder).unwrap_err().code, code::CONSENT);
    // A folder that came into other hands since tells nothing more.
    chown(&world.open, Some(4_242), None).unwrap();
    assert_eq!(world.files(&world.open), Err(code::CONSENT));
}

#[test]
fn a_large_folder_is_cut_and_says_so() {
    let world = world();
    world.folders.add(&world.open).unwrap();
    for number in 0..MAX_ENTRIES {
        fs::write(world.open.join(format!("m{number:04}.slm")), b"").unwrap();
    }
    let files = world.files(&world.open).unwrap();
    assert_eq!((files.entries.len(), files.more), (MAX_ENTRIES, true));
    assert_eq!(files.entries[1].name, "m0000.slm");
}

#[test]
fn the_list_is_private_bounded_and_kept() {
    let world = world();
    world.folders.add(&world.open).unwrap();
    world.folders.add(&world.open.join("../open")).unwrap();
    assert_eq!(world.folders.list().unwrap(), std::slice::from_ref(&world.open), "one folder is there once");
    for none in ["a.slm", "none"] {
        assert_eq!(world.folders.add(&world.open.join(none)).unwrap_err().code, code::NOT_FOUND);
    }
    let odd = world.open.join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&odd).unwrap();
    assert_eq!(world.folders.add(&odd).unwrap_err().code, code::IO, "a path that JSON cannot hold");
    assert_eq!(world.folders.remove(&world.secret).unwrap_err().code, code::NOT_FOUND);
    assert_eq!(fs::metadata(&world.list).unwrap().permissions().mode() & 0o777, 0o600);
    for number in 1..MAX_FOLDERS {
        let folder = world.root.join(format!("f{number}"));
        fs::create_dir(&folder).unwrap();
        world.folders.add(&folder).unwrap();
    }
    assert_eq!(world.folders.add(&world.secret).unwrap_err().code, code::QUOTA);
    // What is gone can still be taken back.
    fs::remove_dir(world.root.join("f1")).unwrap();
    world.folders.remove(&world.root.join("f1")).unwrap();
    fs::set_permissions(&world.list, fs::Permissions::from_mode(0o622)).unwrap();
    assert_eq!(world.files(&world.open), Err(code::IO), "a list that others may write to allows nothing");
    fs::set_permissions(&world.list, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&world.list, r#"{"folders":["relative"]}"#).unwrap();
    assert_eq!(world.files(&world.open), Err(code::INVALID));
    // A link in the place of the list leads nowhere.
    fs::rename(&world.list, world.root.join("elsewhere")).unwrap();
    symlink(world.root.join("elsewhere"), &world.list).unwrap();
    assert_eq!(world.files(&world.open), Err(code::IO));
}

#[test]
fn manifest_is_told_below_an_allowed_folder_and_if_it_holds() {
    let world = world();
    let text = &minimodel_fixtures::valid_manifests()[0].text;
    let (good, hidden) = (world.open.join("a.minimodel"), world.open.join(".b.minimodel"));
    for path in [&good, &hidden, &world.secret.join("a.minimodel"), &world.open.join("a.txt")] {
        fs::write(path, text).unwrap();
    }
    let told = |path: &Path| world.folders.manifest(path).map_err(|problem| problem.code);
    assert_eq!(told(&good), Err(code::CONSENT));
    world.folders.add(&world.open).unwrap();
    assert_eq!(told(&good).as_ref(), Ok(text));
    assert_eq!(told(&world.secret.join("a.minimodel")), Err(code::CONSENT));
    assert_eq!(told(&world.open.join("../secret/a.minimodel")), Err(code::CONSENT));
    symlink(world.secret.join("a.minimodel"), world.open.join("link.minimodel")).unwrap();
    fs::write(world.open.join("secret.minimodel"), "password=hunter2\n").unwrap();
    fs::write(world.open.join("long.minimodel"), vec![b'#'; 70_000]).unwrap();
    fs::create_dir(world.open.join("folder.minimodel")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        world.open.join("pipe.minimodel"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for none in ["link", "secret", "long", "folder", "pipe", "none"] {
        let path = world.open.join(format!("{none}.minimodel"));
        let problem = world.folders.manifest(&path).unwrap_err();
        assert_eq!(problem.code, code::NOT_FOUND, "{none}");
        assert!(!format!("{problem:?}").contains("hunter2"), "{none}");
    }
    for other in [hidden, world.open.join("a.txt"), world.open.join("a.slm")] {
        assert_eq!(told(&other), Err(code::NOT_FOUND), "{}", other.display());
    }
    assert_eq!(told(Path::new("a.minimodel")), Err(code::USAGE));
}
