//! Many keys from few addresses that take the connections of a seeder: each stays for a while, leaves, and comes back under
//! another key.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use minimodel_wire::{Consent, Frame, Offer, Request, SignedOffer, limits};
use quinn::Endpoint;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::model::Model;
use crate::net::{self, Guise, Peer, Target, in_an_hour};
use crate::seen::Ended;
use crate::tls::Identity;

/// Pause before an occupier that was disconnected, or left, comes back under another key.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes that a slow occupier reads in a second, and its flow-control window in bytes.
const SLOW_BYTES: usize = 1 << 10;
const SLOW_WINDOW: u32 = 4 << 10;
/// The close code `Busy`.
const BUSY: u64 = 19;

/// What an occupier does while it is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Idle,
    /// It gets unchoked and requests nothing.
    Mute,
    /// It requests chunks and reads a kilobyte a second.
    Slow,
    /// It passes on offers of keys that nobody has, at addresses where nobody listens.
    Misleading,
}

/// The settings of an occupation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seeder under attack.
    pub target: Target,
    /// The model that the seeder shares.
    pub model: Model,
    /// Addresses of the occupiers, in turn.
    pub from: Vec<IpAddr>,
    /// Occupiers at once.
    pub tasks: usize,
    /// How long each stays under one key.
    pub stay: Duration,
    /// What the occupiers do.
    pub habit: Habit,
}

#[derive(Debug, Default)]
struct Counts {
    here: AtomicUsize,
    turned_away: AtomicUsize,
}

/// An occupation on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Occupation {
    counts: Arc<Counts>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Occupation {
    /// Starts the occupation.
    pub fn lay(plan: Plan) -> Self {
        let (stop, stopped) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let thread = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                let mut occupiers = JoinSet::new();
                for n in 0..plan.tasks {
                    occupiers.spawn(occupy(n, plan.clone(), shared.clone()));
                }
                let _ = stopped.await;
            });
        });
        Self { counts, stop: Some(stop), thread: Some(thread) }
    }

    /// Occupiers that have completed the handshake and are still connected.
    pub fn here(&self) -> usize {
        self.counts.here.load(Ordering::Relaxed)
    }

    /// Times that an occupier was closed with `Busy`.
    pub fn turned_away(&self) -> usize {
        self.counts.turned_away.load(Ordering::Relaxed)
    }
}

impl Drop for Occupation {
    fn drop(&mut self) {
        // Its thread may have ended, and then there is nothing to stop.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn occupy(n: usize, plan: Plan, counts: Arc<Counts>) {
    let Some(&from) = plan.from.get(n % plan.from.len().max(1)) else { return };
    let window = if plan.habit == Habit::Slow { SLOW_WINDOW } else { 1 << 20 };
    let guise = Guise { from, window, ..Guise::default() };
    let Ok(endpoint) = net::endpoint(&guise) else { return };
    loop {
        // The seeder is expected to turn occupiers away.
        let _ = once(n, &plan, &endpoint, &guise, &counts).await;
        sleep(PAUSE).await;
    }
}

async fn once(n: usize, plan: &Plan, endpoint: &Endpoint, guise: &Guise, counts: &Counts) -> Result<()> {
    let connection = net::dial(endpoint, &plan.target, &Identity::new()?, guise).await??;
    let mut peer = Peer::open(connection.clone()).await?;
    peer.introduce(&plan.model, Consent::FETCH).await?;
    counts.here.fetch_add(1, Ordering::Relaxed);
    let used = async {
        // The occupier stays connected when its activity ends early.
        let _ = use_place(plan, &mut peer, n).await;
        std::future::pending::<()>().await;
    };
    let stay = async {
        tokio::select! {
            () = used => Ended::Open,
            error = connection.closed() => Ended::of(&error),
        }
    };
    let ended = timeout(plan.stay, stay).await;
    counts.here.fetch_sub(1, Ordering::Relaxed);
    counts.turned_away.fetch_add(usize::from(ended == Ok(Ended::Closed(BUSY))), Ordering::Relaxed);
    connection.close(0u32.into(), b"");
    Ok(())
}

async fn use_place(plan: &Plan, peer: &mut Peer, n: usize) -> Result<()> {
    match plan.habit {
        Habit::Idle => return Ok(()),
        Habit::Misleading => return mislead(*plan.model.manifest.swarm_id(), peer, n).await,
        Habit::Mute | Habit::Slow => peer.become_served().await?,
    }
    if plan.habit == Habit::Mute {
        return Ok(());
    }
    let mut piece = vec![0; SLOW_BYTES];
    for index in (0..plan.model.count).cycle() {
        let (_, mut answer) = peer.ask(&Request::Chunk { index }.encode()).await?;
        while let Some(read) = answer.read(&mut piece).await? {
            sleep(Duration::from_secs(1).mul_f64(read as f64 / SLOW_BYTES as f64)).await;
        }
    }
    Ok(())
}

/// Passes on as many offers as a peer may bring, each at two addresses in networks of their own.
async fn mislead(swarm_id: [u8; 32], peer: &mut Peer, n: usize) -> Result<()> {
    let nets = (0..=u8::MAX).flat_map(|b| [(b, 9), (b, 10)]).skip(n % 256);
    for frame in 0..8 {
        let mut offers = Vec::new();
        for (b, port) in nets.clone().skip(frame * limits::MAX_PEERS_OFFERS).take(limits::MAX_PEERS_OFFERS) {
            let identity = Identity::new()?;
            let addresses = [128, 129].map(|a| SocketAddr::from(([127, a, b, 1], port))).to_vec();
            let offer = Offer { peer: identity.id(), swarm_id, addresses, expires_unix: in_an_hour() };
            offers.push(SignedOffer::sign(offer, identity.key())?.to_bytes().into());
        }
        peer.send(&Frame::Peers { offers }).await?;
    }
    Ok(())
}
