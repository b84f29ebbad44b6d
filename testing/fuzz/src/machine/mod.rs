//! Sequences of all inputs that the driver can pass to the machine.
//!
//! The driver's side of the contract is kept: a connection is dialed only when the machine asked for it, an answer comes
//! once, and an answer to a withdrawn request may still arrive. Everything else is the fuzzer's choice, time included.
//! After each step the machine's invariants are checked, and its outputs are checked against its inputs (`check`).

mod check;
mod controls;
mod odd;
mod ops;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use minimodel_swarm::machine::{Ask, Check, Conn, Controls, Input, Machine, Order, Req, ServeOutcome, Time};
use minimodel_wire::{Bitfield, Consent, PeerId, UncheckedOffer};

use crate::handshake::bitfield;
use crate::samples::{self, CHUNKS};
use crate::source::Source;

/// Connections at once, so that a run stays short.
const MAX_CONNS: usize = 12;

/// The first bytes choose the machine's configuration; the rest are its inputs.
///
/// # Panics
/// When an invariant breaks, the machine makes an output that is not allowed or too many outputs at once, it asks for
/// wakeups without end, or state is left after every peer has gone.
pub fn machine(data: &[u8]) {
    let mut source = Source::new(data);
    let mut world = World::new(&mut source);
    while !source.is_empty() && !world.stopped {
        world.step(&mut source);
    }
    world.end();
}

/// A connection as the driver sees it, and what the peer has announced over it.
struct Link {
    peer: PeerId,
    /// Chunks that the peer may be asked for: its bitfield, changed by its `Have` and `DontHave` frames.
    announced: Bitfield,
    introduced: bool,
}

/// The stage of a request that the machine made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked,
    /// The driver holds the chunk and waits for the machine's decision.
    Arrived,
    /// The chunk is being proven and written.
    Keeping,
}

struct World {
    machine: Machine,
    now: Time,
    ours: Consent,
    links: BTreeMap<Conn, Link>,
    dials: VecDeque<PeerId>,
    meetings: VecDeque<(PeerId, PeerId)>,
    requests: BTreeMap<Req, (Conn, u32, Stage)>,
    /// Suppliers of the chunks that are being proven.
    suppliers: BTreeMap<Req, PeerId>,
    leaves: Option<(Req, Conn)>,
    rescan: bool,
    /// Offers whose signatures are being checked.
    checks: VecDeque<(Check, UncheckedOffer)>,
    /// A chunk that was lost and is being read once more.
    reread: Option<u32>,
    controls: Controls,
    /// Requests of peers that are neither answered nor refused: connection, chunk index (`None` for leaf hashes and the
    /// manifest), and whether the request is being served.
    asks: BTreeMap<Ask, (Conn, Option<u32>, bool)>,
    /// Chunks that the machine must have, by its inputs.
    have: Bitfield,
    banned: BTreeSet<PeerId>,
    /// Peers that may be banned for bad chunks or leaf hashes, because the fault was proven.
    guilty: BTreeSet<PeerId>,
    next_conn: u64,
    next_ask: u64,
    most_requested: u64,
    stopped: bool,
}

impl World {
    fn new(source: &mut Source<'_>) -> Self {
        let (setup, flags) = (source.byte(), source.byte());
        let ours = samples::consent(setup);
        let mut config = samples::config(ours, source.byte().into());
        config.rescan = setup & 0x08 != 0;
        config.listening = setup & 0x10 != 0;
        if setup & 0x20 != 0 {
            config.limits = samples::tight();
        }
        if setup & 0x40 != 0 {
            config.order = Order::Sequential;
        }
        if setup & 0x80 != 0 {
            config.controls.allow = Some(samples::some_peers(0x3f));
        }
        if flags & 1 != 0 {
            config.offer = None;
        }
        let have = match flags >> 1 & 7 {
            0 | 1 => Bitfield::new(CHUNKS),
            2 => Bitfield::full(CHUNKS),
            _ => bitfield(source.u32() & 0x7fff_ffff),
        };
        let banned = if flags & 0x40 != 0 { samples::some_peers(0x80) } else { BTreeSet::new() };
        let for_ever = Time::after_start(std::time::Duration::from_secs(u32::MAX.into()));
        let controls = config.controls.clone();
        let most_requested = config.limits.memory_budget_bytes;
        Self {
            machine: Machine::new(
                config,
                have.clone(),
                banned.iter().map(|&peer| (peer, for_ever)).collect(),
            ),
            now: Time::ZERO,
            ours,
            links: BTreeMap::new(),
            dials: VecDeque::new(),
            meetings: VecDeque::new(),
            requests: BTreeMap::new(),
            suppliers: BTreeMap::new(),
            leaves: None,
            rescan: false,
            checks: VecDeque::new(),
            reread: None,
            controls,
            asks: BTreeMap::new(),
            have,
            guilty: banned.clone(),
            banned,
            next_conn: 0,
            next_ask: 0,
            most_requested,
            stopped: false,
        }
    }

    /// Closes all connections, answers everything, and checks that no state is left.
    fn end(&mut self) {
        for conn in self.links.keys().copied().collect::<Vec<_>>() {
            self.gone(conn, None);
        }
        self.offers_checked(usize::MAX);
        for (req, stage) in
            self.requests.iter().map(|(&req, &(_, _, stage))| (req, stage)).collect::<Vec<_>>()
        {
            assert_eq!(stage, Stage::Keeping, "{req:?} of nobody");
            self.kept(req, 0);
        }
        for (ask, (_, index, is_served)) in std::mem::take(&mut self.asks) {
            // Only leaf hashes and manifests may still be under way; they end with their stream.
            assert!(index.is_none() && is_served, "{ask:?} was never answered");
            self.tell(Input::Served { ask, outcome: ServeOutcome::Cancelled { bytes: 0 } });
        }
        assert!(self.machine.is_idle());
        assert_eq!(self.machine.progress().peers, 0);
    }
}
