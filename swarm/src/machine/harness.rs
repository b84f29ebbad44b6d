//! A test harness: one machine whose peers are played by hand, for unit tests of single files.

use std::collections::BTreeMap;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use minimodel_wire::{Bitfield, CloseCode, Consent, Frame, Hello, Offer, PeerId, SignedOffer};

use super::choker::Choker;
use super::config::{Config, Limits, Order, Terms};
use super::core::Machine;
use super::events::{Ask, Conn, Event, Input, OfferVerdict, Output, Req};
use super::fault::Breach;
use super::peer::Peer;
use super::site::Site;
use super::swarm::Swarm;
use super::time::Time;
use super::user_controls::Controls;

pub(super) const CHUNKS: u32 = 20;
pub(super) const SEED: Consent = Consent::SERVE;
pub(super) const TAKE: Consent = Consent::FETCH;

pub(super) fn both() -> Consent {
    Consent::SERVE | Consent::FETCH
}

pub(super) fn all() -> Consent {
    both() | Consent::PUBLISH
}

pub(super) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub(super) fn id(n: u8) -> PeerId {
    PeerId(key(n).verifying_key().to_bytes())
}

pub(super) fn offer(n: u8, swarm_id: [u8; 32], expires_unix: u64) -> SignedOffer {
    let addresses = vec![([10, 0, 0, n], 4433).into()];
    SignedOffer::sign(Offer { peer: id(n), swarm_id, addresses, expires_unix }, &key(n)).unwrap()
}

/// The offer of a peer at these addresses, separated by spaces, for the swarm of the harness.
pub(super) fn offer_at(n: u8, addresses: &str, expires_unix: u64) -> SignedOffer {
    let addresses = addresses.split_whitespace().map(|address| address.parse().unwrap()).collect();
    SignedOffer::sign(Offer { peer: id(n), swarm_id: [1; 32], addresses, expires_unix }, &key(n)).unwrap()
}

pub(super) fn having(indexes: impl IntoIterator<Item = u32>) -> Bitfield {
    let mut field = Bitfield::new(CHUNKS);
    for index in indexes {
        field.set(index);
    }
    field
}

/// The configuration of a machine in a swarm of `CHUNKS` chunks of 64 KiB.
pub(super) fn config(consent: Consent) -> Config {
    Config {
        me: id(100),
        terms: Terms {
            swarm_id: [1; 32],
            artifact_sha256: [2; 32],
            license_sha256: [3; 32],
            evidence_sha256: [4; 32],
            byte_count: u64::from(CHUNKS) << 16,
            chunk_size: 1 << 16,
            chunk_count: CHUNKS,
        },
        consent,
        software: "harness/1".to_owned(),
        controls: Controls::default(),
        offer: None,
        order: Order::Rarest,
        rescan: false,
        repairs: false,
        listening: false,
        seed: 5,
        unix_at_start: 1_000,
        limits: Limits::default(),
    }
}

/// A swarm without peers, for tests of a single part.
pub(super) fn swarm(consent: Consent, have: Bitfield) -> Swarm {
    Swarm::new(config(consent), have)
}

pub(super) struct Harness {
    pub(super) machine: Machine,
    pub(super) now: Time,
    /// Offer signatures checked so far; the harness answers each check at once.
    pub(super) checks: u32,
    said: Vec<Output>,
}

impl Harness {
    pub(super) fn new(consent: Consent, have: Bitfield) -> Self {
        Self::with(consent, have, |_| {})
    }

    pub(super) fn with(consent: Consent, have: Bitfield, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(consent);
        change(&mut config);
        Self {
            machine: Machine::new(config, have, BTreeMap::new()),
            now: Time::ZERO,
            checks: 0,
            said: Vec::new(),
        }
    }

    pub(super) fn tell(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        while let Some(output) = self.machine.poll() {
            if let Output::CheckOffer { check, offer } = output {
                self.checks += 1;
                let verdict = offer.check().map_or(OfferVerdict::Forged, OfferVerdict::Good);
                self.machine.handle(self.now, Input::OfferChecked { check, verdict });
            } else {
                self.said.push(output);
            }
        }
        self.machine.check_invariants().unwrap();
    }

    /// Lets the choker deal slots outside of a step.
    pub(super) fn deal(&mut self, deal: impl FnOnce(&mut Choker, &mut Swarm)) {
        deal(&mut self.machine.choker, &mut self.machine.swarm);
    }

    /// The peer of connection `conn`, which must be there.
    pub(super) fn peer(&self, conn: u64) -> &Peer {
        self.machine.swarm.peers.get(&Conn(conn)).unwrap()
    }

    pub(super) fn frame(&mut self, conn: u64, frame: Frame) {
        self.tell(Input::Frame { conn: Conn(conn), frame });
    }

    pub(super) fn broke(&mut self, conn: u64, breach: Breach) {
        self.tell(Input::Broke { conn: Conn(conn), breach });
    }

    pub(super) fn ask(&mut self, conn: u64, ask: u64, index: u32) {
        self.tell(Input::Asked { ask: Ask(ask), conn: Conn(conn), index });
    }

    /// Lets time pass and calls the machine at each of its wakeups.
    pub(super) fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.machine.wakeup().filter(|&at| at <= end) {
            self.now = at;
            self.tell(Input::Tick);
        }
        self.now = end;
        self.tell(Input::Tick);
    }

    /// A valid Hello of a peer with this consent.
    pub(super) fn hello(&self, consent: Consent) -> Hello {
        self.machine.swarm.config.terms.hello(consent, "peer/1")
    }

    pub(super) fn connect(&mut self, conn: u64, n: u8, dialed: bool) {
        self.connect_from(conn, n, [10, n, 0, 1], dialed);
    }

    /// Connects the peer with key `n`, incoming from the address or dialed at it.
    pub(super) fn connect_from(&mut self, conn: u64, n: u8, address: [u8; 4], dialed: bool) {
        let site = Site::of(address.into());
        self.tell(Input::Connected { conn: Conn(conn), peer: id(n), site, dialed });
    }

    /// Bans the key `n`.
    pub(super) fn ban(&mut self, n: u8) {
        self.machine.dialer.sources.ban(id(n), false, self.now);
    }

    /// Lets the peer with key `n` connect over connection `n` and introduce itself.
    pub(super) fn join(&mut self, n: u8, consent: Consent, have: Bitfield) {
        self.join_from(n, [10, n, 0, 1], consent, have);
    }

    /// Lets the peer with key `n` connect from this address over connection `n` and introduce itself.
    pub(super) fn join_from(&mut self, n: u8, address: [u8; 4], consent: Consent, have: Bitfield) {
        self.connect_from(n.into(), n, address, false);
        let hello = self.hello(consent);
        self.frame(n.into(), Frame::Hello(hello));
        self.frame(n.into(), Frame::Bitfield(have));
    }

    /// Takes all outputs since the last call.
    pub(super) fn said(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.said)
    }

    /// Takes all outputs since the last call and returns the peers that were dialed.
    pub(super) fn dialed(&mut self) -> Vec<PeerId> {
        let dial = |output| if let Output::Dial { peer, .. } = output { Some(peer) } else { None };
        self.said().into_iter().filter_map(dial).collect()
    }

    pub(super) fn frames(&mut self, to: u64) -> Vec<Frame> {
        self.said()
            .into_iter()
            .filter_map(|output| match output {
                Output::Send { conn, frame } if conn == Conn(to) => Some(frame),
                _ => None,
            })
            .collect()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        let event = |output| if let Output::Event(event) = output { Some(event) } else { None };
        self.said().into_iter().filter_map(event).collect()
    }

    pub(super) fn closes(&mut self) -> Vec<(u64, CloseCode)> {
        let close =
            |output| if let Output::Close { conn, code } = output { Some((conn.0, code)) } else { None };
        self.said().into_iter().filter_map(close).collect()
    }

    pub(super) fn requests(&mut self) -> Vec<(u64, Req, u32)> {
        let request = |output| match output {
            Output::Request { conn, req, index } => Some((conn.0, req, index)),
            _ => None,
        };
        self.said().into_iter().filter_map(request).collect()
    }
}
