//! Every call, made in process and through server and client: equal answers, problems and state.

use std::fmt::Debug;
use std::path::PathBuf;

use minimodel::consent::{Action, NewGrant};
use minimodel_companion::model::*;
use minimodel_companion::{Answer, Service};

use crate::memory::Memory;
use crate::running::{Running, problem, status};
use crate::shapes::{offers, peer};

fn consent(actions: &[Action]) -> Consent {
    Consent {
        actions: actions.to_vec(),
        by: "flag".into(),
        expires_unix: Some(u64::MAX),
        quota_bytes: Some(1 << 40),
        accept_publisher_key: None,
    }
}

fn accepting(actions: &[Action]) -> Consent {
    Consent { accept_publisher_key: Some("unsigned".into()), ..consent(actions) }
}

fn new_share() -> NewShare {
    NewShare {
        entry: None,
        manifest: Some("minimodel 1\nkey=\"ü\\\"\n".into()),
        path: Some(PathBuf::from("/tmp/a b/ü.slm")),
        offers: offers(),
        endpoint: Endpoint {
            listen: Some("[::1]:4000".parse().unwrap()),
            advertise: vec!["203.0.113.1:9".parse().unwrap()],
        },
        limits: TransferLimits { up: Some(1), down: Some(u64::MAX), slots: Some(9) },
        allow: vec![peer()],
        consent: Some(accepting(&[Action::Serve, Action::Publish])),
    }
}

fn new_fetch() -> NewFetch {
    NewFetch {
        manifest: Some("m\n".into()),
        offers: offers(),
        out: Some("/tmp/models".into()),
        receipt: Some("/tmp/r.json".into()),
        endpoint: Endpoint::default(),
        limits: TransferLimits::default(),
        allow: vec![peer()],
        sequential: true,
        full_check: true,
        keep_seeding: true,
        publisher_key: Some(format!("ed25519:{}", "0a".repeat(32))),
        stall_seconds: Some(3),
        consent: None,
    }
}

fn new_limits() -> Limits {
    Limits {
        up: Some(1),
        down: None,
        slots: Some(4),
        peer_day_bytes: Some(5),
        schedule: vec![Window {
            from: 22,
            to: 6,
            up: None,
            down: Some(1),
            paused: true,
            days: vec![Weekday::Sun],
        }],
        cache_bytes: Some(6),
        storage_bytes: Some(7),
    }
}

/// The result of each call, with its name.
#[derive(Default)]
struct Said(Vec<(&'static str, Answer<String>)>);

impl Said {
    fn add<T: Debug>(&mut self, call: &'static str, answer: Answer<T>) {
        self.0.push((call, answer.map(|value| format!("{value:?}"))));
    }
}

/// Makes every call so that it succeeds, and those that can fail also so that they fail.
fn script(service: &dyn Service) -> Vec<(&'static str, Answer<String>)> {
    let mut said = Said::default();
    said.add("share", service.share(new_share()));
    said.add("fetch", service.fetch(new_fetch()));
    said.add("answer", service.answer(1, accepting(&[Action::Fetch, Action::Import, Action::Cache])));
    said.add("start", service.start(2));
    said.add("pause", service.pause(1));
    said.add("limit", service.limit(1, TransferLimits { up: None, down: Some(2), slots: None }));
    said.add("transfer", service.transfer(1));
    said.add("chunks", service.chunks(1, 1));
    said.add("chunks", service.chunks(1, 4_096));
    said.add("history", service.history(Some(1), Span::Minutes));
    said.add("history", service.history(None, Span::Day));
    said.add("announce", service.announce(1, consent(&[Action::Publish])));
    said.add("announce", service.announce(1, consent(&[Action::Publish])));
    said.add("announcements", service.announcements());
    said.add("unannounce", service.unannounce(1));
    said.add("set_limits", service.set_limits(new_limits()));
    said.add("limits", service.limits());
    said.add("moved", service.moved(3));
    said.add("moved", service.moved(0));
    let grant = |model: Option<String>, peer: Option<String>| {
        let Consent { actions, by, expires_unix, quota_bytes, .. } = consent(&[Action::Serve, Action::Fetch]);
        service.grant(NewGrant { actions, by, expires_unix, quota_bytes, model, peer })
    };
    said.add("grant", grant(None, None));
    said.add("grant", grant(Some("ef".repeat(32)), Some(peer())));
    said.add("revoke", service.revoke(8));
    said.add("grants", service.grants());
    said.add("consent_log", service.consent_log());
    said.add("verify_log", service.verify_log());
    let manifest = "line\r\n\ttab \"ü\" \u{0}\n";
    let accept = Some(format!("ed25519:{}", "0a".repeat(32)));
    let new = NewEntry { manifest: manifest.into(), path: Some("/tmp/x".into()), ..NewEntry::default() };
    said.add("add", service.add(NewEntry { accept_publisher_key: accept.clone(), ..new }));
    said.add("add", service.add(NewEntry::default()));
    let id = service.library().unwrap()[0].id;
    said.add("library", service.library());
    said.add("manifest", service.manifest(id));
    said.add("verify", service.verify(id));
    said.add("pin", service.pin(id, true));
    said.add("entry", service.entry(id));
    said.add("pin", service.pin(id, false));
    said.add("activate", service.activate(id, Activation::default()));
    said.add("activate", service.activate(id, Activation { accept_publisher_key: accept }));
    said.add("rollback", service.rollback("a/b ü%"));
    said.add("fits", service.fits(manifest));
    said.add("prune", service.prune(u64::MAX));
    said.add("remove", service.remove(id));
    said.add("receipts", service.receipts());
    said.add("receipt", service.receipt("entry-1"));
    said.add("receipt", service.receipt("../../etc/passwd"));
    said.add("bans", service.bans());
    said.add("lift_ban", service.lift_ban("b/ä"));
    said.add("lift_ban", service.lift_ban("?"));
    said.add("publishers", service.publishers());
    said.add("pin_publisher", service.pin_publisher("a", Some("k")));
    said.add("pin_publisher", service.pin_publisher("a.b", None));
    said.add("forget_publisher", service.forget_publisher("a"));
    said.add("forget_publisher", service.forget_publisher("b"));
    said.add("files", service.files(None));
    said.add("files", service.files(Some("/a b/ü&x=1%2e".as_ref())));
    said.add("chosen_manifest", service.chosen_manifest("/a b/ü&x=1%2e.minimodel".as_ref()));
    said.add("doctor", service.doctor());
    said.add("status", service.status());
    said.add("forget", service.forget(1));
    said.add("stop", service.stop());
    // Unknown numbers and names.
    said.add("transfer", service.transfer(u64::MAX));
    said.add("chunks", service.chunks(99, 9));
    said.add("history", service.history(Some(99), Span::Day));
    said.add("forget", service.forget(1));
    said.add("start", service.start(99));
    said.add("revoke", service.revoke(99));
    said.add("unannounce", service.unannounce(99));
    said.add("manifest", service.manifest(99));
    said.add("verify", service.verify(99));
    said.add("rollback", service.rollback("../../v1/stop?#"));
    said.0
}

#[test]
fn every_call_over_the_interface_does_the_same_as_in_process() {
    let direct = Memory::default();
    let running = Running::new();
    let client = running.client();
    let (here, there) = (script(&direct), script(&client));
    for (here, there) in here.iter().zip(&there) {
        assert_eq!(here, there);
    }
    assert_eq!(*direct.state(), *running.memory.state());
    let state = running.memory.state();
    assert_eq!((&state.shares[..], &state.fetches[..]), (&[new_share()][..], &[new_fetch()][..]));
    assert_eq!((state.stops, &state.limits), (1, &new_limits()));
    assert!(here.iter().filter(|(_, answer)| answer.is_err()).count() >= 8);
}

#[test]
fn the_script_of_the_test_above_leaves_no_call_out() {
    let source = include_str!("../../src/service.rs");
    let calls: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("fn ")?.split_once("(&self"))
        .map(|(name, _)| name)
        .collect();
    let said = script(&Memory::default());
    let ok = |call: &str| said.iter().any(|(name, answer)| *name == call && answer.is_ok());
    let missing: Vec<_> = calls.iter().filter(|call| !ok(call)).collect();
    assert!(calls.len() > 30 && missing.is_empty(), "{missing:?} of {calls:?}");
}

#[test]
fn what_is_made_is_201_with_its_place_and_what_is_gone_is_204() {
    let running = Running::new();
    let share = serde_json::to_string(&new_share()).unwrap();
    let made = running.change("POST /v1/shares", &share);
    assert!(
        made.starts_with("HTTP/1.1 201 ") && made.contains("\r\nlocation: /v1/transfers/1\r\n"),
        "{made}"
    );
    assert_eq!(status(&running.request("GET /v1/transfers/1", "", "")), 200);
    let list = running.request("GET /v1/transfers", "", "");
    let list: Vec<Transfer> = serde_json::from_str(list.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(list, [running.memory.transfer(1).unwrap()]);
    assert_eq!(status(&running.request("GET /v1/transfers/1/announcement", "", "")), 404);
    let consent = r#"{"actions": ["publish"], "by": "api"}"#;
    let place = "PUT /v1/transfers/1/announcement";
    let made = running.change(place, consent);
    assert!(
        made.contains("\r\nlocation: /v1/transfers/1/announcement\r\n") && status(&made) == 201,
        "{made}"
    );
    assert_eq!(status(&running.change(place, consent)), 200);
    assert_eq!(status(&running.request("GET /v1/transfers/1/announcement", "", "")), 200);
    assert_eq!(status(&running.change("DELETE /v1/transfers/1/announcement", "")), 204);
    assert_eq!(status(&running.change("DELETE /v1/transfers/1", "")), 204);
    assert_eq!(status(&running.change("DELETE /v1/transfers/1", "{}")), 404);
    let grant = format!(r#"{{"consent": {consent}}}"#);
    assert_eq!(status(&running.change("POST /v1/grants", &grant)), 201);
    let entry = running.change("POST /v1/library", r#"{"manifest": "m"}"#);
    let id = running.memory.library().unwrap()[0].id;
    assert!(entry.contains(&format!("\r\nlocation: /v1/library/{id}\r\n")), "{entry}");
}

#[test]
fn malformed_request_body_is_a_json_problem_and_changes_nothing() {
    let running = Running::new();
    let cases = [
        ("PUT /v1/limits", "{", 400),
        ("PUT /v1/limits", "", 400),
        ("PUT /v1/limits", "[1]x", 400),
        ("PUT /v1/limits", "\u{feff}{}", 400),
        ("PUT /v1/limits", "[]", 422),
        ("PUT /v1/limits", r#"{"ups": 1}"#, 422),
        ("PUT /v1/limits", r#"{"up": -1}"#, 422),
        ("PUT /v1/limits", r#"{"up": 1.5}"#, 422),
        ("PUT /v1/limits", r#"{"up": 18446744073709551616}"#, 422),
        ("PUT /v1/limits", r#"{"up": 1, "up": 2}"#, 422),
        ("PUT /v1/limits", r#"{"schedule": [{"from": 256}]}"#, 422),
        ("POST /v1/grants", r#"{"consent": {"actions": ["all"], "by": "api"}}"#, 422),
        ("POST /v1/grants", r#"{"consent": {"actions": [], "by": "api"}}"#, 400),
        ("POST /v1/library/prune", "{}", 422),
        ("POST /v1/stop", r#"{"now": true}"#, 400),
        ("POST /v1/transfers/x/start", "", 404),
        ("POST /v1/transfers/-1/start", "", 404),
        ("POST /v1/models/%ff/rollback", "", 404),
        ("POST /v1/nothing", "", 404),
        ("PUT /v1/status", "", 405),
        ("DELETE /v1/status", "", 405),
    ];
    for (line, body, expected) in cases {
        let answer = running.change(line, body);
        assert_eq!(status(&answer), expected, "{line} {body}: {answer}");
        assert!(!problem(&answer).hint.is_empty(), "{answer}");
    }
    for line in [
        "GET /v1/moved?days=x",
        "GET /v1/moved?day=1",
        "GET /v1/moved?days=-1",
        "GET /v1/moved?days=1&days=2",
        "GET /v1/transfers/1/chunks?cells=0",
        "GET /v1/transfers/1/chunks?cells=4097",
        "GET /v1/transfers/1/chunks?cells=-1",
        "GET /v1/transfers/1/chunks?cell=1",
        "GET /v1/transfers/1/history?span=601",
        "GET /v1/history?span=",
        "GET /v1/history?seconds=600",
        "GET /v1/events?chunks=x",
        "GET /v1/events?chunks=1&cells=0",
        "GET /v1/events?transfer=1",
    ] {
        assert_eq!(status(&running.request(line, "", "")), 400, "{line}");
    }
    assert_eq!(*running.memory.state(), crate::memory::State::default());
}
