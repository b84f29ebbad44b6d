//! The log of a run: folded into one number, and printed line by line when a run is replayed.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::time::Duration;

use minimodel_swarm::machine::{Input, KeepOutcome, Output, Time};

use crate::peer::PeerNo;
use crate::world::World;

/// Counts of what happened in a world, for one line of figures.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Processes killed.
    pub kills: u64,
    /// Power cuts.
    pub power_losses: u64,
    /// Disk calls chosen to fail, and disks that became full.
    pub disk_faults: u64,
    /// Disks that stood still.
    pub stalls: u64,
    /// Chunks that went bad on a disk.
    pub rotten: u64,
    /// Rescans.
    pub rescans: u64,
    /// Connections cut.
    pub cuts: u64,
    /// Partitions.
    pub partitions: u64,
    /// Changes of address.
    pub rebinds: u64,
    /// Processes suspended.
    pub suspends: u64,
    /// Jumps of a calendar.
    pub clock_jumps: u64,
    /// Messages lost once or twice.
    pub lost_messages: u64,
}

/// Sums over many worlds.
#[derive(Debug, Default)]
pub struct Summary {
    /// Worlds.
    pub worlds: u64,
    /// What happened in them.
    pub counts: Counts,
    /// Processes that a failure of their disk ended.
    pub disk_failures: u64,
    /// Bans of hostile peers.
    pub bans_hostile: u64,
    /// Bans of honest peers.
    pub bans_honest: u64,
    /// Strikes between honest peers, all for breaches that a bad path alone can cause: any other fails the world.
    pub strikes_honest: u64,
    /// Of these, in worlds where no process slept or died and no path was silent.
    strikes_calm: u64,
    strikes_by_breach: BTreeMap<String, u64>,
    /// Inputs of all machines.
    pub inputs: u64,
    /// The longest time that a world took, and its seed.
    pub longest: (Duration, u64),
}

impl Summary {
    /// Adds one world that has ended.
    pub fn add_world(&mut self, world: &World, seed: u64) {
        let mut one =
            Self { worlds: 1, counts: world.counts.clone(), inputs: world.record.steps, ..Self::default() };
        one.longest = (world.now.since_start(), seed);
        let is_honest = |id| world.no_of(id).is_some_and(|no| world.peers[no].is_honest());
        for peer in world.peers.iter().filter(|peer| peer.is_honest()) {
            let honest = peer.tally.banned.iter().filter(|(id, ..)| is_honest(*id)).count() as u64;
            one.bans_honest += honest;
            one.bans_hostile += peer.tally.banned.len() as u64 - honest;
            for (_, breach, _) in peer.tally.struck.iter().filter(|(id, ..)| is_honest(*id)) {
                one.strikes_honest += 1;
                *one.strikes_by_breach.entry(format!("{breach:?}")).or_default() += 1;
            }
            one.disk_failures += u64::from(peer.tally.disk_failures);
        }
        let counts = &world.counts;
        let silent = [counts.suspends, counts.kills, counts.power_losses, counts.partitions, counts.rebinds];
        if silent == [0; 5] {
            one.strikes_calm = one.strikes_honest;
        }
        self.add(&one);
    }

    /// Adds other sums.
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.disk_failures += other.disk_failures;
        self.bans_hostile += other.bans_hostile;
        self.bans_honest += other.bans_honest;
        self.strikes_honest += other.strikes_honest;
        self.strikes_calm += other.strikes_calm;
        self.inputs += other.inputs;
        for (breach, count) in &other.strikes_by_breach {
            *self.strikes_by_breach.entry(breach.clone()).or_default() += count;
        }
        self.longest = self.longest.max(other.longest);
        for (sum, (_, more)) in self.counts.all_mut().into_iter().zip(other.counts.clone().all()) {
            *sum += more;
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, disk_failures, bans_hostile, bans_honest, strikes_honest, inputs, .. } = self;
        write!(f, "worlds={worlds} violations=0 bans_honest={bans_honest} bans_hostile={bans_hostile}")?;
        write!(f, " strikes_honest={strikes_honest} disk_failures={disk_failures} inputs={inputs}")?;
        for (name, count) in self.counts.clone().all() {
            write!(f, " {name}={count}")?;
        }
        write!(f, " strikes_honest_calm={}", self.strikes_calm)?;
        for (breach, count) in &self.strikes_by_breach {
            write!(f, " struck_honest_{breach}={count}")?;
        }
        write!(f, " longest_s={} longest_seed={}", self.longest.0.as_secs(), self.longest.1)
    }
}

impl Counts {
    fn all_mut(&mut self) -> [&mut u64; 12] {
        [
            &mut self.kills,
            &mut self.power_losses,
            &mut self.disk_faults,
            &mut self.stalls,
            &mut self.rotten,
            &mut self.rescans,
            &mut self.cuts,
            &mut self.partitions,
            &mut self.rebinds,
            &mut self.suspends,
            &mut self.clock_jumps,
            &mut self.lost_messages,
        ]
    }

    fn all(mut self) -> [(&'static str, u64); 12] {
        let names = [
            "kills",
            "power_losses",
            "disk_faults",
            "disk_stalls",
            "rotten_chunks",
            "rescans",
            "cuts",
            "partitions",
            "rebinds",
            "suspends",
            "clock_jumps",
            "lost_messages",
        ];
        let mut counts = self.all_mut().into_iter().map(|count| *count);
        names.map(|name| (name, counts.next().unwrap_or_default()))
    }
}

/// The log of a world.
#[derive(Debug, Default)]
pub struct Record {
    hash: u64,
    /// Hash of the outputs alone, with every field of each.
    outputs: u64,
    /// Number of inputs.
    pub steps: u64,
    /// Whether each step is printed, too.
    pub is_printed: bool,
}

impl Record {
    /// Hash of the log, which differs when any step differs.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Hash of all outputs of all machines, in order.
    pub fn outputs(&self) -> u64 {
        self.outputs
    }

    pub(crate) fn input(&mut self, now: Time, peer: PeerNo, input: &Input) {
        self.steps += 1;
        self.line(now, peer, "<-", input);
        self.number(1, now, peer);
        match input {
            Input::Connected { conn, dialed, .. } => self.fold(&[2, conn.0, u64::from(*dialed)]),
            Input::Closed { conn, code } => self.fold(&[3, conn.0, code.map_or(99, u64::from)]),
            Input::Frame { conn, frame } => {
                self.fold(&[4, conn.0]);
                self.bytes(&frame.encode());
            }
            Input::Progress { req, received } => self.fold(&[5, req.0, *received]),
            Input::Arrived { req } => self.fold(&[6, req.0]),
            Input::Failed { req, fault } => self.fold(&[7, req.0, format!("{fault:?}").len() as u64]),
            Input::Kept { req, outcome } => {
                self.fold(&[8, req.0, u64::from(*outcome == KeepOutcome::Kept)]);
                if let KeepOutcome::BadProof { got } = outcome {
                    self.bytes(got);
                }
            }
            Input::Asked { ask, conn, index } => self.fold(&[9, ask.0, conn.0, (*index).into()]),
            Input::Served { ask, .. } => self.fold(&[10, ask.0]),
            other => self.bytes(format!("{other:?}").as_bytes()),
        }
    }

    /// Folds an output into the hash of the outputs alone.
    fn whole_output(&mut self, now: Time, peer: PeerNo, output: &Output) {
        let log = std::mem::replace(&mut self.hash, self.outputs);
        self.number(2, now, peer);
        match output {
            // The text of a bitfield names a place in memory.
            Output::Send { conn, frame } => {
                self.fold(&[conn.0]);
                self.bytes(&frame.encode());
            }
            other => self.bytes(format!("{other:?}").as_bytes()),
        }
        self.outputs = std::mem::replace(&mut self.hash, log);
    }

    /// Logs an action of the scenario.
    pub(crate) fn script(&mut self, now: Time, what: &dyn Debug) {
        self.line(now, PeerNo::MAX, "!!", what);
    }

    /// Logs an event that no machine gets as an input, such as an answer of a disk.
    pub(crate) fn note(&mut self, now: Time, peer: PeerNo, what: &str) {
        self.line(now, peer, "--", &what);
        self.number(3, now, peer);
        self.bytes(what.as_bytes());
    }

    pub(crate) fn output(&mut self, now: Time, peer: PeerNo, output: &Output) {
        self.line(now, peer, "->", output);
        self.number(2, now, peer);
        self.whole_output(now, peer, output);
        match output {
            Output::Send { conn, frame } => {
                self.fold(&[2, conn.0]);
                self.bytes(&frame.encode());
            }
            Output::Request { conn, req, index } => self.fold(&[3, conn.0, req.0, (*index).into()]),
            Output::Cancel { req } => self.fold(&[4, req.0]),
            Output::Keep { req, index, .. } => self.fold(&[5, req.0, (*index).into()]),
            Output::Serve { ask, index } => self.fold(&[6, ask.0, (*index).into()]),
            // The spelling that this log had from the first, so that hashes of old and new runs can be compared.
            Output::Dial { peer, addresses, pex_addresses } => self.bytes(
                format!("Dial {{ peer: {peer:?}, addresses: {addresses:?}, hearsay: {pex_addresses:?} }}")
                    .as_bytes(),
            ),
            other => self.bytes(format!("{other:?}").as_bytes()),
        }
    }

    #[expect(clippy::print_stdout, reason = "the log of a replayed run is for people")]
    fn line(&self, now: Time, peer: PeerNo, way: &str, what: &dyn Debug) {
        if self.is_printed {
            let mut text = format!("{what:?}");
            text.truncate(200);
            println!("{:>12.6} {:>3} {way} {text}", now.since_start().as_secs_f64(), peer % 1000);
        }
    }

    fn number(&mut self, kind: u64, now: Time, peer: PeerNo) {
        self.fold(&[kind, now.since_start().as_micros() as u64, peer as u64]);
    }

    fn fold(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.fold(&[u64::from_le_bytes(word)]);
        }
        self.fold(&[bytes.len() as u64]);
    }
}
