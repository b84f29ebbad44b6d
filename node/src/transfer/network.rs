//! The network side of a transfer: the runtime that drives QUIC, and the endpoint on it.
//!
//! A transfer that names an address has an endpoint and a runtime of its own, which its thread drives. All others of one
//! user may share an endpoint: one socket and one thread drive them all, while the thread of each transfer does what may
//! block, such as telling its watcher and moving files into place.

use std::panic::resume_unwind;
use std::sync::Arc;

use minimodel_swarm::driver::{Incoming, Node};
use minimodel_wire::SignedOffer;
use tokio::runtime::{EnterGuard, Runtime};
use tokio::task::AbortHandle;

use super::Run;
use super::endpoint::{self, Endpoint};
use super::error::TransferError;
use super::reports::Reports;
use super::runtime::{LAST_WORK, StartError, build};
use super::shared_endpoint::{Joined, Lease};
use super::ways::{Hub, Member, Membership};
use crate::event::Event;
use crate::identity::Identity;

/// The endpoint and the runtime that one transfer uses.
pub(super) struct Network {
    // Dropped first: it keeps the socket open.
    node: Node,
    hub: Arc<Hub>,
    taken_port: Option<u16>,
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
    pub(super) fn with<T, E: From<TransferError>>(
        run: &Run,
        endpoint: &Endpoint,
        identity: &Identity,
        serves: Option<[u8; 32]>,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let shared = run.shared.as_ref().filter(|_| endpoint.names_nothing());
        let joined = match shared {
            Some(shared) => shared.join(endpoint, identity, serves)?,
            None => None,
        };
        let network = match joined {
            Some(Joined { node, hub, taken_port, lease }) => {
                Self { node, hub, taken_port, runner: Runner::Shared(lease) }
            }
            None => {
                let runtime = build().map_err(TransferError::from)?;
                let incoming = if serves.is_some() { Incoming::OneSession } else { Incoming::Ignored };
                let node = {
                    let _within = runtime.enter();
                    endpoint::bind(endpoint, &identity.key, incoming).map_err(TransferError::from)?
                };
                let taken_port = endpoint::taken_port(endpoint, &node);
                let hub = Hub::new(node.clone(), runtime.handle().clone(), endpoint.ways.clone());
                Self { node, hub, taken_port, runner: Runner::Own(runtime) }
            }
        };
        let end = work(&network);
        let Self { node, hub, runner, .. } = network;
        drop(node);
        match runner {
            Runner::Own(runtime) => {
                runtime.block_on(hub.end());
                drop(hub);
                runtime.shutdown_timeout(LAST_WORK);
            }
            Runner::Shared(lease) => {
                drop(hub);
                lease.end();
            }
        }
        end
    }

    /// The endpoint.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Lets the transfer use the ways that its user agreed to, until the result is dropped.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub(super) fn use_ways(&self, member: Member) -> Result<Membership, TransferError> {
        Ok(self.hub.join(member).map_err(StartError::from)?)
    }

    /// Waits a moment for the router's answer, if the transfer asks it for a mapping, so that its first offer names it.
    pub(super) fn settle_mapping(&self, reports: &mut Reports) {
        self.run(reports, self.hub.mapping_is_settled());
    }

    /// The event that tells of the offer that leads here.
    pub(super) fn offered(&self, offer: SignedOffer) -> Event {
        Event::Offer { offer, port: self.node.local_address().port(), taken_port: self.taken_port }
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
        let _ends = AbortOnDrop(working.abort_handle());
        let ended = lease.handle.block_on(reports.tell_until(working));
        ended.unwrap_or_else(|error| {
            resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string())))
        })
    }
}

/// Ends a task with the call that waits for it, also where a watcher panics: what nobody controls must not be served on.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::time::Duration;

    use minimodel_swarm::driver::Report;
    use minimodel_verifier::Manifest;

    use super::super::{Control, ShareError, SharedEndpoint};
    use super::*;
    use crate::event::Watcher;
    use crate::home::Home;

    /// Time limit longer than any step takes; it only ends a hang.
    const PATIENCE: Duration = Duration::from_secs(60);

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
    fn preferred_port_is_tried_first_at_each_opening() {
        let world = World::new();
        let first = world.plain(None, port);
        let shared = Some(SharedEndpoint::at_port(Some(first)));
        let later = World { run: Run { shared, ..world.run }, ..World::new() };
        assert_eq!(later.plain(None, |network| (port(network), network.taken_port)), (first, None));
        // A port that is taken is no failure, and is told.
        let taken = UdpSocket::bind(("::", first)).or_else(|_| UdpSocket::bind(("0.0.0.0", first))).unwrap();
        let (other, told) = later.plain(None, |network| (port(network), network.taken_port));
        assert!(other != first && told == Some(first));
        // The next transfers are there again.
        drop(taken);
        assert_eq!(later.plain(None, |network| (port(network), network.taken_port)), (first, None));
        // So it is where one transfer has an endpoint of its own.
        let own = Endpoint { listen: Some(([127, 0, 0, 1], 0).into()), ..Endpoint::default() };
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let held = UdpSocket::bind(taken).unwrap();
        let own = Endpoint { last_port: Some(taken.port()), ..own };
        assert_eq!(later.with(&own, None, |network| network.taken_port), Some(taken.port()));
        drop(held);
        assert_eq!(
            later.with(&own, None, |network| (port(network), network.taken_port)),
            (taken.port(), None)
        );
    }

    #[test]
    fn network_thread_itself_may_drop_the_last_part() {
        let world = World::new();
        let shared = world.run.shared.as_ref().unwrap();
        let endpoint = Endpoint::default();
        let Joined { node, lease, .. } = shared.join(&endpoint, &world.identity, None).unwrap().unwrap();
        let at = node.local_address().port();
        let (dropped, is_dropped) = mpsc::channel();
        lease.handle.clone().spawn(async move {
            drop((node, lease));
            dropped.send(()).unwrap();
        });
        is_dropped.recv_timeout(PATIENCE).expect("the drop does not wait for its own thread");
        assert_eq!(world.plain(None, port), at, "the next transfer waits for the port");
    }

    #[test]
    fn debug_of_a_shared_endpoint_never_waits() {
        let world = World::new();
        let shared = world.run.shared.unwrap();
        let (show, shown) = mpsc::channel();
        let held = shared.hold();
        let showing = shared.clone();
        let thread = std::thread::spawn(move || show.send(format!("{showing:?}")));
        let text = shown.recv_timeout(PATIENCE).expect("it waits for nobody");
        drop(held);
        thread.join().unwrap().unwrap();
        assert_eq!(text, "SharedEndpoint { .. }");
        assert_eq!(format!("{shared:?}"), "SharedEndpoint { address: None, transfers: 0 }");
    }

    /// Panics at each event.
    struct Panics;

    impl Watcher for Panics {
        fn tell(&self, _: Event) {
            panic!("as it should in this test")
        }
    }

    #[test]
    fn panic_of_a_watcher_ends_the_work_on_the_shared_thread() {
        let world = World::new();
        let text = &minimodel_fixtures::valid_manifests()[0].text;
        let manifest = Arc::new(Manifest::parse(text.as_bytes()).unwrap());
        let run = Run { watcher: Arc::new(Panics), ..world.run.clone() };
        let (told, mut reports) = Reports::start(&run, true, "seed", &manifest, &[]).unwrap();
        let (held, is_dropped) = mpsc::channel::<()>();
        world.plain(None, |_stays| {
            let bad = || {
                world.plain(Some([1; 32]), |network| {
                    network.run(&mut reports, async move {
                        let _held = held;
                        told.reports.send(Report::Snapshot(Box::default())).await.unwrap();
                        std::future::pending::<()>().await;
                    });
                });
            };
            assert!(catch_unwind(AssertUnwindSafe(bad)).is_err());
            assert_eq!(is_dropped.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
        });
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
                tokio::time::sleep(Duration::from_millis(1)).await;
                7
            };
            assert_eq!(one.run(&mut Reports::None, going_on), 7);
        });
    }
}
