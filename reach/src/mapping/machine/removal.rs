//! Removal of mappings that are not kept.

use std::collections::VecDeque;
use std::time::Instant;

use super::super::limits;
use super::super::nat_pmp::{self, Refused};
use super::super::pcp;
use super::super::state::MappingProtocol;
use super::ask::{Ask, Grant};
use super::io::{Output, Report, Service, Task};
use super::retry::Retry;

/// Mappings that are being removed, one a protocol at most.
#[derive(Debug)]
pub(super) struct Removals {
    round: u32,
    list: Vec<Removal>,
}

#[derive(Debug)]
struct Removal {
    what: What,
    retry: Retry,
    is_done: bool,
}

#[derive(Debug)]
enum What {
    Pcp,
    NatPmp,
    Upnp {
        service: Service,
        port: u16,
    },
    /// A mapping that is being made, and is removed once it is told.
    UpnpUnderWay,
}

impl What {
    fn by(&self) -> MappingProtocol {
        match self {
            Self::Pcp => MappingProtocol::Pcp,
            Self::NatPmp => MappingProtocol::NatPmp,
            Self::Upnp { .. } | Self::UpnpUnderWay => MappingProtocol::Upnp,
        }
    }
}

impl Removals {
    pub(super) fn new(round: u32) -> Self {
        Self { round, list: Vec::new() }
    }

    /// Removes what was granted.
    pub(super) fn add(&mut self, now: Instant, grant: Grant) {
        let what = match (grant.by, grant.service) {
            (MappingProtocol::Pcp, _) => What::Pcp,
            (MappingProtocol::NatPmp, _) => What::NatPmp,
            (MappingProtocol::Upnp, Some(service)) => What::Upnp { service, port: grant.external.port() },
            (MappingProtocol::Upnp, None) => return,
        };
        self.push(now, what);
    }

    /// Removes what may have been granted by an answer that was lost.
    pub(super) fn add_pcp(&mut self, now: Instant) {
        self.push(now, What::Pcp);
    }

    /// As [`Self::add_pcp`].
    pub(super) fn add_nat_pmp(&mut self, now: Instant) {
        self.push(now, What::NatPmp);
    }

    /// Removes a mapping by UPnP when the task that makes it has ended.
    pub(super) fn add_upnp_under_way(&mut self, now: Instant) {
        self.push(now, What::UpnpUnderWay);
    }

    fn push(&mut self, now: Instant, what: What) {
        if !self.has(what.by()) {
            let time = if matches!(what, What::UpnpUnderWay) { limits::UNDER_WAY } else { limits::REMOVAL };
            self.list.push(Removal { what, retry: Retry::new(now, time), is_done: false });
        }
    }

    /// True if a mapping of this protocol is being removed, or was.
    pub(super) fn has(&self, by: MappingProtocol) -> bool {
        self.list.iter().any(|removal| removal.what.by() == by)
    }

    /// The router answered a removal, or refused it.
    pub(super) fn answered(&mut self, by: MappingProtocol) {
        for removal in self.list.iter_mut().filter(|removal| removal.what.by() == by) {
            removal.is_done = true;
        }
    }

    /// Takes what came from the router's port of PCP and NAT-PMP.
    pub(super) fn datagram(&mut self, ask: &Ask, bytes: &[u8]) {
        let pcp = pcp::decode(bytes);
        if matches!(&pcp, Some(pcp::Answer::Map(answer))
            if ask.is_ours(answer) && (answer.lifetime == 0 || answer.result != pcp::SUCCESS))
            || matches!(pcp, Some(pcp::Answer::OtherVersion { .. }))
        {
            self.answered(MappingProtocol::Pcp);
        }
        match nat_pmp::decode(bytes) {
            Some(nat_pmp::Answer::OtherVersion) => self.answered(MappingProtocol::Pcp),
            Some(
                nat_pmp::Answer::Mapped { lifetime: 0, .. }
                | nat_pmp::Answer::Refused { what: Refused::Map, .. },
            ) => self.answered(MappingProtocol::NatPmp),
            _ => {}
        }
    }

    /// Takes the end of a task; a mapping that was made meanwhile is removed, too.
    pub(super) fn report(&mut self, now: Instant, report: Report) {
        match report {
            Report::Mapped { service, port } => {
                self.list.retain(|removal| removal.what.by() != MappingProtocol::Upnp);
                self.push(now, What::Upnp { service, port });
            }
            Report::Found { .. } => {}
            Report::Removed | Report::Refused { .. } | Report::Nothing => {
                self.answered(MappingProtocol::Upnp);
            }
        }
    }

    /// Sends what is due.
    pub(super) fn advance(&mut self, now: Instant, ask: &Ask, out: &mut VecDeque<Output>) {
        for removal in self.list.iter_mut().filter(|removal| !removal.is_done) {
            let is_first = removal.retry.is_unsent();
            if removal.retry.is_over(now) {
                removal.is_done = true;
            } else if removal.retry.is_due(now) {
                match &removal.what {
                    What::Pcp => out.push_back(Output::Send(ask.pcp_removal())),
                    What::NatPmp => out.push_back(Output::Send(ask.pmp_removal())),
                    What::Upnp { service, port } if is_first => {
                        let task = Task::Remove { service: service.clone(), port: *port };
                        out.push_back(Output::Upnp(self.round, task));
                    }
                    What::Upnp { .. } | What::UpnpUnderWay => {}
                }
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.list.iter().all(|removal| removal.is_done)
    }

    pub(super) fn wakeup(&self) -> Option<Instant> {
        self.list.iter().filter(|removal| !removal.is_done).map(|removal| removal.retry.wakeup()).min()
    }
}
