//! State of a world: peers, connections, virtual time, disks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_swarm::machine::{Bucket, Terms, Time};
use minimodel_wire::{CloseCode, ResetCode};

use super::artifact::{Artifact, artifact};
use super::peer::{self, Have, LinkNo, Peer, PeerNo, Plan, Tally};
use super::queue::Queue;
use super::record::{Counts, Record};
use super::shelf::{Shelf, Store};
use super::step::{Flow, Scripted, Side, Step};
use super::weather::Weather;

pub(super) const UNIX_AT_START: u64 = 1_700_000_000;
pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) struct Link {
    pub(super) dialer: PeerNo,
    pub(super) acceptor: PeerNo,
    /// Process run of each peer that the handshake belongs to.
    pub(super) runs: [u32; 2],
    pub(super) dialer_open: bool,
    pub(super) acceptor_open: bool,
    /// Number of ends whose handshake is not done yet.
    pub(super) unseen: u8,
    /// One-way delay.
    pub(super) delay: Duration,
    /// Bytes sent and not yet acknowledged, by side that sent them.
    pub(super) on_path: [u64; 2],
    /// Nothing arrives before this time.
    pub(super) blocked_until: Time,
    /// When the latest control frame arrives, by side that receives it.
    pub(super) control_at: [Time; 2],
    /// Frame budget of each side, by side that sends.
    pub(super) frames: [Option<Bucket>; 2],
}

impl Link {
    pub(super) fn side_of(&self, no: PeerNo) -> Side {
        if self.dialer == no { Side::Dialer } else { Side::Acceptor }
    }

    pub(super) fn run(&self, side: Side) -> u32 {
        self.runs[usize::from(side == Side::Acceptor)]
    }

    pub(super) fn on_path(&mut self, side: Side) -> &mut u64 {
        &mut self.on_path[usize::from(side == Side::Acceptor)]
    }

    pub(super) fn peer(&self, side: Side) -> PeerNo {
        match side {
            Side::Dialer => self.dialer,
            Side::Acceptor => self.acceptor,
        }
    }

    pub(super) fn is_open(&self, side: Side) -> bool {
        match side {
            Side::Dialer => self.dialer_open,
            Side::Acceptor => self.acceptor_open,
        }
    }

    pub(super) fn set_open(&mut self, side: Side, open: bool) {
        match side {
            Side::Dialer => self.dialer_open = open,
            Side::Acceptor => self.acceptor_open = open,
        }
    }
}

pub(super) struct World {
    /// The artifact of a world with real stores.
    pub(super) artifact: Option<&'static Artifact>,
    pub(super) terms: Terms,
    pub(super) now: Time,
    pub(super) queue: Queue,
    pub(super) peers: Vec<Peer>,
    pub(super) links: BTreeMap<LinkNo, Link>,
    pub(super) flows: BTreeMap<u64, Flow>,
    pub(super) next_number: u64,
    pub(super) record: Record,
    pub(super) rng: fastrand::Rng,
    /// Number of inputs from one check of the invariants to the next.
    pub(super) check_every: u64,
    /// Proving and writing one chunk takes this long.
    pub(super) keep_time: Duration,
    /// Whether the driver reports each lost request before it reports the lost connection.
    pub(super) says_lost: bool,
    pub(super) weather: Weather,
    /// Peers on one side of a partition, as bits, and its end.
    pub(super) partition: Option<(u64, Time)>,
    /// Number of messages that arrived. `cut_at` holds the numbers of messages whose connection breaks.
    pub(super) messages: u64,
    pub(super) cut_at: Vec<u64>,
    /// The message with this number, if it is an ask or a piece of an answer, is a reset with this code instead.
    pub(super) reset_at: Option<(u64, ResetCode)>,
    pub(super) counts: Counts,
    /// Command line that runs this world again.
    pub(super) replay: String,
}

impl World {
    pub(super) fn new(byte_count: u64, chunk_size: u64, seed: u64) -> Self {
        let terms = Terms {
            swarm_id: [1; 32],
            artifact_sha256: [2; 32],
            license_sha256: [3; 32],
            evidence_sha256: [4; 32],
            byte_count,
            chunk_size: chunk_size as u32,
            chunk_count: byte_count.div_ceil(chunk_size) as u32,
        };
        let name = std::thread::current().name().unwrap_or("sim").to_owned();
        Self {
            artifact: None,
            terms,
            now: Time::ZERO,
            queue: Queue::default(),
            peers: Vec::new(),
            links: BTreeMap::new(),
            flows: BTreeMap::new(),
            next_number: 0,
            record: Record::default(),
            rng: fastrand::Rng::with_seed(seed),
            check_every: 1,
            keep_time: ms(3),
            says_lost: seed.is_multiple_of(2),
            weather: Weather::default(),
            partition: None,
            messages: 0,
            cut_at: Vec::new(),
            reset_at: None,
            counts: Counts::default(),
            replay: format!("cargo test -p minimodel-swarm --test swarm {name} -- --exact --nocapture"),
        }
    }

    /// A world in which every honest peer has the real store on a simulated disk, with the numbered artifact.
    pub(super) fn whole(number: usize, seed: u64) -> Self {
        let artifact = artifact(number);
        let layout = artifact.spec.layout;
        let mut world = Self::new(layout.byte_count(), u64::from(layout.chunk_size()), seed);
        world.terms.swarm_id = artifact.spec.swarm_id;
        world.artifact = Some(artifact);
        world
    }

    fn shelf(&self, plan: &Plan) -> Shelf {
        let is_honest = plan.is_honest();
        match (&plan.have, self.artifact.filter(|_| is_honest)) {
            (Have::All, Some(artifact)) => Shelf::Store(Box::new(Store::whole(artifact))),
            (Have::These(chunks), Some(artifact)) => Shelf::Store(Box::new(Store::partial(artifact, chunks))),
            (Have::All, None) => Shelf::Numbers((0..self.terms.chunk_count).collect()),
            (Have::These(chunks), None) => Shelf::Numbers(chunks.iter().copied().collect()),
        }
    }

    /// Adds a peer, which may know the peers added before it; `peer::id_of` gives the id of any peer.
    pub(super) fn add(&mut self, plan: Plan) -> PeerNo {
        let no = self.peers.len();
        let mut shelf = self.shelf(&plan);
        let found = self.look_at(&mut shelf, &plan).unwrap_or_else(|what| self.fail(&what));
        let machine = self.machine(no, &plan, &found);
        self.queue.push(Time::after_start(plan.joins_at), Step::Join(no, 0));
        // Several peers at one host have ports of their own.
        let address = plan.host.map(|host| SocketAddr::from((host, 10_000 + no as u16)));
        let address = address.unwrap_or_else(|| peer::address_of(no));
        self.peers.push(Peer {
            plan,
            id: peer::id_of(no),
            address,
            machine,
            online: false,
            run: 0,
            suspended_until: Time::ZERO,
            shelf,
            unreadable: BTreeSet::new(),
            is_rotten: false,
            disk_free_at: Time::ZERO,
            tick_at: None,
            downloads: BTreeMap::new(),
            answers: BTreeMap::new(),
            streams: BTreeMap::new(),
            sending: VecDeque::new(),
            is_sending: false,
            down_free_at: Time::ZERO,
            chunks_served: 0,
            asked_this_second: (0, 0),
            tally: Tally::default(),
        });
        no
    }

    pub(super) fn script(&mut self, at: Duration, what: Scripted) {
        self.queue.push(Time::after_start(at), Step::Scripted(what));
    }

    /// Runs until `done`, until `limit` has passed, or until no event is left; returns whether it was done.
    pub(super) fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = Time::after_start(limit);
        while !done(self) {
            if self.queue.next_at().is_none_or(|at| at > end) {
                return false;
            }
            let Some((at, step)) = self.queue.pop() else { return false };
            self.now = at;
            self.take(step);
        }
        true
    }

    pub(super) fn must_run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        if !self.run(limit, done) {
            self.fail(&format!("not done at {limit:?}"));
        }
    }

    /// Fails the test with all that is needed to replay the run.
    pub(super) fn fail(&self, what: &str) -> ! {
        let mut states = String::new();
        for (no, peer) in self.peers.iter().enumerate() {
            let (plan, tally) = (&peer.plan, &peer.tally);
            states += &format!(
                "\n  {no}: {:?} {:?} online {} {:?} banned {:?} struck {}",
                plan.behaviour,
                plan.consent,
                peer.online,
                peer.machine.progress(),
                tally.banned.iter().map(|(id, breach, _)| (self.no_of(*id), *breach)).collect::<Vec<_>>(),
                tally.struck.len(),
            );
        }
        panic!("at {:?}: {what}{states}\nreplay: {}", self.now.since_start(), self.replay);
    }

    pub(super) fn no_of(&self, id: minimodel_wire::PeerId) -> Option<PeerNo> {
        self.peers.iter().position(|peer| peer.id == id)
    }

    pub(super) fn is_complete(&self, no: PeerNo) -> bool {
        self.peers[no].tally.complete_at.is_some()
    }

    /// Seconds until the peer had every chunk.
    pub(super) fn seconds(&self, no: PeerNo) -> f64 {
        self.peers[no].tally.complete_at.map_or(f64::INFINITY, |at| at.since_start().as_secs_f64())
    }

    /// Open connection ends of a peer.
    pub(super) fn links_of(&self, no: PeerNo) -> Vec<(LinkNo, Side)> {
        let mut ends = Vec::new();
        for (&link, ends_of) in &self.links {
            for side in [Side::Dialer, Side::Acceptor] {
                if ends_of.peer(side) == no && ends_of.is_open(side) {
                    ends.push((link, side));
                }
            }
        }
        ends
    }

    /// Closes one end of a connection; the other end learns of it a path's delay later.
    pub(super) fn close_end(&mut self, link: LinkNo, side: Side, code: Option<CloseCode>) {
        let Some(at) = self.links.get(&link).map(|ends| self.now + ends.delay) else { return };
        self.forget_end(link, side);
        self.queue.push(at, Step::ClosedAt(link, side.other(), code));
    }

    pub(super) fn forget_end(&mut self, link: LinkNo, side: Side) {
        let Some(ends) = self.links.get_mut(&link) else { return };
        ends.set_open(side, false);
        let peer = &mut self.peers[ends.peer(side)];
        peer.downloads.retain(|_, download| download.link != link);
        peer.streams.remove(&link);
        let flows = &mut self.flows;
        peer.answers.retain(|_, answer| {
            if answer.link == link {
                answer.flow.and_then(|flow| flows.remove(&flow));
            }
            answer.link != link
        });
        if !ends.dialer_open && !ends.acceptor_open && ends.unseen == 0 {
            self.links.remove(&link);
        }
    }
}
