use std::net::{SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mdns_sd::{Receiver, RecvTimeoutError, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use tokio::sync::mpsc;

use super::matcher::{Announcement, LanFound, Matcher};
use super::record::Record;

/// The service type of members.
pub(super) const SERVICE: &str = "_minimodel._udp.local.";
/// How long a new search sends queries: the library sends them after 0, 1, 3, 7, 15, 31 and 63 s.
const ASK_FIRST: Duration = Duration::from_secs(70);
/// How long a search that found its network listens before it forgets what it heard. The library asks about a host once its records are
/// 96 s old (80 % of 120 s), and each of N members about each other; what is forgotten before is not asked about.
const LISTEN: Duration = Duration::from_secs(80);
/// How long a search that listened for half an hour asks again: two queries, for announcements that were lost.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// In which one of how many turns it asks again.
const TURNS: u32 = 23;
/// How long a search pauses before it begins again after a flood of announcements ended it.
const FLOOD_PAUSE: Duration = Duration::from_secs(1);

/// A search on a thread of its own: asks at first, then listens to announcements.
pub(super) struct Search {
    daemon: ServiceDaemon,
    is_stopped: Arc<AtomicBool>,
    matcher: Matcher,
    found: mpsc::Sender<LanFound>,
}

impl Search {
    pub(super) fn new(
        daemon: ServiceDaemon,
        is_stopped: Arc<AtomicBool>,
        matcher: Matcher,
        found: mpsc::Sender<LanFound>,
    ) -> Self {
        Self { daemon, is_stopped, matcher, found }
    }

    /// Takes `events` of a search that was just begun, until it is stopped or the service ends.
    pub(super) fn run(mut self, mut events: Receiver<ServiceEvent>) {
        let mut time = ASK_FIRST;
        for turn in 1_u32.. {
            let is_whole = self.take_for(time, &events);
            if !is_whole && !self.is_stopped() {
                // The service drops a search that does not keep up with what comes in.
                thread::sleep(FLOOD_PAUSE);
            }
            if self.is_stopped() {
                return;
            }
            // Forgets what was heard.
            let _ = self.daemon.stop_browse(SERVICE);
            let is_asking = turn % TURNS == 0;
            let next =
                if is_asking { self.daemon.browse(SERVICE) } else { self.daemon.browse_cache(SERVICE) };
            let Ok(next) = next else { return };
            (events, time) = (next, if is_asking { ASK_AGAIN } else { LISTEN });
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Takes events for `time`. Returns false if they ended before.
    fn take_for(&mut self, time: Duration, events: &Receiver<ServiceEvent>) -> bool {
        let end = Instant::now() + time;
        loop {
            match events.recv_deadline(end) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn take(&mut self, event: ServiceEvent) {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                let found = &self.found;
                self.matcher.seen(announcement(&service), |one| found.try_send(one).is_ok());
            }
            ServiceEvent::ServiceRemoved(_, instance) => self.matcher.left(&instance),
            _ => {}
        }
    }
}

fn announcement(service: &ResolvedService) -> Announcement {
    Announcement {
        instance: service.fullname.clone(),
        host: service.host.clone(),
        record: Record::read(|key| service.get_property_val(key).flatten()),
        addresses: service.addresses.iter().map(|ip| address(ip, service.port)).collect(),
    }
}

fn address(ip: &ScopedIp, port: u16) -> SocketAddr {
    match ip {
        // A link-local address means nothing without the interface it was heard on.
        ScopedIp::V6(ip) if ip.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*ip.addr(), port, 0, ip.scope_id().index).into()
        }
        ip => SocketAddr::new(ip.to_ip_addr(), port),
    }
}
