//! One peer of the simulation: its machine, its disk, its path, and how it behaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use minimodel_swarm::machine::{Ask, Breach, Limits, Machine, Order, Req, Time};
use minimodel_wire::{CloseCode, Consent, Offer, PeerId, SignedOffer};

/// Number of a peer in its world.
pub(super) type PeerNo = usize;
/// Number of a connection in its world; each side names it differently.
pub(super) type LinkNo = u64;

pub(super) const MBIT: u64 = 125_000;

/// What a peer does that it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Honest,
    /// Serves every chunk with one bit wrong.
    Liar,
    /// Takes requests and never answers.
    Mute,
    /// Answers with this many bytes a second.
    Trickler(u64),
    /// Announces everything and refuses each request as not there.
    Refuser,
    /// Answers each request with `Busy` at once.
    AlwaysBusy,
    /// Breaks the connection off in the middle of each chunk after this many whole ones.
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
}

/// What the Hello of a peer says differently from the others' Hello.
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

/// A peer before it joins.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) consent: Consent,
    pub(super) behaviour: Behaviour,
    pub(super) other: Other,
    /// Bytes a second.
    pub(super) up: u64,
    pub(super) down: u64,
    /// From this peer to the middle of the network, one way.
    pub(super) delay: Duration,
    pub(super) knows: Vec<PeerNo>,
    pub(super) have: Have,
    /// On disk and good, but not in the record.
    pub(super) unrecorded: Vec<u32>,
    pub(super) order: Order,
    pub(super) allow: Option<BTreeSet<PeerId>>,
    pub(super) limits: Limits,
    pub(super) listening: bool,
    pub(super) stops_when_complete: bool,
    pub(super) joins_at: Duration,
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
        }
    }

    /// A leecher that takes and gives nothing.
    pub(super) fn taker() -> Self {
        Self { consent: Consent::FETCH, listening: false, ..Self::leecher() }
    }

    pub(super) fn hostile(behaviour: Behaviour) -> Self {
        Self { behaviour, ..Self::seeder() }
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

    pub(super) fn joins_at(mut self, at: Duration) -> Self {
        self.joins_at = at;
        self
    }
}

/// What became of a peer, for the assertions.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// Chunks kept, by who supplied them.
    pub(super) chunks_from: BTreeMap<PeerId, u32>,
    /// Requests made, by whom they were made of.
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
    pub(super) complete_at: Option<Time>,
    pub(super) exhausted_at: Option<Time>,
    pub(super) unchoked: BTreeMap<PeerId, u32>,
    pub(super) rescans: u32,
}

pub(super) struct Peer {
    pub(super) plan: Plan,
    pub(super) id: PeerId,
    pub(super) address: SocketAddr,
    pub(super) machine: Machine,
    /// Whether the process runs.
    pub(super) online: bool,
    /// Counts its starts.
    pub(super) run: u32,
    pub(super) suspended_until: Time,
    /// What is really on its disk and recorded.
    pub(super) disk: BTreeSet<u32>,
    pub(super) tick_at: Option<Time>,
    pub(super) downloads: BTreeMap<Req, Download>,
    pub(super) answers: BTreeMap<Ask, Answer>,
    /// Streams open in each connection, and requests that wait for one.
    pub(super) streams: BTreeMap<LinkNo, (usize, VecDeque<(Req, u32)>)>,
    /// Transfers that share the way up, one piece each in turn.
    pub(super) sending: VecDeque<u64>,
    pub(super) is_sending: bool,
    pub(super) down_free_at: Time,
    pub(super) chunks_served: u32,
    /// Requests made within one second, to find loops that do not wait.
    pub(super) asked_this_second: (u64, u32),
    pub(super) tally: Tally,
}

/// A request of ours on its way.
pub(super) struct Download {
    pub(super) link: LinkNo,
    pub(super) index: u32,
    pub(super) received: u64,
    pub(super) corrupt: bool,
}

/// A request of a peer that we answer.
pub(super) struct Answer {
    pub(super) link: LinkNo,
    pub(super) req: Req,
    pub(super) flow: Option<u64>,
}

impl Peer {
    pub(super) fn is_honest(&self) -> bool {
        self.plan.behaviour == Behaviour::Honest && self.plan.other == Other::Nothing
    }
}

/// The key of the `number`th peer, the same in every run.
pub(super) fn key(number: PeerNo) -> &'static SigningKey {
    const KEYS: usize = 256;
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

pub(super) fn offer_of(number: PeerNo, swarm_id: [u8; 32]) -> SignedOffer {
    let offer = Offer {
        peer: id_of(number),
        swarm_id,
        addresses: vec![address_of(number)],
        expires_unix: super::world::UNIX_AT_START + 1_000_000,
    };
    SignedOffer::sign(offer, key(number)).expect("own key, good address")
}
