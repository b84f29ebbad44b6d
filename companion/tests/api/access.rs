//! The token's file and `endpoint.json`: private to the user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use minimodel_companion::api::Access;
use minimodel_companion::client::Client;
use minimodel_companion::problem::code;

use crate::running::Running;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn folder_token_and_endpoint_are_private_and_the_token_persists() {
    let running = Running::new();
    assert_eq!(mode(&running.folder), 0o700);
    assert_eq!(mode(&running.folder.join("token")), 0o600);
    assert_eq!(mode(&running.folder.join("endpoint.json")), 0o600);
    assert_eq!(running.token.len(), 64);
    let again = Access::open(&running.folder).unwrap();
    assert_eq!(again.token().header(), format!("Bearer {}", running.token));
    let other = Running::new();
    assert_ne!(running.token, other.token);
    assert!(!format!("{again:?}").contains(&running.token), "a token is not for logs");
    // Nothing else is left in the folder.
    assert_eq!(fs::read_dir(&running.folder).unwrap().count(), 2);
}

#[test]
fn files_others_may_access_are_refused_by_companion_and_client() {
    let running = Running::new();
    let token = running.folder.join("token");
    for (path, good) in [(&running.folder, 0o700), (&token, 0o600)] {
        for wide in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
            fs::set_permissions(path, Permissions::from_mode(good | wide)).unwrap();
            let refused = Access::open(&running.folder).unwrap_err();
            assert_eq!(refused.code, code::IO, "{path:?} {wide:o}");
            assert!(refused.hint.contains("chmod"), "{refused:?}");
            assert_eq!(Client::find(&running.folder).unwrap_err(), refused);
        }
        fs::set_permissions(path, Permissions::from_mode(good)).unwrap();
        assert!(Client::find(&running.folder).unwrap().is_some());
    }
    let endpoint = running.folder.join("endpoint.json");
    fs::set_permissions(&endpoint, Permissions::from_mode(0o606)).unwrap();
    assert_eq!(Client::find(&running.folder).unwrap_err().code, code::IO);
    fs::set_permissions(&endpoint, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn malformed_token_or_link_is_refused_and_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("companion");
    Access::open(&folder).unwrap();
    let token = folder.join("token");
    let good = fs::read_to_string(&token).unwrap();
    let bad = [
        String::new(),
        good.trim_end().into(),
        format!("{good}\n"),
        good.to_uppercase().replace('0', "G"),
        "00\n".into(),
    ];
    for text in bad {
        fs::write(&token, &text).unwrap();
        let refused = Access::open(&folder).unwrap_err();
        assert_eq!(refused.code, code::INVALID, "{text:?}");
        assert_eq!(fs::read_to_string(&token).unwrap(), text);
    }
    fs::remove_file(&token).unwrap();
    let elsewhere = root.path().join("elsewhere");
    fs::write(&elsewhere, &good).unwrap();
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o600)).unwrap();
    symlink(&elsewhere, &token).unwrap();
    assert_eq!(Access::open(&folder).unwrap_err().code, code::IO);
    fs::remove_file(&token).unwrap();
    // Opening a pipe does not block.
    rustix::fs::mknodat(rustix::fs::CWD, &token, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(Access::open(&folder).unwrap_err().code, code::IO);
    fs::remove_file(&token).unwrap();
    fs::create_dir(&token).unwrap();
    assert_eq!(Access::open(&folder).unwrap_err().code, code::IO);
}

#[test]
fn a_folder_that_is_a_link_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("companion");
    Access::open(&folder).unwrap();
    let link = root.path().join("link");
    symlink(&folder, &link).unwrap();
    assert_eq!(Access::open(&link).unwrap_err().code, code::IO);
}

#[test]
fn many_that_open_at_once_agree_on_one_token() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("companion");
    let open = || Access::open(&folder).unwrap().token().header();
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
}

#[test]
fn endpoint_json_says_where_it_runs_and_is_gone_when_it_ends() {
    let mut running = Running::new();
    let access = Access::read(&running.folder).unwrap().unwrap();
    let endpoint = access.endpoint().unwrap().unwrap();
    assert_eq!(endpoint.addresses, running.addresses);
    assert_eq!((endpoint.pid, endpoint.version.as_str()), (std::process::id(), env!("CARGO_PKG_VERSION")));
    running.end().unwrap();
    assert_eq!(access.endpoint().unwrap(), None);
    assert!(Client::find(&running.folder).unwrap().is_none());
    // The token stays for the next start.
    assert!(running.folder.join("token").exists());
}

#[test]
fn an_endpoint_that_is_not_understood_or_not_loopback_is_none() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("companion");
    let access = Access::open(&folder).unwrap();
    let path = folder.join("endpoint.json");
    for text in ["", "{", "{}", r#"{"addresses": ["192.0.2.1:80"], "pid": 1, "version": "1"}"#] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(access.endpoint().unwrap(), None, "{text}");
        assert!(Client::find(&folder).unwrap().is_none());
    }
    assert!(Client::find(&root.path().join("nothing")).unwrap().is_none());
}

#[test]
fn what_another_user_owns_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("companion");
    Access::open(&folder).unwrap();
    if rustix::process::geteuid().is_root() {
        let nobody = rustix::fs::Uid::from_raw(65534);
        for path in [folder.join("token"), folder.clone()] {
            rustix::fs::chown(&path, Some(nobody), None).unwrap();
            let refused = Access::open(&folder).unwrap_err();
            assert_eq!(refused.cause.as_deref(), Some("another user owns it"), "{path:?}");
            rustix::fs::chown(&path, Some(rustix::fs::Uid::ROOT), None).unwrap();
        }
        Access::open(&folder).unwrap();
    } else {
        // Without root the test cannot give a file away; the root folder already belongs to another user.
        let refused = Access::read(Path::new("/")).unwrap_err();
        assert_eq!(refused.cause.as_deref(), Some("another user owns it"));
    }
}
