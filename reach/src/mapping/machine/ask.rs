//! The requests of one mapper at one router.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::super::address;
use super::super::limits;
use super::super::nat_pmp;
use super::super::pcp::{self, MapRequest};
use super::super::settings::{Gateway, MapperSettings};
use super::super::state::{MappingProtocol, NoMapping};
use super::io::{Random, Service, Task};

/// What is asked for, and of whom.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) router: Ipv4Addr,
    pub(super) own: Ipv4Addr,
    pub(super) port: u16,
    lifetime: Duration,
    random: Random,
}

impl Ask {
    /// # Errors
    ///
    /// Router or own address is not IPv4.
    pub(super) fn new(settings: &MapperSettings, random: Random, at: &Gateway) -> Result<Self, NoMapping> {
        let (IpAddr::V4(router), IpAddr::V4(own)) = (at.router, at.own) else {
            return Err(NoMapping::NoRouter { found: Some(at.router) });
        };
        let lifetime = settings.lifetime.clamp(limits::MIN_LIFETIME, limits::MAX_LIFETIME);
        Ok(Self { router, own, port: settings.port, lifetime, random })
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX)
    }

    /// MAP by PCP, suggesting this external address (RFC 6887 section 11.1).
    pub(super) fn pcp_map(&self, suggested: SocketAddrV4) -> Vec<u8> {
        self.pcp(suggested, self.seconds())
    }

    /// Removal by PCP (RFC 6887 section 15.1).
    pub(super) fn pcp_removal(&self) -> Vec<u8> {
        self.pcp(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0), 0)
    }

    fn pcp(&self, suggested: SocketAddrV4, lifetime: u32) -> Vec<u8> {
        let (nonce, own, internal_port) = (self.random.nonce, self.own, self.port);
        MapRequest { nonce, own, internal_port, suggested, lifetime }.encode()
    }

    /// ANNOUNCE by PCP (RFC 6887 section 14.1).
    pub(super) fn pcp_announce(&self) -> Vec<u8> {
        pcp::announce(self.own)
    }

    /// An answer to one of our MAP requests, by nonce and port (RFC 6887 section 11.4).
    pub(super) fn is_ours(&self, answer: &pcp::MapAnswer) -> bool {
        answer.nonce == self.random.nonce && answer.internal_port == self.port
    }

    /// A mapping by NAT-PMP (RFC 6886 section 3.3).
    pub(super) fn pmp_map(&self, external_port: u16) -> Vec<u8> {
        nat_pmp::map_request(self.port, external_port, self.seconds())
    }

    /// Removal by NAT-PMP (RFC 6886 section 3.4).
    pub(super) fn pmp_removal(&self) -> Vec<u8> {
        nat_pmp::map_request(self.port, 0, 0)
    }

    /// A mapping by UPnP at this external port, or at others if it is taken.
    pub(super) fn upnp_map(&self, service: Service, port: u16) -> Task {
        let mut ports = vec![port];
        ports.extend(self.random.other_ports);
        Task::Map { service, ports, internal_port: self.port, lifetime: self.seconds() }
    }

    /// Judges what the router granted; a lifetime in seconds beyond the bounds is brought into them.
    pub(super) fn grant(
        &self,
        by: MappingProtocol,
        external: IpAddr,
        port: u16,
        lifetime: u32,
        epoch: Option<u32>,
    ) -> Result<Grant, NoMapping> {
        let external = address::judge(self.router, external)?;
        if port == 0 {
            return Err(NoMapping::NoPort { router: IpAddr::V4(self.router), by });
        }
        let lifetime = Duration::from_secs(lifetime.into()).clamp(limits::MIN_LIFETIME, limits::MAX_LIFETIME);
        Ok(Grant { by, external: SocketAddrV4::new(external, port), lifetime, service: None, epoch })
    }

    /// Judges what the router granted by PCP.
    pub(super) fn pcp_grant(&self, answer: &pcp::MapAnswer) -> Result<Grant, NoMapping> {
        if answer.result != pcp::SUCCESS {
            return Err(self.refused(MappingProtocol::Pcp, answer.result));
        }
        let (external, port) = (answer.external, answer.external_port);
        self.grant(MappingProtocol::Pcp, external, port, answer.lifetime, Some(answer.epoch))
    }

    /// Judges what the router granted by UPnP: the lifetime is the one asked for, as the answer has none.
    pub(super) fn upnp_grant(
        &self,
        service: Service,
        external: Ipv4Addr,
        port: u16,
    ) -> Result<Grant, NoMapping> {
        let grant = self.grant(MappingProtocol::Upnp, IpAddr::V4(external), port, self.seconds(), None)?;
        Ok(Grant { service: Some(service), ..grant })
    }

    pub(super) fn refused(&self, by: MappingProtocol, code: impl Into<u16>) -> NoMapping {
        NoMapping::Refused { router: IpAddr::V4(self.router), by, code: code.into() }
    }

    pub(super) fn silent(&self) -> NoMapping {
        NoMapping::Silent { router: IpAddr::V4(self.router) }
    }
}

/// A mapping that the router granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) by: MappingProtocol,
    pub(super) external: SocketAddrV4,
    /// Brought into `limits::MIN_LIFETIME` to `limits::MAX_LIFETIME`.
    pub(super) lifetime: Duration,
    /// The service that keeps it, by UPnP.
    pub(super) service: Option<Service>,
    /// The router's epoch in seconds, by PCP and NAT-PMP.
    pub(super) epoch: Option<u32>,
}
