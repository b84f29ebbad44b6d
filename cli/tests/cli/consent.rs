//! `consent`: granting for a model, peer or time, asking, revoking, and a log that shows when it was changed.

use std::fs;

use minimodel_verifier::Manifest;
use minimodel_wire::PeerId;
use serde_json::Value;

use crate::home::{Home, Ran};
use crate::process::answer;

const LOG: &str = "state/consent.log";

fn objects(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn log(home: &Home) -> String {
    fs::read_to_string(home.own(LOG)).unwrap_or_default()
}

// Rows: I5
#[test]
fn a_grant_needs_the_same_actions_again_off_a_terminal() {
    let home = Home::new();
    for (line, code, words) in [
        ("consent grant serve", 5, "no consent was given"),
        ("consent grant serve,publish --consent serve", 5, "not consent to `publish`"),
        ("consent grant serve --consent serve,fetch", 2, "never does `fetch`"),
        ("consent grant serve --json", 5, "`--consent serve`"),
        ("consent grant all --consent all", 2, "fetch, import, serve"),
        ("consent grant serve --consent serve --for 0h", 2, "more than zero"),
        ("consent grant serve --consent serve --for 1h --until 2099-01-01T00:00:00Z", 2, "--until"),
        ("consent grant serve --until 2020-01-01T00:00:00Z", 2, "would have ended"),
        ("consent grant serve --consent serve --quota 0", 2, "more than zero"),
        ("consent grant serve --consent serve --peer you", 2, "--peer"),
        ("consent grant serve --consent serve --model no-such-model", 3, "no-such-model"),
        ("consent grant import --consent import --quota 1GiB", 2, "only `fetch` and `serve`"),
        ("consent grant publish --consent publish", 2, "no consent to `serve`"),
        ("consent show 1", 3, "no grant 1"),
        ("consent revoke 1", 3, "no grant 1"),
        ("consent revoke", 2, "--all"),
    ] {
        let ran = home.say(line).exits(code);
        assert!(ran.stderr.contains(words), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint:"), "{line}: {}", ran.stderr);
    }
    let mut command = home.command(["consent", "grant", "serve"]);
    command.env("MINIMODEL_CONSENT", "serve").env("MINIMODEL_YES", "1");
    Ran::of(command.output().unwrap()).exits(5);
    assert_eq!(log(&home), "");
}

#[test]
fn a_grant_is_listed_shown_and_taken_back_with_its_bounds() {
    let home = Home::with_artifact();
    let swarm =
        data_encoding::HEXLOWER.encode(Manifest::parse(&home.read("a.minimodel")).unwrap().swarm_id());
    let peer = PeerId([7; 32]).to_string();
    let line = "--json consent grant serve,publish --consent publish,serve --model a.minimodel --for 2h --quota 1MiB";
    let made = objects(&home.say(line).exits(0));
    assert_eq!(
        made.iter().map(|grant| grant["action"].as_str().unwrap()).collect::<Vec<_>>(),
        ["serve", "publish"]
    );
    assert!(
        made.iter()
            .all(|grant| grant["event"] == "grant" && grant["model"] == swarm && grant["by"] == "flag")
    );
    assert_eq!((&made[0]["quota_bytes"], &made[1]["quota_bytes"]), (&(1 << 20).into(), &Value::Null));
    let given: jiff::Timestamp = made[0]["given_utc"].as_str().unwrap().parse().unwrap();
    let lasts = made[0]["expires_unix"].as_i64().unwrap() - given.as_second();
    assert!((7_199..=7_201).contains(&lasts), "{lasts}");
    home.say(&format!("consent grant fetch --consent fetch --peer {peer} --until 2099-01-01T00:00:00Z"))
        .exits(0);

    let listed = home.say("consent list").exits(0).stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let last = listed.lines().last().unwrap();
    assert_eq!(last, format!("3  fetch  active  any model, peer {peer}, until 2099-01-01T00:00:00Z"));
    let shown = home.say("consent show 1").exits(0).stdout;
    for words in [&swarm, "serve", "active", "1.0 MiB (1048576 bytes)", "0 bytes", "by flag"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    let taken = home.say("consent revoke 1 --json").exits(0).object();
    assert_eq!(
        (&taken["event"], &taken["id"], &taken["state"]),
        (&"grant-revoked".into(), &1.into(), &"revoked".into())
    );
    assert_eq!(home.say("consent list").exits(0).stdout.lines().count(), 2);
    assert_eq!(home.say("consent list --all").exits(0).stdout.lines().count(), 3);
    let before = log(&home);
    home.say("consent revoke 1").exits(0);
    assert_eq!(log(&home), before, "once");
    home.say("consent revoke --all").exits(0);
    let ran = home.say("consent list").exits(0);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("3 ended"), "{}", ran.stderr);
    // Ended grants stay in the log, and the log is valid.
    let told = home.say("consent log").exits(0).stdout;
    assert_eq!(told.lines().count(), 6, "{told}");
    assert!(
        told.contains(&format!(
            "grant  fetch of any model, peer {peer}, until 2099-01-01T00:00:00Z, by flag"
        )),
        "{told}"
    );
    let verdict = home.say("consent log --verify --json").exits(0).object();
    assert_eq!(
        (&verdict["ok"], &verdict["entries"], &verdict["fault"]),
        (&true.into(), &6.into(), &Value::Null)
    );
    assert!(home.say("consent log --verify").exits(0).stdout.starts_with("ok: 6 lines are chained, head "));
}

#[test]
fn a_verbs_own_consent_stands_in_the_same_chain() {
    let home = Home::with_artifact();
    home.say("write-import-receipt a.minimodel a.slm a.receipt").exits(0);
    home.say("consent grant cache --consent cache").exits(0);
    let verdict = home.say("consent log --verify --json").exits(0).object();
    assert_eq!((&verdict["ok"], &verdict["entries"]), (&true.into(), &2.into()));
    let told = home.say("consent log").exits(0).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].contains("given  import for one run of `write-import-receipt` of swarm "), "{told}");
    assert!(lines[1].contains("grant  cache of any model, any peer, by flag"), "{told}");
}

// Rows: G6
#[test]
fn a_consent_log_of_another_version_is_refused_and_left_alone() {
    let home = Home::with_artifact();
    let other = "{\"version\":2,\"number\":1,\"time\":\"2026-06-01T12:00:00Z\",\"kind\":\"given\"}\n";
    fs::create_dir_all(home.own("state")).unwrap();
    for other in [other, other.trim_end()] {
        fs::write(home.own(LOG), other).unwrap();
        for line in ["consent log --verify", "consent grant cache --consent cache", "consent list"] {
            let ran = home.say(line).exits(10);
            assert!(ran.stderr.contains("line 1"), "{line}: {}", ran.stderr);
        }
        assert_eq!(log(&home), other);
    }
}

#[test]
fn damaged_log_grants_nothing_names_its_line_and_stays_as_is() {
    let home = Home::with_artifact();
    for _ in 0..3 {
        home.say("consent grant serve --consent serve").exits(0);
    }
    let whole = log(&home);
    let cut = whole.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    for (damaged, words) in [
        (whole.replacen("\"action\":\"serve\"", "\"action\":\"fetch\"", 1), "line 1"),
        (cut, "ends after line 2"),
        (String::new(), "ends after line 0"),
    ] {
        fs::write(home.own(LOG), &damaged).unwrap();
        let ran = home.say("consent log --verify").exits(10);
        assert!(
            ran.stderr.contains(words) && ran.stderr.contains("minimodel consent restore"),
            "{}",
            ran.stderr
        );
        let verdict = home.say("consent log --verify --json").exits(10).object();
        assert!(verdict["ok"] == false && verdict["fault"].as_str().unwrap().contains(words), "{verdict}");
        for line in [
            "consent list",
            "consent grant fetch --consent fetch",
            "consent revoke 1",
            "seed a.minimodel a.slm --consent serve --listen 127.0.0.1:0",
            "write-import-receipt a.minimodel a.slm a.receipt",
        ] {
            let ran = home.say(line).exits(10);
            assert!(ran.stderr.contains("minimodel consent log --verify"), "{line}: {}", ran.stderr);
        }
        assert_eq!(log(&home), damaged);
    }
    assert_eq!(home.names(), ["a.minimodel", "a.slm"]);
    // As the hint says: with both files removed and `consent restore`, the log begins anew.
    fs::remove_file(home.own(LOG)).unwrap();
    fs::remove_file(home.own("state/consent.head")).unwrap();
    home.say("consent list").exits(10);
    home.say("consent restore").exits(0);
    assert_eq!(home.say("consent list --all").exits(0).stdout, "");
    home.say("consent grant serve --consent serve").exits(0);
}

/// Answers each question on a terminal; returns what was shown and the exit code.
fn answered(home: &Home, line: &str, words: &[&str]) -> (String, i32) {
    let line: Vec<&str> = line.split(' ').collect();
    let (shown, running) = answer(home, &line, words);
    (shown, running.fate().status.code().unwrap())
}

/// Older copies of the log and its head, as from a backup, also with older copies of the files that would reveal them.
// Rows: H9
#[test]
fn older_log_revives_no_grant_and_needs_consent_restore() {
    let home = Home::new();
    let files =
        ["state/consent.log", "state/consent.head", "data/consent.seen", "state/companion/companion.redb"];
    home.say("consent grant serve --consent serve").exits(0);
    let copies = files.map(|name| fs::read(home.own(name)).unwrap());
    home.say("consent revoke 1").exits(0);
    home.say("consent list --all").exits(0);
    let now = files.map(|name| fs::read(home.own(name)).unwrap());
    // The older log, alone or with an older `consent.seen` or an older database.
    for also in [&[][..], &[2], &[3]] {
        for (at, name) in files.iter().enumerate() {
            let is_older = at < 2 || also.contains(&at);
            fs::write(home.own(name), if is_older { &copies[at] } else { &now[at] }).unwrap();
        }
        let damaged = home.say("consent log --verify").exits(10);
        for words in ["number 2 was written", "an older copy", "`minimodel consent restore`"] {
            assert!(damaged.stderr.contains(words), "{words} {also:?}: {}", damaged.stderr);
        }
        assert!(!damaged.stderr.contains("from a copy;"), "{}", damaged.stderr);
        home.say("consent list").exits(10);
        let refused = home.say("consent grant fetch --consent fetch").exits(10);
        assert!(refused.stderr.contains("damaged"), "{}", refused.stderr);
        assert_eq!(fs::read(home.own(files[0])).unwrap(), copies[0], "nothing is written to it");
    }
    fs::remove_file(home.own(files[2])).unwrap();
    fs::write(home.own(files[3]), &now[3]).unwrap();
    home.say("consent log --verify").exits(10);

    let restored = home.say("consent restore --json").exits(0).object();
    assert_eq!((&restored["event"], &restored["given_up"]), (&"consent-log-restored".into(), &1.into()));
    assert_eq!(home.say("consent list").exits(0).stdout, "", "no grant of before permits anything");
    assert!(home.say("consent log").exits(0).stdout.contains("restore  all grants ended"));
    assert_eq!(home.say("consent restore --json").exits(0).object()["given_up"], 0);
    // A log that is begun anew counts as one that was moved away, and is reported too.
    for name in &files[..2] {
        fs::remove_file(home.own(name)).unwrap();
    }
    home.say("consent log --verify").exits(10);
    home.say("consent restore").exits(0);
    home.say("consent grant serve --consent serve").exits(0);
    assert!(home.say("consent log --verify").exits(0).stdout.starts_with("ok: "));
}

// Rows: I5
#[test]
fn terminal_names_each_action_and_only_yes_grants_them() {
    let home = Home::new();
    let line = "consent grant serve,publish --quota 1GiB";
    let (shown, code) = answered(&home, line, &["yes"]);
    assert_eq!(code, 0, "{shown}");
    for words in [
        "Let the companion serve and publish any model, until you take it back?",
        "any, those that you add later too",
        "any peer",
        "when you take it back",
        "1.0 GiB",
        "to any peer that asks",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let listed = objects(&home.say("consent list --json").exits(0));
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|grant| grant["by"] == "prompt"));
    let before = log(&home);
    for words in ["no", "y", "YES", "", "yes serve"] {
        assert_eq!(answered(&home, line, &[words]).1, 5, "{words:?}");
        assert_eq!(log(&home), before, "all or nothing");
    }
    let peer = PeerId([7; 32]).to_string();
    let narrow = format!("consent grant fetch --peer {peer} --model {}", "ab".repeat(32));
    let (shown, code) = answered(&home, &narrow, &["yes"]);
    assert!(code == 0 && shown.contains("fetch this model from this peer"), "{shown}");
    assert!(shown.contains(&peer) && shown.contains(&"ab".repeat(32)), "{shown}");
}

/// A key of small order needs no secret: any peer could use it.
// Rows: H5
#[test]
fn allow_list_and_grant_refuse_small_order_or_noncanonical_key() {
    let home = Home::with_artifact();
    for key in minimodel_fixtures::refused_keys() {
        let peer = PeerId(key);
        for line in [
            format!("seed a.minimodel a.slm --consent serve --allow {peer}"),
            format!("consent grant fetch --consent fetch --peer {peer}"),
        ] {
            let ran = home.say(&line).exits(2);
            assert!(ran.stderr.contains("peer id is no key for a peer"), "{line}: {}", ran.stderr);
        }
    }
    assert_eq!(log(&home), "");
}
