//! The three calls of a machine, and the way from one state to the next.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::super::limits;
use super::super::settings::{Gateway, MapperSettings};
use super::super::state::{MappingState, NoMapping};
use super::ask::{Ask, Grant};
use super::held::Held;
use super::io::{Input, Output, Random, Report};
use super::probe::{Probe, Verdict};
use super::removal::Removals;

/// The decisions of one mapper.
#[derive(Debug)]
pub(in super::super) struct Machine {
    settings: MapperSettings,
    random: Random,
    phase: Phase,
    /// The router of the last probe.
    gateway: Option<Gateway>,
    /// When the router is looked up again; `None` while it is.
    look_at: Option<Instant>,
    /// The lookup under way was asked for by the user of the mapper.
    is_forced: bool,
    /// The pause after the next failure.
    rest: Duration,
    /// Number of the tasks of this probe.
    round: u32,
    /// The state that was told last.
    told: MappingState,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Phase {
    Looking,
    Probing(Box<Probe>),
    Held(Box<Held>),
    Resting(Resting),
    Ending(Ask, Removals),
    Ended,
}

/// Between a failure and the next probe.
#[derive(Debug)]
struct Resting {
    until: Instant,
    /// UPnP had no answer in time and may have one yet: with the address that it told.
    late_upnp: Option<(Ask, Option<Ipv4Addr>)>,
}

impl Machine {
    pub(in super::super) fn new(now: Instant, settings: MapperSettings, random: Random) -> Self {
        let mut machine = Self {
            settings,
            random,
            phase: Phase::Looking,
            gateway: None,
            look_at: None,
            is_forced: false,
            rest: limits::MIN_REST,
            round: 0,
            told: MappingState::Trying,
            outputs: VecDeque::new(),
        };
        if machine.settings.port == 0 {
            machine.fail(now, NoMapping::NoLocalPort, None);
            machine.phase = Phase::Ended;
        } else {
            machine.outputs.push_back(Output::FindRouter);
        }
        machine
    }

    /// The next thing to do.
    pub(in super::super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back although nothing happened.
    pub(in super::super) fn wakeup(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Probing(probe) => Some(probe.wakeup()),
            Phase::Held(held) => Some(held.wakeup()),
            Phase::Resting(resting) => Some(resting.until),
            Phase::Ending(_, removals) => removals.wakeup(),
            Phase::Looking => None,
            Phase::Ended => return None,
        };
        let look_at = if self.looks() { self.look_at } else { None };
        [phase, look_at].into_iter().flatten().min()
    }

    /// True in the states in which another network is looked for.
    fn looks(&self) -> bool {
        matches!(self.phase, Phase::Held(_) | Phase::Resting(_))
    }

    pub(in super::super) fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Router(found) => self.found_router(now, found),
            Input::Datagram(bytes) => self.datagram(now, bytes),
            Input::Upnp(round, report) if round == self.round => self.report(now, report),
            Input::NetworkChanged => {
                self.is_forced = true;
                self.look();
            }
            Input::End => self.end(now),
            Input::Upnp(..) | Input::Wakeup => {}
        }
        self.advance(now);
    }

    /// Looks the router up, unless that is under way or no router is needed.
    fn look(&mut self) {
        let is_over = matches!(self.phase, Phase::Ending(..) | Phase::Ended);
        if !is_over && self.look_at.take().is_some() {
            self.outputs.push_back(Output::FindRouter);
        }
    }

    fn found_router(&mut self, now: Instant, found: Result<Gateway, NoMapping>) {
        self.look_at = Some(now + limits::LOOK);
        let is_forced = std::mem::take(&mut self.is_forced);
        if matches!(self.phase, Phase::Ending(..) | Phase::Ended) {
            return;
        }
        match found {
            // A lookup can fail under load or while routes change: what the router granted stays until the router ends it.
            Err(_) if !is_forced && matches!(self.phase, Phase::Held(_)) => {}
            Err(why) => {
                if matches!(self.phase, Phase::Held(_)) {
                    self.gateway = None;
                    return self.lose(now, why);
                }
                let is_new = self.gateway.take().is_some() || !matches!(self.phase, Phase::Resting(_));
                if is_new {
                    self.fail(now, why, None);
                }
            }
            Ok(gateway) if self.gateway.as_ref() == Some(&gateway) => match &mut self.phase {
                Phase::Held(held) if is_forced => held.renew(now),
                Phase::Resting(_) if is_forced => self.probe(now, &gateway),
                Phase::Looking => self.probe(now, &gateway),
                _ => {}
            },
            Ok(gateway) => {
                let is_same_router = self.gateway.as_ref().is_some_and(|old| old.router == gateway.router);
                if is_same_router
                    && let Phase::Held(held) = std::mem::replace(&mut self.phase, Phase::Looking)
                {
                    // Our address changed, and the router still maps the port to the one before.
                    let (ask, mut removals) = held.removals(now);
                    removals.advance(now, &ask, &mut self.outputs);
                }
                self.rest = limits::MIN_REST;
                self.tell(MappingState::Trying);
                self.probe(now, &gateway);
                self.gateway = Some(gateway);
            }
        }
    }

    fn probe(&mut self, now: Instant, gateway: &Gateway) {
        self.round = self.round.wrapping_add(1);
        match Ask::new(&self.settings, self.random, gateway) {
            Ok(ask) => {
                let probe = Probe::new(now, ask, self.round, &mut self.outputs);
                self.phase = Phase::Probing(Box::new(probe));
            }
            Err(why) => self.fail(now, why, None),
        }
    }

    fn datagram(&mut self, now: Instant, bytes: &[u8]) {
        match &mut self.phase {
            Phase::Probing(probe) => probe.datagram(now, bytes, &mut self.outputs),
            Phase::Held(held) => {
                if let Err(why) = held.datagram(now, bytes) {
                    self.lose(now, why);
                }
            }
            Phase::Ending(ask, removals) => removals.datagram(ask, bytes),
            Phase::Looking | Phase::Resting(_) | Phase::Ended => {}
        }
    }

    fn report(&mut self, now: Instant, report: Report) {
        match &mut self.phase {
            Phase::Probing(probe) => probe.report(now, report, &mut self.outputs),
            Phase::Held(held) => {
                if let Err(why) = held.report(now, report, &mut self.outputs) {
                    self.lose(now, why);
                }
            }
            Phase::Resting(resting) => {
                if let Some(late) = resting.late_upnp.take() {
                    self.late_report(now, report, late);
                }
            }
            Phase::Ending(_, removals) => removals.report(now, report),
            Phase::Looking | Phase::Ended => {}
        }
    }

    /// UPnP answers after the time of the probe: routers need seconds for it.
    fn late_report(&mut self, now: Instant, report: Report, (ask, known): (Ask, Option<Ipv4Addr>)) {
        match (report, known) {
            (Report::Found { service, external }, _) => {
                match super::super::address::judge(ask.router, external.into()) {
                    Ok(external) => {
                        let task = ask.upnp_map(service, ask.port);
                        self.outputs.push_back(Output::Upnp(self.round, task));
                        if let Phase::Resting(resting) = &mut self.phase {
                            resting.late_upnp = Some((ask, Some(external)));
                        }
                    }
                    Err(why) => self.tell(MappingState::Failed(why)),
                }
            }
            (Report::Mapped { service, port }, Some(external)) => {
                match ask.upnp_grant(service, external, port) {
                    Ok(grant) => self.keep(now, ask, grant, Vec::new()),
                    Err(why) => self.tell(MappingState::Failed(why)),
                }
            }
            (Report::Refused { code }, _) => {
                let why = ask.refused(super::super::state::MappingProtocol::Upnp, code);
                self.tell(MappingState::Failed(why));
            }
            _ => {}
        }
    }

    fn keep(&mut self, now: Instant, ask: Ask, grant: Grant, extras: Vec<Grant>) {
        self.rest = limits::MIN_REST;
        let mut held = Held::new(now, ask, self.round, grant);
        for extra in extras {
            held.remove(now, extra);
        }
        self.phase = Phase::Held(Box::new(held));
    }

    /// The mapping that is held is of no use: it is removed by one packet, and expires if that is lost.
    fn lose(&mut self, now: Instant, why: NoMapping) {
        if let Phase::Held(held) = std::mem::replace(&mut self.phase, Phase::Looking) {
            let (ask, mut removals) = held.removals(now);
            removals.advance(now, &ask, &mut self.outputs);
        }
        self.fail(now, why, None);
    }

    fn fail(&mut self, now: Instant, why: NoMapping, late_upnp: Option<(Ask, Option<Ipv4Addr>)>) {
        self.phase = Phase::Resting(Resting { until: now + self.rest, late_upnp });
        self.rest = (self.rest * 2).min(limits::MAX_REST);
        self.tell(MappingState::Failed(why));
    }

    fn end(&mut self, now: Instant) {
        let (ask, removals) = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Probing(probe) => probe.removals(now),
            Phase::Held(held) => held.removals(now),
            Phase::Ending(ask, removals) => (ask, removals),
            Phase::Resting(Resting { late_upnp: Some((ask, Some(_))), .. }) => {
                let mut removals = Removals::new(self.round);
                removals.add_upnp_under_way(now);
                (ask, removals)
            }
            Phase::Looking | Phase::Resting(_) | Phase::Ended => {
                self.outputs.push_back(Output::Ended);
                return;
            }
        };
        self.phase = Phase::Ending(ask, removals);
    }

    fn advance(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Probing(probe) => match probe.advance(now, &mut self.outputs) {
                Verdict::Wait => {}
                Verdict::Keep(grant, extras) => {
                    let ask = probe.ask.clone();
                    self.keep(now, ask, grant, extras);
                    self.advance(now);
                }
                Verdict::Fail(why) => {
                    let late = probe.late_upnp().map(|external| (probe.ask.clone(), external));
                    self.fail(now, why, late);
                }
            },
            Phase::Held(held) => match held.advance(now, &mut self.outputs) {
                Ok(()) => {
                    let mapping = held.mapping();
                    self.tell(MappingState::Mapped(mapping));
                }
                Err(why) => self.fail(now, why, None),
            },
            Phase::Resting(resting) if now >= resting.until => {
                self.phase = Phase::Looking;
                self.look();
            }
            Phase::Ending(ask, removals) => {
                removals.advance(now, ask, &mut self.outputs);
                if removals.is_done() {
                    self.phase = Phase::Ended;
                    self.outputs.push_back(Output::Ended);
                }
            }
            Phase::Looking | Phase::Resting(_) | Phase::Ended => {}
        }
        if self.looks() && self.look_at.is_some_and(|at| now >= at) {
            self.look();
        }
    }

    fn tell(&mut self, state: MappingState) {
        if self.told != state {
            self.told = state.clone();
            self.outputs.push_back(Output::State(state));
        }
    }
}
