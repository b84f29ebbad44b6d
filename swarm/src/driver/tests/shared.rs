//! Several sessions on one node.

use std::sync::atomic::AtomicU8;

use minimodel_wire::{Bitfield, CloseCode, ManifestOnly, PeerId};
use quinn::Connection;

use super::super::blocking::PART;
use super::super::close::code_of;
use super::super::{DriverError, Interfaces, RateLimit};
use super::*;

/// A node of two seeding sessions, of swarms 1 and 7.
struct Pair {
    node: Node,
    key: SigningKey,
    first: Session,
    second: Session,
}

/// Inputs of a session of another swarm than [`Memory::inputs`] has.
fn of_swarm(swarm: u8, consent: Consent, key: &SigningKey) -> SessionInputs {
    file_of_swarm(Memory::new(), swarm, consent, key)
}

fn file_of_swarm(file: Memory, swarm: u8, consent: Consent, key: &SigningKey) -> SessionInputs {
    let mut inputs = file.inputs(consent, key);
    (inputs.config.terms.swarm_id, inputs.config.terms.artifact_sha256) = ([swarm; 32], [swarm + 1; 32]);
    inputs
}

impl Pair {
    fn new() -> Self {
        Self::of(Memory::new())
    }

    /// A pair whose first session serves this file.
    fn of(file: Memory) -> Self {
        let (node, key) = node_for(Incoming::ManySessions, 1);
        let first = Session::new(&node, file_of_swarm(file, 1, Consent::SERVE, &key)).unwrap();
        let second = Session::new(&node, of_swarm(7, Consent::SERVE, &key)).unwrap();
        Self { node, key, first, second }
    }

    fn offer(&self, swarm: u8) -> SignedOffer {
        self.node.offer([swarm; 32], 2_000).unwrap()
    }

    /// Runs both sessions until `work` is done.
    async fn until<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let both = async {
            loop {
                tokio::select! {
                    done = &mut work => return done,
                    _ = self.first.next() => {}
                    _ = self.second.next() => {}
                }
            }
        };
        timeout(PATIENCE, both).await.unwrap()
    }

    fn connections(&self) -> [u64; 2] {
        [self.first.links.opened(), self.second.links.opened()]
    }
}

/// A fetching session of `swarm` with the offer of the pair.
fn fetcher(key: u8, swarm: u8, pair: &Pair) -> (Node, Session) {
    let (node, key) = node(key);
    let mut session = Session::new(&node, of_swarm(swarm, Consent::FETCH, &key)).unwrap();
    session.tell(Input::Source(pair.offer(swarm)));
    (node, session)
}

/// Runs a fetch until it is complete, or its peer has refused it.
async fn end_of(session: &mut Session) -> Result<(), CloseCode> {
    loop {
        match session.next().await {
            SessionEvent::Machine(Event::Complete) => return Ok(()),
            SessionEvent::Machine(Event::Refused { code, .. }) => return Err(code),
            _ => {}
        }
    }
}

async fn dial(from: &Node, target: &Node) -> Connection {
    let (peer, addresses) = (target.id(), vec![target.local_address()]);
    from.dialer.clone().dial(peer, addresses, Vec::new()).await.unwrap()
}

/// Sends bytes as the first of a control stream; returns the close code that they are answered with.
async fn answer_to(connection: &Connection, bytes: &[u8]) -> Option<CloseCode> {
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    code_of(&connection.closed().await)
}

#[tokio::test]
async fn two_sessions_of_one_node_each_serve_their_own_peers() {
    let mut pair = Pair::new();
    let (_one, mut first) = fetcher(2, 1, &pair);
    let (_two, mut second) = fetcher(3, 7, &pair);
    let both = async { tokio::join!(end_of(&mut first), end_of(&mut second)) };
    assert_eq!(pair.until(both).await, (Ok(()), Ok(())));
    assert_eq!(pair.connections(), [1, 1]);
}

#[tokio::test]
async fn one_key_is_in_two_swarms_of_one_node_at_once() {
    let mut pair = Pair::new();
    let (node, key) = node_for(Incoming::ManySessions, 2);
    let mut fetchers = [1, 7].map(|swarm| {
        let mut session = Session::new(&node, of_swarm(swarm, Consent::FETCH, &key)).unwrap();
        session.tell(Input::Source(pair.offer(swarm)));
        session
    });
    let [first, second] = &mut fetchers;
    let both = async { tokio::join!(end_of(first), end_of(second)) };
    assert_eq!(pair.until(both).await, (Ok(()), Ok(())));
}

#[tokio::test]
async fn hello_for_a_swarm_that_no_session_serves_is_told_to_return() {
    let mut pair = Pair::new();
    let (asking, _) = node(2);
    let (theirs, target) = (pair.first.downloading.terms().clone(), pair.node.clone());
    let said = pair.until(async {
        let foreign = Hello { swarm_id: [9; 32], artifact_sha256: [10; 32], ..hello(&theirs) };
        let transfer = answer_to(&dial(&asking, &target).await, &Frame::Hello(foreign).encode()).await;
        let (version, software) = (minimodel_wire::PROTOCOL_VERSION, "test/1".to_owned());
        let only = Frame::ManifestOnly(ManifestOnly { version, swarm_id: [9; 32], software });
        (transfer, answer_to(&dial(&asking, &target).await, &only.encode()).await)
    });
    assert_eq!(said.await, (Some(CloseCode::Busy), Some(CloseCode::Busy)));
    assert_eq!(pair.connections(), [0, 0], "no session heard of it");
}

/// Another manifest of the same file may be shared as well, and be paused now; and a stranger that knows only the digest of a
/// file learns nothing.
#[tokio::test]
async fn hello_for_another_manifest_of_a_file_is_told_to_return() {
    let mut pair = Pair::new();
    let (asking, _) = node(2);
    let (theirs, target) = (pair.second.downloading.terms().clone(), pair.node.clone());
    let said = pair.until(async {
        let other = Hello { swarm_id: [9; 32], ..hello(&theirs) };
        let same_license =
            answer_to(&dial(&asking, &target).await, &Frame::Hello(other.clone()).encode()).await;
        let other = Hello { license_sha256: [9; 32], ..other };
        (same_license, answer_to(&dial(&asking, &target).await, &Frame::Hello(other).encode()).await)
    });
    assert_eq!(said.await, (Some(CloseCode::Busy), Some(CloseCode::Busy)));
    assert_eq!(pair.connections(), [0, 0]);
}

// Rows: A1, A3, A5
#[tokio::test]
async fn first_bytes_that_name_no_swarm_are_booked_by_no_session() {
    let mut pair = Pair::new();
    let (asking, key) = node(2);
    let target = pair.node.clone();
    let have = Frame::Have { indexes: vec![70_000] }.encode();
    let bitfield = Frame::Bitfield(Bitfield::full(1 << 20)).encode();
    for (bytes, code) in [
        (&[0, 0, 0, 0, 0x34, 0x12][..], CloseCode::UnknownFrame),
        (&[0, 0, 0, 0x7f, 1, 0], CloseCode::FrameTooLarge),
        (&have, CloseCode::StateViolation),
        (&bitfield, CloseCode::StateViolation),
    ] {
        let said = pair.until(async { answer_to(&dial(&asking, &target).await, bytes).await }).await;
        assert_eq!(said, Some(code), "{bytes:?}");
    }
    assert_eq!(pair.connections(), [0, 0]);
    // The key is held in no swarm.
    let mut session = Session::new(&asking, of_swarm(1, Consent::FETCH, &key)).unwrap();
    session.tell(Input::Source(pair.offer(1)));
    assert_eq!(pair.until(end_of(&mut session)).await, Ok(()));
}

#[tokio::test]
async fn banned_key_hears_so_once_its_hello_names_the_swarm() {
    let (node, key) = node_for(Incoming::ManySessions, 1);
    let (asking, banned) = super::node(2);
    let mut inputs = of_swarm(7, Consent::SERVE, &key);
    let banned = PeerId(banned.verifying_key().to_bytes());
    inputs.bans.known.insert(banned, Duration::from_secs(3_600));
    let first = Session::new(&node, of_swarm(1, Consent::SERVE, &key)).unwrap();
    let second = Session::new(&node, inputs).unwrap();
    let mut pair = Pair { node, key, first, second };
    let (theirs, target) = (pair.second.downloading.terms().clone(), pair.node.clone());
    let hello = Frame::Hello(hello(&theirs)).encode();
    let said = pair.until(async { answer_to(&dial(&asking, &target).await, &hello).await }).await;
    assert_eq!(said, Some(CloseCode::Banned));
}

// Rows: B16, H2
#[tokio::test]
async fn silent_newcomers_give_way_to_one_that_says_its_hello() {
    const PLACES: u64 = 8;
    let mut pair = Pair::new();
    let (silent, _) = node(2);
    let (_node, mut honest) = fetcher(3, 7, &pair);
    let target = pair.node.clone();
    let held = pair.until(async {
        let mut held = Vec::new();
        for _ in 0..PLACES {
            held.push(dial(&silent, &target).await);
        }
        held
    });
    let held = held.await;
    assert_eq!(pair.until(end_of(&mut honest)).await, Ok(()));
    assert_eq!(pair.connections(), [0, 1], "silent newcomers came to no session");
    let ended: Vec<_> = held.iter().filter_map(Connection::close_reason).collect();
    let codes: Vec<_> = ended.iter().map(code_of).collect();
    assert_eq!(codes, [Some(CloseCode::Busy)], "one gave way");
}

#[tokio::test]
async fn end_of_one_session_leaves_the_other_transfer_running() {
    let (node, key) = node_for(Incoming::ManySessions, 1);
    let rate_limit = RateLimit::default();
    rate_limit.set(Some(2 * CHUNK as u64));
    let mut slow = of_swarm(7, Consent::SERVE, &key);
    slow.limits.up.push(rate_limit.clone());
    let mut first = Session::new(&node, of_swarm(1, Consent::SERVE, &key)).unwrap();
    let mut second = Session::new(&node, slow).unwrap();
    let offer = |swarm: u8| node.offer([swarm; 32], 2_000).unwrap();
    let (_one, one) = super::node(2);
    let mut idle = Session::new(&_one, of_swarm(1, Consent::FETCH, &one)).unwrap();
    let (_two, two) = super::node(3);
    let mut busy = Session::new(&_two, of_swarm(7, Consent::FETCH, &two)).unwrap();
    idle.tell(Input::Source(offer(1)));
    busy.tell(Input::Source(offer(7)));
    timeout(PATIENCE, async {
        work(&mut first, &mut idle, is_complete).await;
        let is_chunk = |event: &SessionEvent| matches!(event, SessionEvent::Machine(Event::Chunk { .. }));
        work(&mut second, &mut busy, is_chunk).await;
        let mut ended = std::pin::pin!(async {
            let drained = first.stop(CloseCode::ShuttingDown).await;
            drop(first);
            drained.await;
        });
        loop {
            tokio::select! {
                () = &mut ended => break,
                _ = second.next() => {}
                _ = busy.next() => {}
            }
        }
        assert!(busy.machine.have().ones() < COUNT);
        rate_limit.set(None);
        work(&mut second, &mut busy, is_complete).await;
        // The swarm is free again.
        Session::new(&node, of_swarm(1, Consent::SERVE, &key)).unwrap();
    })
    .await
    .unwrap();
    assert_eq!(busy.links.opened(), 1, "it never lost its connection");
}

#[tokio::test]
async fn second_session_of_a_swarm_is_refused_by_its_name() {
    let pair = Pair::new();
    let refused = Session::new(&pair.node, of_swarm(7, Consent::SERVE, &pair.key)).err().unwrap();
    assert!(matches!(refused, DriverError::SwarmTaken { swarm_id } if swarm_id == [7; 32]), "{refused}");
    // A session that serves nobody takes no connections.
    assert!(Session::new(&pair.node, of_swarm(7, Consent::FETCH, &pair.key)).is_ok());
}

#[tokio::test]
async fn node_without_a_session_that_serves_answers_nobody() {
    let (node, key) = node_for(Incoming::ManySessions, 1);
    drop(Session::new(&node, of_swarm(1, Consent::SERVE, &key)).unwrap());
    let _fetches = Session::new(&node, of_swarm(7, Consent::FETCH, &key)).unwrap();
    let (asking, _) = super::node(2);
    let target = (node.id(), vec![node.local_address()]);
    let dialed = asking.dialer.clone().dial(target.0, target.1, Vec::new()).await;
    let fault = dialed.unwrap_err();
    assert_eq!((fault.wrong_key, fault.code), (None, None));
}

#[tokio::test]
async fn newcomer_of_a_stopping_session_is_not_told_that_all_is_done() {
    let Pair { node: target, mut first, second: _second, .. } = Pair::new();
    let (dialer, _) = node(9);
    let connection = dial(&dialer, &target).await;
    let said = Frame::Hello(hello(first.downloading.terms())).encode();
    let answered = tokio::spawn(async move { answer_to(&connection, &said).await });
    // Long enough, mostly, for the newcomer to wait in the inbox of the session, which does not take it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.stop(CloseCode::ShuttingDown).await.await;
    drop(first);
    let code = timeout(PATIENCE, answered).await.unwrap().unwrap();
    assert!(matches!(code, Some(CloseCode::ShuttingDown | CloseCode::Busy)), "{code:?}");
}

#[tokio::test]
async fn offers_name_the_addresses_that_the_machine_has_by_then() {
    fn found() -> Interfaces {
        static NETWORK: AtomicU8 = AtomicU8::new(1);
        let ips = vec![[10, 0, NETWORK.fetch_add(1, Ordering::Relaxed), 7].into()];
        Interfaces { all: ips.clone(), named: ips }
    }
    let node = Node::bind(NodeSettings {
        key: SigningKey::from_bytes(&[1; 32]),
        listen: "0.0.0.0:0".parse().unwrap(),
        advertise: Vec::new(),
        interfaces: found,
        incoming: Incoming::ManySessions,
        max_datagram: None,
        congestion: Congestion::default(),
    });
    let node = node.unwrap();
    let addresses =
        || node.addresses().into_iter().map(|address| address.ip().to_string()).collect::<Vec<_>>();
    assert_eq!((addresses(), addresses()), (vec!["10.0.1.7".to_owned()], vec!["10.0.2.7".to_owned()]));
}

// Rows: F4
#[test]
fn share_on_a_hung_disk_leaves_threads_to_the_others() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(PART + 1).build().unwrap();
    runtime.block_on(async {
        let file = Memory::new();
        let hangs = file.read_blocks.clone();
        hangs.store(true, Ordering::Relaxed);
        let mut pair = Pair::of(file);
        let [(_a, mut one), (_b, mut two), (_c, mut three)] = [2, 3, 4].map(|key| fetcher(key, 1, &pair));
        let asked = async {
            while pair.first.serving.reading() <= PART as u32 {
                tokio::select! {
                    _ = pair.first.next() => {}
                    _ = one.next() => {}
                    _ = two.next() => {}
                    _ = three.next() => {}
                }
            }
        };
        timeout(PATIENCE, asked).await.unwrap();
        let (_node, mut served) = fetcher(5, 7, &pair);
        assert_eq!(pair.until(end_of(&mut served)).await, Ok(()));
        hangs.store(false, Ordering::Relaxed);
    });
}
