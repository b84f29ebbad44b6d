//! One peer of the simulation: its machine, its disk, its path, and how it behaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use minimodel_swarm::machine::{Ask, Breach, Limits, Machine, Order, Req, Site, Terms, Time};
use minimodel_wire::{Bitfield, CloseCode, Consent, Offer, PeerId, SignedOffer};

use super::artifact::Cargo;
use super::shelf::Shelf;

/// Number of a peer in its world.
pub(super) type PeerNo = usize;
/// Number of a connection in its world; each side names it differently.
pub(super) type LinkNo = u64;

pub(super) const MBIT: u64 = 125_000;

/// Misbehaviour of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Honest,
    /// Serves every chunk with one bit wrong.
    Liar,
    /// Takes requests and never answers.
    Mute,
    /// Answers with this many bytes a second.
    Trickler(u64),
    /// Announces every chunk and refuses each request with `NotHave`.
    Refuser,
    /// Answers each request with `Busy` at once.
    AlwaysBusy,
    /// Serves this many whole chunks, and breaks the connection in the middle of every later chunk.
    Leaver(u32),
    /// Sends 5,000 frames at once.
    ControlFlooder,
    /// Asks for the same chunk 200 times at once.
    AskFlooder,
    /// Announces a chunk that does not exist.
    BadHave,
    /// Asks for a chunk that does not exist.
    BadAsk,
    /// Says Have before Hello.
    HaveBeforeHello,
    /// Says Hello twice.
    SecondHello,
    /// Passes on an offer whose signature is wrong.
    ForgedOffer,
    /// Says Hello in another version.
    OtherVersion,
    /// Chokes after each unchoke, so that no request is ever answered.
    Teaser,
    /// Sends right bytes with a proof in which one bit is wrong.
    BadProof,
    /// Sends another chunk than was asked for, with that chunk's own good proof.
    OtherIndex,
    /// Announces every chunk and has each second one; refuses the rest.
    Claimer,
    /// Serves the first three quarters of the file and never answers for the rest.
    EndStaller,
    /// Takes chunks without end and keeps none.
    Hog,
    /// Takes chunks, announces them, and refuses every request.
    FreeRider,
    /// Requests chunks and never reads.
    NotReader,
    /// Announces everything and takes it back, five times a second.
    Fickle,
    /// Is interested and not interested by turns, 400 times a second.
    Toggler,
    /// Sends a renewed offer of its own, 400 times a second.
    Renewer,
    /// Toggles and renews, and reconnects twice a second.
    Comer,
    /// Completes the handshake and is never interested.
    Idler,
    /// Is interested and never requests a chunk.
    MuteAsker,
}

impl Behaviour {
    /// True if the chunks that the peer sends fail their proof.
    pub(super) fn is_lie(self) -> bool {
        matches!(self, Self::Liar | Self::BadProof | Self::OtherIndex)
    }
}

/// Field in which a peer's Hello differs from the Hello of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Other {
    #[default]
    Nothing,
    License,
    Evidence,
    Swarm,
    Artifact,
    Layout,
}

impl Other {
    /// Terms of the peer; where its chunks differ in size, `have` becomes the bitfield of its own whole file.
    pub(super) fn bend(self, mut terms: Terms, have: &mut Bitfield) -> Terms {
        match self {
            Self::Nothing => {}
            Self::License => (terms.license_sha256, terms.swarm_id) = ([9; 32], [8; 32]),
            Self::Evidence => (terms.evidence_sha256, terms.swarm_id) = ([9; 32], [8; 32]),
            Self::Swarm => terms.swarm_id = [9; 32],
            Self::Artifact => (terms.artifact_sha256, terms.swarm_id) = ([9; 32], [8; 32]),
            Self::Layout => {
                terms.chunk_size *= 2;
                terms.chunk_count = terms.chunk_count.div_ceil(2);
                *have = Bitfield::full(terms.chunk_count);
            }
        }
        terms
    }
}

/// A peer before it joins.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) consent: Consent,
    pub(super) behaviour: Behaviour,
    pub(super) other: Other,
    /// Bytes a second.
    pub(super) up: u64,
    pub(super) down: u64,
    /// One-way delay from this peer to the middle of the network.
    pub(super) delay: Duration,
    pub(super) knows: Vec<PeerNo>,
    pub(super) have: Have,
    /// Chunks on disk and good, but not in the record.
    pub(super) unrecorded: Vec<u32>,
    pub(super) order: Order,
    pub(super) allow: Option<BTreeSet<PeerId>>,
    pub(super) limits: Limits,
    pub(super) listening: bool,
    pub(super) stops_when_complete: bool,
    pub(super) joins_at: Duration,
    /// Error of the peer's calendar, in seconds.
    pub(super) clock_is_off_by: i64,
    /// Address of the peer's host; `None`: an address of its own.
    pub(super) host: Option<[u8; 4]>,
}

#[derive(Clone)]
pub(super) enum Have {
    All,
    These(Vec<u32>),
}

impl Plan {
    pub(super) fn seeder() -> Self {
        Self { consent: Consent::SERVE, have: Have::All, ..Self::leecher() }
    }

    /// A leecher that serves and publishes, and stays when it is done.
    pub(super) fn leecher() -> Self {
        Self {
            consent: Consent::FETCH | Consent::SERVE | Consent::PUBLISH,
            behaviour: Behaviour::Honest,
            other: Other::Nothing,
            up: 200 * MBIT,
            down: 200 * MBIT,
            delay: Duration::from_millis(5),
            knows: Vec::new(),
            have: Have::These(Vec::new()),
            unrecorded: Vec::new(),
            order: Order::Rarest,
            allow: None,
            limits: Limits::default(),
            listening: true,
            stops_when_complete: false,
            joins_at: Duration::ZERO,
            clock_is_off_by: 0,
            host: None,
        }
    }

    /// A leecher that neither serves nor listens.
    pub(super) fn taker() -> Self {
        Self { consent: Consent::FETCH, listening: false, ..Self::leecher() }
    }

    pub(super) fn hostile(behaviour: Behaviour) -> Self {
        Self { behaviour, ..Self::seeder() }
    }

    pub(super) fn is_honest(&self) -> bool {
        self.behaviour == Behaviour::Honest && self.other == Other::Nothing
    }

    pub(super) fn rates(mut self, up: u64, down: u64) -> Self {
        (self.up, self.down) = (up, down);
        self
    }

    pub(super) fn delay_ms(mut self, ms: u64) -> Self {
        self.delay = Duration::from_millis(ms);
        self
    }

    pub(super) fn knows(mut self, peers: &[PeerNo]) -> Self {
        self.knows = peers.to_vec();
        self
    }

    pub(super) fn has(mut self, chunks: impl IntoIterator<Item = u32>) -> Self {
        self.have = Have::These(chunks.into_iter().collect());
        self
    }

    pub(super) fn at_host(mut self, host: [u8; 4]) -> Self {
        self.host = Some(host);
        self
    }

    pub(super) fn joins_at(mut self, at: Duration) -> Self {
        self.joins_at = at;
        self
    }
}

/// History of a peer, for the assertions.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// Chunks kept, by supplier.
    pub(super) chunks_from: BTreeMap<PeerId, u32>,
    /// Chunks kept: time, supplier, index.
    pub(super) kept: Vec<(Time, PeerId, u32)>,
    /// Requests made, by supplier.
    pub(super) asked_of: BTreeMap<PeerId, u32>,
    pub(super) last_asked: BTreeMap<PeerId, Time>,
    pub(super) banned: Vec<(PeerId, Breach, Time)>,
    pub(super) struck: Vec<(PeerId, Breach, Time)>,
    pub(super) refused: Vec<(PeerId, CloseCode, bool)>,
    pub(super) wrong_keys: Vec<(PeerId, PeerId)>,
    pub(super) joined: Vec<(PeerId, Time)>,
    pub(super) left: Vec<(PeerId, Option<CloseCode>, Time)>,
    pub(super) dials: Vec<(PeerId, Time)>,
    pub(super) order: Vec<u32>,
    /// Chunk requests: time, supplier, index.
    pub(super) asked: Vec<(Time, PeerId, u32)>,
    /// Requests that were given up: when they were made, for which chunk, and their age.
    pub(super) gave_up: Vec<(Time, u32, Duration)>,
    /// Whole bad chunks by sender, and when the first had arrived.
    pub(super) lies: BTreeMap<PeerId, (u32, Time)>,
    pub(super) complete_at: Option<Time>,
    pub(super) exhausted_at: Option<Time>,
    pub(super) unchoked: BTreeMap<PeerId, u32>,
    pub(super) rescans: u32,
    /// When the peer had signatures of offers checked.
    pub(super) offer_checks: Vec<Time>,
    /// Bytes of whole chunks that failed their proof.
    pub(super) wasted_bytes: u64,
    /// How often a failure of the peer's own disk ended the process.
    pub(super) disk_failures: u32,
}

pub(super) struct Peer {
    pub(super) plan: Plan,
    pub(super) id: PeerId,
    pub(super) address: SocketAddr,
    pub(super) machine: Machine,
    /// Whether the process runs.
    pub(super) online: bool,
    /// Number of process starts.
    pub(super) run: u32,
    pub(super) suspended_until: Time,
    /// What is really on the peer's disk and recorded.
    pub(super) shelf: Shelf,
    /// Chunks that could not be read back once, and are fetched again.
    pub(super) unreadable: BTreeSet<u32>,
    /// The peer's disk corrupts what it serves: other peers may blame it for that.
    pub(super) is_rotten: bool,
    /// When the disk has finished its queued work.
    pub(super) disk_free_at: Time,
    pub(super) tick_at: Option<Time>,
    pub(super) downloads: BTreeMap<Req, Download>,
    pub(super) answers: BTreeMap<Ask, Answer>,
    /// For each connection: the number of open streams, and requests that wait for a stream.
    pub(super) streams: BTreeMap<LinkNo, (usize, VecDeque<(Req, u32)>)>,
    /// Answers that share the uplink, one piece each in turn.
    pub(super) sending: VecDeque<u64>,
    pub(super) is_sending: bool,
    pub(super) down_free_at: Time,
    pub(super) chunks_served: u32,
    /// Requests made within one second, to find loops that do not wait.
    pub(super) asked_this_second: (u64, u32),
    pub(super) tally: Tally,
}

/// An outgoing request.
pub(super) struct Download {
    pub(super) link: LinkNo,
    /// The chunk; `u32::MAX` for leaf hashes.
    pub(super) index: u32,
    pub(super) received: u64,
    pub(super) corrupt: bool,
    /// The whole chunk that was received, in a world with real bytes.
    pub(super) cargo: Option<Cargo>,
    /// When the request was made.
    pub(super) sent_at: Time,
    /// When the request reaches the other end: what follows it on its stream cannot arrive sooner.
    pub(super) asked_at: Time,
}

impl Download {
    pub(super) fn new(link: LinkNo, index: u32, sent_at: Time) -> Self {
        Self { link, index, received: 0, corrupt: false, cargo: None, sent_at, asked_at: sent_at }
    }
}

/// An incoming request that this peer answers.
pub(super) struct Answer {
    pub(super) link: LinkNo,
    pub(super) req: Req,
    pub(super) flow: Option<u64>,
    /// First leaf hash and their number, in a request for leaf hashes.
    pub(super) leaves: (u32, u32),
}

impl Peer {
    pub(super) fn is_honest(&self) -> bool {
        self.plan.is_honest()
    }
}

/// The key of the `number`th peer, the same in every run.
pub(super) fn key(number: PeerNo) -> &'static SigningKey {
    const KEYS: usize = 1_024;
    static ALL: OnceLock<Vec<SigningKey>> = OnceLock::new();
    let keys = ALL.get_or_init(|| {
        (0..KEYS)
            .map(|n| {
                let mut secret = [7; 32];
                secret[..8].copy_from_slice(&(n as u64).to_le_bytes());
                SigningKey::from_bytes(&secret)
            })
            .collect()
    });
    &keys[number % KEYS]
}

pub(super) fn id_of(number: PeerNo) -> PeerId {
    PeerId(key(number).verifying_key().to_bytes())
}

pub(super) fn address_of(number: PeerNo) -> SocketAddr {
    let [_, _, high, low] = (number as u32 + 1).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 4433))
}

pub(super) fn site_of(number: PeerNo) -> Site {
    Site::of(address_of(number).ip())
}

pub(super) fn offer_of(number: PeerNo, swarm_id: [u8; 32]) -> SignedOffer {
    renewed_offer_of(number, swarm_id, 0)
}

/// Offer of the `number`th peer that is valid for so many seconds longer.
pub(super) fn renewed_offer_of(number: PeerNo, swarm_id: [u8; 32], longer: u64) -> SignedOffer {
    let offer = Offer {
        peer: id_of(number),
        swarm_id,
        addresses: vec![address_of(number)],
        expires_unix: super::world::UNIX_AT_START + 500_000 + longer,
    };
    SignedOffer::sign(offer, key(number)).expect("own key, good address")
}
