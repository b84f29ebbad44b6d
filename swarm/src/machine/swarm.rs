//! What all parts of the machine share: the connected peers, our chunks, the configuration, the time of this step, and the
//! queue of outputs.
//!
//! A part decides about its own question and keeps its own state; it reads and changes the peers through this type, and
//! queues its outputs here. No part holds another one: what concerns several of them is the machine's business.

use std::collections::{BTreeMap, VecDeque};

use minimodel_wire::{Bitfield, Consent, Frame, ResetCode};

use super::announcer::Announcer;
use super::chunks::Chunks;
use super::config::Config;
use super::events::{Ask, Conn, Event, Output};
use super::peer::{Peer, Phase};
use super::peer_table::PeerTable;
use super::time::Time;

/// The peers, our chunks, and what was said.
#[derive(Debug)]
pub(super) struct Swarm {
    /// The time of this step.
    pub(super) now: Time,
    pub(super) config: Config,
    pub(super) rng: fastrand::Rng,
    pub(super) chunks: Chunks,
    pub(super) peers: PeerTable,
    /// The connection that made each open upload request.
    pub(super) asks: BTreeMap<Ask, Conn>,
    pub(super) announcer: Announcer,
    /// The machine was stopped: nothing is begun any more.
    pub(super) stopping: bool,
    /// The last calendar time that the driver reported, and when.
    calendar: (u64, Time),
    outputs: VecDeque<Output>,
}

impl Swarm {
    /// A swarm without peers.
    pub(super) fn new(config: Config, have: Bitfield) -> Self {
        let mut rng = fastrand::Rng::with_seed(config.seed);
        Self {
            now: Time::ZERO,
            chunks: Chunks::new(have, &mut rng),
            rng,
            peers: PeerTable::default(),
            asks: BTreeMap::new(),
            announcer: Announcer::default(),
            stopping: false,
            calendar: (config.unix_at_start, Time::ZERO),
            outputs: VecDeque::new(),
            config,
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn send(&mut self, conn: Conn, frame: Frame) {
        self.push(Output::Send { conn, frame });
    }

    /// Takes the next output.
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns true if no output is queued.
    pub(super) fn is_silent(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Refuses an open upload request.
    pub(super) fn refuse(&mut self, ask: Ask, code: ResetCode) {
        self.asks.remove(&ask);
        self.push(Output::Refuse { ask, code });
    }

    /// Returns true if the user consented to fetch and chunks are missing.
    pub(super) fn wants_chunks(&self) -> bool {
        self.config.consent.contains(Consent::FETCH) && !self.chunks.is_complete() && !self.stopping
    }

    /// Returns true if the user consented to serve.
    pub(super) fn serves(&self) -> bool {
        self.config.consent.contains(Consent::SERVE)
    }

    /// Returns true if chunks are wanted from the peer, now or as soon as it has any.
    pub(super) fn is_wanted_source(&self, peer: &Peer) -> bool {
        self.wants_chunks() && peer.is_source()
    }

    /// Calendar time in seconds since 1970.
    pub(super) fn unix(&self) -> u64 {
        let (unix, told) = self.calendar;
        unix.saturating_add(self.now.since(told).as_secs())
    }

    /// Sets the calendar, which may have jumped: the computer slept, or its clock was set. Deadlines do not follow the
    /// calendar.
    pub(super) fn set_calendar(&mut self, unix: u64) {
        self.calendar = (unix, self.now);
    }

    /// Updates whether the peer has a chunk that we lack; a change is sent as Interested or NotInterested.
    pub(super) fn update_interest(&mut self, conn: Conn) {
        let wants = self.wants_chunks();
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.phase != Phase::Ready || !peer.consent.contains(Consent::SERVE) {
            return;
        }
        let interested = wants && peer.announced.useful > 0 && !peer.down.disallowed;
        if peer.outbox.set_interested(interested) {
            self.announcer.has_word(conn);
        }
    }

    /// Checks the invariants; the error names the one that does not hold.
    pub(super) fn check(&self) -> Result<(), String> {
        self.chunks.check()?;
        self.peers.check()?;
        for peer in self.peers.values() {
            let controls = &self.config.controls;
            let may_be_here = peer.dialed || controls.lets_in(peer.id);
            if !may_be_here || peer.down.disallowed == controls.may_fetch_from(peer.id) {
                return Err(format!("{} is here against the word of our user", peer.id));
            }
            if peer.up.disallowed == controls.lets_in(peer.id) || (peer.up.unchoked && !peer.may_be_served())
            {
                return Err(format!("{} is served against the word of our user", peer.id));
            }
            if peer.up.disallowed && !(peer.up.waiting.is_empty() && peer.up.active.is_empty()) {
                return Err(format!("{} is answered against the word of our user", peer.id));
            }
            if peer.up.over_quota.is_some() && !self.is_wanted_source(peer) {
                return Err(format!("{} has used up its quota and is kept for nothing", peer.id));
            }
            if peer.phase == Phase::Ready {
                let useful =
                    peer.announced.have.iter_ones().filter(|&i| !self.chunks.have().get(i)).count() as u32;
                if useful != peer.announced.useful {
                    return Err(format!(
                        "{} has {useful} for us, counted {}",
                        peer.id, peer.announced.useful
                    ));
                }
            }
            if let Some(ask) = peer.up.active.keys().find(|ask| !self.asks.contains_key(ask)) {
                return Err(format!("{ask:?} is answered for nobody"));
            }
        }
        Ok(())
    }
}
