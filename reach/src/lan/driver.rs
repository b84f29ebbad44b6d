use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use mdns_sd::{DaemonStatus, Error, IfKind, IfPredicate, MDNS_PORT, ServiceDaemon, ServiceInfo};
use tokio::sync::mpsc;

use super::error::LanError;
use super::guard::{Rests, is_flooded};
use super::interfaces::{LanInterfaces, addresses};
use super::matcher::{LanFound, Matcher};
use super::record::{MAX_DIGESTS, Record, to_hex};
use super::search::{SERVICE, Search};

/// Reports that wait for the caller; a report beyond these is dropped and comes with the next announcement of that member.
const FOUND_CAPACITY: usize = 64;
/// How long the end of the service is awaited, its goodbye included.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// Where members on the network at hand are announced and looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanSettings {
    /// The UDP port of mDNS, 5353. Another one meets only members that were given the same.
    pub mdns_port: u16,
    /// The interfaces that are used.
    pub interfaces: LanInterfaces,
}

impl Default for LanSettings {
    fn default() -> Self {
        Self { mdns_port: MDNS_PORT, interfaces: LanInterfaces::default() }
    }
}

/// Announces swarms on the network at hand and looks for their members; one is enough for a process.
///
/// There is no socket, no thread and no packet before the first announcement or search, nor after the last one ended. Its calls do not
/// wait, but for [`Lan::close`].
///
/// A network that floods it with announcements, which the service has to keep, makes it begin anew after a rest of 3 s to a minute.
pub struct Lan {
    inner: Arc<Inner>,
}

struct Inner {
    settings: LanSettings,
    found: mpsc::Sender<LanFound>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    service: Option<Service>,
    /// Tells the end of the service before.
    ending: Option<Ending>,
    announced: Option<(u16, Vec<[u8; 32]>)>,
    wanted: Vec<[u8; 32]>,
    /// The service was flooded. What is asked for is noted, and done after the rest.
    is_resting: bool,
    rests: Rests,
}

type Ending = mdns_sd::Receiver<DaemonStatus>;

/// A running mDNS service. Its names are random and no older than it: nobody recognises who stopped and began again.
struct Service {
    daemon: ServiceDaemon,
    host: String,
    /// The name of what is announced, another one after each goodbye.
    instance: Option<String>,
    /// Stops the search that runs.
    search: Option<Arc<AtomicBool>>,
}

impl Lan {
    /// Makes an idle one, and the channel on which it reports members. A full channel drops reports.
    pub fn new(settings: LanSettings) -> (Self, mpsc::Receiver<LanFound>) {
        let (found, receiver) = mpsc::channel(FOUND_CAPACITY);
        (Self { inner: Arc::new(Inner { settings, found, state: Mutex::default() }) }, receiver)
    }

    /// Announces that members of `swarms` are reached at UDP `port` of this machine. Replaces what was announced before. Without swarms,
    /// members are told goodbye. Of more than [`MAX_DIGESTS`] swarms, the first ones are announced.
    ///
    /// # Errors
    ///
    /// `port` is 0, or no service can be started.
    pub fn announce(&self, port: u16, swarms: &[[u8; 32]]) -> Result<(), LanError> {
        self.inner.announce(port, swarms)
    }

    /// Looks for members of `swarms`. Replaces what was looked for before, and reports again who is still there. Without swarms, it stops.
    ///
    /// # Errors
    ///
    /// No service can be started.
    pub fn look_for(&self, swarms: &[[u8; 32]]) -> Result<(), LanError> {
        self.inner.look_for(swarms)
    }

    /// Ends announcement and search. Waits until the goodbye is sent, for 500 ms at most.
    pub fn close(self) {
        let mut state = self.inner.lock();
        let ending = state.service.take().map_or_else(|| state.ending.take(), Service::end);
        if let Some(ending) = ending {
            let _ = ending.recv_timeout(CLOSE_LIMIT);
        }
    }
}

impl Inner {
    fn announce(self: &Arc<Self>, port: u16, swarms: &[[u8; 32]]) -> Result<(), LanError> {
        let swarms = &swarms[..swarms.len().min(MAX_DIGESTS)];
        if port == 0 && !swarms.is_empty() {
            return Err(LanError::NoPort);
        }
        let wanted = (!swarms.is_empty()).then(|| (port, swarms.to_vec()));
        let mut state = self.lock();
        if state.announced == wanted {
            return Ok(());
        }
        if state.is_resting {
            state.announced = wanted;
            return Ok(());
        }
        let result = match &wanted {
            Some((port, swarms)) => self.register(&mut state, *port, swarms),
            None => self.unregister(&mut state),
        };
        state.announced = if result.is_ok() { wanted } else { None };
        self.stop_idle(&mut state);
        result
    }

    fn look_for(self: &Arc<Self>, swarms: &[[u8; 32]]) -> Result<(), LanError> {
        let mut state = self.lock();
        if state.wanted == swarms {
            return Ok(());
        }
        if state.is_resting {
            state.wanted = swarms.to_vec();
            return Ok(());
        }
        if let Some(service) = &mut state.service {
            service.stop_search();
        }
        let result = if swarms.is_empty() { Ok(()) } else { self.search(&mut state, swarms) };
        state.wanted = if result.is_ok() { swarms.to_vec() } else { Vec::new() };
        self.stop_idle(&mut state);
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(self: &Arc<Self>, state: &mut State, port: u16, swarms: &[[u8; 32]]) -> Result<(), LanError> {
        let service = self.service(state)?;
        let mut salt = [0; 8];
        fill(&mut salt)?;
        let record = Record::new(salt, swarms);
        let instance = match service.instance.take() {
            Some(instance) => instance,
            None => random_name()?,
        };
        let host = format!("{}.local.", service.host);
        let info = ServiceInfo::new(SERVICE, &instance, &host, "", port, &record.txt()[..]);
        let mut info = info.map_err(|error| self.fault("describe members", &error))?.enable_addr_auto();
        // Names of 64 random bits need no search for others that bear them: saves a second and three packets.
        info.set_requires_probe(false);
        service.daemon.register(info).map_err(|error| self.fault("announce members", &error))?;
        service.instance = Some(instance);
        Ok(())
    }

    fn unregister(&self, state: &mut State) -> Result<(), LanError> {
        let Some(service) = &mut state.service else { return Ok(()) };
        let Some(instance) = service.instance.take() else { return Ok(()) };
        let result = service.daemon.unregister(&format!("{instance}.{SERVICE}"));
        result.map(drop).map_err(|error| self.fault("withdraw members", &error))
    }

    fn search(self: &Arc<Self>, state: &mut State, swarms: &[[u8; 32]]) -> Result<(), LanError> {
        let service = self.service(state)?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let matcher = Matcher::new(swarms.to_vec(), self.settings.interfaces.clone(), service.host.clone());
        let search =
            Search::new(service.daemon.clone(), Arc::clone(&is_stopped), matcher, self.found.clone());
        let events =
            service.daemon.browse(SERVICE).map_err(|error| self.fault("look for members", &error))?;
        let thread = thread::Builder::new().name("lan search".to_owned());
        thread.spawn(move || search.run(events)).map_err(|error| self.fault("start a thread", &error))?;
        service.search = Some(is_stopped);
        Ok(())
    }

    fn service<'a>(self: &Arc<Self>, state: &'a mut State) -> Result<&'a mut Service, LanError> {
        let service = match state.service.take() {
            Some(service) => service,
            None => self.start()?,
        };
        Ok(state.service.insert(service))
    }

    fn start(self: &Arc<Self>) -> Result<Service, LanError> {
        let host = random_name()?;
        let daemon = ServiceDaemon::new_with_port(self.settings.mdns_port);
        let daemon = daemon.map_err(|error| self.fault("start a service", &error))?;
        let interfaces = self.settings.interfaces.clone();
        let unwanted = IfPredicate::new(move |interface| {
            !interfaces.choose(&interface.name, interface.ip(), &addresses())
        });
        let service = Service { daemon, host: host.clone(), instance: None, search: None };
        // The service takes its commands in order: no packet leaves on an interface before this one is done.
        if let Err(error) = service.daemon.disable_interface(IfKind::Predicate(unwanted)) {
            service.end();
            return Err(self.fault("choose interfaces", &error));
        }
        let (guarded, inner) = (service.daemon.clone(), Arc::downgrade(self));
        let thread = thread::Builder::new().name("lan guard".to_owned());
        let guard = thread.spawn(move || {
            let begun = Instant::now();
            if is_flooded(&guarded) {
                begin_anew(&inner, &host, begun);
            }
        });
        if let Err(error) = guard {
            service.end();
            return Err(self.fault("start a thread", &error));
        }
        Ok(service)
    }

    /// Ends the service of this host name, which began then, and returns for how long. `None`: another one runs by now.
    fn rest(&self, host: &str, begun: Instant) -> Option<Duration> {
        let mut state = self.lock();
        let service = state.service.take_if(|service| service.host == host)?;
        state.ending = service.end();
        state.is_resting = true;
        Some(state.rests.after(begun.elapsed()))
    }

    /// Begins what was announced and looked for before the rest, or since.
    fn resume(self: &Arc<Self>) -> Result<(), LanError> {
        let mut state = self.lock();
        state.is_resting = false;
        let result = match state.announced.clone() {
            Some((port, swarms)) => self.register(&mut state, port, &swarms),
            None => Ok(()),
        };
        let wanted = state.wanted.clone();
        if wanted.is_empty() { result } else { result.and(self.search(&mut state, &wanted)) }
    }

    /// Ends a service that has nothing to do. Nobody waits for it: its thread sends the goodbye and ends.
    fn stop_idle(&self, state: &mut State) {
        if state.announced.is_none()
            && state.wanted.is_empty()
            && let Some(service) = state.service.take()
        {
            state.ending = service.end();
        }
    }

    fn fault(&self, step: &'static str, reason: &dyn std::fmt::Display) -> LanError {
        LanError::Mdns { step, port: self.settings.mdns_port, reason: reason.to_string() }
    }
}

impl Drop for Inner {
    /// Ends also what began anew while its [`Lan`] was dropped.
    fn drop(&mut self) {
        if let Some(service) = self.lock().service.take() {
            let _ = service.end();
        }
    }
}

/// Ends a flooded service, and begins another one after a rest, in vain as often as the system gives none.
fn begin_anew(inner: &Weak<Inner>, host: &str, begun: Instant) {
    let Some(rest) = inner.upgrade().and_then(|inner| inner.rest(host, begun)) else { return };
    loop {
        thread::sleep(rest);
        let Some(inner) = inner.upgrade() else { return };
        if inner.resume().is_ok() {
            return;
        }
        inner.lock().is_resting = true;
    }
}

impl Service {
    fn stop_search(&mut self) {
        if let Some(is_stopped) = self.search.take() {
            is_stopped.store(true, Ordering::Relaxed);
            // If the queue of commands is full, the next search replaces this one.
            let _ = self.daemon.stop_browse(SERVICE);
        }
    }

    /// Ends the service, which withdraws what it announced. The daemon of the library ends by this alone, not by being dropped.
    fn end(mut self) -> Option<Ending> {
        self.stop_search();
        let start = Instant::now();
        loop {
            match self.daemon.shutdown() {
                Ok(ending) => return Some(ending),
                // The queue of commands is full: the daemon empties it in a moment.
                Err(Error::Again) if start.elapsed() < CLOSE_LIMIT => thread::sleep(Duration::from_millis(5)),
                Err(_) => return None,
            }
        }
    }
}

fn random_name() -> Result<String, LanError> {
    let mut name = [0; 8];
    fill(&mut name)?;
    Ok(to_hex(&name))
}

fn fill(bytes: &mut [u8]) -> Result<(), LanError> {
    getrandom::fill(bytes).map_err(|error| LanError::NoRandomness { reason: error.to_string() })
}
