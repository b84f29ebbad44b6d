//! Whole sessions on loopback, in one process, looked at from inside.

mod busy;
mod clock;
mod dial;
mod idle;
mod knock;
mod last;
mod live;
mod meeting;
mod moved;
mod path;
mod quota;
mod shared;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::{Digest, sha256};
use minimodel_wire::{Bitfield, Consent, Frame, Hello, SignedOffer};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::chunk_maps::chunk_maps;
use super::door::Knocks;
use super::found_peers::found_peers;
use super::messages::SessionEvent;
use super::outside::Outside;
use super::session::{Session, SessionInputs};
use super::settings::SessionLimits;
use super::sink::ChunkSink;
use super::{Congestion, Controls, Incoming, Node, NodeSettings, steady};
use crate::machine::{Config, Event, Input, KeepOutcome, Limits, Order, Terms};
use crate::store::{ChunkBytes, ChunkSource, SourceError, StoreError};

const CHUNK: usize = 16 << 10;
const COUNT: u32 = 24;
const PATIENCE: Duration = Duration::from_secs(60);

/// A file in memory, as chunk source and chunk sink.
struct Memory {
    bytes: Vec<u8>,
    layout: Layout,
    tree: Tree,
    /// Reading a chunk panics once.
    read_panics: AtomicBool,
    /// Reading a chunk fails once.
    read_fails: AtomicBool,
    /// Keeping a chunk panics.
    keep_panics: bool,
    /// While these are set, reading or keeping a chunk does not end.
    read_blocks: Arc<AtomicBool>,
    keep_blocks: Arc<AtomicBool>,
    /// Chunks that were kept.
    kept: Arc<Mutex<Vec<u32>>>,
}

impl Memory {
    fn new() -> Self {
        let bytes: Vec<u8> = (0..CHUNK * COUNT as usize).map(|at| (at / 7) as u8).collect();
        let layout = Layout::new(bytes.len() as u64, CHUNK as u64).unwrap();
        let tree = Tree::from_chunk_hashes(bytes.chunks(CHUNK).map(sha256).collect());
        Self {
            bytes,
            layout,
            tree,
            read_panics: AtomicBool::new(false),
            read_fails: AtomicBool::new(false),
            keep_panics: false,
            read_blocks: Arc::default(),
            keep_blocks: Arc::default(),
            kept: Arc::default(),
        }
    }

    fn inputs(self, consent: Consent, key: &SigningKey) -> SessionInputs {
        let serves = consent.contains(Consent::SERVE);
        let terms = Terms {
            swarm_id: [1; 32],
            artifact_sha256: [2; 32],
            license_sha256: [3; 32],
            evidence_sha256: [4; 32],
            byte_count: self.layout.byte_count(),
            chunk_size: self.layout.chunk_size(),
            chunk_count: COUNT,
        };
        let root = *self.tree.root();
        let memory = Arc::new(self);
        SessionInputs {
            config: Config {
                me: minimodel_wire::PeerId(key.verifying_key().to_bytes()),
                terms,
                consent,
                software: "test/1".to_owned(),
                controls: Controls::default(),
                offer: None,
                order: Order::Rarest,
                rescan: false,
                repairs: false,
                listening: true,
                seed: 7,
                unix_at_start: 1_000,
                limits: Limits::default(),
            },
            have: if serves { Bitfield::full(COUNT) } else { Bitfield::new(COUNT) },
            bans: Default::default(),
            source: memory.clone(),
            sink: (!serves).then_some(memory as Arc<dyn ChunkSink>),
            follow: None,
            root,
            manifest_text: Bytes::from_static(b"a manifest"),
            outside: Outside {
                controls: steady(Controls::default()),
                chunk_maps: chunk_maps().1,
                found: found_peers().1,
            },
            knocks: Knocks::default(),
            limits: SessionLimits::default(),
            reports: mpsc::channel(1).0,
        }
    }
}

fn block_while(is_blocked: &AtomicBool) {
    while is_blocked.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl ChunkSource for Memory {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn has(&self, _: u32) -> bool {
        true
    }

    fn chunk(&self, index: u32) -> Result<ChunkBytes, SourceError> {
        assert!(!self.read_panics.swap(false, Ordering::Relaxed), "as it should in this test");
        if self.read_fails.swap(false, Ordering::Relaxed) {
            let source = std::io::Error::from_raw_os_error(5);
            return Err(SourceError::Disk(StoreError::Io {
                path: "model.slm".into(),
                doing: "read",
                source,
            }));
        }
        block_while(&self.read_blocks);
        let start = index as usize * CHUNK;
        let bytes = Bytes::copy_from_slice(&self.bytes[start..start + CHUNK]);
        Ok(ChunkBytes { bytes, proof: self.tree.proof(index).unwrap() })
    }

    fn chunk_hash(&self, index: u32) -> Option<Digest> {
        self.tree.chunk_hash(index).copied()
    }

    fn leaves(&self, _: u32, _: u32) -> Option<(Vec<Digest>, Vec<Digest>)> {
        None
    }

    fn suspect(&self) {}
}

impl ChunkSink for Memory {
    fn keep(
        &self,
        index: u32,
        data: &[u8],
        got: Digest,
        _: &[Digest],
        _: [u8; 32],
    ) -> Result<KeepOutcome, StoreError> {
        assert!(!self.keep_panics, "as it should in this test");
        block_while(&self.keep_blocks);
        assert_eq!(
            (data, Some(&got)),
            (&self.bytes[index as usize * CHUNK..][..CHUNK], self.tree.chunk_hash(index))
        );
        self.kept.lock().unwrap().push(index);
        Ok(KeepOutcome::Kept)
    }

    fn read_back(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn rescan(&self, _: Vec<Digest>) -> Result<Vec<u32>, StoreError> {
        Ok(Vec::new())
    }

    fn held(&self) -> Vec<u32> {
        self.kept.lock().unwrap().clone()
    }
}

pub(super) fn node(key: u8) -> (Node, SigningKey) {
    node_for(Incoming::OneSession, key)
}

fn node_for(incoming: Incoming, key: u8) -> (Node, SigningKey) {
    let key = SigningKey::from_bytes(&[key; 32]);
    let node = Node::bind(NodeSettings {
        key: key.clone(),
        listen: "127.0.0.1:0".parse().unwrap(),
        advertise: Vec::new(),
        interfaces: Default::default,
        incoming,
        max_datagram: None,
        congestion: Congestion::default(),
    });
    (node.unwrap(), key)
}

fn session(key: u8, consent: Consent, memory: Memory) -> (Node, Session) {
    let (node, key) = node(key);
    let session = Session::new(&node, memory.inputs(consent, &key)).unwrap();
    (node, session)
}

fn hello(terms: &Terms) -> Hello {
    Hello {
        version: minimodel_wire::PROTOCOL_VERSION,
        swarm_id: terms.swarm_id,
        artifact_sha256: terms.artifact_sha256,
        license_sha256: terms.license_sha256,
        evidence_sha256: terms.evidence_sha256,
        chunk_size: terms.chunk_size,
        chunk_count: terms.chunk_count,
        consent: Consent::FETCH,
        software: "test/1".to_owned(),
    }
}

fn offer(node: &Node) -> SignedOffer {
    node.offer([1; 32], 2_000).unwrap()
}

/// Runs both sessions until the fetcher reports what `is_it` accepts.
async fn work(
    seeder: &mut Session,
    fetcher: &mut Session,
    mut is_it: impl FnMut(&SessionEvent) -> bool,
) -> SessionEvent {
    let work = async {
        loop {
            tokio::select! {
                _ = seeder.next() => {}
                event = fetcher.next() => if is_it(&event) { return event },
            }
        }
    };
    timeout(PATIENCE, work).await.unwrap()
}

fn is_complete(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Machine(Event::Complete))
}

// Rows: F7
#[tokio::test]
async fn panic_while_keeping_a_chunk_ends_the_fetch_with_an_error() {
    let (seeding, mut seeder) = session(1, Consent::SERVE, Memory::new());
    let bad = Memory { keep_panics: true, ..Memory::new() };
    let (_node, mut fetcher) = session(2, Consent::FETCH, bad);
    fetcher.tell(Input::Source(offer(&seeding)));
    let is_it = |event: &SessionEvent| matches!(event, SessionEvent::WorkerLost(_)) || is_complete(event);
    let end = work(&mut seeder, &mut fetcher, is_it).await;
    assert!(matches!(end, SessionEvent::WorkerLost("writing chunks")), "{end:?}");
}

// Rows: F7
#[tokio::test]
async fn panic_while_reading_a_chunk_costs_one_answer_without_blame() {
    let bad = Memory { read_panics: AtomicBool::new(true), ..Memory::new() };
    let (seeding, mut seeder) = session(1, Consent::SERVE, bad);
    let (_node, mut fetcher) = session(2, Consent::FETCH, Memory::new());
    fetcher.tell(Input::Source(offer(&seeding)));
    let mut blamed = Vec::new();
    work(&mut seeder, &mut fetcher, |event| {
        if let SessionEvent::Machine(event @ (Event::Struck { .. } | Event::Banned { .. })) = event {
            blamed.push(event.clone());
        }
        is_complete(event)
    })
    .await;
    assert_eq!((seeder.tasks.panics(), blamed), (1, Vec::new()));
}

// Rows: E14, I8
#[tokio::test]
async fn a_chunk_that_could_not_be_read_once_is_served_a_moment_later() {
    let bad = Memory { read_fails: AtomicBool::new(true), ..Memory::new() };
    let (seeding, mut seeder) = session(1, Consent::SERVE, bad);
    let (_node, mut fetcher) = session(2, Consent::FETCH, Memory::new());
    fetcher.tell(Input::Source(offer(&seeding)));
    let mut blamed = 0;
    work(&mut seeder, &mut fetcher, |event| {
        blamed +=
            u32::from(matches!(event, SessionEvent::Machine(Event::Struck { .. } | Event::Banned { .. })));
        is_complete(event)
    })
    .await;
    assert_eq!((blamed, seeder.machine.have().is_full()), (0, true));
}

// Rows: F7
#[tokio::test]
async fn panicked_request_task_is_counted_and_its_chunk_refetched() {
    let (seeding, mut seeder) = session(1, Consent::SERVE, Memory::new());
    let (_node, mut fetcher) = session(2, Consent::FETCH, Memory::new());
    fetcher.tell(Input::Source(offer(&seeding)));
    let mut is_first = true;
    let asked = |event: &SessionEvent| matches!(event, SessionEvent::Machine(Event::Joined { .. }));
    work(&mut seeder, &mut fetcher, asked).await;
    loop {
        work(&mut seeder, &mut fetcher, |_| true).await;
        // Replaces the task that fetches a chunk by one that panics.
        let Session { downloading, tasks, .. } = &mut fetcher;
        let bad = async { panic!("as it should in this test") };
        if is_first && downloading.replace_task(|| tasks.spawn(bad)) {
            is_first = false;
        }
        if !is_first {
            break;
        }
    }
    work(&mut seeder, &mut fetcher, is_complete).await;
    assert_eq!(fetcher.tasks.panics(), 1);
}

// Rows: F6, I6
#[tokio::test]
async fn after_a_thousand_connects_nothing_is_left_of_them() {
    const DIALERS: u8 = 4;
    const CONNECTS: u8 = 250;
    let (seeding, mut seeder) = session(1, Consent::SERVE, Memory::new());
    let (target, address) = (seeding.id(), seeding.local_address());
    let mut dialing = tokio::task::JoinSet::new();
    for key in 0..DIALERS {
        let hello = hello(seeder.downloading.terms());
        dialing.spawn(async move {
            let (node, _) = node(10 + key);
            for n in 0..CONNECTS {
                let connection = node.dialer.clone().dial(target, vec![address], Vec::new()).await.unwrap();
                if n % 2 == 0 {
                    // A peer that sends its Hello, reads the answer, and is gone without a word.
                    let (mut send, mut recv) = connection.open_bi().await.unwrap();
                    send.write_all(&Frame::Hello(hello.clone()).encode()).await.unwrap();
                    recv.read_chunk(1 << 10, true).await.unwrap();
                }
                connection.close(0u32.into(), b"");
            }
            node.dialer.endpoint.wait_idle().await;
        });
    }
    let settle = async {
        loop {
            tokio::select! {
                _ = seeder.next() => {}
                Some(ended) = dialing.join_next() => ended.unwrap(),
            }
            if dialing.is_empty()
                && seeder.links.count() == 0
                && seeding.dialer.endpoint.open_connections() == 0
            {
                break;
            }
        }
    };
    // A thousand handshakes take time.
    timeout(PATIENCE * 5, settle).await.unwrap();
    // Peers that were gone before their Hello never came this far.
    assert_eq!(seeder.links.opened(), u64::from(DIALERS) * u64::from(CONNECTS) / 2);
    let tables = [seeder.links.count(), seeder.serving.unanswered(), seeder.downloading.under_way()];
    assert_eq!(tables, [0; 3]);
    assert_eq!(seeder.tasks.count(), 0);
    assert!(seeder.machine.is_idle());
    assert_eq!(seeder.tasks.panics(), 0);
}
