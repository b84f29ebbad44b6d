//! The mapper against fake routers at 127.0.0.1. Nothing here leaves the machine.

mod fake;
mod lifecycle;
mod nat_pmp;
mod pcp;
#[cfg(feature = "upnp")]
mod upnp;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use minimodel_reach::mapping::{
    Gateway, Gateways, Mapper, MapperSettings, Mapping, MappingProtocol, MappingState, NoMapping,
};

/// The local port of all tests; nothing listens there.
const PORT: u16 = 4242;
/// The fake router.
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The external address of the fake router.
const PUBLIC: Ipv4Addr = Ipv4Addr::new(8, 8, 4, 4);
/// An external address behind a carrier's translator.
const SHARED: Ipv4Addr = Ipv4Addr::new(100, 64, 1, 2);
/// Longer than anything here takes, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

fn settings(pmp: SocketAddr, ssdp: SocketAddr) -> MapperSettings {
    let gateway = Gateway { router: ROUTER, own: ROUTER, pmp, ssdp };
    MapperSettings { gateways: Gateways::Given(gateway), ..MapperSettings::new(PORT) }
}

/// The first state that is not [`MappingState::Trying`].
async fn settled(mapper: &Mapper) -> MappingState {
    let mut state = mapper.state();
    let settled = state.wait_for(|state| *state != MappingState::Trying);
    tokio::time::timeout(PATIENCE, settled).await.expect("in time").expect("a running mapper").clone()
}

fn mapped(by: MappingProtocol, port: u16, lifetime: u64) -> MappingState {
    let (external, lifetime) = (SocketAddr::from((PUBLIC, port)), Duration::from_secs(lifetime));
    MappingState::Mapped(Mapping { external, by, router: ROUTER, lifetime })
}

const SILENT: MappingState = MappingState::Failed(NoMapping::Silent { router: ROUTER });

fn refused(by: MappingProtocol, code: u16) -> MappingState {
    MappingState::Failed(NoMapping::Refused { router: ROUTER, by, code })
}
