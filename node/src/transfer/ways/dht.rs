//! The public DHT, for all transfers of one endpoint: one thread, which has no socket between two jobs.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use minimodel_reach::dht::{Cancel, Dht, DhtError, DhtSettings, Place};
use minimodel_swarm::driver::Node;
use minimodel_wire::{SignedOffer, UncheckedOffer};

use super::dht_jobs::{Job, Jobs};
use super::event::WayFault;
use super::settings::WaysSettings;
use super::wanted::DhtMember;
use crate::clock::now_unix;

/// Lifetime of an offer in the DHT, in seconds: it is published hourly.
const OFFER_LIFE: u64 = 6 * 3_600;
/// How often the thread looks whether this machine's address has changed.
const LOOK: Duration = Duration::from_secs(30);

/// What the thread tells.
pub(super) enum FromDht {
    /// Somebody may be there.
    Address(SocketAddr),
    /// The offer of a named peer.
    Offer(Box<SignedOffer>),
    /// A job failed, or the first after failures did not.
    Fault(Option<WayFault>),
}

/// What the thread asks of the node, which may be gone before it: the socket does not wait for the thread.
pub(super) trait Here: Send + Sync {
    /// The node, while there is one.
    fn node(&self) -> Option<Node>;
}

/// The thread, and what it has to do.
pub(super) struct Lookout {
    shared: Arc<Shared>,
    here: Arc<dyn Here>,
    settings: DhtSettings,
    tell: Arc<dyn Fn([u8; 32], FromDht) + Send + Sync>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Jobs,
    /// The member whose job runs, and how that is ended.
    running: Option<(u64, Cancel)>,
    has_thread: bool,
}

impl Lookout {
    pub(super) fn new(
        here: Arc<dyn Here>,
        settings: &WaysSettings,
        tell: Arc<dyn Fn([u8; 32], FromDht) + Send + Sync>,
    ) -> Self {
        let is_local = |node: &String| node.parse().is_ok_and(|at: SocketAddr| at.ip().is_loopback());
        let nodes = &settings.dht_nodes;
        let mut dht = DhtSettings { allow_local: nodes.iter().any(is_local), ..DhtSettings::default() };
        if !nodes.is_empty() {
            dht.bootstrap.clone_from(nodes);
        }
        Self { shared: Arc::default(), here, settings: dht, tell }
    }

    /// Adds a transfer; the thread begins with the first.
    pub(super) fn add(&self, id: u64, member: DhtMember) -> Result<(), WayFault> {
        let mut state = self.shared.lock();
        state.jobs.add(id, member, now_unix());
        self.shared.changed.notify_all();
        if state.has_thread {
            return Ok(());
        }
        let (shared, here, tell) = (self.shared.clone(), self.here.clone(), self.tell.clone());
        let worker = Worker { shared, here, dht: Dht::new(self.settings.clone()), tell };
        let thread = std::thread::Builder::new().name("dht".to_owned()).spawn(move || worker.run());
        thread.map_err(|error| WayFault::NoThread { reason: error.to_string() })?;
        state.has_thread = true;
        Ok(())
    }

    /// Removes a transfer, and ends its job if one runs. The thread ends with the last.
    pub(super) fn remove(&self, id: u64) {
        let mut state = self.shared.lock();
        state.jobs.remove(id);
        if let Some((_, cancel)) = state.running.as_ref().filter(|(running, _)| *running == id) {
            cancel.cancel();
        }
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    shared: Arc<Shared>,
    here: Arc<dyn Here>,
    dht: Dht,
    tell: Arc<dyn Fn([u8; 32], FromDht) + Send + Sync>,
}

impl Worker {
    fn run(self) {
        let mut seen = None;
        loop {
            let mut state = self.shared.lock();
            let node = self.here.node().filter(|_| !state.jobs.is_empty());
            let Some(node) = node else {
                state.has_thread = false;
                return;
            };
            let now = now_unix();
            let here = node.public_ipv4();
            drop(node);
            if seen.replace(here).is_some_and(|before| before != here) {
                state.jobs.hurry();
            }
            let (id, swarm, job) = match state.jobs.next(now) {
                Ok(next) => next,
                Err(seconds) => {
                    let wait = LOOK.min(Duration::from_secs(seconds));
                    drop(self.shared.changed.wait_timeout(state, wait));
                    continue;
                }
            };
            let cancel = Cancel::new();
            state.running = Some((id, cancel.clone()));
            drop(state);
            let done = self.perform(swarm, &job, now, &cancel);
            let mut state = self.shared.lock();
            state.running = None;
            state.jobs.done(id, &job, matches!(done, Ok(true)), now_unix());
            drop(state);
            match done {
                Ok(true) => (self.tell)(swarm, FromDht::Fault(None)),
                Ok(false) | Err(DhtError::Cancelled) => {}
                Err(error) => (self.tell)(swarm, FromDht::Fault(Some(error.into()))),
            }
        }
    }

    /// Does a job. Returns false if it has to wait until more is known of this machine's addresses.
    fn perform(&self, swarm: [u8; 32], job: &Job, now: u64, cancel: &Cancel) -> Result<bool, DhtError> {
        match job {
            Job::Announce => {
                // Behind a router of which nothing is known the port may be the same outside.
                let Some(node) = self.here.node() else { return Ok(false) };
                let local = node.local_address().port();
                let port = node.public_ipv4().map_or(local, |at| at.port());
                drop(node);
                self.dht.announce(&swarm, port, now, cancel).map(|()| true)
            }
            Job::Publish => {
                let Some(node) = self.here.node() else { return Ok(false) };
                let (offer, peer) = (node.public_offer(swarm, now + OFFER_LIFE), node.id().0);
                drop(node);
                let (Some(offer), place) = (offer, Place { peer, swarm }) else { return Ok(false) };
                self.dht.publish_where(&place, &offer.to_bytes(), now, cancel).map(|()| true)
            }
            Job::Look { named } => {
                let found = |at: SocketAddrV4| (self.tell)(swarm, FromDht::Address(at.into()));
                self.dht.look_up(&swarm, now, cancel, found)?;
                for peer in named {
                    let place = Place { peer: peer.0, swarm };
                    let bytes = self.dht.find_where(&place, cancel)?;
                    let offer = bytes.and_then(|bytes| offer_of(bytes, &place));
                    if let Some(offer) = offer {
                        (self.tell)(swarm, FromDht::Offer(Box::new(offer)));
                    }
                }
                Ok(true)
            }
        }
    }
}

/// The offer of the peer whose place this is; whoever knows the place can put anything there.
fn offer_of(bytes: Vec<u8>, place: &Place) -> Option<SignedOffer> {
    let offer = UncheckedOffer::read(bytes.into()).ok()?;
    let claim = offer.claim();
    if claim.peer.0 != place.peer || claim.swarm_id != place.swarm {
        return None;
    }
    offer.check().ok()
}
