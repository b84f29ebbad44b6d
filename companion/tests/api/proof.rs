//! The client against foreign servers: a program that took the port of a companion never receives the token.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use minimodel_companion::Service as _;
use minimodel_companion::api::{Access, EndpointFile};
use minimodel_companion::client::Client;
use minimodel_companion::problem::code;

use crate::running::{PATIENCE, Running, read_answer, status};

/// A foreign program that listens where a companion might, and answers every request with `answer`.
struct Stranger {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Stranger {
    fn new(address: SocketAddr, answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let record = Arc::clone(&heard);
        // The thread ends with the process; no test stops it.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut buffer = [0; 4096];
                while let Ok(len @ 1..) = stream.read(&mut buffer) {
                    record.lock().unwrap().extend_from_slice(&buffer[..len]);
                    let answer = answer(&String::from_utf8_lossy(&buffer[..len]));
                    if stream.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
        Self { address, heard }
    }

    /// Listens on a free port.
    fn anywhere(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        Self::new((Ipv4Addr::LOCALHOST, 0).into(), answer)
    }

    /// Asserts that this program received a challenge and never the token.
    fn assert_told_nothing(&self, token: &str) {
        let heard = String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned();
        assert!(heard.contains("challenge="), "{heard}");
        assert!(!heard.contains(token) && !heard.to_lowercase().contains("authorization"), "{heard}");
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A folder whose `endpoint.json` names this address.
fn folder(address: SocketAddr, pid: u32) -> (tempfile::TempDir, String) {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let access = Access::open(root.path()).unwrap();
    write_endpoint(root.path(), address, pid);
    let token = access.token().header().replace("Bearer ", "");
    (root, token)
}

fn write_endpoint(folder: &std::path::Path, address: SocketAddr, pid: u32) {
    let endpoint = EndpointFile { addresses: vec![address], pid, version: "1".into() };
    let path = folder.join("endpoint.json");
    fs::write(&path, serde_json::to_string(&endpoint).unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_stranger_at_the_port_is_no_companion_whatever_it_answers() {
    type Answer = fn(&str) -> String;
    let answers: [Answer; 9] = [
        |_| ok("ok\n"),
        |_| ok(&format!("{}\n", "00".repeat(32))),
        // The nonce itself.
        |asked| {
            ok(asked.split("challenge=").nth(1).unwrap_or_default().split(' ').next().unwrap_or_default())
        },
        |_| "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".into(),
        |_| "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n".into(),
        |_| "220 smtp\r\n\r\n".into(),
        |_| format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(5_000)),
        |_| "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n".into(),
        |_| format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n{}", ok("ok")),
    ];
    for answer in answers {
        let stranger = Stranger::anywhere(answer);
        let (root, token) = folder(stranger.address, std::process::id());
        assert!(Client::find(root.path()).unwrap().is_none());
        stranger.assert_told_nothing(&token);
    }
}

#[test]
fn stranger_relaying_the_challenge_to_companion_is_found_out() {
    let running = Running::new();
    let real = running.address();
    let stranger = Stranger::anywhere(move |asked| {
        // With the companion's own address as Host, or the companion would not answer at all.
        let query = asked.split("challenge=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let mut stream = TcpStream::connect(real).unwrap();
        write!(stream, "GET /healthz?challenge={query} HTTP/1.1\r\nhost: {real}\r\n\r\n").unwrap();
        let answer = read_answer(&mut stream);
        assert_eq!(status(&answer), 200);
        answer
    });
    assert!(Client::find(&running.folder).unwrap().is_some());
    write_endpoint(&running.folder, stranger.address, std::process::id());
    assert!(Client::find(&running.folder).unwrap().is_none());
    stranger.assert_told_nothing(&running.token);
}

#[test]
fn stranger_taking_the_port_later_is_not_told_the_token() {
    let mut running = Running::new();
    let client = running.client();
    assert!(client.status().is_ok());
    running.end().unwrap();
    assert_eq!(client.status().unwrap_err().code, code::STOPPED);
    let stranger = Stranger::new(running.address(), |_| ok("{}"));
    assert_eq!(client.status().unwrap_err().code, code::STOPPED);
    assert_eq!(client.stop().unwrap_err().code, code::STOPPED);
    assert!(client.events().is_err());
    stranger.assert_told_nothing(&running.token);
}

#[test]
fn free_port_and_dead_process_id_are_no_companion() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (root, _) = folder(free, std::process::id());
    assert!(Client::find(root.path()).unwrap().is_none());
    let running = Running::new();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    for pid in [child.id(), 0, u32::MAX] {
        write_endpoint(&running.folder, running.address(), pid);
        assert!(Client::find(&running.folder).unwrap().is_none(), "{pid}");
    }
    write_endpoint(&running.folder, running.address(), std::process::id());
    assert_eq!(Client::find(&running.folder).unwrap().unwrap().address(), running.address());
}

#[test]
fn both_families_answer_with_proofs_of_their_own() {
    let running = Running::new();
    for address in &running.addresses {
        write_endpoint(&running.folder, *address, std::process::id());
        let client = Client::find(&running.folder).unwrap().unwrap();
        assert_eq!(client.address(), *address);
        assert_eq!(client.status().unwrap().pid, 7);
    }
}

#[test]
fn a_challenge_is_a_nonce_and_no_two_have_the_same_proof() {
    let running = Running::new();
    let ask = |query: &str| {
        let line = format!("GET /healthz{query} HTTP/1.1\r\nhost: {}\r\n\r\n", running.address());
        running.raw(&line)
    };
    let (nought, one) = ("00".repeat(32), "01".repeat(32));
    let proofs = [&nought, &one].map(|nonce| ask(&format!("?challenge={nonce}")));
    assert!(proofs.iter().all(|answer| status(answer) == 200));
    assert_ne!(proofs[0].split_once("\r\n\r\n"), proofs[1].split_once("\r\n\r\n"));
    assert_eq!(ask(&format!("?challenge={nought}")).split_once("\r\n\r\n").unwrap().1.len(), 65);
    for bad in [
        "?challenge=",
        "?challenge=00",
        &format!("?challenge={}", "0G".repeat(32)),
        "?a=b",
        "?challenge=1&challenge=2",
    ] {
        assert_eq!(status(&ask(bad)), 400, "{bad}");
    }
}

#[test]
fn proxies_of_the_environment_are_passed_over() {
    const VARIABLES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
    if std::env::var_os("MINIMODEL_TEST_PROXY").is_some() {
        let running = Running::new();
        assert_eq!(running.client().status().unwrap().pid, 7);
        return;
    }
    // Environment variables belong to a process, so this test runs again in a process of its own.
    let stranger = Stranger::anywhere(|_| ok("{}"));
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again
        .args(["--exact", "proof::proxies_of_the_environment_are_passed_over"])
        .env("MINIMODEL_TEST_PROXY", "1");
    for variable in VARIABLES {
        again.env(variable, format!("http://{}", stranger.address));
    }
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert!(stranger.heard.lock().unwrap().is_empty());
}
