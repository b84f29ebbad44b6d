//! Findings of `doctor` in the home of a companion, and its hints.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use minimodel::consent::Action;
use minimodel::consent::ConsentBook;
use minimodel::consent::NewGrant;
use serde_json::Value;

use super::causes::only;
use super::house::House;
use crate::home::Home;
use crate::process::{event, events, own_port, take};

/// The findings that are not `ok`: exit code, and (name, outcome, detail, hint) of each.
struct Findings {
    code: i32,
    all: Vec<Value>,
}

impl Findings {
    #[track_caller]
    fn of(home: &Home) -> Self {
        let ran = home.say("--json doctor");
        let all: Vec<Value> = events(&ran.stdout, "finding").collect();
        assert!(!all.is_empty(), "{} {}", ran.stdout, ran.stderr);
        let counts = event(&ran.stdout, "doctor");
        for outcome in ["ok", "warn", "fail"] {
            let count = all.iter().filter(|finding| finding["outcome"] == outcome).count();
            assert_eq!(counts[outcome], count, "{}", ran.stdout);
        }
        assert_eq!(ran.code, i32::from(counts["fail"] != 0), "{}", ran.stdout);
        Self { code: ran.code, all }
    }

    /// Asserts that a finding of this name and outcome contains `words` in its detail and `hint` in its hint.
    #[track_caller]
    fn has(&self, name: &str, outcome: &str, words: &str, hint: &str) {
        let fits = |finding: &&Value| {
            let text = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
            text("name") == name
                && text("outcome") == outcome
                && text("detail").contains(words)
                && text("hint").contains(hint)
        };
        assert!(self.all.iter().any(|finding| fits(&finding)), "{:#?}", self.all);
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn chmod(home: &Home, name: &str, mode: u32) {
    fs::set_permissions(home.own(name), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn healthy_companion_has_no_failure_but_warns_of_loopback_offer() {
    let mut house = House::new();
    let empty = Findings::of(&house.home);
    assert_eq!(empty.code, 0);
    empty.has("companion", "ok", "runs as process", "");
    assert_eq!(house.stop().code, 0);
    Findings::of(&house.home).has("companion", "ok", "none runs", "");

    let alice = House::with_artifact();
    alice.share(&[]);
    let id = only(&alice);
    let findings = Findings::of(&alice.home);
    assert_eq!(findings.code, 0);
    findings.has("reachability", "warn", "names loopback alone", "--listen");
    findings.has("ports", "ok", &format!("of transfer {id} is taken, as it should be"), "");
    findings.has("consent log", "ok", "holds", "");
    findings.has("clock", "ok", "", "");
    let shown = alice.home.say("doctor").exits(0).stdout;
    assert!(shown.contains("warn  reachability"), "{shown}");
}

#[test]
fn port_taken_by_another_program_is_told_with_how_to_find_it() {
    let alice = House::with_artifact();
    let address = own_port();
    let words = ["seed", "--detach", "--consent", "serve", "a.minimodel", "a.slm", "--listen"];
    alice.home.run(words.iter().copied().chain([address.to_string().as_str()])).exits(0);
    let id = only(&alice);
    alice.home.say(&format!("transfer pause {id}")).exits(0);
    alice.until("it gave its port back", || {
        // The doctor never takes the companion's own port for another program's.
        let findings = Findings::of(&alice.home);
        assert_eq!(findings.code, 0, "{:#?}", findings.all);
        findings
            .all
            .iter()
            .any(|finding| finding["detail"].as_str().unwrap().contains("is free for when it runs"))
    });

    let taken = take(address);
    let findings = Findings::of(&alice.home);
    assert_eq!(findings.code, 1);
    let said = format!("UDP {address} of transfer {id} is taken by another program");
    findings.has("ports", "fail", &said, &format!("sport = :{}", address.port()));

    // The share, started all the same, waits for its port and says so.
    alice.home.say(&format!("transfer start {id}")).exits(0);
    alice.transfer_when(id, "waiting", |share| share["state"] == "waiting");
    Findings::of(&alice.home).has(&format!("transfer {id}"), "warn", "its UDP address", "transfer start");
    drop(taken);
}

#[test]
fn folders_and_secrets_readable_by_others_get_a_chmod_hint() {
    let alice = House::with_artifact();
    alice.share(&[]);
    chmod(&alice.home, "data", 0o755);
    let findings = Findings::of(&alice.home);
    assert_eq!(findings.code, 0, "it works all the same");
    findings.has("folders", "warn", "data folder", "chmod 700");
    chmod(&alice.home, "data", 0o700);
    chmod(&alice.home, "data/identity.key", 0o644);
    let findings = Findings::of(&alice.home);
    assert_eq!(findings.code, 1);
    findings.has("identity", "fail", "act as this user", "chmod 600");
    chmod(&alice.home, "data/identity.key", 0o600);

    // A process that can read the token can act as the user, so no verb talks to the companion until that is mended.
    for (name, mode, mend) in
        [("state/companion/token", 0o644, "chmod 600"), ("state/companion", 0o755, "chmod 700")]
    {
        let good = fs::metadata(alice.home.own(name)).unwrap().permissions();
        chmod(&alice.home, name, mode);
        let refused = alice.home.say("doctor").exits(13);
        assert!(refused.stderr.contains(mend), "{}", refused.stderr);
        assert!(refused.stderr.contains("is not private to you"), "{}", refused.stderr);
        fs::set_permissions(alice.home.own(name), good).unwrap();
    }
    assert_eq!(Findings::of(&alice.home).code, 0);
}

#[test]
fn clock_set_back_is_found_from_recorded_times() {
    let mut alice = House::with_artifact();
    alice.share(&[]);
    assert_eq!(alice.stop().code, 0);
    // A grant as a clock that was a day ahead would have left it.
    let mut book = ConsentBook::open(&alice.home.own("state"), &alice.home.own("data")).unwrap();
    let new = NewGrant {
        actions: vec![Action::Import],
        by: "flag".into(),
        expires_unix: None,
        quota_bytes: None,
        model: None,
        peer: None,
    };
    book.grant(&new, now() + 26 * 3_600).unwrap();
    for is_running in [false, true] {
        if is_running {
            alice.start();
        }
        let findings = Findings::of(&alice.home);
        assert_eq!(findings.code, 1);
        findings.has("clock", "fail", "hours behind the newest time", "set the clock");
    }
}

#[test]
fn changed_consent_log_is_reported_and_grants_nothing() {
    let alice = House::with_artifact();
    alice.share(&[]);
    let path = alice.home.own("state/consent.log");
    let good = fs::read_to_string(&path).unwrap();
    assert!(good.contains("\"flag\""), "{good}");
    fs::write(&path, good.replace("\"flag\"", "\"flog\"")).unwrap();
    let findings = Findings::of(&alice.home);
    assert_eq!(findings.code, 1);
    findings.has("consent log", "fail", "", "consent log --verify");
    alice.home.say("consent log --verify").exits(10);
    let id = only(&alice);
    let stopped = alice.transfer_when(id, "stopped", |share| share["cause"] == "consent-missing");
    assert_eq!(stopped["offer"], Value::Null);

    fs::write(&path, good).unwrap();
    alice
        .transfer_when(id, "shared again", |share| share["offer"].is_string() && share["state"] == "running");
    assert_eq!(Findings::of(&alice.home).code, 0);
}

// Rows: H9
#[test]
fn older_log_ends_running_shares_before_and_after_a_restart() {
    let mut alice = House::with_artifact();
    alice.share(&[]);
    let id = only(&alice);
    let names = ["state/consent.log", "state/consent.head"];
    let copies = names.map(|name| fs::read(alice.home.own(name)).unwrap());
    alice.home.say("consent revoke --all").exits(0);
    alice.transfer_when(id, "stopped", |share| share["cause"] == "consent-missing");
    let put_back = |alice: &House| {
        for (name, copy) in names.iter().zip(&copies) {
            fs::write(alice.home.own(name), copy).unwrap();
        }
    };
    put_back(&alice);
    // The running companion knows the newer log, even without `consent.seen`.
    fs::remove_file(alice.home.own("data/consent.seen")).unwrap();
    let findings = Findings::of(&alice.home);
    findings.has("consent log", "fail", "", "consent log --verify");
    alice.home.say("consent log --verify").exits(10);
    assert_eq!(alice.transfer(id)["offer"], Value::Null);
    let running = alice.home.say("consent restore").exits(11);
    assert!(running.stderr.contains("companion stop"), "{}", running.stderr);
    // After the stop, its files still reveal the older log.
    assert_eq!(alice.stop().code, 0);
    alice.home.say("consent log --verify").exits(10);
    // The companion wrote `consent.seen` again; without that file its database knows the newer log.
    fs::remove_file(alice.home.own("data/consent.seen")).unwrap();
    alice.home.say("consent log --verify").exits(10);
    alice.start();
    let share = alice.transfer_when(id, "looked at", |share| share["cause"] == "consent-missing");
    assert_eq!(share["offer"], Value::Null);
    alice.home.say("consent log --verify").exits(10);
}
