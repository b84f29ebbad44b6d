//! Version floors of Cargo.lock: below each lies a published fault that would reach this program. Also rules of the
//! sources that such faults taught: strict signatures, one file for the old codec, no early data, no unsafe code.
//!
//! An advisory database cannot be reached from every machine; these floors can be checked on all of them.

use std::collections::BTreeMap;
use std::fs;

use crate::catalogue::{root, sources};

/// The lock file of the workspace, as it is built.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The workspace itself: lints and profiles.
const WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// The files with calls that the compiler cannot check: code compiled for instructions of a processor (G-16), and calls of Windows
/// that no crate offers in a safe form.
const UNSAFE_FILES: [&str; 2] = ["swarm/src/os/windows/calls.rs", "verifier/src/sha/pair.rs"];

/// Sources of the binary; the programs that attack it in tests are exempt.
const PRODUCT: [&str; 5] = ["wire/src/", "verifier/src/", "swarm/src/", "companion/src/", "cli/src/"];

/// Package, least version, and the reason. `docs/dependencies.md` describes the packages themselves.
const FLOORS: [(&str, &str, &str); 8] = [
    ("quinn-proto", "0.11.15", "RUSTSEC-2023-0063, 2024-0373, 2026-0037, 2026-0185"),
    ("quinn", "0.11.0", "the series of quinn-proto 0.11"),
    ("rustls", "0.23.18", "RUSTSEC-2024-0336, 2024-0399"),
    ("rustls-webpki", "0.103.13", "RUSTSEC-2026-0049, 0098, 0099, 0104"),
    ("bytes", "1.11.1", "RUSTSEC-2026-0007"),
    ("tokio", "1.44.2", "RUSTSEC-2025-0023"),
    ("ed25519-dalek", "2.0.0", "RUSTSEC-2022-0093"),
    ("bincode", "2.0.1", "RUSTSEC-2025-0141"),
];

/// Packages pinned to one series: quinn because its settings are reviewed for it, bincode because it is no longer
/// maintained and one version of it was reviewed.
const PINS: [(&str, &str); 2] = [("quinn", "0.11."), ("bincode", "2.0.1")];

/// Packages that must be absent. Bytes move over QUIC between peers, under one TLS stack; HTTP is spoken at loopback
/// alone, without TLS (companion/tests/api/boundary.rs).
const ABSENT: [&str; 7] =
    ["reqwest", "hyper-tls", "hyper-rustls", "curl", "native-tls", "openssl", "openssl-sys"];

/// Packages for systems that `[graph]` of `deny.toml` does not name, so that several versions of them do not matter.
const ELSEWHERE: [&str; 1] = ["r-efi"];

type Version = (u64, u64, u64);

/// All versions of each package, by name.
fn packages(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |key: &str| {
            let value = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            value.and_then(|value| value.strip_suffix('"')).unwrap_or_else(|| panic!("no {key} in {package}"))
        };
        packages.entry(field("name")).or_default().push(field("version"));
    }
    packages
}

/// Parses a version. A pre-release is below its release, so it fails the test.
fn version(text: &str) -> Version {
    let numbers = text.split('+').next().unwrap_or(text);
    assert!(!numbers.contains('-'), "a pre-release is no floor and passes none: {text}");
    let numbers: Vec<u64> =
        numbers.split('.').map(|number| number.parse().unwrap_or_else(|_| panic!("{text}"))).collect();
    match numbers[..] {
        [major, minor, patch] => (major, minor, patch),
        _ => panic!("{text} is no version"),
    }
}

/// Every broken floor and pin, a line each.
fn faults(lock: &str) -> Vec<String> {
    let packages = packages(lock);
    let mut faults = Vec::new();
    for (name, floor, why) in FLOORS {
        match packages.get(name) {
            None => faults.push(format!("{name} is not there: is this floor still needed?")),
            Some(found) => faults.extend(
                found
                    .iter()
                    .filter(|found| version(found) < version(floor))
                    .map(|found| format!("{name} {found} < {floor}: {why}")),
            ),
        }
    }
    for (name, series) in PINS {
        let found = packages.get(name).into_iter().flatten();
        faults.extend(
            found
                .filter(|found| !found.starts_with(series))
                .map(|found| format!("{name} {found} is not {series}")),
        );
    }
    faults
}

fn unwanted(lock: &str) -> Vec<&str> {
    let packages = packages(lock);
    ABSENT.into_iter().filter(|name| packages.contains_key(name)).collect()
}

/// The rules of `cargo deny`, as far as a lock file can be checked against them: licences and targets cannot.
const DENY: &str = include_str!("../../../deny.toml");

/// The entries of a list of `deny.toml`: `crate = "NAME"` or `"NAME:VERSION"`, or bare strings.
fn denied_by<'a>(rules: &'a str, list: &str) -> Vec<&'a str> {
    let opening = format!("\n{list} = [");
    let (_, rest) = rules.split_once(&opening).unwrap_or_else(|| panic!("deny.toml has no `{list}`"));
    let end = rest.find("\n]").filter(|_| rest.starts_with('\n')).or_else(|| rest.find(']'));
    let lines = rest[..end.unwrap_or(rest.len())].lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .filter_map(|line| {
            let named = line.split_once("crate = \"").map_or(line, |(_, named)| named);
            let named = named.trim_start().trim_start_matches('"');
            named.split('"').next().filter(|named| !named.is_empty())
        })
        .collect()
}

/// Whether the version `found` is of the series after the colon: `0.2`, `>=3`, or any.
fn is_of(found: &str, series: Option<&str>) -> bool {
    match series {
        None => true,
        Some(series) => match series.strip_prefix(">=") {
            Some(least) => found.split('.').next() >= Some(least),
            None => found == series || found.starts_with(&format!("{series}.")),
        },
    }
}

/// Packages in the lock file that `deny.toml` forbids, and entries of `deny.toml` that are out of date.
fn denials(rules: &str, lock: &str) -> Vec<String> {
    let packages = packages(lock);
    let named = |entry: &str| match entry.split_once(':') {
        Some((name, series)) => (name.to_owned(), Some(series.to_owned())),
        None => (entry.to_owned(), None),
    };
    let found = |entry: &str| {
        let (name, series) = named(entry);
        let versions = packages.get(name.as_str()).into_iter().flatten();
        versions.filter(|version| is_of(version, series.as_deref())).count()
    };
    let mut faults = Vec::new();
    let denied = denied_by(rules, "deny");
    faults.extend(
        denied.iter().filter(|entry| found(entry) > 0).map(|entry| format!("{entry} is denied and there")),
    );
    let skipped = denied_by(rules, "skip");
    faults.extend(
        skipped
            .iter()
            .filter(|entry| found(entry) == 0)
            .map(|entry| format!("{entry} is skipped and not there")),
    );
    for (name, versions) in &packages {
        let left = versions.iter().filter(|version| {
            !skipped.iter().any(|entry| {
                let (skipped, series) = named(entry);
                skipped == **name && is_of(version, series.as_deref())
            })
        });
        let left = left.count();
        if left > 1 && !ELSEWHERE.contains(name) {
            faults.push(format!("{name} is there in {left} versions"));
        }
    }
    let registries = denied_by(rules, "allow-registry");
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = \"")?.strip_suffix('"'));
    faults.extend(
        sources
            .filter(|source| !registries.iter().any(|known| *source == format!("registry+{known}")))
            .map(|source| format!("{source} is no source of ours")),
    );
    faults
}

// Rows: H11
#[test]
fn what_deny_toml_forbids_is_not_in_the_lock_file() {
    assert_eq!(denials(DENY, LOCK), Vec::<String>::new());
    let denied = denied_by(DENY, "deny");
    let missing: Vec<_> = ABSENT.into_iter().filter(|name| !denied.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "what must be absent is denied too");
    // The check detects each of these faults.
    for (rules, word) in [
        (DENY.replace("\"curl\"", "\"hyper\""), "hyper is denied"),
        (DENY.replace("bincode:>=3", "bincode:>=2"), "bincode:>=2 is denied"),
        (DENY.replace("getrandom:0.2", "getrandom:0.1"), "getrandom:0.1 is skipped and not there"),
        (DENY.replace("getrandom:0.2", "getrandom:0.1"), "getrandom is there in 2"),
        (DENY.replace("https://github.com/rust-lang", "https://example.org"), "no source of ours"),
    ] {
        let faults = denials(&rules, LOCK);
        assert!(faults.iter().any(|fault| fault.contains(word)), "{word}: {faults:?}");
    }
}

#[test]
fn every_floor_is_kept() {
    assert_eq!(faults(LOCK), Vec::<String>::new());
}

// Rows: D7
#[test]
fn no_http_client_for_the_web_and_no_other_tls_stack() {
    assert_eq!(unwanted(LOCK), Vec::<&str>::new());
}

#[test]
fn a_lowered_version_of_any_package_fails() {
    for (name, floor, _) in FLOORS {
        let (major, minor, patch) = version(floor);
        let lower = match (minor, patch) {
            (0, 0) => format!("{}.99.99", major - 1),
            (_, 0) => format!("{major}.{}.99", minor - 1),
            _ => format!("{major}.{minor}.{}", patch - 1),
        };
        let found = packages(LOCK)[name][0];
        let lowered = LOCK.replacen(
            &format!("name = \"{name}\"\nversion = \"{found}\""),
            &format!("name = \"{name}\"\nversion = \"{lower}\""),
            1,
        );
        assert_ne!(lowered, LOCK, "{name}");
        let faults = faults(&lowered);
        assert!(
            faults.iter().any(|fault| fault.starts_with(&format!("{name} {lower} "))),
            "{name}: {faults:?}"
        );
    }
}

#[test]
fn a_second_older_copy_beside_a_good_one_fails() {
    let doubled = format!("{LOCK}\n[[package]]\nname = \"rustls\"\nversion = \"0.21.12\"\n");
    assert_eq!(faults(&doubled), ["rustls 0.21.12 < 0.23.18: RUSTSEC-2024-0336, 2024-0399"]);
}

#[test]
fn a_missing_package_and_a_newer_series_fail_too() {
    let renamed = LOCK.replace("name = \"rustls-webpki\"", "name = \"webpki-of-another-name\"");
    assert!(faults(&renamed)[0].starts_with("rustls-webpki is not there"));
    let newer =
        LOCK.replace("name = \"bincode\"\nversion = \"2.0.1\"", "name = \"bincode\"\nversion = \"3.0.0\"");
    assert_eq!(faults(&newer), ["bincode 3.0.0 is not 2.0.1"]);
}

#[test]
fn an_http_client_in_the_lock_file_would_be_seen() {
    for name in ABSENT {
        let added = format!("{LOCK}\n[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
        assert_eq!(unwanted(&added), [name]);
    }
}

#[test]
fn versions_compare_as_numbers() {
    assert!(version("0.11.9") < version("0.11.15") && version("1.2.0") < version("1.11.1"));
    assert_eq!(version("0.103.13+meta"), (0, 103, 13));
}

/// The lines of one section of a TOML file.
fn section<'a>(toml: &'a str, head: &str) -> Vec<&'a str> {
    toml.lines().skip_while(|line| *line != head).skip(1).take_while(|line| !line.starts_with('[')).collect()
}

/// Files below the root whose text `is_meant`, as paths from there.
fn files_that(is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let root = root();
    let meant = sources(&root).into_iter().filter(|path| is_meant(&fs::read_to_string(path).unwrap()));
    let mut names: Vec<String> =
        meant.map(|path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Files of the binary whose text `is_meant`.
fn product_that(is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names = files_that(is_meant);
    names.retain(|name| PRODUCT.iter().any(|part| name.starts_with(part)));
    names
}

// Rows: A7
#[test]
fn release_builds_check_arithmetic() {
    assert!(section(WORKSPACE, "[profile.release]").contains(&"overflow-checks = true"));
    assert!(!WORKSPACE.contains("overflow-checks = false"), "some package is left out");
}

/// `swarm/src/driver/tls.rs` holds the settings of both sides of a handshake.
// Rows: A10
#[test]
fn no_source_asks_for_early_data() {
    assert_eq!(product_that(|text| text.contains("into_0rtt")), Vec::<String>::new());
}

#[test]
fn no_files_but_two_may_hold_unsafe_code() {
    assert!(section(WORKSPACE, "[workspace.lints.rust]").contains(&"unsafe_code = \"deny\""));
    let (allow, expect) = (["allow", "unsafe_code"].join("("), ["expect", "unsafe_code"].join("("));
    let excepted = |text: &str| text.contains(&allow) || text.contains(&expect);
    assert_eq!(files_that(excepted), UNSAFE_FILES);
    // Each use of it says why it is sound.
    for file in UNSAFE_FILES {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let (uses, reasons) = (["unsafe", "{"].join(" "), ["// SAFETY", ":"].join(""));
        assert!(text.matches(&reasons).count() >= text.matches(&uses).count(), "{file}");
    }
    let members =
        section(WORKSPACE, "[workspace]").into_iter().find_map(|line| line.strip_prefix("members = ["));
    let folders =
        members.unwrap().split('"').filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    let folders: Vec<&str> = folders.collect();
    assert!(folders.len() >= 6, "{folders:?}");
    for folder in folders {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        assert!(section(&manifest, "[lints]").contains(&"workspace = true"), "{folder}");
    }
}

/// bincode is no longer maintained (RUSTSEC-2025-0141): one file uses it, with a limit, so that it can be replaced.
#[test]
fn the_unmaintained_codec_is_used_in_one_file() {
    let path = ["bincode", ""].join("::");
    assert_eq!(files_that(|text| text.contains(&path)), ["wire/src/codec.rs"]);
    let codec = fs::read_to_string(root().join("wire/src/codec.rs")).unwrap();
    assert!(codec.contains("Limit<"), "it reads without a limit");
}

/// RUSTSEC-2022-0093 and keys of small order: signatures are verified strictly, and in no other way.
#[test]
fn signatures_are_verified_strictly() {
    let strict = product_that(|text| text.contains(".verify_strict("));
    assert_eq!(strict, ["verifier/src/manifest/signature.rs", "wire/src/signed_offer.rs"]);
    let loose = product_that(|text| text.contains("VerifyingKey") && text.contains(".verify("));
    assert_eq!(loose, Vec::<String>::new());
}
