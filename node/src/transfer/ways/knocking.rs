//! Knocks at what was found, within bounds.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use minimodel_swarm::driver::{FoundPeer, KnockFailed, Node, Way};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::bounds::KnockBounds;

/// Knocks under way at once.
const AT_ONCE: usize = 8;
/// Before an address is knocked at for the same swarm again: a member that is found anew may have changed what it shares; a DHT
/// names the same addresses at each look.
const PAUSE_LAN: Duration = Duration::from_secs(60);
const PAUSE_DHT: Duration = Duration::from_secs(600);

/// An address that was found for a swarm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    pub(super) swarm: [u8; 32],
    pub(super) at: SocketAddr,
    pub(super) way: Way,
}

/// Knocks from one node.
#[derive(Clone)]
pub(super) struct Knocker {
    node: Node,
    handle: Handle,
    start: Instant,
    /// Of the network at hand, and of the DHT: who floods one way keeps nobody out who is found by the other.
    bounds: Arc<[Mutex<KnockBounds>; 2]>,
    slots: Arc<Semaphore>,
}

impl Knocker {
    pub(super) fn new(node: Node, handle: Handle) -> Self {
        let (bounds, slots) = (Arc::default(), Arc::new(Semaphore::new(AT_ONCE)));
        Self { node, handle, start: Instant::now(), bounds, slots }
    }

    /// Knocks at a lead, unless that is beyond the bounds, and tells what came of it. `is_wanted`: a transfer still looks for such leads,
    /// by its user's consent; asked again when the knock's turn comes.
    pub(super) fn follow(
        &self,
        lead: Lead,
        is_wanted: impl Fn(Lead) -> bool + Send + Sync + 'static,
        tell: impl FnOnce(Lead, Result<FoundPeer, KnockFailed>) + Send + 'static,
    ) {
        if !is_wanted(lead) {
            return;
        }
        let [of_lan, of_dht] = &*self.bounds;
        let (bounds, pause) = match lead.way {
            Way::Lan => (of_lan, PAUSE_LAN),
            Way::Dht => (of_dht, PAUSE_DHT),
        };
        let mut bounds = bounds.lock().unwrap_or_else(PoisonError::into_inner);
        if !bounds.take(self.start.elapsed(), lead.at, lead.swarm, pause) {
            return;
        }
        drop(bounds);
        let (node, slots) = (self.node.clone(), self.slots.clone());
        self.handle.spawn(async move {
            // The semaphore is never closed.
            let Ok(_slot) = slots.acquire().await else { return };
            if !is_wanted(lead) {
                return;
            }
            let offer = node.knock(lead.at, lead.swarm).await;
            tell(lead, offer.map(|offer| FoundPeer { offer, at: Some(lead.at), way: lead.way }));
        });
    }
}
