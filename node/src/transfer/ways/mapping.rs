//! The mapping of the user's router for one node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel_reach::mapping::{Gateway, Gateways, Mapper, MapperSettings, MappingState};
use minimodel_swarm::driver::Node;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::settings::WaysSettings;

/// How long the first offer waits for the router: a router that knows a protocol answers within it.
const FIRST_ANSWER: Duration = Duration::from_millis(1_500);

/// A mapping, kept until it is ended.
pub(super) struct PortMapping {
    mapper: Mapper,
    state: watch::Receiver<MappingState>,
    follows: JoinHandle<()>,
    begun: Instant,
}

impl PortMapping {
    /// Asks the router for the node's port, and tells the node and `tell` what it has granted.
    pub(super) fn start(
        node: &Node,
        handle: &Handle,
        settings: &WaysSettings,
        tell: Arc<dyn Fn(MappingState) + Send + Sync>,
    ) -> Self {
        let port = node.local_address().port();
        let gateways = match settings.local {
            None => Gateways::System,
            Some(local) => Gateways::Given(at_loopback(local.router_ports.unwrap_or_default())),
        };
        let mapper = {
            let _within = handle.enter();
            Mapper::start(MapperSettings { gateways, ..MapperSettings::new(port) })
        };
        let state = mapper.state();
        let (mut followed, node) = (state.clone(), node.clone());
        let follows = handle.spawn(async move {
            loop {
                let now = followed.borrow_and_update().clone();
                node.set_mapped(match &now {
                    MappingState::Mapped(mapping) => Some(mapping.external),
                    MappingState::Trying | MappingState::Failed(_) => None,
                });
                if now != MappingState::Trying {
                    tell(now);
                }
                if followed.changed().await.is_err() {
                    return;
                }
            }
        });
        Self { mapper, state, follows, begun: Instant::now() }
    }

    /// What the router has granted, which it is given a moment to say.
    pub(super) async fn first_answer(
        mut state: watch::Receiver<MappingState>,
        begun: Instant,
    ) -> Option<MappingState> {
        let end = tokio::time::Instant::from_std(begun + FIRST_ANSWER);
        let answered = state.wait_for(|state| *state != MappingState::Trying);
        let answered = tokio::time::timeout_at(end, answered).await.ok()?.ok()?;
        Some(answered.clone())
    }

    /// What the router has granted, or why not, as soon as that is known.
    pub(super) fn settled(&self) -> Option<MappingState> {
        let now = self.state.borrow();
        (*now != MappingState::Trying).then(|| now.clone())
    }

    /// The state, and when the router was asked first.
    pub(super) fn state(&self) -> (watch::Receiver<MappingState>, Instant) {
        (self.state.clone(), self.begun)
    }

    /// Has the router remove it; a second at most.
    pub(super) async fn end(self, node: &Node) {
        self.follows.abort();
        node.set_mapped(None);
        self.mapper.end().await;
    }
}

fn at_loopback([pmp, ssdp]: [u16; 2]) -> Gateway {
    let host = std::net::IpAddr::from([127, 0, 0, 1]);
    Gateway { router: host, own: host, pmp: (host, pmp).into(), ssdp: (host, ssdp).into() }
}
