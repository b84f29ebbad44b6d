//! State of a world: peers, connections, virtual time, disks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_swarm::machine::{Input, Terms, Time};
use minimodel_wire::{CloseCode, Frame};

use crate::artifact::{Artifact, artifact};
use crate::attempts::Attempts;
use crate::config::terms;
use crate::keys::{address_of, id_of};
use crate::network::{Faults, Network};
use crate::paths::Paths;
use crate::peer::{Access, LinkNo, Peer, PeerNo, Process, Requests, Tally};
use crate::plan::{Have, Plan};
use crate::queue::{Numbers, Queue};
use crate::record::{Counts, Record};
use crate::step::{Scripted, Side, Step};
use crate::storage::Storage;
use crate::store::Store;

/// Bytes of a kibibyte.
pub const KIB: u64 = 1 << 10;
/// Bytes of a mebibyte.
pub const MIB: u64 = 1 << 20;

/// So many seconds.
pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// So many milliseconds.
pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// How closely a world is watched, and what its drivers do.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Whether tallies list each chunk and the record hashes outputs, which a large world does without.
    pub is_detailed: bool,
    /// Number of inputs from one check of the invariants to the next.
    pub check_every: u64,
    /// Proving and writing one chunk takes this long.
    pub keep_time: Duration,
    /// Whether the driver reports each lost request before it reports the lost connection.
    pub says_lost: bool,
}

/// A swarm in virtual time.
pub struct World {
    /// The artifact of a world with real stores.
    pub(crate) artifact: Option<&'static Artifact>,
    /// The content of the swarm.
    pub terms: Terms,
    /// The virtual time.
    pub now: Time,
    pub(crate) queue: Queue,
    /// All peers by their numbers.
    pub peers: Vec<Peer>,
    pub(crate) paths: Paths,
    pub(crate) attempts: Attempts,
    pub(crate) numbers: Numbers,
    /// The log.
    pub record: Record,
    pub(crate) rng: fastrand::Rng,
    /// How closely it is watched, and what its drivers do.
    pub settings: Settings,
    /// What the paths do.
    pub network: Network,
    /// What breaks.
    pub faults: Faults,
    /// What happened.
    pub counts: Counts,
    /// Command line that runs this world again.
    pub replay: String,
}

impl World {
    /// A world whose peers store numbers of chunks only: no peer, good paths.
    pub fn new(byte_count: u64, chunk_size: u64, seed: u64) -> Self {
        let name = std::thread::current().name().unwrap_or("sim").to_owned();
        Self {
            artifact: None,
            terms: terms(byte_count, chunk_size as u32),
            now: Time::ZERO,
            queue: Queue::default(),
            peers: Vec::new(),
            paths: Paths::default(),
            attempts: Attempts::default(),
            numbers: Numbers::default(),
            record: Record::default(),
            rng: fastrand::Rng::with_seed(seed),
            settings: Settings {
                is_detailed: true,
                check_every: 1,
                keep_time: ms(3),
                says_lost: seed.is_multiple_of(2),
            },
            network: Network::default(),
            faults: Faults::default(),
            counts: Counts::default(),
            replay: format!("cargo test -p minimodel-swarm --test swarm {name} -- --exact --nocapture"),
        }
    }

    /// A world in which every honest peer has the real store on a simulated disk, with the numbered artifact.
    pub fn whole(number: usize, seed: u64) -> Self {
        let artifact = artifact(number);
        let layout = artifact.spec.layout;
        let mut world = Self::new(layout.byte_count(), u64::from(layout.chunk_size()), seed);
        world.terms.swarm_id = artifact.spec.swarm_id;
        world.artifact = Some(artifact);
        world
    }

    fn storage(&self, plan: &Plan) -> Storage {
        let is_honest = plan.is_honest();
        match (&plan.have, self.artifact.filter(|_| is_honest)) {
            (Have::All, Some(artifact)) => Storage::Store(Box::new(Store::whole(artifact))),
            (Have::These(chunks), Some(artifact)) => {
                Storage::Store(Box::new(Store::partial(artifact, chunks)))
            }
            (Have::All, None) => Storage::Numbers((0..self.terms.chunk_count).collect()),
            (Have::These(chunks), None) => Storage::Numbers(chunks.iter().copied().collect()),
        }
    }

    /// Adds a peer, which may know the peers added before it; [`crate::id_of`] gives the id of any peer.
    pub fn add(&mut self, plan: Plan) -> PeerNo {
        let no = self.peers.len();
        let mut storage = self.storage(&plan);
        let found = self.look_at(&mut storage, &plan).unwrap_or_else(|what| self.fail(&what));
        let machine = self.machine(no, &plan, &found);
        self.queue.push(Time::after_start(plan.joins_at), Step::Join(no, 0));
        if let Some(after) = plan.quits_after {
            self.script(plan.joins_at + after, Scripted::Stop(no));
        }
        // Several peers at one host have ports of their own.
        let address = plan.host.map(|host| SocketAddr::from((host, 10_000 + no as u16)));
        let address = address.unwrap_or_else(|| address_of(no));
        self.paths.addresses.entry(address).or_insert(no);
        self.attempts.internet.place(no, address, None);
        self.peers.push(Peer {
            plan,
            id: id_of(no),
            address,
            machine,
            process: Process::default(),
            storage,
            unreadable: BTreeSet::new(),
            is_rotten: false,
            disk_free_at: Time::ZERO,
            requests: Requests::default(),
            access: Access::default(),
            chunks_served: 0,
            tally: Tally::default(),
        });
        no
    }

    /// Schedules an action of the scenario.
    pub fn script(&mut self, at: Duration, what: Scripted) {
        self.queue.push(Time::after_start(at), Step::Scripted(what));
    }

    /// Passes an input to the machine of a peer's first run, at this time.
    pub fn tell_at(&mut self, at: Duration, no: PeerNo, input: Input) {
        self.queue.push(Time::after_start(at), Step::Tell(no, 0, input));
    }

    /// Sends a frame over each connection of the peer, past its machine; returns their number.
    pub fn send_past(&mut self, no: PeerNo, frame: &Frame) -> usize {
        let links = self.paths.ends_of(no);
        for &(link, side) in &links {
            self.queue.push(self.now + ms(10), Step::FrameIn(link, side.other(), frame.clone()));
        }
        links.len()
    }

    /// Runs until `done`, until `limit` has passed, or until no event is left; returns whether it was done.
    pub fn run(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
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

    /// Runs until `done`, or fails the test at `limit`.
    pub fn must_run(&mut self, limit: Duration, done: impl FnMut(&Self) -> bool) {
        if !self.run(limit, done) {
            self.fail(&format!("not done at {limit:?}"));
        }
    }

    /// Fails the test with all that is needed to replay the run.
    pub fn fail(&self, what: &str) -> ! {
        let mut states = String::new();
        for (no, peer) in self.peers.iter().enumerate() {
            let (plan, tally) = (&peer.plan, &peer.tally);
            states += &format!(
                "\n  {no}: {:?} {:?} online {} {:?} banned {:?} struck {}",
                plan.behaviour,
                plan.consent,
                peer.process.online,
                peer.machine.progress(),
                tally.banned.iter().map(|(id, breach, _)| (self.no_of(*id), *breach)).collect::<Vec<_>>(),
                tally.struck.len(),
            );
        }
        panic!("at {:?}: {what}{states}\nreplay: {}", self.now.since_start(), self.replay);
    }

    /// Number of the peer with this id.
    pub fn no_of(&self, id: minimodel_wire::PeerId) -> Option<PeerNo> {
        self.peers.iter().position(|peer| peer.id == id)
    }

    /// Whether the peer has every chunk, and the file its name.
    pub fn is_complete(&self, no: PeerNo) -> bool {
        self.peers[no].tally.complete_at.is_some()
    }

    /// Seconds until the peer had every chunk.
    pub fn seconds(&self, no: PeerNo) -> f64 {
        self.peers[no].tally.complete_at.map_or(f64::INFINITY, |at| at.since_start().as_secs_f64())
    }

    /// Closes one end of a connection; the other end learns of it a path's delay later.
    pub(crate) fn close_end(&mut self, link: LinkNo, side: Side, code: Option<CloseCode>) {
        let Some(at) = self.paths.links.get(&link).map(|ends| self.now + ends.delay) else { return };
        self.forget_end(link, side);
        self.queue.push(at, Step::ClosedAt(link, side.other(), code));
    }

    pub(crate) fn forget_end(&mut self, link: LinkNo, side: Side) {
        let Some(ends) = self.paths.links.get_mut(&link) else { return };
        ends.open[side.at()] = false;
        let peer = &mut self.peers[ends.peer(side)];
        peer.requests.downloads.retain(|_, download| download.link != link);
        peer.requests.streams.remove(&link);
        let flows = &mut self.paths.flows;
        peer.requests.answers.retain(|_, answer| {
            if answer.link == link {
                answer.flow.and_then(|flow| flows.remove(&flow));
            }
            answer.link != link
        });
        if ends.open == [false; 2] && ends.unseen == 0 {
            self.paths.links.remove(&link);
        }
    }
}
