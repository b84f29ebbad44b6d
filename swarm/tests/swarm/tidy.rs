//! Rules that no lint can express: what the machine may not name, and how long a file may be.

use std::fs;
use std::path::{Path, PathBuf};

/// Whole words that stand for a clock, a file, a thread, a socket, an async runtime, or an order that differs from
/// run to run.
const FORBIDDEN_WORDS: [&str; 29] = [
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "fs",
    "File",
    "OpenOptions",
    "Path",
    "PathBuf",
    "env",
    "process",
    "thread",
    "thread_local",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "tokio",
    "quinn",
    "async",
    "await",
    "Mutex",
    "RwLock",
    "Condvar",
    "mpsc",
    "HashMap",
    "HashSet",
    "RandomState",
    "thread_rng",
    "unsafe",
];

/// Pieces of code without spaces: the other two parts of the crate, and generators that seed themselves.
const FORBIDDEN_PIECES: [&str; 4] = ["crate::driver", "crate::store", "Rng::new(", "Rng::default("];

const MOST_LINES: usize = 400;

#[test]
fn machine_and_controller_use_no_clock_file_thread_or_hash_map() {
    let mut sources = sources_below(&crate_dir().join("src/machine"));
    assert!(sources.len() > 10, "the machine was not found");
    sources.extend(sources_below(&crate_dir().join("src/congestion")));
    let mut found = Vec::new();
    for path in &sources {
        let text = fs::read_to_string(path).unwrap();
        found.extend(faults(&text).into_iter().map(|fault| format!("{}: {fault}", path.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_check_of_the_machine_can_fail() {
    let bad = [
        "let now = std::time::Instant::now();",
        "use std::{fs, time::Duration};",
        "use std::net::{SocketAddr, UdpSocket};",
        "async fn run() {}",
        "let map: HashMap<u32, u32> = HashMap::new(); // a comment",
        "let x = fastrand::u64(..);",
        "let mut rng = fastrand::Rng::new();",
        "use crate::store::Disk;",
        "/* fine */ tokio::spawn(run());",
    ];
    for line in bad {
        assert_eq!(faults(line).len(), 1, "{line}");
    }
    let good = [
        "// an Instant is not used, nor is async",
        "//! HashMap: see the style page",
        "/* std::fs */ let asynchronous = instant_of(files);",
        "use std::net::SocketAddr;",
        "let mut rng = fastrand::Rng::with_seed(seed);",
    ];
    for line in good {
        assert_eq!(faults(line), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn no_source_file_is_longer_than_a_reader_can_hold() {
    let root = crate_dir().parent().unwrap().to_owned();
    let crates: Vec<PathBuf> = [root.join("testing"), root]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("Cargo.toml").is_file() && path.join("src").is_dir())
        .collect();
    assert!(crates.len() >= 10, "the workspace was not found");
    let parts = crates.iter().flat_map(|path| ["src", "tests", "benches"].map(|part| path.join(part)));
    let mut long = Vec::new();
    for path in parts.filter(|part| part.is_dir()).flat_map(|part| sources_below(&part)) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines > MOST_LINES {
            long.push(format!("{}: {lines} lines, at most {MOST_LINES}", path.display()));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

fn crate_dir() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
}

fn sources_below(dir: &Path) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(sources_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
    sources
}

/// The forbidden things that a source names outside its comments, a line each.
fn faults(source: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(without_comments(source).lines()) {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        let word = words.into_iter().find(|word| FORBIDDEN_WORDS.contains(word));
        let piece = FORBIDDEN_PIECES.into_iter().find(|piece| line.contains(piece));
        // `fastrand::Rng` gets its seed from the caller; the free functions seed themselves.
        let global = line
            .split_once("fastrand::")
            .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_lowercase()))
            .then_some("a global fastrand function");
        if let Some(what) = word.or(piece).or(global) {
            faults.push(format!("line {number} names {what}"));
        }
    }
    faults
}

/// The source with its comments blanked; strings stay, since nothing here hides behind one.
fn without_comments(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(at) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        code.push_str(&rest[..at]);
        let comment = &rest[at..];
        let end = if comment.starts_with("//") {
            comment.find('\n').unwrap_or(comment.len())
        } else {
            comment.find("*/").map_or(comment.len(), |end| end + 2)
        };
        code.extend(comment[..end].chars().filter(|&c| c == '\n'));
        rest = &comment[end..];
    }
    code + rest
}
