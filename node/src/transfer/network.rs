//! The network side of a transfer: the runtime that drives QUIC, and the endpoint on it.
//!
//! A transfer that names an address has an endpoint and a runtime of its own, which its thread drives. All others of one
//! user may share an endpoint: one socket and one thread drive them all, while the thread of each transfer does what may
//! block, such as telling its watcher and moving files into place.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use minimodel_swarm::driver::{DriverError, Incoming, Node};
use minimodel_wire::PeerId;
use tokio::runtime::{EnterGuard, Handle, Runtime};
use tokio::sync::oneshot;

use super::Run;
use super::endpoint::{self, Endpoint};
use super::reports::Reports;
use super::runtime::{LAST_WORK, StartError, build};
use crate::identity::Identity;

/// The endpoint and the runtime that one transfer uses.
pub(super) struct Network {
    // Dropped first: it keeps the socket open.
    node: Node,
    runner: Runner,
}

enum Runner {
    /// The transfer's own runtime.
    Own(Runtime),
    /// A part in the shared one.
    Shared(Lease),
}

impl Network {
    /// Opens the network of a transfer, does `work`, and closes the network. `serves`: the swarm whose peers may connect.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, the system gives no runtime, or the error of `work`.
    pub(super) fn with<T, E: From<StartError> + From<DriverError>>(
        run: &Run,
        endpoint: &Endpoint,
        identity: &Identity,
        serves: Option<[u8; 32]>,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let shared = run.shared.as_ref().filter(|_| endpoint.names_nothing());
        let joined = match shared {
            Some(shared) => shared.join::<E>(endpoint, identity, serves)?,
            None => None,
        };
        let network = match joined {
            Some(network) => network,
            None => {
                let runtime = build()?;
                let incoming = if serves.is_some() { Incoming::OneSession } else { Incoming::Ignored };
                let node = within(runtime.handle(), || endpoint::bind(endpoint, &identity.key, incoming))?;
                Self { node, runner: Runner::Own(runtime) }
            }
        };
        let end = work(&network);
        let Self { node, runner } = network;
        drop(node);
        if let Runner::Own(runtime) = runner {
            runtime.shutdown_timeout(LAST_WORK);
        }
        end
    }

    /// The endpoint.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Returns true if other transfers use it too, so that the thread of this one is free while it runs.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.runner, Runner::Shared(_))
    }

    /// Enters the runtime, for calls that start tasks.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        match &self.runner {
            Runner::Own(runtime) => runtime.enter(),
            Runner::Shared(lease) => lease.handle.enter(),
        }
    }

    /// Does `work` on the runtime and waits for its end; the work must not block. `reports` are told meanwhile. A panic in it
    /// goes on in this thread.
    pub(super) fn run<F>(&self, reports: &mut Reports, work: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let lease = match &self.runner {
            Runner::Own(runtime) => return runtime.block_on(work),
            Runner::Shared(lease) => lease,
        };
        let working = lease.handle.spawn(work);
        let ended = lease.handle.block_on(reports.tell_until(working));
        ended.unwrap_or_else(|error| {
            resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string())))
        })
    }
}

fn within<T>(handle: &Handle, work: impl FnOnce() -> T) -> T {
    let _within = handle.enter();
    work()
}

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
pub struct SharedEndpoint(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    open: Option<Open>,
    transfers: usize,
    /// The swarms whose peers may connect.
    served: BTreeSet<[u8; 32]>,
    /// The port of before, so that offers stay valid while no transfer runs.
    last_port: Option<u16>,
}

/// The open endpoint.
struct Open {
    node: Node,
    peer: PeerId,
    handle: Handle,
    /// Ends the thread when it is dropped.
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl SharedEndpoint {
    /// An endpoint that will try the port of an earlier one first, so that its offers stay valid.
    pub fn at_port(last_port: Option<u16>) -> Self {
        Self(Arc::new(Mutex::new(Shared { last_port, ..Shared::default() })))
    }

    /// Joins the endpoint, and opens it if it is not open. `None`: another transfer serves the same swarm there, or it is open
    /// with an identity that was replaced since.
    fn join<E: From<StartError> + From<DriverError>>(
        &self,
        endpoint: &Endpoint,
        identity: &Identity,
        serves: Option<[u8; 32]>,
    ) -> Result<Option<Network>, E> {
        let mut shared = self.lock();
        if serves.is_some_and(|swarm| shared.served.contains(&swarm)) {
            return Ok(None);
        }
        if shared.open.is_none() {
            let last_port = shared.last_port.or(endpoint.last_port);
            let open = Open::at::<E>(&Endpoint { last_port, ..endpoint.clone() }, identity)?;
            shared.last_port = Some(open.node.local_address().port());
            shared.open = Some(open);
        }
        let open = shared.open.as_ref().filter(|open| open.peer == identity.peer_id());
        let Some((node, handle)) = open.map(|open| (open.node.clone(), open.handle.clone())) else {
            return Ok(None);
        };
        shared.transfers += 1;
        shared.served.extend(serves);
        let lease = Lease { shared: self.clone(), handle, serves };
        Ok(Some(Network { node, runner: Runner::Shared(lease) }))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.lock();
        let address = shared.open.as_ref().map(|open| open.node.local_address());
        f.debug_struct("SharedEndpoint")
            .field("address", &address)
            .field("transfers", &shared.transfers)
            .finish()
    }
}

impl Open {
    fn at<E: From<StartError> + From<DriverError>>(
        endpoint: &Endpoint,
        identity: &Identity,
    ) -> Result<Self, E> {
        let runtime = build()?;
        let handle = runtime.handle().clone();
        let bind = || endpoint::bind(endpoint, &identity.key, Incoming::ManySessions);
        let node = within(&handle, bind)?;
        let (end, ended) = oneshot::channel();
        let drive = move || {
            // An error is what the drop of the sender gives.
            let _ = runtime.block_on(ended);
            runtime.shutdown_timeout(LAST_WORK);
        };
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(drive);
        let thread = thread.map_err(StartError::Resources)?;
        Ok(Self { peer: node.id(), node, handle, end, thread })
    }

    /// Closes the socket, so that its port is free when this returns.
    fn close(self) {
        drop((self.node, self.end));
        // A panic of the thread was reported where it happened.
        let _ = self.thread.join();
    }
}

/// The part of one transfer in the shared endpoint. The last drop closes it.
struct Lease {
    shared: SharedEndpoint,
    handle: Handle,
    serves: Option<[u8; 32]>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        shared.transfers -= 1;
        if let Some(swarm) = self.serves {
            shared.served.remove(&swarm);
        }
        if shared.transfers == 0
            && let Some(open) = shared.open.take()
        {
            // Under the lock: the next transfer finds the port free.
            open.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::{Control, ShareError};
    use super::*;
    use crate::home::Home;

    struct World {
        run: Run,
        identity: Identity,
        _folder: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::at(folder.path());
            let identity = Identity::load_or_create(&home, &()).unwrap();
            let shared = Some(SharedEndpoint::default());
            let run = Run { home, watcher: Arc::new(()), control: Control::default(), shared };
            Self { run, identity, _folder: folder }
        }

        /// Does `work` in the network of a transfer at `endpoint`.
        fn with<T>(
            &self,
            endpoint: &Endpoint,
            serves: Option<[u8; 32]>,
            work: impl FnOnce(&Network) -> T,
        ) -> T {
            let work = |network: &Network| Ok::<T, ShareError>(work(network));
            Network::with(&self.run, endpoint, &self.identity, serves, work).unwrap()
        }

        fn plain<T>(&self, serves: Option<[u8; 32]>, work: impl FnOnce(&Network) -> T) -> T {
            self.with(&Endpoint::default(), serves, work)
        }
    }

    fn port(network: &Network) -> u16 {
        network.node().local_address().port()
    }

    #[test]
    fn transfers_share_a_port_that_is_free_after_the_last() {
        let world = World::new();
        let first = world.plain(Some([1; 32]), |one| {
            world.plain(Some([2; 32]), |two| assert_eq!(port(one), port(two)));
            world.plain(None, |three| assert_eq!(port(one), port(three)));
            port(one)
        });
        drop(UdpSocket::bind(("::", first)).or_else(|_| UdpSocket::bind(("0.0.0.0", first))).unwrap());
        // The next transfer comes back at it.
        assert_eq!(world.plain(None, port), first);
    }

    #[test]
    fn named_address_or_served_swarm_has_an_endpoint_of_its_own() {
        let world = World::new();
        let listen = Some(([127, 0, 0, 1], 0).into());
        world.plain(Some([1; 32]), |shared| {
            assert!(shared.is_shared());
            let named = Endpoint { listen, ..Endpoint::default() };
            let datagram = Endpoint { max_datagram: Some(1_200), ..Endpoint::default() };
            for endpoint in [named, datagram] {
                let own = world.with(&endpoint, Some([2; 32]), |own| (own.is_shared(), port(own)));
                assert!(!own.0 && own.1 != port(shared));
            }
            let again = world.plain(Some([1; 32]), |own| (own.is_shared(), port(own)));
            assert!(!again.0 && again.1 != port(shared));
        });
        assert!(world.plain(Some([1; 32]), Network::is_shared), "the swarm is free again");
    }

    #[test]
    fn earlier_port_is_tried_first() {
        let world = World::new();
        let first = world.plain(None, port);
        let shared = Some(SharedEndpoint::at_port(Some(first)));
        let later = World { run: Run { shared, ..world.run }, ..World::new() };
        assert_eq!(later.plain(None, port), first);
        // A port that is taken is no failure.
        let _taken = UdpSocket::bind(("::", first)).or_else(|_| UdpSocket::bind(("0.0.0.0", first))).unwrap();
        assert_ne!(later.plain(None, port), first);
    }

    #[test]
    fn panic_in_one_transfer_leaves_the_others_running() {
        let world = World::new();
        world.plain(Some([1; 32]), |one| {
            let bad = || {
                world.plain(Some([2; 32]), |two| {
                    two.run(&mut Reports::None, async { panic!("as it should in this test") })
                })
            };
            assert!(catch_unwind(AssertUnwindSafe(bad)).is_err());
            let going_on = async {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                7
            };
            assert_eq!(one.run(&mut Reports::None, going_on), 7);
        });
    }
}
