//! The state of the simulation: its peers, their connections, and the virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use minimodel_swarm::machine::{Ask, Config, Controls, Input, Limits, Machine, Order, Req, Terms, Time};
use minimodel_wire::{Bitfield, CloseCode, Consent, Offer, PeerId, SignedOffer};

use super::queue::{Queue, Step};
use super::record::Record;
use super::settings::{Network, Plan};

/// Number of a peer; 0 is the seeder.
pub(super) type No = u32;
/// Number of a connection; never used again.
pub(super) type LinkNo = u32;

pub(super) const CHUNK: u32 = 1 << 20;
const UNIX_AT_START: u64 = 1_700_000_000;
const PORT: u16 = 4433;

/// An end of a connection: the peer that dialed or the peer that accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Dialer,
    Acceptor,
}

impl Side {
    pub(super) fn other(self) -> Self {
        if self == Self::Dialer { Self::Acceptor } else { Self::Dialer }
    }

    fn at(self) -> usize {
        usize::from(self == Self::Acceptor)
    }
}

/// One end of a connection.
#[derive(Default)]
pub(super) struct End {
    pub(super) no: No,
    pub(super) is_open: bool,
    /// Bytes sent and not yet acknowledged.
    pub(super) on_path: u32,
    /// Answers that are being sent.
    pub(super) flows: VecDeque<Flow>,
    /// It waits for a turn on its peer's uplink.
    pub(super) is_queued: bool,
}

/// An answer that is being sent.
pub(super) struct Flow {
    pub(super) ask: Ask,
    pub(super) req: Req,
    pub(super) len: u32,
    /// Bytes that were handed to the path.
    pub(super) begun: u32,
}

pub(super) struct Link {
    pub(super) ends: [End; 2],
    /// Ends that have not seen the handshake yet.
    pub(super) unseen: u8,
    /// One way.
    pub(super) delay: Duration,
}

impl Link {
    pub(super) fn end(&self, side: Side) -> &End {
        &self.ends[side.at()]
    }

    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side.at()]
    }

    pub(super) fn side_of(&self, no: No) -> Side {
        if self.ends[0].no == no { Side::Dialer } else { Side::Acceptor }
    }
}

/// A request that a peer sent and that is not answered yet.
pub(super) struct Download {
    pub(super) req: Req,
    pub(super) link: LinkNo,
    pub(super) len: u32,
    pub(super) received: u32,
}

pub(super) struct Peer {
    pub(super) plan: Plan,
    pub(super) id: PeerId,
    offer: SignedOffer,
    /// `None` before the peer joins, after it leaves, and while its outputs are carried out.
    pub(super) machine: Option<Box<Machine>>,
    pub(super) links: Vec<LinkNo>,
    pub(super) downloads: Vec<Download>,
    pub(super) asks: BTreeMap<Ask, (LinkNo, Req)>,
    /// Connections that share the uplink, one piece each in turn.
    pub(super) sending: VecDeque<(LinkNo, Side)>,
    pub(super) is_sending: bool,
    pub(super) up_free_at: Time,
    pub(super) down_free_at: Time,
    pub(super) tick_at: Option<Time>,
    pub(super) done_at: Option<Time>,
    pub(super) left_at: Option<Time>,
}

/// Counters over all peers.
#[derive(Default)]
pub(super) struct Tally {
    /// Inputs that machines handled.
    pub(super) turns: u64,
    pub(super) frames: u64,
    pub(super) frame_bytes: u64,
    pub(super) seeder_bytes: u64,
    /// Bytes of chunks that arrived, and of those that were kept.
    pub(super) chunk_bytes: u64,
    pub(super) kept_bytes: u64,
    pub(super) dials: u64,
    pub(super) struck: u64,
    pub(super) banned: u64,
}

pub(super) struct World {
    pub(super) terms: Terms,
    limits: Limits,
    pub(super) now: Time,
    pub(super) queue: Queue,
    pub(super) peers: Vec<Peer>,
    pub(super) links: Vec<Option<Box<Link>>>,
    pub(super) next_ask: u64,
    pub(super) rng: fastrand::Rng,
    pub(super) record: Record,
    pub(super) tally: Tally,
    /// Leechers that must finish and have not finished yet.
    pub(super) unfinished: u32,
    /// Share of packets that are lost.
    pub(super) loss: f64,
    /// Streams of one connection take turns, as quinn does by default; else the oldest goes first.
    pub(super) streams_share: bool,
}

impl World {
    /// `plans[0]` is the seeder.
    pub(super) fn new(
        plans: Vec<Plan>,
        chunks: u32,
        limits: Limits,
        network: Network,
        seed: u64,
    ) -> Result<Self, String> {
        let terms = Terms {
            swarm_id: [1; 32],
            artifact_sha256: [2; 32],
            license_sha256: [3; 32],
            evidence_sha256: [4; 32],
            byte_count: u64::from(chunks) * u64::from(CHUNK),
            chunk_size: CHUNK,
            chunk_count: chunks,
        };
        let mut queue = Queue::default();
        let mut peers = Vec::with_capacity(plans.len());
        let unfinished = plans.iter().skip(1).filter(|plan| plan.quits_after.is_none()).count() as u32;
        for (no, plan) in (0..).zip(plans) {
            let (id, offer) = offer_of(no, terms.swarm_id)?;
            queue.push(Time::after_start(plan.joins_at), Step::Join(no));
            if let Some(after) = plan.quits_after {
                queue.push(Time::after_start(plan.joins_at + after), Step::Leave(no));
            }
            peers.push(Peer {
                plan,
                id,
                offer,
                machine: None,
                links: Vec::new(),
                downloads: Vec::new(),
                asks: BTreeMap::new(),
                sending: VecDeque::new(),
                is_sending: false,
                up_free_at: Time::ZERO,
                down_free_at: Time::ZERO,
                tick_at: None,
                done_at: None,
                left_at: None,
            });
        }
        Ok(Self {
            terms,
            limits,
            now: Time::ZERO,
            queue,
            peers,
            links: Vec::new(),
            next_ask: 0,
            rng: fastrand::Rng::with_seed(seed),
            record: Record::default(),
            tally: Tally::default(),
            unfinished,
            loss: network.loss,
            streams_share: network.streams_share,
        })
    }

    /// Runs until the last leecher that stays has every chunk.
    ///
    /// # Errors
    ///
    /// Not done at `limit`, or nothing can happen any more.
    pub(super) fn run(&mut self, limit: Duration, name: &str) -> Result<(), String> {
        let mut said = Instant::now();
        while self.unfinished > 0 {
            let Some((at, step)) = self.queue.pop() else {
                return Err("nothing can happen any more".to_owned());
            };
            if at > Time::after_start(limit) {
                return Err(format!("{} leechers not done after {limit:?}", self.unfinished));
            }
            self.now = at;
            self.take(step);
            if said.elapsed() >= Duration::from_secs(5) {
                said = Instant::now();
                self.say(name);
            }
        }
        Ok(())
    }

    fn say(&self, name: &str) {
        let seconds = self.now.since_start().as_secs_f64();
        let turns = self.tally.turns / 1_000;
        eprintln!("{name}: {seconds:.1} s simulated, {turns} thousand turns, {} not done", self.unfinished);
    }

    pub(super) fn join(&mut self, no: No) {
        let peer = &self.peers[no as usize];
        let is_seeder = no == 0;
        let consent =
            if is_seeder { Consent::SERVE } else { Consent::FETCH | Consent::SERVE | Consent::PUBLISH };
        let chunks = self.terms.chunk_count;
        let config = Config {
            me: peer.id,
            terms: self.terms.clone(),
            consent,
            software: "scale/1".to_owned(),
            controls: Controls::default(),
            offer: Some(peer.offer.clone()),
            order: Order::Rarest,
            rescan: false,
            repairs: false,
            listening: true,
            seed: self.rng.u64(..),
            unix_at_start: UNIX_AT_START,
            limits: self.limits.clone(),
        };
        let have = if is_seeder { Bitfield::full(chunks) } else { Bitfield::new(chunks) };
        let known: Vec<SignedOffer> =
            peer.plan.knows.iter().map(|&other| self.peers[other as usize].offer.clone()).collect();
        self.peers[no as usize].machine = Some(Box::new(Machine::new(config, have, BTreeMap::new())));
        for offer in known {
            self.tell(no, Input::Source(offer));
        }
    }

    /// Removes a peer, which closes its connections; the others learn of it a path's delay later.
    pub(super) fn leave(&mut self, no: No) {
        if self.peers[no as usize].machine.is_none() {
            return;
        }
        self.tell(no, Input::Stop(CloseCode::ShuttingDown));
        while let Some(&link) = self.peers[no as usize].links.first() {
            let side = self.links[link as usize].as_ref().map(|link| link.side_of(no));
            match side {
                Some(side) => self.close_end(link, side, None),
                None => {
                    self.peers[no as usize].links.swap_remove(0);
                }
            }
        }
        let peer = &mut self.peers[no as usize];
        peer.machine = None;
        peer.left_at = Some(self.now);
        peer.downloads = Vec::new();
        peer.asks.clear();
        peer.sending = VecDeque::new();
    }
}

pub(super) fn address_of(no: No) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + no), PORT))
}

pub(super) fn no_of(address: SocketAddr) -> No {
    match address {
        SocketAddr::V4(v4) => u32::from(*v4.ip()) - u32::from(Ipv4Addr::new(10, 0, 0, 1)),
        SocketAddr::V6(_) => No::MAX,
    }
}

fn offer_of(no: No, swarm_id: [u8; 32]) -> Result<(PeerId, SignedOffer), String> {
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&no.to_le_bytes());
    let key = SigningKey::from_bytes(&secret);
    let peer = PeerId(key.verifying_key().to_bytes());
    let offer =
        Offer { peer, swarm_id, addresses: vec![address_of(no)], expires_unix: UNIX_AT_START + 1_000_000 };
    let signed = SignedOffer::sign(offer, &key).map_err(|fault| fault.to_string())?;
    Ok((peer, signed))
}

/// How long bytes take at a rate of bytes a second.
pub(super) fn time_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_micros((bytes * 1_000_000 / rate.max(1)).max(1))
}
