//! Attacks by foreign programs and web pages, byte for byte.

use std::collections::BTreeSet;

use crate::running::{Running, problem, status};

/// Sends a request without a body, with these header lines as they are.
fn ask(running: &Running, line: &str, head: &str) -> String {
    running.raw(&format!("{line}\r\n{head}\r\n"))
}

/// Header lines with the right host and token, and the lines `more`.
fn right(running: &Running, more: &str) -> String {
    format!("host: {}\r\nauthorization: Bearer {}\r\n{more}", running.address(), running.token)
}

#[test]
fn request_without_the_right_token_in_its_header_gets_401() {
    let running = Running::new();
    let (host, token) = (format!("host: {}\r\n", running.address()), running.token.clone());
    let wrong = format!("{}{}", &token[..63], if token.ends_with('0') { '1' } else { '0' });
    let heads = [
        String::new(),
        "authorization:\r\n".into(),
        "authorization: Bearer\r\n".into(),
        format!("authorization: {token}\r\n"),
        format!("authorization: Basic {token}\r\n"),
        format!("authorization: Bearer {wrong}\r\n"),
        format!("authorization: Bearer {}\r\n", &token[..62]),
        format!("authorization: Bearer {token}00\r\n"),
        format!("authorization: Bearer  {token}\r\n"),
        format!("authorization: Bearer {}\r\n", token.to_uppercase().replace('0', "O")),
        format!("authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
        format!("authorization: Bearer {token}, Bearer {token}\r\n"),
        format!("cookie: token={token}\r\n"),
        format!("x-api-key: {token}\r\n"),
        format!("proxy-authorization: Bearer {token}\r\n"),
    ];
    for head in heads {
        for line in [
            "GET /v1/status HTTP/1.1",
            "GET /metrics HTTP/1.1",
            "GET /nothing HTTP/1.1",
            "GET /v1/sessions HTTP/1.1",
        ] {
            let answer = ask(&running, line, &format!("{host}{head}"));
            assert_eq!(status(&answer), 401, "{line} {head}: {answer}");
            assert!(
                answer.contains("\r\nwww-authenticate: Bearer\r\n") && !answer.contains(&token),
                "{answer}"
            );
        }
    }
    for query in ["token", "access_token", "authorization"] {
        let line = format!("GET /v1/status?{query}={token} HTTP/1.1");
        assert_eq!(status(&ask(&running, &line, &host)), 401);
    }
    assert_eq!(status(&ask(&running, "GET /v1/status HTTP/1.1", &right(&running, ""))), 200);
    let lower = format!("{host}authorization: bearer {token}\r\n");
    assert_eq!(status(&ask(&running, "GET /v1/status HTTP/1.1", &lower)), 200);
}

#[test]
fn missing_wrong_or_repeated_host_header_is_refused_with_421() {
    let running = Running::new();
    let (port, token) = (running.address().port(), format!("authorization: Bearer {}\r\n", running.token));
    let other = if port == 80 { 81 } else { 80 };
    let heads = [
        String::new(),
        "host:\r\n".into(),
        "host: evil.example\r\n".into(),
        format!("host: evil.example:{port}\r\n"),
        format!("host: localhost.evil.example:{port}\r\n"),
        format!("host: 127.0.0.1.evil.example:{port}\r\n"),
        format!("host: 127.0.0.1:{other}\r\n"),
        "host: 127.0.0.1\r\n".into(),
        "host: localhost\r\n".into(),
        format!("host: 127.0.0.2:{port}\r\n"),
        format!("host: 127.1:{port}\r\n"),
        format!("host: 2130706433:{port}\r\n"),
        format!("host: 0.0.0.0:{port}\r\n"),
        format!("host: [::]:{port}\r\n"),
        format!("host: localhost.:{port}\r\n"),
        format!("host: user@127.0.0.1:{port}\r\n"),
        format!("host: 127.0.0.1:{port}\r\nhost: evil.example\r\n"),
        format!("host: 127.0.0.1:{port}\r\nhost: 127.0.0.1:{port}\r\n"),
        format!("x-forwarded-host: 127.0.0.1:{port}\r\nhost: evil.example\r\n"),
    ];
    for head in heads {
        for line in ["GET /v1/status HTTP/1.1", "GET /healthz HTTP/1.1", "GET /v1/openapi.json HTTP/1.1"] {
            let answer = ask(&running, line, &format!("{head}{token}"));
            assert_eq!(status(&answer), 421, "{line} {head}: {answer}");
        }
    }
    // The request line may also name a host.
    let line = "GET http://evil.example/v1/status HTTP/1.1";
    assert_eq!(status(&ask(&running, line, &right(&running, ""))), 421);
    let line = format!("GET http://127.0.0.1:{port}/v1/status HTTP/1.1");
    assert_eq!(status(&ask(&running, &line, &right(&running, ""))), 200);
    // HTTP/1.0 does not require Host; without it the server cannot tell which host is meant.
    assert_eq!(status(&ask(&running, "GET /v1/status HTTP/1.0", &token)), 421);
    assert_eq!(status(&ask(&running, "GET /healthz HTTP/1.0", "")), 421);
    for name in ["127.0.0.1", "[::1]", "localhost"] {
        let head = format!("host: {name}:{port}\r\n{token}");
        assert_eq!(status(&ask(&running, "GET /v1/status HTTP/1.1", &head)), 200, "{name}");
    }
}

#[test]
fn web_page_of_another_site_is_refused_even_with_the_token() {
    let running = Running::new();
    let port = running.address().port();
    let heads = [
        "origin: https://evil.example\r\n".into(),
        "origin: null\r\n".into(),
        "origin:\r\n".into(),
        "origin: http://127.0.0.1\r\n".into(),
        "origin: http://localhost:3000\r\n".into(),
        format!("origin: https://127.0.0.1:{port}\r\n"),
        format!("origin: http://127.0.0.1:{port}.evil.example\r\n"),
        format!("origin: http://127.0.0.1:{port}\r\norigin: https://evil.example\r\n"),
        "sec-fetch-site: cross-site\r\n".into(),
        "sec-fetch-site: same-site\r\n".into(),
        "sec-fetch-site: same-origin\r\nsec-fetch-site: cross-site\r\n".into(),
        format!("origin: http://127.0.0.1:{port}\r\nsec-fetch-site: cross-site\r\n"),
    ];
    for head in heads {
        for line in ["GET /v1/status HTTP/1.1", "GET /healthz HTTP/1.1"] {
            let answer = ask(&running, line, &right(&running, &head));
            assert_eq!(status(&answer), 403, "{line} {head}: {answer}");
            assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
        }
    }
    let own = [
        format!("origin: http://127.0.0.1:{port}\r\nsec-fetch-site: same-origin\r\n"),
        "sec-fetch-site: none\r\n".into(),
    ];
    for head in own {
        assert_eq!(status(&ask(&running, "GET /v1/status HTTP/1.1", &right(&running, &head))), 200, "{head}");
    }
}

#[test]
fn a_preflight_gets_no_permission_and_other_methods_no_service() {
    let running = Running::new();
    let preflight = "access-control-request-method: PUT\r\naccess-control-request-headers: authorization\r\n";
    for method in ["OPTIONS", "TRACE", "HEAD", "PATCH", "PROPFIND", "QUERY", "get"] {
        let line = format!("{method} /v1/limits HTTP/1.1");
        let answer = ask(&running, &line, &right(&running, &format!("{preflight}connection: close\r\n")));
        assert_eq!(status(&answer), 405, "{method}: {answer}");
        let lower = answer.to_lowercase();
        let allow = lower.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
        assert_eq!(allow.split(',').collect::<BTreeSet<_>>(), BTreeSet::from(["get", "put"]), "{method}");
        assert!(!lower.contains("access-control") && !lower.contains(&running.token), "{method}: {answer}");
    }
    assert!(!(200..300).contains(&status(&ask(
        &running,
        "CONNECT evil.example:80 HTTP/1.1",
        &right(&running, "")
    ))));
}

#[test]
fn a_change_that_is_not_declared_json_is_no_change() {
    let running = Running::new();
    let types = [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: multipart/form-data; boundary=a\r\n",
        "content-type: application/jsonx\r\n",
        "content-type: text/plain; application/json\r\n",
        "content-type: application/json\r\ncontent-type: text/plain\r\n",
    ];
    for kind in types {
        for line in ["PUT /v1/limits", "POST /v1/stop", "DELETE /v1/grants/1", "POST /v1/library/1/activate"]
        {
            let answer = running.request(line, kind, "{}");
            assert_eq!(status(&answer), 415, "{line} {kind}: {answer}");
        }
        // RFC 9110 section 15.5.6 before 15.5.16: a method that is not taken has no body to judge.
        assert_eq!(status(&running.request("POST /v1/limits", kind, "{}")), 405, "{kind}");
    }
    // Without a body there is nothing to declare.
    assert_eq!(status(&running.request("DELETE /v1/grants/9", "", "")), 404);
    assert_eq!(running.memory.state().stops, 0);
    let answer = running.request("PUT /v1/limits", "content-type: Application/JSON; charset=utf-8\r\n", "{}");
    assert_eq!(status(&answer), 200);
}

#[test]
fn every_answer_has_the_strict_headers_and_no_cors() {
    let running = Running::new();
    let answers = [
        ask(&running, "GET /healthz HTTP/1.1", &right(&running, "")),
        ask(&running, "GET /v1/openapi.json HTTP/1.1", &right(&running, "")),
        ask(&running, "GET /v1/status HTTP/1.1", &right(&running, "origin: https://evil.example\r\n")),
        ask(&running, "GET /v1/status HTTP/1.1", &right(&running, "")),
        ask(&running, "GET /metrics HTTP/1.1", &right(&running, "")),
        ask(&running, "GET /v1/status HTTP/1.1", &format!("host: {}\r\n", running.address())),
        ask(&running, "GET /v1/status HTTP/1.1", ""),
        ask(&running, "OPTIONS /v1/status HTTP/1.1", &right(&running, "")),
        ask(&running, "GET /no/such HTTP/1.1", &right(&running, "")),
        running.change("PUT /v1/status", ""),
        running.change("PUT /v1/limits", "{"),
        running.change("DELETE /v1/transfers/5", ""),
        running.change("POST /v1/stop", ""),
    ];
    for answer in answers {
        for header in [
            "content-security-policy: default-src 'none'; ",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-store",
        ] {
            assert_eq!(answer.matches(&format!("\r\n{header}")).count(), 1, "{header}: {answer}");
        }
        assert!(answer.contains("frame-ancestors 'none'"), "{answer}");
        assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
        assert!(!answer.contains("\r\nserver:"), "{answer}");
    }
}

#[test]
fn health_is_said_without_a_token_and_says_nothing_else() {
    let running = Running::new();
    let host = format!("host: {}\r\n", running.address());
    let answer = ask(&running, "GET /healthz HTTP/1.1", &host);
    assert!(status(&answer) == 200 && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    assert_eq!(status(&ask(&running, "GET /v1/openapi.json HTTP/1.1", &host)), 200);
    // Where no token is needed, none is to learn which methods are taken.
    for (line, allow) in
        [("POST /healthz", "GET"), ("DELETE /v1/openapi.json", "GET"), ("PUT /v1/sessions", "GET,POST")]
    {
        let answer = ask(&running, &format!("{line} HTTP/1.1"), &host);
        assert!(status(&answer) == 405 && answer.contains(&format!("\r\nallow: {allow}\r\n")), "{answer}");
    }
    for path in ["/healthz/", "//healthz", "/healthz/../v1/status", "/v1/openapi.json/", "/%68ealthz"] {
        assert_eq!(status(&ask(&running, &format!("GET {path} HTTP/1.1"), &host)), 401, "{path}");
    }
}

#[test]
fn refusals_are_problems_in_json_with_a_next_step() {
    let running = Running::new();
    let answers = [
        ask(&running, "GET /v1/status HTTP/1.1", ""),
        ask(&running, "GET /v1/status HTTP/1.1", &format!("host: {}\r\n", running.address())),
        ask(&running, "OPTIONS /v1/status HTTP/1.1", &right(&running, "")),
        ask(&running, "GET /no/such HTTP/1.1", &right(&running, "")),
        running.request("PUT /v1/limits", "", "{}"),
    ];
    for answer in answers {
        assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
        assert!(!problem(&answer).hint.is_empty(), "{answer}");
    }
}

#[test]
fn malformed_http_or_ambiguous_length_is_refused_or_hung_up_on() {
    let running = Running::new();
    let head = right(&running, "content-type: application/json\r\n");
    let stop = "POST /v1/stop HTTP/1.1\r\n";
    let cases = [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "SSH-2.0-x\r\n\r\n".into(),
        "GET /v1/status\r\n\r\n".into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        format!("{stop}{head}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}x"),
        format!("{stop}{head}content-length: 2\r\ntransfer-encoding: chunked, x\r\n\r\n{{}}"),
        format!("{stop}{head}content-length: -1\r\n\r\n"),
        format!("{stop}{head}content-length: 99999999999999999999\r\n\r\n"),
        format!("{stop}{head} folded: x\r\n\r\n"),
        format!("{stop}host : a\r\n\r\n"),
    ];
    for case in cases {
        let answer = running.raw(&case);
        assert!(answer.is_empty() || (400..500).contains(&status(&answer)), "{case:?}: {answer}");
    }
    assert_eq!(running.memory.state().stops, 0);
}

#[test]
fn changed_byte_in_a_stop_request_stops_only_if_meaning_is_same() {
    // The server waits for the rest of a truncated request, so its time limits are short here.
    let short = std::time::Duration::from_millis(100);
    let running = Running::within(minimodel_companion::api::ServerLimits {
        head_time: short,
        body_time: short,
        ..Default::default()
    });
    let head = right(&running, "content-type: application/json\r\ncontent-length: 2\r\n");
    let good = format!("POST /v1/stop HTTP/1.1\r\n{head}\r\n{{}}");
    assert_eq!(status(&running.raw(&good)), 204);
    let token = good.find(&running.token).unwrap()..good.find(&running.token).unwrap() + 64;
    let tried = |at: usize| {
        let old = good.as_bytes()[at];
        let tries = [0, b' ', b'\n', b':', old ^ 0x20, old ^ 1]
            .into_iter()
            .filter(|new| *new != old && new.is_ascii());
        tries
            .filter(|new| {
                let mut bytes = good.clone().into_bytes();
                bytes[at] = *new;
                let answer = running.raw(&String::from_utf8(bytes).unwrap());
                let stopped = answer.starts_with("HTTP/1.1 204 ") || answer.starts_with("HTTP/1.0 204 ");
                assert!(!stopped || !token.contains(&at), "{at} {new}: {answer}");
                assert!(answer.is_empty() || stopped || (400..500).contains(&status(&answer)), "{answer}");
                stopped
            })
            .count()
    };
    let stopped: usize = std::thread::scope(|scope| {
        let part = |first: usize| {
            let tried = &tried;
            let len = good.len();
            scope.spawn(move || (first..len).step_by(8).map(tried).sum::<usize>())
        };
        let threads: Vec<_> = (0..8).map(part).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // Only changes without meaning (case of header names, spaces around values) leave the request valid.
    assert_eq!(running.memory.state().stops as usize, stopped + 1);
    assert!(stopped < good.len(), "{stopped}");
    assert_eq!(status(&running.request("GET /v1/status", "", "")), 200);
}

#[test]
fn it_listens_at_loopback_alone() {
    use minimodel_companion::api::{self, Access};
    let running = Running::new();
    assert!(running.addresses.iter().all(|address| address.ip().is_loopback()));
    assert!(running.addresses.iter().all(|address| address.port() == running.address().port()));
    let anywhere = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let root = tempfile::tempdir().unwrap();
    let access = Access::open(&root.path().join("c")).unwrap();
    let (events, _) = tokio::sync::broadcast::channel(1);
    let (_sender, stop) = tokio::sync::watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = api::ServerLimits::default();
    let interface = api::Interface { service: running.memory.clone(), access, events, stop, limits };
    let refused = runtime.block_on(async { api::publish(vec![anywhere], interface).err() });
    assert!(refused.unwrap().cause.unwrap().contains("no loopback address"));
    assert!(!root.path().join("c/endpoint.json").exists());
}
