//! The event stream: the snapshot, every change in order, and the treatment of slow clients.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use minimodel_companion::Service as _;
use minimodel_companion::api::ServerLimits;
use minimodel_companion::client::Events;
use minimodel_companion::model::{Event, Kind, Peer, Transfer};
use minimodel_companion::problem::code;

use crate::memory::Stands;
use crate::running::Running;

fn told(transfer: &Transfer) -> Event {
    Event::Transfer { transfer: Box::new(transfer.clone()) }
}

fn next(events: &mut Events) -> Event {
    events.next().expect("the stream goes on").unwrap()
}

#[test]
fn event_stream_sends_whole_state_then_changes_in_order_to_end() {
    let mut running = Running::new();
    let first = running.memory.state().add(Kind::Share, Stands::Running);
    let second = running.memory.state().add(Kind::Fetch, Stands::Paused);
    let mut events = running.client().events().unwrap();
    assert_eq!(next(&mut events), told(&first));
    assert_eq!(next(&mut events), told(&second));
    let changed = running.memory.start(second.id).unwrap();
    let changes =
        [told(&changed), Event::Removed { id: first.id }, Event::Consent, Event::Library, Event::Limits];
    for change in &changes {
        running.events.send(change.clone()).unwrap();
    }
    for change in changes {
        assert_eq!(next(&mut events), change);
    }
    running.end().unwrap();
    assert_eq!(next(&mut events), Event::Stopping);
    assert!(events.next().is_none());
}

#[test]
fn what_the_companion_says_of_its_end_ends_the_stream_once() {
    let mut running = Running::new();
    let mut events = running.client().events().unwrap();
    running.events.send(Event::Limits).unwrap();
    running.events.send(Event::Stopping).unwrap();
    // By now there may be no receiver.
    let _ = running.events.send(Event::Library);
    assert_eq!(next(&mut events), Event::Limits);
    assert_eq!(next(&mut events), Event::Stopping);
    assert!(events.next().is_none());
    running.end().unwrap();
}

#[test]
fn lagging_client_is_told_to_resync_and_ends_with_right_state() {
    let running = Running::new();
    let mut big = running.memory.state().add(Kind::Share, Stands::Running);
    let gone = running.memory.state().add(Kind::Share, Stands::Running);
    let mut events = running.client().events().unwrap();
    assert_eq!((next(&mut events), next(&mut events)), (told(&big), told(&gone)));
    // The client reads nothing while more is sent than the sockets, the stream's buffer and the broadcast queue (8 events) hold.
    running.memory.forget(gone.id).unwrap();
    running.events.send(Event::Removed { id: gone.id }).unwrap();
    big.model_id = "m".repeat(1 << 20);
    for number in 0..60 {
        big.have_bytes = number;
        running.memory.state().transfers.insert(big.id, big.clone());
        running.events.send(told(&big)).unwrap();
        // Gives the server's task time to run.
        std::thread::sleep(Duration::from_millis(1));
    }
    running.events.send(Event::Library).unwrap();
    let mut picture = BTreeMap::from([(big.id, 0), (gone.id, 0)]);
    let mut began_anew = 0;
    loop {
        match next(&mut events) {
            Event::Transfer { transfer } => _ = picture.insert(transfer.id, transfer.have_bytes),
            Event::Removed { id } => _ = picture.remove(&id),
            Event::Resync => {
                began_anew += 1;
                picture.clear();
            }
            _ => {}
        }
        if picture == BTreeMap::from([(big.id, 59)]) && began_anew > 0 {
            break;
        }
    }
}

#[test]
fn event_stream_bytes_have_ids_names_and_keep_alive_comments() {
    let running =
        Running::within(ServerLimits { keep_alive: Duration::from_millis(50), ..ServerLimits::default() });
    running.memory.state().add(Kind::Share, Stands::Running);
    let mut stream = running.connect();
    let (address, token) = (running.address(), &running.token);
    let request =
        format!("GET /v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    while !text.contains("\n:\n\n") {
        let mut more = [0; 4096];
        let len = stream.read(&mut more).unwrap();
        assert!(len > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&more[..len]).replace("\r\n", "\n"));
        // The sizes of HTTP chunks are on lines of their own.
    }
    assert!(text.contains("\ncontent-type: text/event-stream\n"), "{text}");
    assert!(text.contains("\ncache-control: no-store\n"), "{text}");
    assert_eq!(text.matches("\ncache-control:").count(), 1, "{text}");
    for line in ["id: 1", "event: transfer", "data: {\"event\":\"transfer\",\"transfer\":{\"id\":1,"] {
        assert!(text.contains(&format!("\n{line}")), "{line}: {text}");
    }
}

#[test]
fn event_streams_are_bounded_and_a_closed_one_frees_its_place() {
    let running = Running::within(ServerLimits { streams: 2, ..ServerLimits::default() });
    let client = running.client();
    let first = client.events().unwrap();
    let _second = client.events().unwrap();
    assert_eq!(client.events().unwrap_err().code, code::BUSY);
    drop(first);
    while client.events().is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_stream_that_breaks_off_is_one_problem_and_then_over() {
    let running = Running::within(ServerLimits { end_time: Duration::ZERO, ..ServerLimits::default() });
    let mut big = running.memory.state().add(Kind::Share, Stands::Running);
    big.model_id = "m".repeat(32 << 20);
    running.memory.state().transfers.insert(big.id, big);
    let mut events = running.client().events().unwrap();
    // The shutdown leaves no time for the pending events, which are more than the sockets hold.
    drop(running);
    assert_eq!(events.next().unwrap().unwrap_err().code, code::STOPPED);
    assert!(events.next().is_none());
}

/// CPU time of the server's threads so far, in nanoseconds; 0 where the system does not tell it.
fn server_cpu() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let is_server = |path: &std::path::Path| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("tokio-"))
    };
    let spent = threads.map(|thread| thread.path()).filter(|path| is_server(path)).map(|path| {
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0)
    });
    spent.sum()
}

/// Prints the figure of `docs/performance.md`; run alone and in release it is that of the server's threads.
#[test]
fn stream_of_20_transfers_with_1000_peers_is_whole() {
    const ROUNDS: u64 = 40;
    let running = Running::new();
    for _ in 0..20 {
        let mut transfer = running.memory.state().add(Kind::Share, Stands::Running);
        let peer = transfer.peers.pop().unwrap();
        let peer = Peer { peer: "b".repeat(52), received_bytes: 1 << 30, ..peer };
        transfer.peers = vec![peer; 50];
        running.memory.state().transfers.insert(transfer.id, transfer);
    }
    let picture: Vec<Transfer> = running.memory.state().transfers.values().cloned().collect();
    let mut events = running.client().events_with_chunks(1, 4096).unwrap();
    let mut next_transfer = || {
        loop {
            if let Event::Transfer { transfer } = next(&mut events) {
                return *transfer;
            }
        }
    };
    picture.iter().for_each(|expected| assert_eq!(next_transfer(), *expected));
    let before = server_cpu();
    for round in 0..ROUNDS {
        for transfer in &picture {
            let changed = Transfer { sent_bytes: round, ..transfer.clone() };
            running.events.send(told(&changed)).unwrap();
            assert_eq!(next_transfer(), changed);
        }
    }
    // Other tests of this process may end their servers meanwhile.
    let each = server_cpu().saturating_sub(before) / ROUNDS;
    println!(
        "an update of 20 transfers with 1,000 peers: {:.1} ms of CPU, {:.1} % of a core at two a second",
        each as f64 / 1e6,
        each as f64 * 2.0 / 1e7
    );
}
