//! One peer of the simulation: its machine, its disk, its path, and its history.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_swarm::machine::{Ask, Breach, Machine, Req, Time};
use minimodel_wire::{CloseCode, PeerId};

use crate::artifact::Payload;
use crate::pipes::Lane;
use crate::plan::Plan;
use crate::storage::Storage;

/// Number of a peer in its world.
pub type PeerNo = usize;
/// Number of a connection in its world; each side names it differently.
pub(crate) type LinkNo = u64;

/// History of a peer, for the assertions.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Bytes of chunks that left the uplink.
    pub sent_bytes: u64,
    /// Bytes of chunks that arrived.
    pub received_bytes: u64,
    /// Control frames sent, in a world where frames take time.
    pub frames: u64,
    /// Bytes of these frames, with the heads of a packet each.
    pub frame_bytes: u64,
    /// Chunks kept, by supplier.
    pub chunks_from: BTreeMap<PeerId, u32>,
    /// Chunks kept: time, supplier, index.
    pub kept: Vec<(Time, PeerId, u32)>,
    /// Requests made, by supplier.
    pub asked_of: BTreeMap<PeerId, u32>,
    /// When each supplier was last asked.
    pub last_asked: BTreeMap<PeerId, Time>,
    /// Bans: of whom, for what, when.
    pub banned: Vec<(PeerId, Breach, Time)>,
    /// Strikes: of whom, for what, when.
    pub struck: Vec<(PeerId, Breach, Time)>,
    /// Connections refused: with whom, why, and whether the other peer refused.
    pub refused: Vec<(PeerId, CloseCode, bool)>,
    /// Dials that found another key: the expected key, the found one.
    pub wrong_keys: Vec<(PeerId, PeerId)>,
    /// Peers that joined, and when.
    pub joined: Vec<(PeerId, Time)>,
    /// Peers that left, why, and when.
    pub left: Vec<(PeerId, Option<CloseCode>, Time)>,
    /// Peers that were dialed, and when.
    pub dials: Vec<(PeerId, Time)>,
    /// Indexes of the requested chunks, in order.
    pub order: Vec<u32>,
    /// Chunk requests: time, supplier, index.
    pub asked: Vec<(Time, PeerId, u32)>,
    /// Requests that were given up: when they were made, for which chunk, and their age.
    pub gave_up: Vec<(Time, u32, Duration)>,
    /// Whole bad chunks by sender, and when the first had arrived.
    pub lies: BTreeMap<PeerId, (u32, Time)>,
    /// When the peer had every chunk.
    pub complete_at: Option<Time>,
    /// When the machine first knew no peer that it could ask.
    pub exhausted_at: Option<Time>,
    /// Unchokes, by peer.
    pub unchoked: BTreeMap<PeerId, u32>,
    /// Rescans of the disk.
    pub rescans: u32,
    /// When the peer had signatures of offers checked.
    pub offer_checks: Vec<Time>,
    /// Bytes of whole chunks that failed their proof.
    pub wasted_bytes: u64,
    /// How often a failure of the peer's own disk ended the process.
    pub disk_failures: u32,
}

/// A peer of a world.
pub struct Peer {
    /// How it was planned; scenarios change some of it.
    pub plan: Plan,
    /// Its key.
    pub id: PeerId,
    pub(crate) address: SocketAddr,
    /// Its machine.
    pub machine: Machine,
    pub(crate) process: Process,
    /// What is really on the peer's disk and recorded.
    pub storage: Storage,
    /// Chunks that could not be read back once, and are fetched again.
    pub(crate) unreadable: BTreeSet<u32>,
    /// The peer's disk corrupts what it serves: other peers may blame it for that.
    pub(crate) is_rotten: bool,
    /// When the disk has finished its queued work.
    pub(crate) disk_free_at: Time,
    pub(crate) requests: Requests,
    pub(crate) access: Access,
    pub(crate) chunks_served: u32,
    /// Its history.
    pub tally: Tally,
}

/// The process of a peer.
#[derive(Default)]
pub(crate) struct Process {
    /// Whether the process runs.
    pub(crate) online: bool,
    /// Number of process starts.
    pub(crate) run: u32,
    pub(crate) suspended_until: Time,
    /// When the machine is called next.
    pub(crate) tick_at: Option<Time>,
}

/// The requests of a peer and those that it answers.
#[derive(Default)]
pub(crate) struct Requests {
    pub(crate) downloads: BTreeMap<Req, Download>,
    pub(crate) answers: BTreeMap<Ask, Answer>,
    /// For each connection: the number of open streams, and requests that wait for a stream.
    pub(crate) streams: BTreeMap<LinkNo, (usize, VecDeque<(Req, u32)>)>,
    /// Requests made within one second, to find loops that do not wait.
    pub(crate) asked_this_second: (u64, u32),
}

/// The link of a peer to the network.
#[derive(Default)]
pub(crate) struct Access {
    /// Answers that share the uplink, one piece each lane in turn.
    pub(crate) sending: VecDeque<Lane>,
    pub(crate) is_sending: bool,
    pub(crate) up_free_at: Time,
    pub(crate) down_free_at: Time,
}

/// An outgoing request.
pub(crate) struct Download {
    pub(crate) link: LinkNo,
    /// The chunk; `u32::MAX` for leaf hashes.
    pub(crate) index: u32,
    pub(crate) received: u64,
    pub(crate) corrupt: bool,
    /// The whole chunk that was received, in a world with real bytes.
    pub(crate) payload: Option<Payload>,
    /// When the request was made.
    pub(crate) sent_at: Time,
    /// When the request reaches the other end: what follows it on its stream cannot arrive sooner.
    pub(crate) asked_at: Time,
}

impl Download {
    pub(crate) fn new(link: LinkNo, index: u32, sent_at: Time) -> Self {
        Self { link, index, received: 0, corrupt: false, payload: None, sent_at, asked_at: sent_at }
    }
}

/// An incoming request that this peer answers.
pub(crate) struct Answer {
    pub(crate) link: LinkNo,
    pub(crate) req: Req,
    pub(crate) flow: Option<u64>,
    /// First leaf hash and their number, in a request for leaf hashes.
    pub(crate) leaves: (u32, u32),
}

impl Peer {
    pub(crate) fn is_honest(&self) -> bool {
        self.plan.is_honest()
    }
}
