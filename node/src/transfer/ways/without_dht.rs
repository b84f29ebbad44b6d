//! The public DHT, in a program that was built without it.

use std::net::SocketAddr;
use std::sync::Arc;

use minimodel_swarm::driver::Node;
use minimodel_wire::SignedOffer;

use super::event::WayFault;
use super::settings::WaysSettings;
use super::wanted::DhtMember;

/// What the DHT would tell.
#[expect(dead_code, reason = "nothing is found without it")]
pub(super) enum FromDht {
    Address(SocketAddr),
    Offer(Box<SignedOffer>),
    Fault(Option<WayFault>),
}

/// What a thread would ask of the node.
pub(super) trait Here: Send + Sync {
    #[expect(dead_code, reason = "there is no thread")]
    fn node(&self) -> Option<Node>;
}

/// Nothing is announced or looked for: the transfer is told so when it joins.
pub(super) struct Lookout;

impl Lookout {
    pub(super) fn new(
        _: Arc<dyn Here>,
        _: &WaysSettings,
        _: Arc<dyn Fn([u8; 32], FromDht) + Send + Sync>,
    ) -> Self {
        Self
    }

    pub(super) fn add(&self, _: u64, _: DhtMember) -> Result<(), WayFault> {
        Err(WayFault::NotBuilt { feature: "dht" })
    }

    pub(super) fn remove(&self, _: u64) {}
}
