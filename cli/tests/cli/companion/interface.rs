//! The local interface of a running companion, as any program of its user may speak it, and what it refuses to speak
//! with.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::house::House;
use super::http::Http;
use crate::home::Home;
use crate::process::own_port;

/// Reads events until the transfer `id` satisfies `holds`, and returns it.
#[track_caller]
fn until(events: &mut impl Iterator<Item = Value>, id: &Value, holds: impl Fn(&Value) -> bool) -> Value {
    for event in events {
        let transfer = &event["transfer"];
        assert_ne!(transfer["state"], "failed", "{transfer:#}");
        if transfer["id"] == *id && holds(transfer) {
            return transfer.clone();
        }
    }
    panic!("the stream ended");
}

/// All lines that a question shows, in one text.
fn shown(transfer: &Value) -> String {
    let subject = transfer["question"]["subject"].as_array().unwrap();
    subject
        .iter()
        .map(|line| format!("{}: {}\n", line[0].as_str().unwrap(), line[1].as_str().unwrap()))
        .collect()
}

fn consent(actions: &[&str]) -> Value {
    json!({"actions": actions, "by": "api"})
}

// Rows: I5
#[test]
fn interface_asks_before_share_and_fetch_and_waits_for_answer() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let (theirs, ours) = (Http::of(&alice.home), Http::of(&bob.home));
    let mut events = theirs.events();
    let port = own_port();
    let is_free = || UdpSocket::bind(port).is_ok();
    let new = json!({
        "manifest": String::from_utf8(alice.home.read("a.minimodel")).unwrap(),
        "path": alice.home.path("a.slm"), "endpoint": {"listen": port},
    });
    let answer = theirs.change("POST /v1/shares", &new).is(201);
    let share = answer.json();
    let id = share["id"].clone();
    assert!(answer.head.contains(&format!("location: /v1/transfers/{id}")), "{}", answer.head);
    assert_eq!((&share["state"], &share["cause"]), (&"asking".into(), &"consent-missing".into()));
    assert_eq!(
        (&share["question"]["needs"], &share["question"]["may"]),
        (&json!(["serve"]), &json!(["publish", "lan", "dht", "map"]))
    );
    let size = format!("{} bytes", alice.home.read("a.slm").len());
    let file = alice.home.path("a.slm").display().to_string();
    for words in [
        "publisher: sample-publisher",
        "license: /models/sample-model/license",
        "evidence: not claimed",
        &size,
        &file,
        "who may come: anyone",
    ] {
        assert!(shown(&share).contains(words), "{words}: {}", shown(&share));
    }
    until(&mut events, &id, |share| share["state"] == "asking");
    // Nothing starts before the consent.
    std::thread::sleep(Duration::from_millis(800));
    let share = theirs.get(&format!("/v1/transfers/{id}")).is(200).json();
    assert_eq!((&share["state"], &share["offer"]), (&"asking".into(), &Value::Null));
    assert!(is_free());
    assert_eq!(theirs.get("/v1/grants").is(200).json(), json!([]));

    theirs.change(&format!("POST /v1/transfers/{id}/consent"), &consent(&["serve"])).is(200);
    let share = until(&mut events, &id, |share| share["offer"].is_string() && share["state"] == "running");
    assert_eq!(share["question"], Value::Null);
    assert!(!is_free());

    let mut news = ours.events();
    let new = json!({"offers": [share["offer"]], "out": bob.home.path("models")});
    let fetch = ours.change("POST /v1/fetches", &new).is(201).json();
    let fetching = fetch["id"].clone();
    assert_eq!((&fetch["state"], &fetch["question"]["needs"]), (&"asking".into(), &json!(["fetch"])));
    assert!(
        shown(&fetch).contains("the manifest alone") && shown(&fetch).contains("peer: "),
        "{}",
        shown(&fetch)
    );
    assert_eq!(
        theirs.get(&format!("/v1/transfers/{id}")).is(200).json()["peers"],
        json!([]),
        "nobody was dialed"
    );
    // Agreed to in two steps: first the manifest alone, whose content is in the next question.
    ours.change(&format!("POST /v1/transfers/{fetching}/consent"), &consent(&["fetch"])).is(200);
    let fetch = until(&mut news, &fetching, |fetch| {
        fetch["model_id"] == "sample-model" && fetch["state"] == "asking"
    });
    assert_eq!(fetch["question"]["needs"], json!(["fetch", "import"]));
    let folder = format!("into: {}", bob.home.path("models").display());
    for words in ["publisher: sample-publisher", "license: /models/sample-model/license", &size, &folder] {
        assert!(shown(&fetch).contains(words), "{words}: {}", shown(&fetch));
    }
    assert!(!bob.home.path("models").exists());
    ours.change(&format!("POST /v1/transfers/{fetching}/consent"), &consent(&["import"])).is(200);
    let done = until(&mut news, &fetching, |fetch| fetch["state"] == "done");
    assert!(fs::read(done["path"].as_str().unwrap()).unwrap() == alice.home.read("a.slm"));
    assert!(fs::exists(done["receipt"].as_str().unwrap()).unwrap());

    let grants = theirs.get("/v1/grants").is(200).json();
    assert_eq!((&grants[0]["by"], &grants[0]["state"]), (&"api".into(), &"active".into()));
    let revoked =
        theirs.change(&format!("DELETE /v1/grants/{}", grants[0]["id"]), &Value::Null).is(200).json();
    assert_eq!(revoked["state"], "revoked");
    let share =
        until(&mut events, &id, |share| share["cause"] == "consent-missing" && share["offer"].is_null());
    assert_eq!(share["state"], "waiting");
    alice.until("the port is free", is_free);
    assert_eq!(theirs.get("/v1/consent/verify").is(200).json()["ok"], true);
}

// Rows: I5
#[test]
fn interface_refuses_strangers_web_pages_and_non_peer_sources() {
    let house = House::with_artifact();
    let http = Http::of(&house.home);
    let (host, bearer) =
        (format!("host: {}\r\n", http.address), format!("authorization: Bearer {}\r\n", http.token));
    let wrong = format!("authorization: Bearer {}\r\n", "0".repeat(64));
    let json = "content-type: application/json\r\n";
    for (head, status) in [
        (host.clone(), 401),
        (format!("{host}{wrong}"), 401),
        (format!("host: evil.example:{}\r\n{bearer}", http.address.port()), 421),
        (bearer.clone(), 421),
        (format!("{host}{bearer}origin: https://evil.example\r\n"), 403),
        (format!("{host}{bearer}sec-fetch-site: cross-site\r\n"), 403),
    ] {
        for line in ["GET /v1/status", "POST /v1/stop", "GET /metrics", "GET /v1/events"] {
            let answer = http.raw(line, &format!("{head}{json}"), "").is(status);
            assert!(
                !answer.body.contains(&http.token) && !answer.head.contains("access-control"),
                "{answer:?}"
            );
        }
    }
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    http.raw("POST /v1/stop", &format!("{host}{bearer}{form}"), "a=b").is(415);
    http.raw("OPTIONS /v1/shares", &format!("{host}origin: https://evil.example\r\n"), "").is(405);
    for source in
        ["https://minimodel.org/models/a.slm", "http://127.0.0.1/a.slm", "file:///etc/passwd", "/etc/passwd"]
    {
        let new = json!({"offers": [source], "out": house.home.path("models"), "consent": consent(&["fetch", "import"])});
        let problem = http.change("POST /v1/fetches", &new).is(422).json();
        assert_eq!(problem["code"], 10);
        assert!(problem.to_string().contains("peers"), "{problem:#}");
    }
    let new = json!({"offers": ["mm1"], "url": "https://minimodel.org/a.slm"});
    http.change("POST /v1/fetches", &new).is(422);
    assert_eq!(http.get("/v1/transfers").is(200).json(), json!([]));
    house.home.say("companion status").exits(0);
}

#[test]
fn two_concurrent_api_clients_are_answered_and_lose_no_grant() {
    let house = House::with_artifact();
    let http = Http::of(&house.home);
    let share = json!({
        "manifest": String::from_utf8(house.home.read("a.minimodel")).unwrap(), "path": house.home.path("a.slm"),
    });
    let ids: Vec<Value> = std::thread::scope(|scope| {
        let work = |_| {
            scope.spawn(|| {
                let grant = |_| {
                    let new = json!({"consent": consent(&["cache", "import"])});
                    let made = http.change("POST /v1/grants", &new).is(201).json();
                    http.change("POST /v1/shares", &share).is(201);
                    made.as_array().unwrap().iter().map(|grant| grant["id"].clone()).collect::<Vec<_>>()
                };
                (0..8).flat_map(grant).collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = [0, 1].map(work).into();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut numbers: Vec<u64> = ids.iter().map(|id| id.as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=32).collect::<Vec<_>>());
    let verdict = house.home.say("--json consent log --verify").exits(0).object();
    assert_eq!((&verdict["ok"], &verdict["entries"]), (&true.into(), &32.into()));
    let transfers = house.transfers();
    assert_eq!(
        (transfers.len(), &transfers[0]["state"]),
        (1, &"asking".into()),
        "the same share, asked for often"
    );
}

/// A companion in the background, which ends with its test.
struct Daemon(Pid);

impl Daemon {
    #[track_caller]
    fn start(home: &Home) -> Self {
        home.say("companion start").exits(0);
        let status = home.say("--json status").exits(0).object();
        Self(Pid::from_raw(status["status"]["pid"].as_i64().unwrap().try_into().unwrap()).unwrap())
    }

    fn stat(&self) -> Option<String> {
        fs::read_to_string(format!("/proc/{}/stat", self.0.as_raw_nonzero())).ok()
    }

    /// Whether the process is gone, or a zombie that waits to be reaped.
    fn has_ended(&self) -> bool {
        self.stat().is_none_or(|stat| stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = kill_process(self.0, Signal::KILL);
        }
    }
}

#[test]
fn background_companion_outlives_starter_and_accounts_its_bytes() {
    let (home, carol) = (Home::with_artifact(), Home::new());
    let daemon = Daemon::start(&home);
    // The daemon has a session of its own, so that no terminal can hang up on it.
    let session = daemon.stat().unwrap().rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().to_owned();
    assert_eq!(session, daemon.0.as_raw_nonzero().to_string());
    let again = home.say("companion start").exits(0);
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    let line = "seed --detach --listen 127.0.0.1:0 --consent serve a.minimodel a.slm";
    let offer = home.say(line).exits(0).stdout.lines().next().unwrap().to_owned();
    carol.run(["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"]).exits(0);
    home.say("companion stop").exits(0);
    assert!(!home.own("state/companion/endpoint.json").exists());
    assert!(daemon.has_ended());
    let moved = home.say("--json limits log").exits(0).object();
    assert_eq!(moved["sent_bytes"], home.read("a.slm").len());
    let grant = home.say("--json consent list").exits(0).object();
    assert_eq!(grant["used_bytes"], home.read("a.slm").len());
    home.say("companion stop").exits(0);
    home.say("companion status").exits(3);

    let daemon = Daemon::start(&home);
    home.say("companion stop").exits(0);
    assert!(daemon.has_ended());
}

/// Verbs that use a companion where one runs, and their exit codes where none does.
const VERBS: [(&str, i32); 8] = [
    ("companion status", 3),
    ("companion stop", 0),
    ("status", 0),
    ("library list", 0),
    ("consent list", 0),
    ("limits show", 0),
    ("announce list", 0),
    ("transfer pause 1", 0),
];

// Rows: I5
#[test]
fn killed_companions_leftovers_do_no_harm_and_leak_no_token() {
    let mut house = House::with_artifact();
    house.share(&[]);
    let token = Http::of(&house.home).token;
    let endpoint = house.home.own("state/companion/endpoint.json");
    house.kill();
    let left = fs::read(&endpoint).unwrap();
    for (verb, code) in VERBS {
        house.home.say(verb).exits(code);
    }
    house.start();
    assert_ne!(fs::read(&endpoint).unwrap(), left);
    assert_eq!(house.transfers()[0]["state"], "paused");
    house.kill();

    // A foreign process listens at the address, and the endpoint file names a process id that is alive.
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = stranger.local_addr().unwrap();
    let text = json!({"addresses": [at], "pid": std::process::id(), "version": "0.1.0"});
    fs::write(&endpoint, text.to_string()).unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let ears = heard.clone();
    std::thread::spawn(move || {
        for stream in stranger.incoming().map_while(Result::ok) {
            let (mut stream, mut piece) = (stream, [0; 4096]);
            let count = stream.read(&mut piece).unwrap_or(0);
            ears.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..count]));
            let proof = "0".repeat(64);
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 64\r\nconnection: close\r\n\r\n{proof}");
            let count = stream.read(&mut piece).unwrap_or(0);
            ears.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    });
    for (verb, code) in VERBS {
        house.home.say(verb).exits(code);
    }
    house.home.say("seed --detach --consent serve a.minimodel a.slm").exits(3);
    house.start();
    assert_ne!(Http::of(&house.home).address, at);
    let heard = heard.lock().unwrap();
    assert!(heard.matches("challenge=").count() >= VERBS.len(), "{heard}");
    assert!(
        !heard.to_lowercase().contains(&token) && !heard.to_lowercase().contains("authorization"),
        "{heard}"
    );
}

/// Without the token, and more than the companion may have open; each that is closed comes again.
fn stand_in_the_way(address: SocketAddr, until: &AtomicBool) {
    const COUNT: usize = 150;
    let mut silent: Vec<TcpStream> = Vec::new();
    while !until.load(Ordering::Relaxed) {
        silent.retain(
            |stream| matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock),
        );
        while silent.len() < COUNT
            && let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200))
        {
            stream.set_nonblocking(true).unwrap();
            silent.push(stream);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

// Rows: F2
#[test]
fn silent_connections_that_use_up_all_files_keep_no_user_out() {
    let house = House::with_limit("-n 60");
    let (address, done) = (Http::of(&house.home).address, AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| stand_in_the_way(address, &done));
        let asked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..5 {
                house.home.say("status").exits(0);
            }
        }));
        done.store(true, Ordering::Relaxed);
        asked.unwrap();
    });
}

#[test]
fn companion_out_of_reach_is_told_and_nothing_done_without_it() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    // It holds its database and answers nobody, as one whose connections other programs use up.
    bob.signal(Signal::STOP);
    let fetch = ["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"];
    std::thread::scope(|scope| {
        for words in [&fetch[..], &["status"], &["companion", "status"], &["consent", "revoke", "--all"]] {
            let home = &bob.home;
            scope.spawn(move || {
                let refused = home.run(words).exits(11);
                assert!(refused.stderr.contains("and does not answer at "), "{}", refused.stderr);
            });
        }
    });
    assert!(!bob.home.path("models").exists(), "a fetch beside it would heed none of its limits");
    bob.signal(Signal::CONT);
    bob.home.say("companion status").exits(0);
    assert_eq!(bob.transfers(), Vec::<Value>::new());
}
