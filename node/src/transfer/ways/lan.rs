//! The network at hand, for all transfers of one endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use minimodel_reach::lan::{Lan, LanFound, LanInterfaces, LanSettings};
use tokio::runtime::Handle;

use super::event::WayFault;
use super::settings::WaysSettings;
use super::wanted::Wanted;

/// Announcement and search. There is no socket while no transfer wants either.
pub(super) struct Neighbourhood {
    lan: Lan,
}

impl Neighbourhood {
    /// `found` is told the swarm and the addresses of each member that is heard of.
    pub(super) fn new(
        handle: &Handle,
        settings: &WaysSettings,
        found: Arc<dyn Fn([u8; 32], Vec<SocketAddr>) + Send + Sync>,
    ) -> Self {
        let settings = settings.local.map_or_else(LanSettings::default, |local| LanSettings {
            mdns_port: local.mdns_port,
            interfaces: LanInterfaces::Loopback,
        });
        let (lan, mut reports) = Lan::new(settings);
        // Ends with `lan`.
        handle.spawn(async move {
            while let Some(LanFound { swarm, addresses, .. }) = reports.recv().await {
                found(swarm, addresses);
            }
        });
        Self { lan }
    }

    /// Announces and looks for these swarms, and no others.
    pub(super) fn follow(&self, port: u16, wanted: &Wanted) -> Result<(), WayFault> {
        self.lan.announce(port, &wanted.announced)?;
        Ok(self.lan.look_for(&wanted.sought)?)
    }

    /// Ends both. Waits until the goodbye is sent, half a second at most.
    pub(super) fn end(self) {
        self.lan.close();
    }
}
