#![allow(
    deprecated,
    reason = "the library prefers its async interface, which needs one more crate and ends no sooner"
)]

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs as _, UdpSocket};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mainline::errors::{PutError, PutMutableError, PutQueryError};
use mainline::{
    Config, DEFAULT_BOOTSTRAP_NODES, Id, MutableItem, RequestFilter, RequestSpecific, ServerSettings,
    SigningKey,
};

use super::error::DhtError;

/// Longest call.
pub(super) const LIMIT: Duration = Duration::from_secs(15);
/// How often a waiting call looks whether it was cancelled.
const STEP: Duration = Duration::from_millis(20);
/// Most calls at once. A node that the library still keeps busy after its call ended counts.
const MAX_RUNNING: usize = 4;
/// Values that wait between the library and the caller.
const VALUES: usize = 64;

/// How a node of the DHT is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhtSettings {
    /// The first nodes, `host:port`. By default the four of the library, run by BitTorrent, Transmission, libtorrent and Pubky.
    pub bootstrap: Vec<String>,
    /// The UDP port of a node, 0 for any free one. It cannot be the port of the transfers.
    pub port: u16,
    /// For tests alone: binds to 127.0.0.1, and takes loopback addresses as results.
    pub allow_local: bool,
}

impl Default for DhtSettings {
    fn default() -> Self {
        let bootstrap = DEFAULT_BOOTSTRAP_NODES.iter().map(|&node| node.to_owned()).collect();
        Self { bootstrap, port: 0, allow_local: false }
    }
}

/// Cancels calls to the DHT from another thread: they return within 20 ms, and their nodes end soon after.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// One that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels all calls that have a clone of this.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How a search ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every node that was asked answered or was given up.
    Complete,
    /// The caller has enough.
    Enough,
    /// The time of the call ran out.
    Late,
}

/// A node of the DHT for the time of one call. The library's threads end when it is dropped.
pub(super) struct Round {
    node: mainline::Dht,
    running: Arc<Running>,
    port: u16,
    end: Instant,
    cancel: Cancel,
}

/// Counts one call, until the last of its threads ended.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Round {
    /// Starts a node, within the time of the call.
    pub(super) fn open(
        settings: &DhtSettings,
        count: &Arc<AtomicUsize>,
        cancel: &Cancel,
    ) -> Result<Self, DhtError> {
        let end = Instant::now() + LIMIT;
        let before = count.fetch_add(1, Ordering::Relaxed);
        let running = Arc::new(Running(Arc::clone(count)));
        if before >= MAX_RUNNING {
            return Err(DhtError::Busy { running: before });
        }
        let (port, settings, held) = (settings.port, settings.clone(), Arc::clone(&running));
        // Names are resolved on a thread of their own, as the system may take longer than a call may.
        let started = work(port, move || {
            let _held = held;
            start(&settings)
        })?;
        let node = wait(&started, end, cancel).map_err(|stop| stop.fault(port))??;
        Ok(Self { node, running, port, end, cancel: cancel.clone() })
    }

    /// Asks for the members under `hashes`, all at once.
    pub(super) fn peers(
        &self,
        hashes: &[[u8; 20]],
        mut take: impl FnMut(SocketAddrV4) -> ControlFlow<()>,
    ) -> Result<Ended, DhtError> {
        let searches = hashes.iter().map(|hash| self.node.get_peers(Id::from(*hash))).collect();
        self.values(searches, |peers: Vec<SocketAddrV4>| peers.into_iter().try_for_each(&mut take))
    }

    /// Asks for the items under the key of `seed`: their numbers and values. The library checked their signatures.
    pub(super) fn items(&self, seed: &[u8; 32], mut take: impl FnMut(i64, &[u8])) -> Result<Ended, DhtError> {
        let key = SigningKey::from_bytes(seed).verifying_key().to_bytes();
        self.values(vec![self.node.get_mutable(&key, None, None)], |item| {
            take(item.seq(), item.value());
            ControlFlow::Continue(())
        })
    }

    /// Announces `port` under `hash` to the nodes that a complete [`Round::peers`] for it left.
    pub(super) fn announce(&self, hash: [u8; 20], port: u16) -> Result<(), DhtError> {
        let result = self.on_node(move |node| node.announce_peer(Id::from(hash), Some(port)))?;
        result.map(drop).map_err(|error| not_stored(&error.into()))
    }

    /// Stores an item under the key of `seed` at the nodes that a complete [`Round::items`] for it left.
    pub(super) fn store(&self, seed: &[u8; 32], number: i64, value: &[u8]) -> Result<(), DhtError> {
        let item = MutableItem::new(SigningKey::from_bytes(seed), value, number, None);
        let result = self.on_node(move |node| node.put_mutable(item, None))?;
        result.map(drop).map_err(|error| match error {
            PutMutableError::Query(error) => not_stored(&error.into()),
            PutMutableError::Concurrency(error) => not_stored(&error.into()),
        })
    }

    /// Returns true if any node of the DHT answered.
    pub(super) fn is_answered(&self) -> Result<bool, DhtError> {
        self.on_node(|node| !node.to_bootstrap().is_empty())
    }

    fn values<T: Send + 'static>(
        &self,
        searches: Vec<impl Iterator<Item = T> + Send + 'static>,
        mut take: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<Ended, DhtError> {
        let (sender, receiver) = sync_channel(VALUES);
        for mut search in searches {
            let sender = sender.clone();
            // It ends with the search, which ends with the node at the latest.
            spawn(self.port, move || {
                let _ = search.try_for_each(|value| sender.send(value));
            })?;
        }
        drop(sender);
        loop {
            match wait(&receiver, self.end, &self.cancel) {
                Ok(value) => {
                    if take(value).is_break() {
                        return Ok(Ended::Enough);
                    }
                }
                Err(Stop::Gone) => return Ok(Ended::Complete),
                Err(Stop::Late) => return Ok(Ended::Late),
                Err(Stop::Cancelled) => return Err(DhtError::Cancelled),
            }
        }
    }

    /// Runs what blocks on a thread of its own, so that this call can end before it.
    fn on_node<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mainline::Dht) -> T + Send + 'static,
    ) -> Result<T, DhtError> {
        let (node, held) = (self.node.clone(), Arc::clone(&self.running));
        let done = work(self.port, move || {
            let _held = held;
            task(&node)
        })?;
        wait(&done, self.end, &self.cancel).map_err(|stop| stop.fault(self.port))
    }
}

/// Why no value came.
enum Stop {
    Cancelled,
    Late,
    Gone,
}

impl Stop {
    fn fault(&self, port: u16) -> DhtError {
        match self {
            Self::Cancelled => DhtError::Cancelled,
            Self::Late => DhtError::TookTooLong { seconds: LIMIT.as_secs() },
            Self::Gone => DhtError::Node { port, reason: "it ended early".to_owned() },
        }
    }
}

fn wait<T>(receiver: &Receiver<T>, end: Instant, cancel: &Cancel) -> Result<T, Stop> {
    loop {
        if cancel.0.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Stop::Late);
        }
        match receiver.recv_timeout(left.min(STEP)) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Disconnected) => return Err(Stop::Gone),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn work<T: Send + 'static>(
    port: u16,
    task: impl FnOnce() -> T + Send + 'static,
) -> Result<Receiver<T>, DhtError> {
    let (sender, receiver) = sync_channel(1);
    spawn(port, move || {
        let _ = sender.send(task());
    })?;
    Ok(receiver)
}

fn spawn(port: u16, task: impl FnOnce() + Send + 'static) -> Result<(), DhtError> {
    let result = thread::Builder::new().name("dht call".to_owned()).spawn(task);
    result.map(drop).map_err(|error| DhtError::Node { port, reason: error.to_string() })
}

fn start(settings: &DhtSettings) -> Result<mainline::Dht, DhtError> {
    let fault = |error: std::io::Error| DhtError::Node { port: settings.port, reason: error.to_string() };
    let config = config(settings)?;
    // The library panics if its socket cannot be bound before it is asked for it.
    drop(
        UdpSocket::bind((config.bind_address.unwrap_or(Ipv4Addr::UNSPECIFIED), settings.port))
            .map_err(fault)?,
    );
    mainline::Dht::new(config).map_err(fault)
}

fn config(settings: &DhtSettings) -> Result<Config, DhtError> {
    let names = settings.bootstrap.iter().filter_map(|name| name.to_socket_addrs().ok()).flatten();
    let first: Vec<SocketAddrV4> = names
        .filter_map(|address| match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        })
        .collect();
    if first.is_empty() {
        return Err(DhtError::NoFirstNode { nodes: settings.bootstrap.clone() });
    }
    Ok(Config {
        bootstrap: Some(first),
        // Without a port the library takes 6881, which tells observers that this is a node of the DHT.
        port: Some(settings.port),
        // A node that others reach makes itself a server after 15 min. None lives that long, and if it did, it would refuse all.
        server_settings: ServerSettings { filter: Box::new(RefuseAll), ..ServerSettings::default() },
        bind_address: settings.allow_local.then_some(Ipv4Addr::LOCALHOST),
        ..Config::default()
    })
}

#[derive(Clone, Debug)]
struct RefuseAll;

impl RequestFilter for RefuseAll {
    fn allow_request(&self, _request: &RequestSpecific, _from: SocketAddrV4) -> bool {
        false
    }
}

fn not_stored(error: &PutError) -> DhtError {
    match error {
        PutError::Query(PutQueryError::NoClosestNodes) => DhtError::NoAnswer,
        error => DhtError::NotStored { reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERIES: [&str; 4] = [
        "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t4:aaaa1:y1:qe",
        "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t4:aaab1:y1:qe",
        "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t4:aaac1:y1:qe",
        "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q3:get1:t4:aaad1:y1:qe",
    ];

    fn settings() -> DhtSettings {
        let bootstrap = vec!["127.0.0.1:9".to_owned()];
        DhtSettings { bootstrap, allow_local: true, ..DhtSettings::default() }
    }

    /// How many of the queries a node of `config` answers.
    fn answers(config: Config) -> usize {
        let node = mainline::Dht::new(config).unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let answered = QUERIES.iter().filter(|query| {
            socket.send_to(query.as_bytes(), node.info().local_addr()).unwrap();
            socket.recv(&mut [0; 2048]).is_ok()
        });
        answered.count()
    }

    // Rows: H17
    #[test]
    fn our_node_answers_nobody_even_as_a_server() {
        let client = config(&settings()).unwrap();
        let server = Config { server_mode: true, ..client.clone() };
        let open = Config { server_settings: ServerSettings::default(), ..server.clone() };
        assert_eq!((answers(client), answers(server), answers(open)), (0, 0, QUERIES.len()));
    }

    #[test]
    fn the_first_nodes_are_the_four_of_the_library() {
        assert_eq!(DhtSettings::default().bootstrap.len(), 4);
    }

    #[test]
    fn first_nodes_without_ipv4_are_an_error() {
        let bootstrap = vec!["[::1]:6881".to_owned(), "no port".to_owned()];
        let error = config(&DhtSettings { bootstrap: bootstrap.clone(), ..settings() }).err();
        assert_eq!(error, Some(DhtError::NoFirstNode { nodes: bootstrap }));
    }
}
