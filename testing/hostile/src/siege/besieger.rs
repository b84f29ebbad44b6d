//! The besiegers: hostile peers of five kinds, and all of them together.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use minimodel_wire::{Consent, Frame, Request};
use quinn::Endpoint;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Counts;
use crate::model::Model;
use crate::net::{self, Guise, Peer, Target};
use crate::socket::Loss;
use crate::tls::Identity;

/// Besiegers behind one address.
const PER_ADDRESS: usize = 8;
/// Pause before a besieger that was disconnected comes back.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a half-open handshake is held before it is begun anew: the seeder gives up after ten seconds.
const HALF_OPEN: Duration = Duration::from_secs(9);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Completes the handshake and does nothing.
    Idle,
    /// Gets unchoked and requests nothing.
    MuteAsker,
    /// Requests chunks and reads nothing.
    NeverReads,
    /// Sends control frames, and requests while choked, as fast as it can.
    Flooder,
    /// Never finishes its handshake.
    HalfOpen,
}

const KINDS: [Kind; 5] = [Kind::Idle, Kind::MuteAsker, Kind::NeverReads, Kind::Flooder, Kind::HalfOpen];

/// A siege on a thread of its own.
pub(super) struct Siege {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Siege {
    pub(super) fn lay(connections: usize, target: Target, model: Model, counts: Arc<Counts>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                let mut besiegers = JoinSet::new();
                for n in 0..connections {
                    besiegers.spawn(besiege(n, target, model.clone(), counts.clone()));
                }
                let _ = stopped.await;
            });
        });
        Self { stop, thread }
    }

    pub(super) fn lift(self) {
        // Its thread may have ended, and then there is nothing to stop.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

async fn besiege(n: usize, target: Target, model: Model, counts: Arc<Counts>) {
    let kind = KINDS[n % KINDS.len()];
    let host = 2 + u8::try_from(n / PER_ADDRESS % 250).unwrap_or(0);
    let guise = Guise {
        // Each address is in a network of its own.
        from: IpAddr::V4(Ipv4Addr::new(127, 0, host, 1)),
        window: if kind == Kind::NeverReads { 4 << 10 } else { 1 << 20 },
        loss: if kind == Kind::HalfOpen { Loss::AllButRetry } else { Loss::None },
        ..Guise::default()
    };
    let Ok(endpoint) = net::endpoint(&guise) else { return };
    loop {
        counts.attempts.fetch_add(1, Ordering::Relaxed);
        // The seeder is expected to close the connection.
        let _ = once(kind, &endpoint, &target, &guise, &model, &counts).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(
    kind: Kind,
    endpoint: &Endpoint,
    target: &Target,
    guise: &Guise,
    model: &Model,
    counts: &Counts,
) -> Result<()> {
    let identity = Identity::new()?;
    let dialing = net::dial(endpoint, target, &identity, guise);
    if kind == Kind::HalfOpen {
        let _ = timeout(HALF_OPEN, dialing).await;
        return Ok(());
    }
    let connection = dialing.await??;
    counts.opened();
    let peer = Peer::open(connection.clone()).await;
    let played = match peer {
        Ok(peer) => play(kind, peer, model).await,
        Err(error) => Err(error),
    };
    if played.is_ok() {
        connection.closed().await;
    }
    counts.open.fetch_sub(1, Ordering::Relaxed);
    played
}

async fn play(kind: Kind, mut peer: Peer, model: &Model) -> Result<()> {
    peer.introduce(model, Consent::FETCH).await?;
    match kind {
        Kind::Idle | Kind::HalfOpen => {}
        Kind::MuteAsker => peer.become_served().await?,
        Kind::NeverReads => {
            peer.become_served().await?;
            let mut kept = Vec::new();
            for index in 0..model.count.min(200) {
                kept.push(peer.ask(&Request::Chunk { index }.encode()).await?);
            }
            peer.connection.closed().await;
        }
        Kind::Flooder => loop {
            peer.control.write_all(&Frame::NotInterested.encode().repeat(100)).await?;
            for index in 0..16 {
                let _ = peer.ask(&Request::Chunk { index: index % model.count }.encode()).await?;
            }
        },
    }
    // Stays until the seeder closes the connection.
    peer.connection.closed().await;
    Ok(())
}
