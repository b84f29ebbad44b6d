//! Clients that are slow, many or greedy: the server closes them, and other clients are not affected.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use minimodel_companion::Service as _;
use minimodel_companion::api::ServerLimits;
use minimodel_companion::client::Client;
use minimodel_companion::model::{Kind, NewEntry};
use minimodel_companion::problem::code;

use crate::memory::Stands;
use crate::running::{PATIENCE, Running, problem, read_answer, status};

const SHORT: Duration = Duration::from_millis(150);

/// Reads everything until the server closes the connection.
fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => all,
    }
}

fn head(running: &Running, line: &str, more: &str) -> String {
    let (address, token) = (running.address(), &running.token);
    format!("{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{more}")
}

#[test]
fn who_does_not_finish_a_request_or_stays_idle_is_hung_up_on() {
    let running =
        Running::within(ServerLimits { head_time: SHORT, body_time: SHORT, ..ServerLimits::default() });
    for begin in ["", "G", "GET /healthz HTTP/1.1\r\nhost: 127"] {
        let mut stream = running.connect();
        stream.write_all(begin.as_bytes()).unwrap();
        let answer = until_closed(&mut stream);
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "), "{begin}");
    }
    // One complete request; a second never comes.
    let mut stream = running.connect();
    stream.write_all(format!("{}\r\n", head(&running, "GET /healthz", "")).as_bytes()).unwrap();
    assert_eq!(status(&read_answer(&mut stream)), 200);
    assert_eq!(until_closed(&mut stream), b"");
    // The head is there, the body comes a byte at a time.
    let mut stream = running.connect();
    let json = "content-type: application/json\r\n";
    let change = head(&running, "PUT /v1/limits", &format!("{json}content-length: 1000\r\n\r\n{{"));
    stream.write_all(change.as_bytes()).unwrap();
    let answer = read_answer(&mut stream);
    assert_eq!(status(&answer), 408, "{answer}");
}

#[test]
fn body_above_256_kib_gets_413_whatever_length_it_declares() {
    let running = Running::new();
    let most = ServerLimits::default().body_bytes;
    let fits = format!("{{{}}}", " ".repeat(most - 2));
    assert_eq!(status(&running.change("PUT /v1/limits", &fits)), 200);
    let answer = running.change("PUT /v1/limits", &format!("{fits} "));
    assert_eq!(status(&answer), 413);
    assert_eq!(problem(&answer).code, code::USAGE);
    let json = "content-type: application/json\r\n";
    let chunked = format!("{json}transfer-encoding: chunked\r\n\r\n{:x}\r\n{fits} \r\n0\r\n\r\n", most + 1);
    assert_eq!(status(&running.raw(&head(&running, "PUT /v1/limits", &chunked))), 413);
    // A body that only declares such a length is refused at once.
    let lying = format!("{json}content-length: 9999999999\r\n\r\n");
    assert_eq!(status(&running.raw(&head(&running, "PUT /v1/limits", &lying))), 413);
}

#[test]
fn a_head_of_many_or_long_lines_is_refused() {
    let running = Running::new();
    let many = "a: b\r\n".repeat(100);
    let long = format!("a: {}\r\n", "b".repeat(20_000));
    for more in [many, long] {
        let answer = running.raw(&head(&running, "GET /v1/status", &format!("{more}\r\n")));
        assert!(answer.is_empty() || (400..500).contains(&status(&answer)), "{answer}");
    }
    let line = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    let answer = running.raw(&line);
    assert!(answer.is_empty() || (400..500).contains(&status(&answer)), "{answer}");
}

#[test]
fn who_takes_nothing_of_what_is_written_to_him_is_hung_up_on() {
    let running =
        Running::within(ServerLimits { write_time: SHORT, connections: 1, ..ServerLimits::default() });
    let mut transfer = running.memory.state().add(Kind::Share, Stands::Running);
    // More than the sockets of both sides hold.
    transfer.model_id = "m".repeat(32 << 20);
    running.memory.state().transfers.insert(transfer.id, transfer);
    let mut slow = running.connect();
    slow.write_all(format!("{}\r\n", head(&running, "GET /v1/status", "")).as_bytes()).unwrap();
    let mut begin = [0; 1];
    slow.read_exact(&mut begin).unwrap();
    // That client held the only connection allowed.
    let begun = Instant::now();
    while Client::find(&running.folder).unwrap().is_none() {
        assert!(begun.elapsed() < PATIENCE, "it is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(until_closed(&mut slow).len() < 32 << 20);
}

#[test]
fn silent_connection_makes_room_and_authenticated_ones_stay() {
    let running = Running::within(ServerLimits { connections: 4, ..ServerLimits::default() });
    let mut silent: Vec<_> = (0..4).map(|_| running.connect()).collect();
    assert_eq!(status(&running.request("GET /v1/status", "", "")), 200);
    // The oldest connection was closed.
    assert_eq!(until_closed(&mut silent[0]), b"");
    let client = running.client();
    // The connection of an answered request holds its place until the server has noticed its close.
    let open = || loop {
        match client.events() {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut streams: Vec<_> = (0..4).map(|_| open()).collect();
    let mut newcomer = running.connect();
    assert_eq!(until_closed(&mut newcomer), b"");
    assert!(client.status().is_err());
    drop(streams.pop());
    // The place is free once the server has noticed the close.
    while client.status().is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn newer_connections_push_no_client_out_before_its_request() {
    let grace = Duration::from_secs(3);
    let limits = ServerLimits { connections: 2, silence: grace, grace, ..ServerLimits::default() };
    let running = Running::within(limits);
    let mut client = running.connect();
    // The fourth waits to be accepted until the third has its place.
    let _newer: Vec<_> = (0..3).map(|_| running.connect()).collect();
    std::thread::sleep(Duration::from_millis(100));
    client.write_all(format!("{}\r\n", head(&running, "GET /healthz", "")).as_bytes()).unwrap();
    assert_eq!(status(&read_answer(&mut client)), 200);
    // It has presented the token; the others give way when their time is up.
    assert!(running.client().status().is_ok());
}

#[test]
fn connection_that_ends_makes_room_without_waiting_for_grace() {
    let grace = Duration::from_secs(1_000);
    let limits = ServerLimits { connections: 2, silence: grace, grace, ..ServerLimits::default() };
    let running = Running::within(limits);
    let mut silent = vec![running.connect(), running.connect()];
    let mut client = running.connect();
    client.write_all(format!("{}\r\n", head(&running, "GET /healthz", "")).as_bytes()).unwrap();
    // By now the server waits for room.
    std::thread::sleep(Duration::from_millis(100));
    drop(silent.pop());
    assert_eq!(status(&read_answer(&mut client)), 200);
}

#[test]
fn silent_connections_give_way_before_those_that_speak() {
    let grace = Duration::from_secs(1_000);
    let limits = ServerLimits { connections: 4, grace, ..ServerLimits::default() };
    let running = Running::within(limits);
    let mut client = running.connect();
    let request = format!("{}\r\n", head(&running, "GET /healthz", ""));
    let (begin, rest) = request.split_at(9);
    client.write_all(begin.as_bytes()).unwrap();
    let _silent: Vec<_> = (0..100).map(|_| running.connect()).collect();
    assert!(running.client().status().is_ok());
    client.write_all(rest.as_bytes()).unwrap();
    assert_eq!(status(&read_answer(&mut client)), 200);
}

#[test]
fn long_calls_do_not_delay_others_and_too_many_get_503() {
    let running =
        Running::within(ServerLimits { long_calls: 1, waiting_calls: 2, ..ServerLimits::default() });
    let id = running.memory.add(NewEntry { manifest: "m".into(), ..NewEntry::default() }).unwrap().id;
    running.memory.hold(true);
    std::thread::scope(|scope| {
        // A probe below may have taken the place of a call, which is then made again.
        let verify = || loop {
            match running.client().verify(id) {
                Err(problem) if problem.code == code::BUSY => std::thread::sleep(Duration::from_millis(5)),
                answer => break answer,
            }
        };
        let calls: Vec<_> = (0..3).map(|_| scope.spawn(verify)).collect();
        // Soon one call runs and two wait; then the next is refused at once.
        let refused = loop {
            let mut stream = running.connect();
            let line = format!("POST /v1/library/{id}/verify");
            let json = "content-type: application/json\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(head(&running, &line, json).as_bytes()).unwrap();
            stream.set_read_timeout(Some(SHORT)).unwrap();
            let mut begin = [0; 4096];
            // A probe that is not refused took a place in the queue, and gives it up.
            if let Ok(len @ 1..) = stream.read(&mut begin) {
                break String::from_utf8_lossy(&begin[..len]).into_owned();
            }
        };
        assert_eq!(status(&refused), 503, "{refused}");
        assert_eq!(problem(&refused).code, code::BUSY);
        assert_eq!(running.client().status().unwrap().pid, 7);
        assert!(running.client().set_limits(running.client().limits().unwrap()).is_ok());
        running.memory.hold(false);
        for call in calls {
            assert_eq!(call.join().unwrap().unwrap().id, id);
        }
    });
}

#[test]
fn it_ends_though_clients_stay_connected() {
    let mut running = Running::within(ServerLimits { end_time: SHORT, ..ServerLimits::default() });
    let mut idle = running.connect();
    let mut half = running.connect();
    half.write_all(b"GET /hea").unwrap();
    running.end().unwrap();
    assert_eq!(until_closed(&mut idle), b"");
    until_closed(&mut half);
    assert!(TcpStream::connect(running.address()).is_err());
}
