//! The tasks of UPnP, each a few calls in sequence.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use super::super::limits::upnp as limits;
use super::super::machine::{Report, Service, Task};
use super::super::settings::Gateway;
use super::description;
use super::http::Client;
pub(in super::super) use super::search::Scope;
use super::search::Search;
use super::soap::{self, Answer, Call, Wanted};
use super::url::RouterUrl;

/// Does a task. Calls block a thread of their own, for `limits::CALL` or `limits::ADD` each at most.
pub(in super::super) async fn perform(gateway: &Gateway, scope: Scope, task: Task) -> Report {
    let (IpAddr::V4(router), IpAddr::V4(own)) = (gateway.router, gateway.own) else { return Report::Nothing };
    let report = match task {
        Task::Find => return find(gateway, router, scope).await,
        Task::Map { service, ports, internal_port, lifetime } => {
            spawn_blocking(move || Mapping { service, own, internal_port, lifetime }.make(&ports)).await
        }
        Task::Remove { service, port } => {
            let remove = move || {
                report(
                    client(&service, limits::CALL).call(&Call::delete(service.kind, port)),
                    Report::Removed,
                )
            };
            spawn_blocking(remove).await
        }
    };
    report.unwrap_or(Report::Nothing)
}

async fn find(gateway: &Gateway, router: Ipv4Addr, scope: Scope) -> Report {
    let Ok(mut search) = Search::begin(gateway, router, scope).await else { return Report::Nothing };
    let mut best = Report::Nothing;
    while let Some(place) = search.next().await {
        match spawn_blocking(move || describe(&place)).await {
            Ok(found @ Report::Found { .. }) => return found,
            Ok(refused @ Report::Refused { .. }) => best = refused,
            _ => {}
        }
    }
    best
}

/// Reads a description, and asks its services for an external address until one tells it.
fn describe(place: &RouterUrl) -> Report {
    let Some(text) = Client::new(place.clone(), limits::CALL).description() else { return Report::Nothing };
    let end = Instant::now() + limits::TASK;
    let mut best = Report::Nothing;
    for service in description::services(&text, place) {
        if Instant::now() >= end {
            break;
        }
        match client(&service, limits::CALL).call(&Call::external_address(service.kind)) {
            // A connection that is down has none, and another service may be the one that is up.
            Some(Answer::Done { external: Some(external) }) if !external.is_unspecified() => {
                return Report::Found { service, external };
            }
            Some(Answer::Done { external: Some(external) }) => best = Report::Found { service, external },
            Some(Answer::Fault(code)) if best == Report::Nothing => best = Report::Refused { code },
            _ => {}
        }
    }
    best
}

fn client(service: &Service, limit: Duration) -> Client {
    Client::new(RouterUrl { at: service.at, path: service.path.clone() }, limit)
}

fn report(answer: Option<Answer>, done: Report) -> Report {
    match answer {
        Some(Answer::Done { .. }) => done,
        Some(Answer::Fault(code)) => Report::Refused { code },
        Some(Answer::Garbled) | None => Report::Nothing,
    }
}

/// A mapping that is to be made.
struct Mapping {
    service: Service,
    own: Ipv4Addr,
    internal_port: u16,
    /// In seconds.
    lifetime: u32,
}

impl Mapping {
    /// Tries the ports in their order while they are taken.
    fn make(mut self, ports: &[u16]) -> Report {
        let client = client(&self.service, limits::ADD);
        let end = Instant::now() + limits::TASK;
        let mut last = Report::Nothing;
        for &port in ports {
            if Instant::now() >= end {
                break;
            }
            let mut answer = client.call(&self.add(port));
            if answer == Some(Answer::Fault(soap::ONLY_PERMANENT)) {
                self.lifetime = limits::PERMANENT;
                answer = client.call(&self.add(port));
                if answer.is_none() {
                    // It may have been made, and would stay for ever.
                    client.call(&Call::delete(self.service.kind, port));
                }
            }
            last = report(answer, Report::Mapped { service: self.service.clone(), port });
            if last != (Report::Refused { code: soap::CONFLICT }) {
                break;
            }
        }
        last
    }

    fn add(&self, external_port: u16) -> Call {
        let Self { own, internal_port, lifetime, .. } = *self;
        let wanted = Wanted { external_port, internal_port, own, lifetime, description: limits::DESCRIPTION };
        Call::add(self.service.kind, wanted)
    }
}
