//! What a scenario decides about a peer before it joins: how it behaves, what it has, which peers it knows.

use std::collections::BTreeSet;
use std::time::Duration;

use minimodel_swarm::machine::{Limits, Order, Terms};
use minimodel_wire::{Bitfield, Consent, PeerId};

use crate::peer::PeerNo;

/// A megabit a second, in bytes a second.
pub const MBIT: u64 = 125_000;

/// Misbehaviour of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Follows the protocol.
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
    pub(crate) fn is_lie(self) -> bool {
        matches!(self, Self::Liar | Self::BadProof | Self::OtherIndex)
    }
}

/// Field in which a peer's Hello differs from the Hello of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Other {
    /// In none.
    #[default]
    Nothing,
    /// The digest of the license.
    License,
    /// The digest of the evidence.
    Evidence,
    /// The swarm id alone.
    Swarm,
    /// The digest of the file.
    Artifact,
    /// Twice the chunk size.
    Layout,
}

impl Other {
    /// Terms of the peer; where its chunks differ in size, `have` becomes the bitfield of its own whole file.
    pub(crate) fn bend(self, mut terms: Terms, have: &mut Bitfield) -> Terms {
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
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the peer's user agreed to.
    pub consent: Consent,
    /// How the peer behaves.
    pub behaviour: Behaviour,
    /// In what its Hello differs.
    pub other: Other,
    /// Rate of the uplink in bytes a second.
    pub up: u64,
    /// Rate of the downlink in bytes a second.
    pub down: u64,
    /// One-way delay from this peer to the middle of the network.
    pub delay: Duration,
    /// Peers whose offers it has from the start.
    pub knows: Vec<PeerNo>,
    /// Chunks that it has from the start.
    pub have: Have,
    /// Chunks on disk and good, but not in the record.
    pub unrecorded: Vec<u32>,
    /// Order in which it requests chunks.
    pub order: Order,
    /// Peers that it admits; `None`: all.
    pub allow: Option<BTreeSet<PeerId>>,
    /// Limits of its machine.
    pub limits: Limits,
    /// Whether it can be dialed.
    pub listening: bool,
    /// Time from its completion until it stops; `None`: it stays.
    pub lingers: Option<Duration>,
    /// Time from its joining until it stops, complete or not; `None`: it stays.
    pub quits_after: Option<Duration>,
    /// When it joins, from the start of the world.
    pub joins_at: Duration,
    /// Error of the peer's calendar, in seconds.
    pub clock_is_off_by: i64,
    /// Address of the peer's host; `None`: an address of its own.
    pub host: Option<[u8; 4]>,
}

/// Chunks of a peer before it joins.
#[derive(Debug, Clone)]
pub enum Have {
    /// All of them.
    All,
    /// Those with these numbers.
    These(Vec<u32>),
}

impl Plan {
    /// A peer that has the whole file and serves it.
    pub fn seeder() -> Self {
        Self { consent: Consent::SERVE, have: Have::All, ..Self::leecher() }
    }

    /// A leecher that serves and publishes, and stays when it is done.
    pub fn leecher() -> Self {
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
            lingers: None,
            quits_after: None,
            joins_at: Duration::ZERO,
            clock_is_off_by: 0,
            host: None,
        }
    }

    /// A leecher that neither serves nor listens.
    pub fn taker() -> Self {
        Self { consent: Consent::FETCH, listening: false, ..Self::leecher() }
    }

    /// A seeder that misbehaves.
    pub fn hostile(behaviour: Behaviour) -> Self {
        Self { behaviour, ..Self::seeder() }
    }

    pub(crate) fn is_honest(&self) -> bool {
        self.behaviour == Behaviour::Honest && self.other == Other::Nothing
    }

    /// Sets the rates of both links, in bytes a second.
    pub fn rates(mut self, up: u64, down: u64) -> Self {
        (self.up, self.down) = (up, down);
        self
    }

    /// Sets the one-way delay to the middle of the network, in milliseconds.
    pub fn delay_ms(mut self, ms: u64) -> Self {
        self.delay = Duration::from_millis(ms);
        self
    }

    /// Sets the peers whose offers it has from the start.
    pub fn knows(mut self, peers: &[PeerNo]) -> Self {
        self.knows = peers.to_vec();
        self
    }

    /// Sets the chunks that it has from the start.
    pub fn has(mut self, chunks: impl IntoIterator<Item = u32>) -> Self {
        self.have = Have::These(chunks.into_iter().collect());
        self
    }

    /// Places it at a host, which other peers may share.
    pub fn at_host(mut self, host: [u8; 4]) -> Self {
        self.host = Some(host);
        self
    }

    /// Sets when it joins.
    pub fn joins_at(mut self, at: Duration) -> Self {
        self.joins_at = at;
        self
    }
}
