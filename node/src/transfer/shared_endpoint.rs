//! The endpoint that all transfers of one user share if they name no address: one socket, and one thread that drives it.
//!
//! A transfer that leaves never waits while it holds the lock, so that any thread may drop its part, the thread of the network
//! too: the last one tells that thread to close the socket, and only who needs the port waits until it has.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use minimodel_swarm::driver::{Incoming, Node};
use minimodel_wire::PeerId;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::endpoint::{self, Endpoint};
use super::error::TransferError;
use super::runtime::{LAST_WORK, StartError, build};
use super::ways::Hub;
use crate::identity::Identity;

/// The endpoint that transfers of one user share: one socket and one thread, opened for the first transfer and closed after
/// the last. Transfers that name an address, or settings of the transport, have an endpoint of their own all the same.
/// Clones share one endpoint. The default is not open.
///
/// ```
/// # use std::sync::Arc;
/// # let folder = tempfile::tempdir()?;
/// use minimodel::Home;
/// use minimodel::transfer::{Control, Run, SharedEndpoint};
///
/// // Each transfer of the program has a control of its own, and all use one UDP port: that of the last time, if it is free.
/// let shared = SharedEndpoint::at_port(Some(47_113));
/// let run = |home: &Home| Run {
///     home: home.clone(),
///     watcher: Arc::new(()),
///     control: Control::default(),
///     shared: Some(shared.clone()),
/// };
/// let (one, other) = (run(&Home::at(folder.path())), run(&Home::at(folder.path())));
/// assert!(one.shared.is_some() && other.shared.is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct SharedEndpoint(Arc<Place>);

#[derive(Default)]
struct Place {
    shared: Mutex<Shared>,
    /// A socket was closed.
    closed: Condvar,
}

#[derive(Default)]
struct Shared {
    open: Option<Open>,
    /// The thread of the network lives. If the endpoint is not open, it is closing the socket.
    is_driven: bool,
    transfers: usize,
    /// The swarms whose peers may connect.
    served: BTreeSet<[u8; 32]>,
    /// The port that each opening tries first, so that offers stay valid while no transfer runs: that of the first one. It stays
    /// so if another program has it for a while.
    preferred_port: Option<u16>,
}

/// The open endpoint.
struct Open {
    node: Node,
    peer: PeerId,
    hub: Arc<Hub>,
    handle: Handle,
    taken_port: Option<u16>,
    /// Ends the thread when it is dropped.
    _end: oneshot::Sender<()>,
}

/// What a transfer has of the shared endpoint.
pub(super) struct Joined {
    pub(super) node: Node,
    pub(super) hub: Arc<Hub>,
    /// The preferred port, if another program has it.
    pub(super) taken_port: Option<u16>,
    pub(super) lease: Lease,
}

impl SharedEndpoint {
    /// An endpoint that will try the port of an earlier one first, so that its offers stay valid. If another program has that
    /// port, another one is taken until the endpoint is opened again, and [`Event::Offer`](crate::Event::Offer) says so.
    pub fn at_port(preferred_port: Option<u16>) -> Self {
        let shared = Mutex::new(Shared { preferred_port, ..Shared::default() });
        Self(Arc::new(Place { shared, closed: Condvar::new() }))
    }

    /// Joins the endpoint, and opens it if it is not open. `None`: another transfer serves the same swarm there, or it is open
    /// with an identity that was replaced since.
    pub(super) fn join(
        &self,
        endpoint: &Endpoint,
        identity: &Identity,
        serves: Option<[u8; 32]>,
    ) -> Result<Option<Joined>, TransferError> {
        let mut shared = self.settled();
        if serves.is_some_and(|swarm| shared.served.contains(&swarm)) {
            return Ok(None);
        }
        if shared.open.is_none() {
            let last_port = shared.preferred_port.or(endpoint.last_port);
            let open = self.open(&Endpoint { last_port, ..endpoint.clone() }, identity)?;
            shared.preferred_port = last_port.or(Some(open.node.local_address().port()));
            (shared.open, shared.is_driven) = (Some(open), true);
        }
        let open = shared.open.as_ref().filter(|open| open.peer == identity.peer_id());
        let Some(Open { node, hub, handle, taken_port, .. }) = open else { return Ok(None) };
        let (node, hub, handle, taken_port) = (node.clone(), hub.clone(), handle.clone(), *taken_port);
        shared.transfers += 1;
        shared.served.extend(serves);
        let lease = Lease { shared: self.clone(), handle, serves };
        Ok(Some(Joined { node, hub, taken_port, lease }))
    }

    fn open(&self, endpoint: &Endpoint, identity: &Identity) -> Result<Open, TransferError> {
        let runtime = build()?;
        let handle = runtime.handle().clone();
        let node = {
            let _within = handle.enter();
            endpoint::bind(endpoint, &identity.key, Incoming::ManySessions)?
        };
        let (end, ended) = oneshot::channel();
        let hub = Hub::new(node.clone(), handle.clone(), endpoint.ways.clone());
        let (shared, ways) = (self.clone(), hub.clone());
        let drive = move || {
            // Dropped last, also by a panic: the socket is closed with the runtime.
            let _closed = Closed(shared);
            let runtime = runtime;
            // An error is what the drop of the sender gives.
            let _ = runtime.block_on(ended);
            runtime.block_on(ways.end());
            drop(ways);
            runtime.shutdown_timeout(LAST_WORK);
        };
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(drive);
        thread.map_err(StartError::Resources)?;
        let taken_port = endpoint::taken_port(endpoint, &node);
        Ok(Open { peer: node.id(), node, hub, handle, taken_port, _end: end })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no socket is being closed, so that its port is free.
    fn settled(&self) -> MutexGuard<'_, Shared> {
        let settled =
            self.0.closed.wait_while(self.lock(), |shared| shared.open.is_none() && shared.is_driven);
        settled.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl SharedEndpoint {
    /// Keeps other threads from changing it.
    pub(super) fn hold(&self) -> impl Sized + '_ {
        self.lock()
    }
}

/// Never waits: while another thread changes the endpoint, it has no fields.
impl fmt::Debug for SharedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SharedEndpoint");
        let Ok(shared) = self.0.shared.try_lock() else { return shown.finish_non_exhaustive() };
        let address = shared.open.as_ref().map(|open| open.node.local_address());
        shown.field("address", &address).field("transfers", &shared.transfers).finish()
    }
}

/// The part of one transfer in the shared endpoint. The last drop closes it.
pub(super) struct Lease {
    shared: SharedEndpoint,
    pub(super) handle: Handle,
    serves: Option<[u8; 32]>,
}

impl Lease {
    /// Leaves the endpoint; of the last transfer, its port is free when this returns. Blocks, 0.3 s at most if the disk hangs.
    pub(super) fn end(self) {
        let shared = self.shared.clone();
        drop(self);
        drop(shared.settled());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        shared.transfers -= 1;
        if let Some(swarm) = self.serves {
            shared.served.remove(&swarm);
        }
        if shared.transfers == 0 {
            let open = shared.open.take();
            drop(shared);
            drop(open);
        }
    }
}

/// Tells, at the end of the thread of the network, that the port is free.
struct Closed(SharedEndpoint);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.lock().is_driven = false;
        self.0.0.closed.notify_all();
    }
}
