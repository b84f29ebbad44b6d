//! What a session of the page cannot take from the owner, and what another account and another program at this port cannot take
//! from the page.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use minimodel_companion::Service as _;
use minimodel_companion::api::{PageLimits, ServerLimits};
use minimodel_companion::model::{Kind, NewEntry, State};
use serde_json::json;

use crate::running::{Running, read_answer, status};
use crate::sessions::{bare, opened};

/// Sends a request over a connection that stays open.
fn ask(running: &Running, stream: &mut TcpStream, line: &str, session: &str) -> u16 {
    let head = format!("{line} HTTP/1.1\r\nhost: {}\r\n{session}\r\n", running.address());
    stream.write_all(head.as_bytes()).unwrap();
    status(&read_answer(stream))
}

#[test]
fn owner_finds_a_place_though_a_session_holds_all() {
    let page = PageLimits { connections: 2, calls: 16, streams: 16 };
    let head_time = Duration::from_secs(1_000);
    let limits = ServerLimits { connections: 8, head_time, page, ..ServerLimits::default() };
    let running = Running::within(limits);
    let session = opened(&running);
    let mut held: Vec<_> = (0..8).map(|_| running.connect()).collect();
    for stream in &mut held {
        assert_eq!(ask(&running, stream, "GET /v1/limits", &session), 200);
    }
    assert_eq!(running.client().status().unwrap().pid, 7);
    running.client().end_session(1).unwrap();
    // Two are left to the page, and a request without a good token gives them up.
    for stream in held.iter_mut().rev().take(2) {
        assert_eq!(ask(&running, stream, "GET /healthz", ""), 200);
    }
    let _streams: Vec<_> = (0..6).map(|_| running.client().events().unwrap()).collect();
    for stream in held.iter_mut().rev().take(2) {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or_default(), 0, "it gave way");
    }
}

#[test]
fn owner_is_answered_though_a_session_asks_without_end() {
    let limits = ServerLimits {
        page: PageLimits { connections: 64, calls: 1, streams: 1 },
        streams: 2,
        long_calls: 2,
        waiting_calls: 0,
        ..ServerLimits::default()
    };
    let running = Running::within(limits);
    let session = opened(&running);
    let id = running.memory.add(NewEntry { manifest: "m".into(), ..NewEntry::default() }).unwrap().id;
    running.memory.hold(true);
    let head =
        format!("POST /v1/library/{id}/verify HTTP/1.1\r\nhost: {}\r\n{session}\r\n", running.address());
    let mut slow = Vec::new();
    loop {
        let mut stream = running.connect();
        stream.write_all(head.as_bytes()).unwrap();
        slow.push(stream);
        std::thread::sleep(Duration::from_millis(20));
        // Otherwise this was admitted before that one.
        if status(&bare(&running, "GET /v1/status", &session, "")) == 503 {
            break;
        }
    }
    // A client that hangs up frees nothing.
    drop(slow);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(status(&bare(&running, "GET /v1/status", &session, "")), 503);
    assert_eq!(running.client().status().unwrap().pid, 7);
    running.memory.hold(false);
    while status(&bare(&running, "GET /v1/status", &session, "")) != 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut stream = running.connect();
    let head = format!("GET /v1/events HTTP/1.1\r\nhost: {}\r\n{session}\r\n", running.address());
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0; 12]).unwrap(), 12);
    assert_eq!(status(&bare(&running, "GET /v1/events", &session, "")), 503);
    drop(running.client().events().unwrap());
}

#[test]
fn each_answer_to_a_session_proves_that_the_companion_gave_it() {
    let running = Running::new();
    let session = opened(&running);
    let nonce = |nonce: &str| format!("{session}minimodel-nonce: {nonce}\r\n");
    let proof = |answer: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix("minimodel-proof: "));
        line.map(str::to_owned)
    };
    let first = proof(&bare(&running, "GET /v1/status", &nonce("a"), "")).unwrap();
    for line in
        ["GET /v1/limits", "GET /v1/transfers/9", "POST /v1/stop", "DELETE /v1/status", "GET /nowhere"]
    {
        assert_eq!(proof(&bare(&running, line, &nonce("a"), "")).as_deref(), Some(&*first), "{line}");
    }
    assert_ne!(proof(&bare(&running, "GET /v1/status", &nonce("b"), "")), Some(first));
    for more in [session.clone(), nonce(&"a".repeat(65)), "minimodel-nonce: a\r\n".to_owned()] {
        assert_eq!(proof(&bare(&running, "GET /v1/status", &more, "")), None);
    }
    // The token proves nothing to who may not know it.
    assert_eq!(proof(&running.request("GET /v1/status", "minimodel-nonce: a\r\n", "")), None);
    running.client().end_session(1).unwrap();
    assert_eq!(proof(&bare(&running, "GET /v1/status", &nonce("a"), "")), None);
}

#[test]
fn request_whose_session_ends_before_its_body_is_not_done() {
    let running = Running::new();
    let share = running.memory.state().add(Kind::Share, State::Paused);
    let before = running.memory.state().clone();
    let given = json!({"consent": {"actions": ["serve"], "by": "flag"}}).to_string();
    let (start, forget) =
        (format!("POST /v1/transfers/{}/start", share.id), format!("DELETE /v1/transfers/{}", share.id));
    let routes = [
        ("POST /v1/grants", given.as_str()),
        (&start, "{}        "),
        (&forget, "{}        "),
        ("POST /v1/library/1/activate", "{}        "),
    ];
    for (session_id, (line, body)) in (1..).zip(routes) {
        let session = opened(&running);
        let mut stream = running.connect();
        let (begin, rest) = body.split_at(9);
        let head = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\n{session}content-type: application/json\r\ncontent-length: {}\r\n\r\n{begin}",
            running.address(),
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        running.client().end_session(session_id).unwrap();
        stream.write_all(rest.as_bytes()).unwrap();
        assert_eq!(status(&read_answer(&mut stream)), 401, "{line}");
        assert_eq!(*running.memory.state(), before, "{line}");
    }
    // Nor may a session choose the name of a file.
    let session = opened(&running);
    let fetch = json!({"offers": ["mm1a"], "receipt": "/tmp/x"}).to_string();
    let json = format!("{session}content-type: application/json\r\n");
    assert_eq!(status(&bare(&running, "POST /v1/fetches", &json, &fetch)), 403);
}

#[test]
fn page_has_a_name_of_its_own_at_each_start() {
    let (running, next) = (Running::new(), Running::new());
    let made = running.client().mint_code().unwrap();
    let port = running.address().port();
    let name_of = |page: &str| page.strip_prefix("http://").unwrap().split(':').next().unwrap().to_owned();
    let (name, other) = (name_of(&made.page), name_of(&next.client().mint_code().unwrap().page));
    assert_eq!(made.page, format!("http://{name}:{port}/"));
    assert!(name.ends_with(".localhost") && name != other, "{name} {other}");
    let asked = |method: &str, host: &str| {
        status(
            &running.raw(&format!("{method} / HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: 0\r\n\r\n")),
        )
    };
    assert_eq!(asked("GET", &name), 200);
    for foreign in [&other, "evil.localhost", "evil.example", &format!("x.{name}"), &name.to_uppercase()] {
        // Not even what needs no route is answered to another name.
        for method in ["GET", "OPTIONS", "TRACE", "POST"] {
            assert_eq!(asked(method, foreign), 421, "{method} {foreign}");
        }
    }
    // The origin is the one that was asked for.
    for (origin, expected) in [(&name, 201), (&other, 403)] {
        let body = json!({"code": made.code}).to_string();
        let head = format!(
            "POST /v1/sessions HTTP/1.1\r\nhost: {name}:{port}\r\norigin: http://{origin}:{port}\r\n\
             sec-fetch-site: same-origin\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(status(&running.raw(&head)), expected);
    }
}

#[cfg(target_os = "linux")]
mod accounts {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    const NOBODY: u32 = 65_534;

    /// Sends a request as an account, and returns the answer.
    fn as_account(account: u32, host: &str, port: u16, request: &str) -> String {
        let script = format!("exec 3<>/dev/tcp/{host}/{port}; printf %s \"$1\" >&3; cat <&3");
        let mut bash = Command::new("bash");
        let output =
            bash.args(["-c", &script, "bash", request]).uid(account).current_dir("/").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn code_that_another_account_read_opens_no_session() {
        if !minimodel_skipped::is_root("codes in the hands of another account") {
            return;
        }
        let running = Running::new();
        let made = running.client().mint_code().unwrap();
        let port = running.address().port();
        let request = |code: &str| {
            let body = json!({"code": code}).to_string();
            format!(
                "POST /v1/sessions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        // Neither the code nor its typed form, and wrong ones void nothing.
        let wrong = ["00000000"; 8];
        for code in [made.code.as_str(), &made.typed].into_iter().chain(wrong) {
            // A socket of IPv6 reaches the IPv4 address too, and is listed elsewhere.
            for host in ["127.0.0.1", "::ffff:127.0.0.1"] {
                let refused = as_account(NOBODY, host, port, &request(code));
                assert_eq!(status(&refused), 401, "{refused}");
                assert!(refused.contains("another account"), "{refused}");
            }
        }
        assert_eq!(status(&as_account(0, "127.0.0.1", port, &request(&made.typed))), 201);
        // To use it again would end the session of the user.
        as_account(NOBODY, "127.0.0.1", port, &request(&made.code));
        assert_eq!(running.client().sessions().unwrap().len(), 1);
    }
}
