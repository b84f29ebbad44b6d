//! A mapping that is kept: renewed, and watched for a restart of its router.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Instant;

use super::super::address;
use super::super::limits;
use super::super::nat_pmp::{self, Refused};
use super::super::pcp;
use super::super::state::{Mapping, MappingProtocol, NoMapping};
use super::ask::{Ask, Grant};
use super::epoch::Epoch;
use super::io::{Output, Report, Service, Task};
use super::removal::Removals;
use super::retry::Retry;

/// A mapping that is kept.
#[derive(Debug)]
pub(super) struct Held {
    ask: Ask,
    pub(super) round: u32,
    grant: Grant,
    until: Instant,
    /// When the next renewal begins.
    next: Instant,
    /// The renewal under way.
    renewal: Option<Retry>,
    /// The last renewal failed, for this reason.
    failed: Option<NoMapping>,
    /// The address that the service of UPnP told in this renewal.
    upnp_external: Option<Ipv4Addr>,
    epoch: Option<Epoch>,
    watch_at: Instant,
    /// The question for the epoch under way.
    watch: Option<Retry>,
    removals: Removals,
    /// A removal may have taken this mapping, too, in a router of one table for all protocols.
    is_in_doubt: bool,
}

impl Held {
    pub(super) fn new(now: Instant, ask: Ask, round: u32, grant: Grant) -> Self {
        let mut held = Self {
            ask,
            round,
            until: now,
            next: now,
            renewal: None,
            failed: None,
            upnp_external: None,
            epoch: None,
            watch_at: now,
            watch: None,
            removals: Removals::new(round),
            is_in_doubt: false,
            grant: grant.clone(),
        };
        held.take(now, grant);
        held
    }

    pub(super) fn mapping(&self) -> Mapping {
        Mapping {
            external: SocketAddr::V4(self.grant.external),
            by: self.grant.by,
            router: IpAddr::V4(self.ask.router),
            lifetime: self.grant.lifetime,
        }
    }

    /// Removes a mapping beside this one.
    pub(super) fn remove(&mut self, now: Instant, extra: Grant) {
        if extra.by != self.grant.by {
            self.removals.add(now, extra);
            self.is_in_doubt = true;
        }
    }

    /// Renews the mapping at once.
    pub(super) fn renew(&mut self, now: Instant) {
        if self.renewal.is_none() {
            self.next = now;
        }
    }

    fn take(&mut self, now: Instant, grant: Grant) {
        self.until = now + grant.lifetime;
        self.next = now + grant.lifetime / 2;
        self.epoch = grant.epoch.map(|epoch| Epoch::new(now, epoch));
        (self.renewal, self.failed, self.watch) = (None, None, None);
        self.watch_at = now + limits::WATCH;
        self.grant = grant;
    }

    fn renewal_failed(&mut self, now: Instant, why: NoMapping) {
        self.renewal = None;
        self.failed = Some(why);
        let pause = self.until.saturating_duration_since(now) / 2;
        self.next = now + pause.max(limits::RENEWAL_PAUSE);
    }

    /// # Errors
    ///
    /// The router's external address is of no use any more.
    pub(super) fn datagram(&mut self, now: Instant, bytes: &[u8]) -> Result<(), NoMapping> {
        match pcp::decode(bytes) {
            Some(pcp::Answer::Map(answer)) if self.ask.is_ours(&answer) => return self.pcp_map(now, &answer),
            Some(pcp::Answer::Announce { epoch }) if self.grant.by == MappingProtocol::Pcp => {
                self.watched(now, epoch);
            }
            _ => {}
        }
        match nat_pmp::decode(bytes) {
            Some(nat_pmp::Answer::Mapped { epoch, internal_port, external_port, lifetime })
                if internal_port == self.ask.port =>
            {
                self.pmp_mapped(now, epoch, external_port, lifetime)
            }
            Some(nat_pmp::Answer::Refused { what: Refused::Map, code }) => {
                self.refused(now, MappingProtocol::NatPmp, code);
                Ok(())
            }
            Some(nat_pmp::Answer::External { epoch, address })
                if self.grant.by == MappingProtocol::NatPmp =>
            {
                self.pmp_external(now, epoch, address)
            }
            _ => Ok(()),
        }
    }

    fn pcp_map(&mut self, now: Instant, answer: &pcp::MapAnswer) -> Result<(), NoMapping> {
        let by = MappingProtocol::Pcp;
        if answer.result != pcp::SUCCESS {
            self.refused(now, by, answer.result.into());
        } else if self.grant.by != by {
            self.beside(now, by, answer.lifetime);
        } else if self.renewal.is_some() {
            let grant = self.ask.pcp_grant(answer)?;
            self.take(now, grant);
        }
        Ok(())
    }

    fn pmp_mapped(&mut self, now: Instant, epoch: u32, port: u16, lifetime: u32) -> Result<(), NoMapping> {
        let by = MappingProtocol::NatPmp;
        if self.grant.by != by {
            self.beside(now, by, lifetime);
        } else if self.renewal.is_some() {
            let external = IpAddr::V4(*self.grant.external.ip());
            let grant = self.ask.grant(by, external, port, lifetime, Some(epoch))?;
            self.take(now, grant);
        }
        Ok(())
    }

    fn refused(&mut self, now: Instant, by: MappingProtocol, code: u16) {
        if self.grant.by != by {
            self.removals.answered(by);
        } else if self.renewal.is_some() {
            self.renewal_failed(now, self.ask.refused(by, code));
        }
    }

    /// An answer in another protocol than the mapping's: of its removal, or a mapping that came late.
    fn beside(&mut self, now: Instant, by: MappingProtocol, lifetime: u32) {
        if lifetime == 0 {
            self.removals.answered(by);
        } else if !self.removals.has(by) {
            match by {
                MappingProtocol::Pcp => self.removals.add_pcp(now),
                _ => self.removals.add_nat_pmp(now),
            }
            self.is_in_doubt = true;
        }
    }

    /// The address by NAT-PMP, which answers also the question for the epoch.
    fn pmp_external(&mut self, now: Instant, epoch: u32, external: Ipv4Addr) -> Result<(), NoMapping> {
        if self.watch.is_some() {
            let external = address::judge(self.ask.router, IpAddr::V4(external))?;
            self.grant.external = SocketAddrV4::new(external, self.grant.external.port());
            self.watched(now, epoch);
        }
        Ok(())
    }

    /// The answer to the question for the epoch. A router that restarted gets the mapping again (RFC 6887 section 8.5).
    fn watched(&mut self, now: Instant, told: u32) {
        if self.watch.take().is_none() {
            return;
        }
        self.watch_at = now + limits::WATCH;
        if self.epoch.get_or_insert(Epoch::new(now, told)).is_restart(now, told) {
            self.renew(now);
        }
    }

    /// # Errors
    ///
    /// The router's external address is of no use any more.
    pub(super) fn report(
        &mut self,
        now: Instant,
        report: Report,
        out: &mut VecDeque<Output>,
    ) -> Result<(), NoMapping> {
        let renews = self.grant.by == MappingProtocol::Upnp && self.renewal.is_some();
        match report {
            Report::Found { service, external } if renews => {
                self.upnp_external = Some(address::judge(self.ask.router, IpAddr::V4(external))?);
                let task = self.ask.upnp_map(service, self.grant.external.port());
                out.push_back(Output::Upnp(self.round, task));
            }
            Report::Mapped { service, port } if renews => {
                let external = self.upnp_external.take().unwrap_or(*self.grant.external.ip());
                let grant = self.ask.upnp_grant(service, external, port)?;
                self.take(now, grant);
            }
            Report::Mapped { service, port } if self.grant.by != MappingProtocol::Upnp => {
                self.remove_late(now, service, port);
            }
            Report::Refused { code } if renews => self.refused(now, MappingProtocol::Upnp, code),
            Report::Nothing if renews => self.renewal_failed(now, self.ask.silent()),
            Report::Removed | Report::Refused { .. } | Report::Nothing => {
                self.removals.answered(MappingProtocol::Upnp);
            }
            Report::Found { .. } | Report::Mapped { .. } => {}
        }
        Ok(())
    }

    fn remove_late(&mut self, now: Instant, service: Service, port: u16) {
        let external = SocketAddrV4::new(*self.grant.external.ip(), port);
        let (by, lifetime) = (MappingProtocol::Upnp, self.grant.lifetime);
        self.remove(now, Grant { by, external, lifetime, service: Some(service), epoch: None });
    }

    /// Sends what is due.
    ///
    /// # Errors
    ///
    /// The mapping has expired, since its renewals failed.
    pub(super) fn advance(&mut self, now: Instant, out: &mut VecDeque<Output>) -> Result<(), NoMapping> {
        self.removals.advance(now, &self.ask, out);
        if self.is_in_doubt && self.removals.is_done() {
            self.is_in_doubt = false;
            self.renew(now);
        }
        if self.renewal.as_ref().is_some_and(|renewal| renewal.is_over(now)) {
            self.renewal_failed(now, self.ask.silent());
        }
        if self.renewal.is_none() {
            if now >= self.until
                && let Some(why) = self.failed.clone()
            {
                return Err(why);
            }
            if now >= self.next {
                self.begin_renewal(now, out);
            }
        }
        if let Some(renewal) = &mut self.renewal
            && renewal.is_due(now)
        {
            match self.grant.by {
                MappingProtocol::Pcp => out.push_back(Output::Send(self.ask.pcp_map(self.grant.external))),
                MappingProtocol::NatPmp => {
                    out.push_back(Output::Send(self.ask.pmp_map(self.grant.external.port())));
                }
                MappingProtocol::Upnp => {}
            }
        }
        self.advance_watch(now, out);
        Ok(())
    }

    fn begin_renewal(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        let limit = match self.grant.by {
            MappingProtocol::Upnp => {
                out.push_back(Output::Upnp(self.round, Task::Find));
                limits::UPNP_RENEWAL
            }
            MappingProtocol::Pcp | MappingProtocol::NatPmp => limits::PROBE,
        };
        self.renewal = Some(Retry::new(now, limit));
    }

    fn advance_watch(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        let question = match self.grant.by {
            MappingProtocol::Pcp => self.ask.pcp_announce(),
            MappingProtocol::NatPmp => nat_pmp::EXTERNAL_REQUEST.to_vec(),
            MappingProtocol::Upnp => return,
        };
        if self.watch.as_ref().is_some_and(|watch| watch.is_over(now)) {
            self.watch = None;
            self.watch_at = now + limits::WATCH;
        }
        if self.watch.is_none() && now >= self.watch_at {
            self.watch = Some(Retry::new(now, limits::PROBE));
        }
        if self.watch.as_mut().is_some_and(|watch| watch.is_due(now)) {
            out.push_back(Output::Send(question));
        }
    }

    pub(super) fn wakeup(&self) -> Instant {
        let renewal = self.renewal.as_ref().map_or(self.next, Retry::wakeup);
        // Renewals end at the expiry.
        let renewal =
            if self.failed.is_some() && self.renewal.is_none() { renewal.min(self.until) } else { renewal };
        let watch = match self.grant.by {
            MappingProtocol::Upnp => None,
            _ => Some(self.watch.as_ref().map_or(self.watch_at, Retry::wakeup)),
        };
        [self.removals.wakeup(), watch].into_iter().flatten().fold(renewal, Instant::min)
    }

    /// Everything that is mapped.
    pub(super) fn removals(mut self, now: Instant) -> (Ask, Removals) {
        self.removals.add(now, self.grant);
        (self.ask, self.removals)
    }
}
