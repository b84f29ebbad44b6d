//! What differs by system stands in one place a crate, its module `os`; no other code of what is shipped names a system. Tests
//! may: they set modes and make links by the means of the system that they run on.

use std::collections::BTreeSet;
use std::path::Path;

use minimodel_structure::{Source, shipped, systems};

#[test]
fn only_the_os_modules_of_a_crate_name_a_system() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap();
    let sources = shipped(root).unwrap();
    let places: BTreeSet<&str> = sources
        .iter()
        .filter(|source| source.module.first().is_some_and(|first| first == "os"))
        .map(|source| source.of)
        .collect();
    assert_eq!(
        places,
        BTreeSet::from(["cli", "companion", "node", "reach", "swarm", "verifier"]),
        "the places of today"
    );
    let found: Vec<String> = systems(&sources).into_iter().collect();
    assert!(found.is_empty(), "move it to the module `os` of its crate:\n{}", found.join("\n"));
}

#[test]
fn each_way_to_name_a_system_is_found_outside_of_os() {
    let source = |module: &[&str], text: &str| Source {
        path: module.join("/"),
        of: "node",
        module: module.iter().map(|&name| name.to_owned()).collect(),
        file: syn::parse_file(text).unwrap(),
    };
    let texts = [
        ("use std::os::unix::fs::MetadataExt as _;", "std::os::unix::fs::MetadataExt"),
        ("fn f() { let _ = rustix::process::getpid(); }", "rustix::process::getpid"),
        ("use tokio::{net, signal::unix::signal};", "tokio::signal::unix::signal"),
        ("#[cfg(any(test, target_os = \"linux\"))] fn f() {}", "cfg(target_os)"),
        ("fn f() { #[cfg(not(windows))] g(); }", "cfg(windows)"),
        ("const A: bool = cfg!(unix);", "cfg(unix)"),
        ("fn f() { assert!(libc::getpid() > 0); }", "libc::getpid"),
        ("fn f() { read(\"/proc/self/status\"); }", "\"/proc/self/status\""),
    ];
    for (text, what) in texts {
        let found = systems(&[source(&["a"], text)]);
        assert_eq!(found, BTreeSet::from([format!("a: {what}")]), "{text}");
        assert!(systems(&[source(&["os", "unix"], text)]).is_empty(), "{text}");
    }
    for text in [
        "#[cfg(target_arch = \"x86_64\")] fn f() {}",
        "/// As rustix::fs::openat, where cfg(unix) holds.\n#[cfg(feature = \"driver\")] fn f() { use crate::os::Stat; }",
        "fn f() { println!(\"rights of unix files\"); }",
    ] {
        assert_eq!(systems(&[source(&["a"], text)]), BTreeSet::new(), "{text}");
    }
}
