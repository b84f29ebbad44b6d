//! Text from outside is printed escaped, wherever it comes from.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::home::Home;

/// Terminal escapes, controls, NUL, C1, right-to-left, zero-width and combining characters, broken UTF-8.
const HOSTILE: [&[u8]; 8] = [
    b"\x1b[2J\x1b]0;owned\x07",
    b"a\rb\x08\x7f\t",
    b"\0",
    "\u{9b}31m\u{85}".as_bytes(),
    "\u{202e}gpj.exe\u{202c}\u{2066}".as_bytes(),
    "\u{200b}\u{feff}\u{2060}\u{ad}".as_bytes(),
    "a\u{300}\u{301}\u{489}".as_bytes(),
    b"\xff\xfe\xc3\x28",
];

// Rows: D8
#[test]
fn hostile_manifest_lines_are_exit_10_and_harmless() {
    let home = Home::with_artifact();
    let good = home.read("a.minimodel");
    for hostile in HOSTILE {
        for line in [
            [b"x.note=", hostile, b"\n"].concat(),
            [b"x.", hostile, b"=1\n"].concat(),
            [hostile, b"\n"].concat(),
        ] {
            home.write("bad", [good.as_slice(), &line].concat());
            for verb in ["verify-manifest", "manifest show", "inspect"] {
                for json in ["-v", "--json"] {
                    let ran = home.say(&format!("{json} {verb} bad")).exits(10);
                    ran.is_harmless();
                }
            }
        }
    }
}

// Rows: D8
#[test]
fn hostile_first_bytes_are_harmless_under_inspect() {
    let home = Home::new();
    for hostile in HOSTILE {
        for head in [
            &b""[..],
            b"mm1",
            b"receipt.version=0\n",
            b"sha256:",
            b"{",
            b"MMSTATE\n",
            b"minimodel-identity ",
            b"SLM1",
        ] {
            home.write("thing", [head, hostile].concat());
            let ran = home.say("inspect thing");
            assert!([4, 10, 13].contains(&ran.code), "{ran:?}");
            ran.is_harmless();
        }
    }
}

// Rows: D8
#[test]
fn hostile_file_names_are_harmless() {
    let home = Home::with_artifact();
    for hostile in HOSTILE.into_iter().filter(|bytes| !bytes.contains(&0)) {
        let name = OsStr::from_bytes(hostile);
        home.run([OsStr::new("verify-manifest"), name]).exits(3).is_harmless();
        home.run([OsStr::new("inspect"), name]).exits(3).is_harmless();
        home.run([OsStr::new("--json"), OsStr::new("verify-artifact"), OsStr::new("a.minimodel"), name])
            .exits(3)
            .is_harmless();
        home.write(name, "mine");
        home.run([OsStr::new("sample"), name]).exits(13).is_harmless();
        home.run([OsStr::new("inspect"), name]).exits(10).is_harmless();
        home.run([name]).exits(2).is_harmless();
    }
}

#[test]
fn a_path_on_a_pipe_is_exact() {
    let home = Home::new();
    let name = OsStr::from_bytes(b"a\xffb.slm");
    let output = home
        .command([OsStr::new("sample"), name, OsStr::new("--bytes"), OsStr::new("100KiB")])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"a\xffb.slm\n");
    assert!(home.path(name).exists());
}

// Rows: D3
#[test]
fn values_of_10_000_characters_are_refused_or_cut() {
    let home = Home::with_artifact();
    let long = "y".repeat(10_000);
    let good = String::from_utf8(home.read("a.minimodel")).unwrap();
    let key_line = format!("x.{long}=1\n");
    for line in [format!("x.note={long}\n"), key_line, format!("{long}\n"), format!("model.id={long}\n")] {
        home.write("bad", format!("{good}{line}"));
        let ran = home.say("verify-manifest bad").exits(10);
        let longest = ran.stdout.lines().chain(ran.stderr.lines()).map(str::len).max().unwrap();
        assert!(longest < 400, "{longest}");
    }
    let ran = home.run(["inspect", &format!("mm1{long}")]).exits(10);
    assert!(ran.stderr.lines().all(|line| line.len() < 400), "{}", ran.stderr);
    let ran = home.run(["sample", "x", "--bytes", "1MiB", "--created", &long]).exits(2);
    ran.is_harmless();
}

#[test]
fn a_long_valid_value_is_cut_for_people_and_whole_in_json() {
    let home = Home::with_artifact();
    let good = String::from_utf8(home.read("a.minimodel")).unwrap();
    let value = "z".repeat(2_000);
    home.write("long", format!("{good}x.note={value}\n"));
    let ran = home.say("manifest show long").exits(0);
    assert!(ran.stdout.contains("zzz... (2000 bytes)"), "{}", ran.stdout);
    let object = home.say("--json manifest show long").exits(0).object();
    assert_eq!(object["fields"]["x.note"], value);
}

// Rows: D8
#[test]
fn hostile_requests_are_harmless() {
    let home = Home::with_artifact();
    let request = |model_id: &str, offer: &str| {
        serde_json::json!({
            "request_version": 0, "kind": "minimodel.import-peer-request", "model_id": model_id, "byte_count": 1,
            "artifact_sha256": "x", "offers": [offer], "consent": ["fetch"],
        })
    };
    for hostile in ["\u{1b}[2J", "\u{202e}x", "\0", &"q".repeat(10_000)] {
        home.write("r.json", request(hostile, hostile).to_string());
        home.say("inspect r.json").exits(0).is_harmless();
        home.write("r.json", format!("{{\"{}\":1}}", hostile.escape_debug()));
        home.say("inspect r.json").exits(10).is_harmless();
    }
}
