//! One question to a router in all protocols at once.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use super::super::address;
use super::super::limits;
use super::super::nat_pmp::{self, Refused};
use super::super::pcp;
use super::super::state::{MappingProtocol, NoMapping};
use super::ask::{Ask, Grant};
use super::io::{Output, Report, Task};
use super::removal::Removals;
use super::retry::Retry;

/// What is known of one protocol.
#[derive(Debug)]
enum Way {
    /// No answer yet.
    Open,
    Granted(Grant),
    No(NoMapping),
}

impl Way {
    fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    fn settle(result: Result<Grant, NoMapping>) -> Self {
        result.map_or_else(Self::No, Self::Granted)
    }
}

/// How a probe stands.
#[derive(Debug)]
pub(super) enum Verdict {
    Wait,
    /// This mapping is kept; the others are to be removed.
    Keep(Grant, Vec<Grant>),
    Fail(NoMapping),
}

/// A probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) ask: Ask,
    pub(super) round: u32,
    /// Of the first requests of PCP and NAT-PMP, and of the whole.
    retry: Retry,
    pcp: Way,
    pmp: Way,
    /// The address that NAT-PMP told, and the request for a mapping that follows (RFC 6886 section 3.3).
    pmp_map: Option<(Ipv4Addr, Retry)>,
    upnp: Way,
    /// The address that the service of UPnP told.
    upnp_external: Option<Ipv4Addr>,
    /// When the first mapping was granted.
    granted: Option<Instant>,
}

impl Probe {
    /// Begins to ask by UPnP; the requests of PCP and NAT-PMP go out with the first [`Self::advance`].
    pub(super) fn new(now: Instant, ask: Ask, round: u32, out: &mut VecDeque<Output>) -> Self {
        out.push_back(Output::Upnp(round, Task::Find));
        Self {
            ask,
            round,
            retry: Retry::new(now, limits::PROBE),
            pcp: Way::Open,
            pmp: Way::Open,
            pmp_map: None,
            upnp: Way::Open,
            upnp_external: None,
            granted: None,
        }
    }

    pub(super) fn datagram(&mut self, now: Instant, bytes: &[u8], out: &mut VecDeque<Output>) {
        if let Some(answer) = pcp::decode(bytes) {
            self.pcp_answer(answer, out);
        } else if let Some(answer) = nat_pmp::decode(bytes) {
            self.pmp_answer(now, answer, out);
        }
        self.note_grant(now);
    }

    fn pcp_answer(&mut self, answer: pcp::Answer, out: &mut VecDeque<Output>) {
        match answer {
            pcp::Answer::Map(answer) if self.pcp.is_open() && self.ask.is_ours(&answer) => {
                let granted = self.ask.pcp_grant(&answer);
                if granted.is_err() && answer.result == pcp::SUCCESS {
                    out.push_back(Output::Send(self.ask.pcp_removal()));
                }
                self.pcp = Way::settle(granted);
            }
            // A router of PCP alone answers so to NAT-PMP, whose version is 0 (RFC 6887 section 9).
            pcp::Answer::OtherVersion { version: pcp::VERSION } if self.pmp.is_open() => {
                self.pmp = Way::No(self.ask.refused(MappingProtocol::NatPmp, pcp::UNSUPPORTED_VERSION));
            }
            pcp::Answer::OtherVersion { .. } if self.pcp.is_open() => self.pcp_unsupported(),
            _ => {}
        }
    }

    fn pcp_unsupported(&mut self) {
        self.pcp = Way::No(self.ask.refused(MappingProtocol::Pcp, pcp::UNSUPPORTED_VERSION));
    }

    fn pmp_answer(&mut self, now: Instant, answer: nat_pmp::Answer, out: &mut VecDeque<Output>) {
        match answer {
            nat_pmp::Answer::OtherVersion if self.pcp.is_open() => self.pcp_unsupported(),
            nat_pmp::Answer::External { address: external, .. }
                if self.pmp.is_open() && self.pmp_map.is_none() =>
            {
                match address::judge(self.ask.router, IpAddr::V4(external)) {
                    Ok(external) => self.pmp_map = Some((external, Retry::new(now, limits::PROBE))),
                    Err(why) => self.pmp = Way::No(why),
                }
            }
            nat_pmp::Answer::Mapped { epoch, internal_port, external_port, lifetime }
                if self.pmp.is_open() && internal_port == self.ask.port =>
            {
                let Some((external, _)) = self.pmp_map else { return };
                let by = MappingProtocol::NatPmp;
                let granted = self.ask.grant(by, IpAddr::V4(external), external_port, lifetime, Some(epoch));
                if granted.is_err() {
                    out.push_back(Output::Send(self.ask.pmp_removal()));
                }
                self.pmp = Way::settle(granted);
            }
            nat_pmp::Answer::Refused { what, code }
                if self.pmp.is_open() && (what == Refused::Map) == self.pmp_map.is_some() =>
            {
                self.pmp = Way::No(self.ask.refused(MappingProtocol::NatPmp, code));
            }
            _ => {}
        }
    }

    pub(super) fn report(&mut self, now: Instant, report: Report, out: &mut VecDeque<Output>) {
        match report {
            Report::Found { service, external } => {
                match address::judge(self.ask.router, IpAddr::V4(external)) {
                    Err(why) => self.upnp = Way::No(why),
                    // A better mapping is there: nothing is made that must be removed.
                    Ok(_) if self.granted.is_some() => self.upnp = Way::No(self.ask.silent()),
                    Ok(external) => {
                        self.upnp_external = Some(external);
                        out.push_back(Output::Upnp(self.round, self.ask.upnp_map(service, self.ask.port)));
                    }
                }
            }
            Report::Mapped { service, port } => {
                if let Some(external) = self.upnp_external {
                    self.upnp = Way::settle(self.ask.upnp_grant(service, external, port));
                }
            }
            Report::Refused { code } => {
                self.upnp = Way::No(self.ask.refused(MappingProtocol::Upnp, code));
            }
            Report::Removed | Report::Nothing => self.upnp = Way::No(self.ask.silent()),
        }
        self.note_grant(now);
    }

    fn ways(&self) -> [&Way; 3] {
        [&self.pcp, &self.pmp, &self.upnp]
    }

    fn note_grant(&mut self, now: Instant) {
        if self.granted.is_none() && self.ways().iter().any(|way| matches!(way, Way::Granted(_))) {
            self.granted = Some(now);
        }
    }

    /// Sends what is due, and says how the probe stands.
    pub(super) fn advance(&mut self, now: Instant, out: &mut VecDeque<Output>) -> Verdict {
        let verdict = self.verdict(now);
        if !matches!(verdict, Verdict::Wait) {
            return verdict;
        }
        if self.retry.is_due(now) {
            if self.pcp.is_open() {
                let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, self.ask.port);
                out.push_back(Output::Send(self.ask.pcp_map(any)));
            }
            if self.pmp.is_open() && self.pmp_map.is_none() {
                out.push_back(Output::Send(nat_pmp::EXTERNAL_REQUEST.to_vec()));
            }
        }
        if self.pmp.is_open()
            && let Some((_, retry)) = &mut self.pmp_map
            && retry.is_due(now)
        {
            out.push_back(Output::Send(self.ask.pmp_map(self.ask.port)));
        }
        Verdict::Wait
    }

    /// The best protocol is taken once no better one is open, after the grace, or at the end.
    fn verdict(&self, now: Instant) -> Verdict {
        let is_over = self.retry.is_over(now);
        let waits = !is_over && self.granted.is_none_or(|at| now < at + limits::GRACE);
        for (index, way) in self.ways().into_iter().enumerate() {
            match way {
                Way::Open if waits => return Verdict::Wait,
                Way::Granted(grant) => {
                    let rest = self.ways().into_iter().skip(index + 1);
                    let extras = rest.filter_map(|way| match way {
                        Way::Granted(extra) => Some(extra.clone()),
                        _ => None,
                    });
                    return Verdict::Keep(grant.clone(), extras.collect());
                }
                _ => {}
            }
        }
        Verdict::Fail(self.why())
    }

    /// The most telling reason: what stands before the internet, then a refusal, then silence.
    fn why(&self) -> NoMapping {
        let weight = |why: &NoMapping| match why {
            NoMapping::CarrierNat { .. } => 0,
            NoMapping::Unusable { .. } => 1,
            NoMapping::NoPort { .. } => 2,
            NoMapping::Refused { by: MappingProtocol::Pcp | MappingProtocol::NatPmp, code: 1, .. } => 4,
            NoMapping::Refused { .. } => 3,
            _ => 5,
        };
        let reasons = self.ways().into_iter().filter_map(|way| match way {
            Way::No(why) => Some(why),
            _ => None,
        });
        reasons.min_by_key(|why| weight(why)).cloned().unwrap_or_else(|| self.ask.silent())
    }

    /// True while UPnP may yet give an answer, with the address that it told so far.
    pub(super) fn late_upnp(&self) -> Option<Option<Ipv4Addr>> {
        self.upnp.is_open().then_some(self.upnp_external)
    }

    /// Everything that the router may have mapped for this probe.
    pub(super) fn removals(self, now: Instant) -> (Ask, Removals) {
        let mut removals = Removals::new(self.round);
        if self.pcp.is_open() {
            removals.add_pcp(now);
        }
        if self.pmp.is_open() && self.pmp_map.is_some() {
            removals.add_nat_pmp(now);
        }
        if self.upnp.is_open() && self.upnp_external.is_some() {
            removals.add_upnp_under_way(now);
        }
        for way in [self.pcp, self.pmp, self.upnp] {
            if let Way::Granted(grant) = way {
                removals.add(now, grant);
            }
        }
        (self.ask, removals)
    }

    pub(super) fn wakeup(&self) -> Instant {
        let pmp = self.pmp_map.as_ref().filter(|_| self.pmp.is_open());
        let pmp = pmp.map(|(_, retry)| retry.wakeup());
        let grace = self.granted.map(|at| at + limits::GRACE);
        [pmp, grace].into_iter().flatten().fold(self.retry.wakeup(), Instant::min)
    }
}
