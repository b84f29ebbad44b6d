//! Sessions of the page over real sockets: what a browser, another site and another account can do with codes and tokens.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use minimodel_companion::model::{Event, Kind, State, Transfer};
use serde_json::{Value, json};

use crate::running::{Running, problem, read_answer, status};

/// The JSON of an answer.
fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Sends a request with the header lines `more`, without the token.
pub(crate) fn bare(running: &Running, line: &str, more: &str, body: &str) -> String {
    let (address, length) = (running.address(), body.len());
    running
        .raw(&format!("{line} HTTP/1.1\r\nhost: {address}\r\n{more}content-length: {length}\r\n\r\n{body}"))
}

const JSON: &str = "content-type: application/json\r\n";

/// Exchanges a code as the page does.
fn redeem(running: &Running, code: &str) -> String {
    let own = format!("{JSON}origin: http://{}\r\nsec-fetch-site: same-origin\r\n", running.address());
    bare(running, "POST /v1/sessions", &own, &json!({"code": code}).to_string())
}

/// The header line of a session's token.
pub(crate) fn opened(running: &Running) -> String {
    let answer = redeem(running, &running.client().mint_code().unwrap().code);
    assert_eq!(status(&answer), 201, "{answer}");
    bearer(body(&answer)["token"].as_str().unwrap())
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

#[test]
fn a_code_opens_a_session_that_may_all_but_end_and_mint() {
    let running = Running::new();
    let session = opened(&running);
    assert_eq!(status(&bare(&running, "GET /v1/status", &session, "")), 200);
    assert_eq!(status(&bare(&running, "PUT /v1/limits", &format!("{session}{JSON}"), "{}")), 200);
    for line in ["POST /v1/stop", "POST /v1/sessions/codes"] {
        let refused = bare(&running, line, &session, "");
        assert_eq!(status(&refused), 403, "{refused}");
        assert!(problem(&refused).error.contains("a session of the page may not"));
    }
    assert_eq!(running.memory.state().stops, 0);
    // It lists folders that were allowed, and no route allows one.
    assert_eq!(status(&bare(&running, "GET /v1/files?under=/a", &session, "")), 200);
    for method in ["POST", "PUT", "DELETE"] {
        let answer = bare(&running, &format!("{method} /v1/files"), &format!("{session}{JSON}"), "{}");
        assert!(status(&answer) == 405 && answer.contains("\r\nallow: GET\r\n"), "{answer}");
    }
    let listed = body(&bare(&running, "GET /v1/sessions", &session, ""));
    assert_eq!((&listed[0]["id"], &listed[0]["current"]), (&json!(1), &json!(true)));
    assert!(!running.client().sessions().unwrap()[0].current, "the command line is no session");
    // The token itself is told once.
    assert!(!listed.to_string().contains(session.trim_end().rsplit(' ').next().unwrap()));
    running.client().end_session(1).unwrap();
    assert_eq!(status(&bare(&running, "GET /v1/status", &session, "")), 401);
    assert!(running.client().end_session(1).is_err());
}

#[test]
fn a_code_used_twice_ends_the_session_of_the_first() {
    let running = Running::new();
    let code = running.client().mint_code().unwrap();
    let first = body(&redeem(&running, &code.code));
    let second = redeem(&running, &code.typed);
    assert_eq!(status(&second), 401);
    assert!(problem(&second).error.contains("used before"));
    assert_eq!(status(&bare(&running, "GET /v1/status", &bearer(first["token"].as_str().unwrap()), "")), 401);
    assert_eq!(running.client().sessions().unwrap(), []);
}

#[test]
fn wrong_codes_are_refused_and_void_what_is_typed_after_five() {
    let running = Running::new();
    let code = running.client().mint_code().unwrap();
    for wrong in ["", "0", "ABCDEFGH", "\u{0}", &"a".repeat(70_000), "GET / HTTP/1.1"] {
        let refused = redeem(&running, wrong);
        assert_eq!(status(&refused), 401, "{refused}");
    }
    assert!(problem(&redeem(&running, &code.typed)).error.contains("too many"));
    assert_eq!(status(&redeem(&running, &code.code)), 201);
}

#[test]
fn a_session_ends_with_its_companion() {
    let running = Running::new();
    let session = opened(&running);
    assert_eq!(status(&bare(&running, "GET /v1/status", &session, "")), 200);
    drop(running);
    // A companion that starts anew, with the same folder or another, knows none.
    let next = Running::new();
    assert_eq!(status(&bare(&next, "GET /v1/status", &session, "")), 401);
}

#[test]
fn another_site_gets_neither_a_session_nor_an_answer() {
    let running = Running::new();
    let code = running.client().mint_code().unwrap().code;
    let given = json!({"code": code}).to_string();
    let port = running.address().port();
    for head in [
        "origin: https://evil.example\r\n".to_owned(),
        "origin: null\r\n".to_owned(),
        format!("origin: http://127.0.0.1:{}\r\n", port.wrapping_add(1)),
        format!("origin: http://localhost:{port}\r\n"),
        "sec-fetch-site: cross-site\r\n".to_owned(),
        "sec-fetch-site: same-site\r\n".to_owned(),
        // What opens the page to a link opens nothing else.
        "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n".to_owned(),
    ] {
        let answer = bare(&running, "POST /v1/sessions", &format!("{JSON}{head}"), &given);
        assert_eq!(status(&answer), 403, "{head}: {answer}");
    }
    // A form of another site can send no JSON; a rebinding name is another host.
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    assert_eq!(status(&bare(&running, "POST /v1/sessions", form, &given)), 415);
    let rebound =
        format!("POST /v1/sessions HTTP/1.1\r\nhost: evil.example:{port}\r\n{JSON}content-length: 0\r\n\r\n");
    assert_eq!(status(&running.raw(&rebound)), 421);
    assert_eq!(status(&redeem(&running, &code)), 201, "nothing of that used the code");
}

#[test]
fn page_files_are_open_to_links_and_to_nothing_else_of_others() {
    let running = Running::new();
    let link = "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n";
    for (path, kind) in
        [("/", "text/html"), ("/page/app.js", "text/javascript"), ("/page/style.css", "text/css")]
    {
        let answer = bare(&running, &format!("GET {path}"), "", "");
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(answer.contains(&format!("\r\ncontent-type: {kind}; charset=utf-8\r\n")), "{answer}");
    }
    assert_eq!(status(&bare(&running, "GET /", link, "")), 200);
    for head in [
        "sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\nsec-fetch-dest: script\r\n",
        "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: iframe\r\n",
        "origin: https://evil.example\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n",
    ] {
        assert_eq!(status(&bare(&running, "GET /", head, "")), 403, "{head}");
    }
    assert_eq!(status(&bare(&running, "GET /v1/status", link, "")), 403);
    assert_eq!(status(&bare(&running, "POST /", "", "")), 401);
    for path in [
        "/page/",
        "/page/../token",
        "/page/%2e%2e/token",
        "/page//etc/passwd",
        "/page/README.md",
        "/page/index",
    ] {
        let answer = bare(&running, &format!("GET {path}"), "", "");
        assert_eq!(status(&answer), 404, "{path}: {answer}");
    }
}

#[test]
fn consent_of_a_session_is_on_record_as_the_pages() {
    let running = Running::new();
    let session = opened(&running);
    let given = json!({"actions": ["serve"], "by": "flag"});
    let change = |line: &str, body: Value| {
        let answer = bare(&running, line, &format!("{session}{JSON}"), &body.to_string());
        assert!((200..300).contains(&status(&answer)), "{line}: {answer}");
    };
    change("POST /v1/shares", json!({"entry": 1, "consent": given}));
    let shares = running.memory.state().shares.clone();
    assert_eq!(shares[0].consent.as_ref().unwrap().by, "page");
    // The user's own program says itself by what its user agreed.
    running.change("POST /v1/shares", &json!({"entry": 1, "consent": given}).to_string());
    assert_eq!(running.memory.state().shares[1].consent.as_ref().unwrap().by, "flag");
}

#[test]
fn a_stream_ends_with_its_session() {
    let running = Running::new();
    let session = opened(&running);
    let mut stream = running.connect();
    let head = format!("GET /v1/events HTTP/1.1\r\nhost: {}\r\n{session}\r\n", running.address());
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0; 12]).unwrap(), 12);
    running.client().end_session(1).unwrap();
    // Without the end this would wait for the time limit of the test.
    let rest = read_answer(&mut stream);
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[test]
fn a_stream_that_lags_ends_with_its_session_too() {
    let running = Running::new();
    let mut big = running.memory.state().add(Kind::Share, State::Running);
    big.model_id = "m".repeat(1 << 20);
    let session = opened(&running);
    let mut stream = running.connect();
    let head = format!("GET /v1/events HTTP/1.1\r\nhost: {}\r\n{session}\r\n", running.address());
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0; 12]).unwrap(), 12);
    let tell = |number: u64| {
        let transfer = Transfer { have_bytes: number, ..big.clone() };
        // Once the stream has ended there is no receiver.
        let _ = running.events.send(Event::Transfer { transfer: Box::new(transfer) });
        std::thread::sleep(Duration::from_millis(1));
    };
    // Nothing is read, so that there is always more to send.
    (0..40).for_each(tell);
    running.client().end_session(1).unwrap();
    (5_000..5_060).for_each(tell);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let text = String::from_utf8_lossy(&rest);
    assert!(text.contains("\"have_bytes\":0,"), "what came before its end is told");
    assert!(!text.contains("\"have_bytes\":50"), "it was told something after its end");
}

#[test]
fn a_stream_that_is_still_at_its_first_picture_ends_too() {
    const TRANSFERS: usize = 60;
    let running = Running::new();
    for _ in 0..TRANSFERS {
        let mut memory = running.memory.state();
        let id = memory.add(Kind::Share, State::Running).id;
        memory.transfers.get_mut(&id).unwrap().model_id = "m".repeat(1 << 20);
    }
    let session = opened(&running);
    let mut stream = running.connect();
    let head = format!("GET /v1/events HTTP/1.1\r\nhost: {}\r\n{session}\r\n", running.address());
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0; 12]).unwrap(), 12);
    running.client().end_session(1).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let told = String::from_utf8_lossy(&rest).matches("event: transfer").count();
    assert!(told < TRANSFERS, "all of {told} were told after its end");
}
