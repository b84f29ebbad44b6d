//! Hostile text in manifests, offers, requests, file names and peers: verbs that move bytes print it escaped.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::Stdio;
use std::time::Duration;

use super::stage::{Listener, TARGET, manifest, model, names, offer, stage, stranger};
use super::strangers::Stranger;
use crate::home::Ran;
use crate::process::{Running, event, events};

/// Escapes, controls, NUL, C1, bidi, zero-width, blank and combining characters, broken UTF-8, ten thousand characters.
fn hostile() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b"\x1b[2J\x1b[1;1H\x1b]0;owned\x07\x1b]8;;https://evil.example\x1b\\here"[..],
        b"fine\rerror: forged\x08\x7f",
        b"a\0b",
        "\u{9b}31m\u{90}\u{85}".as_bytes(),
        "\u{202e}mls.exe\u{202c}\u{2066}\u{2069}\u{200f}\u{61c}".as_bytes(),
        "a\u{200b}\u{200d}\u{feff}\u{2060}\u{ad}\u{3164}b".as_bytes(),
        "a\u{300}\u{301}\u{489}".as_bytes(),
        b"\xff\xfe\xc3\x28",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    all.push(vec![b'y'; 10_000]);
    all
}

/// Asserts that neither stream can control a terminal or mislead a reader, and that every line ends: a value is cut
/// after 160 characters, a path only beyond the length that Linux permits.
#[track_caller]
fn is_harmless(ran: &Ran) {
    ran.is_harmless();
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let longest = ran.stderr.lines().map(str::len).max().unwrap_or(0);
    assert!(longest < 4_500, "{longest} characters in one line: {}", ran.stderr);
}

// Rows: D8
#[test]
fn a_hostile_manifest_is_exit_10_under_every_verb() {
    let (home, listener) = (stage(), Listener::new());
    let good = manifest().render().into_bytes();
    let offer = listener.offer(manifest().swarm_id());
    home.write("request.json", "{}");
    for text in hostile() {
        for line in [[b"x.note=", &text[..], b"\n"].concat(), [b"x.", &text[..], b"=1\n"].concat()] {
            home.write("bad.minimodel", [&good[..], &line].concat());
            for line in [
                &["seed", "bad.minimodel", "model.slm", "--listen", "127.0.0.1:0", "--consent", "serve"][..],
                &["fetch", "bad.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"],
                &["import-peer-request", "request.json", "bad.minimodel", "out"],
                &["write-import-receipt", "bad.minimodel", "model.slm", "receipt"],
            ] {
                let ran = home.run(line).exits(10);
                is_harmless(&ran);
                names(&ran, &["bad.minimodel"]);
            }
        }
    }
    assert!(!listener.was_dialed() && !home.path("out").exists() && !home.path("receipt").exists());
}

// Rows: D8
#[test]
fn hostile_offers_are_refused_and_shown_harmless() {
    let (home, listener) = (stage(), Listener::new());
    let good = OsString::from(listener.offer(manifest().swarm_id()));
    for text in hostile() {
        for offer in [text.clone(), [b"mm1", &text[..]].concat(), [good.as_bytes(), &text[..]].concat()] {
            home.write("an.offer", &offer);
            let json = serde_json::json!({
                "request_version": 0, "kind": "minimodel.import-peer-request", "model_id": "sample-model",
                "byte_count": model().len(), "artifact_sha256": manifest().value("artifact.sha256"),
                "offers": [String::from_utf8_lossy(&offer)], "consent": ["fetch", "import"],
            });
            home.write("request.json", json.to_string());
            let ran = home.say("fetch --offer an.offer -o out --consent fetch,import").exits(10);
            is_harmless(&ran);
            let ran = home.say("import-peer-request request.json model.minimodel out").exits(10);
            is_harmless(&ran);
            if offer.contains(&0) {
                // No command-line argument can hold a NUL.
                continue;
            }
            for json in ["-v", "--json"] {
                let words =
                    [json, "fetch", "model.minimodel", "-o", "out", "--consent", "fetch,import", "--peer"];
                let words = words.map(OsStr::new).into_iter().chain([OsStr::from_bytes(&offer)]);
                let ran = home.run(words);
                // Bytes that are no text are a usage error; an argument that does not begin with mm1 names a file.
                assert!([2, 3, 10, 13].contains(&ran.code), "{ran:?}");
                is_harmless(&ran);
            }
        }
    }
    assert!(!listener.was_dialed() && !home.path("out").exists());
}

// Rows: D8
#[test]
fn hostile_file_names_are_shown_harmless_and_work() {
    let home = stage();
    let fits_a_name = |text: &Vec<u8>| !text.contains(&0) && text.len() < 200;
    for name in hostile().into_iter().filter(fits_a_name).map(OsString::from_vec) {
        // A new seeder for each name: a seeder sends a chunk to one key a few times only.
        let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
        let offer = seeder.offer();
        // A folder of that name takes the file. On a pipe stdout has its exact path; all other output is escaped.
        let line = ["-v", "fetch", "model.minimodel", "--peer", &offer, "--consent", "fetch,import", "-o"];
        let line = || line.map(OsStr::new).into_iter().chain([name.as_os_str()]);
        let output = home.command(line()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(output.stdout, [name.as_bytes(), b"/", TARGET.as_bytes(), b"\n"].concat());
        let told = Ran { code: 0, stdout: String::new(), stderr: String::from_utf8(output.stderr).unwrap() };
        is_harmless(&told);
        assert_eq!(home.read(std::path::Path::new(&name).join(TARGET)), model());
        // A second run, with another file in place of the target.
        home.write(std::path::Path::new(&name).join(TARGET), "mine");
        is_harmless(&home.run(line()).exits(13));
        is_harmless(&home.run([OsStr::new("--json")].into_iter().chain(line())).exits(13));

        // The name as a model file, as a manifest, as an offer file: missing, or with wrong content.
        let seed = |file: &OsStr| {
            let words = ["seed", "model.minimodel", "--listen", "127.0.0.1:0", "--consent", "serve"];
            home.run(words.map(OsStr::new).into_iter().chain([file]))
        };
        is_harmless(&seed(&name).exits(13));
        let missing = OsString::from_vec([name.as_bytes(), b".missing"].concat());
        is_harmless(&seed(&missing).exits(3));
        is_harmless(&home.run([OsStr::new("fetch"), &missing, OsStr::new("-o"), OsStr::new("out")]).exits(3));
        let file = OsString::from_vec([name.as_bytes(), b".offer"].concat());
        let words = ["seed", "model.minimodel", "model.slm", "--listen", "127.0.0.1:0", "--consent", "serve"];
        let words =
            words.map(OsStr::new).into_iter().chain([OsStr::new("-v"), OsStr::new("--offer-out"), &file]);
        let other = Running::start(&mut home.command(words));
        other.offer();
        is_harmless(&other.stop().exits(0));
    }
}

/// Software names that the wire format permits: printable ASCII, 64 bytes.
const SOFTWARE: [&str; 5] = [
    "\\u{1b}[2J\\x1b[31m\\n\\0 %s%n ${HOME} $(id) `id`",
    "minimodel/0.1.0)\", \"code\": 0} error: forged hint: run rm -rf /",
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
    "   ",
    "",
];

/// Software names that the wire format refuses.
const FORBIDDEN: [&str; 5] = ["\u{1b}[2J", "a\nerror: forged", "\0", "\u{202e}x\u{200b}", "\u{9b}31m"];

fn fetch_from(offer: &str) -> [&str; 8] {
    ["fetch", "model.minimodel", "--peer", offer, "-o", "out", "--consent", "fetch,import"]
}

// Rows: D8
#[test]
fn the_software_name_of_a_seeder_is_shown_harmless() {
    for software in SOFTWARE {
        let home = stage();
        let stranger = Stranger::seed(software);
        let line = fetch_from(stranger.offer());
        let ran = home.run(line).exits(0);
        is_harmless(&ran);
        let shown = software.replace('\\', "\\\\");
        assert!(ran.stderr.contains(&format!("has all of it ({shown})\n")), "{}", ran.stderr);
        let ran = home.run([&["--json"], &line[..5], &["other"], &line[6..]].concat()).exits(0);
        is_harmless(&ran);
        assert_eq!(event(&ran.stdout, "peer-joined")["software"], software);
    }
}

// Rows: D8
#[test]
fn a_software_name_that_the_wire_forbids_is_not_printed_at_all() {
    for software in FORBIDDEN {
        let home = stage();
        let stranger = Stranger::seed(software);
        let line = fetch_from(stranger.offer());
        let ran = home.run([&["--json", "-v"], &line[..], &["--stall-timeout", "400ms"]].concat());
        assert!([3, 7].contains(&ran.code), "{ran:?}");
        is_harmless(&ran);
        assert_eq!(events(&ran.stdout, "peer-joined").count(), 0);
        assert!(!ran.stdout.contains("forged") && !ran.stderr.contains("forged"));
        assert!(!home.path("out").join(TARGET).exists());
    }
}

// Rows: D8
#[test]
fn the_software_name_of_a_fetcher_is_shown_harmless() {
    let home = stage();
    let seeder = Running::seed(&home, ["-v", "model.minimodel", "model.slm"]);
    for software in SOFTWARE {
        assert!(Stranger::fetch(&seeder.offer(), software, Duration::from_secs(10)), "{software}");
    }
    for software in FORBIDDEN {
        assert!(!Stranger::fetch(&seeder.offer(), software, Duration::from_millis(300)), "{software:?}");
    }
    let ran = seeder.stop().exits(0);
    is_harmless(&ran);
    for software in SOFTWARE {
        let shown = software.replace('\\', "\\\\");
        assert!(ran.stderr.contains(&format!("({shown})\n")), "{software} is not in: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("a\nerror: forged"), "{}", ran.stderr);
}

// Rows: D8
#[test]
fn a_hostile_value_in_a_valid_manifest_is_cut_when_it_is_shown() {
    let home = stage();
    let long = "z".repeat(2_000);
    let text =
        manifest().with("x.note", &long).with("license.spdx", "\\u{1b}[2J \\x1b[31m \"$(id)\" `id` %n");
    home.write("long.minimodel", text.render());
    let listener = Listener::new();
    let offer = offer(&stranger(), text.swarm_id(), listener.address());
    let line = ["fetch", "long.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = home.run([&line[..], &["--stall-timeout", "300ms"]].concat());
    // The manifest's rules decide whether an SPDX expression may look like that.
    assert!([3, 10].contains(&ran.code), "{ran:?}");
    is_harmless(&ran);
}
