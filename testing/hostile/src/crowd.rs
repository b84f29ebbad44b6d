//! Half-open handshakes, the reception of newcomers meanwhile, and a peer that falls silent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use minimodel_wire::{Consent, Request};
use quinn::{Connecting, Endpoint, EndpointConfig, TokioRuntime};
use tokio::time::timeout;

use crate::model::Model;
use crate::net::{self, Guise, Peer, Target};
use crate::seen::Ended;
use crate::socket::{self, Line, Loss};
use crate::tls::Identity;

/// Shorter than a client's wait before it resends its first packet: whatever comes until then answers one packet.
const AT_ONCE: Duration = Duration::from_millis(800);
/// How long to wait for something that should come, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Half-open handshakes from one address, held until this is dropped: each client proves its address when the target asks
/// for it, and says nothing more. The target gives each of them up in time.
#[derive(Debug)]
pub struct Crowd {
    _endpoint: Endpoint,
    standing: Vec<Connecting>,
    line: Arc<Line>,
}

impl Crowd {
    /// Begins `count` handshakes. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// No socket at the address.
    pub fn stand(target: Target, from: IpAddr, count: usize) -> Result<Self> {
        let (endpoint, line) = endpoint(from, Loss::AllButRetry)?;
        let config = net::client_config(&Identity::new()?, &Guise { from, ..Guise::default() })?;
        let connect = |_| endpoint.connect_with(config.clone(), target.address, "minimodel");
        let standing = (0..count).map(connect).collect::<Result<_, _>>()?;
        Ok(Self { _endpoint: endpoint, standing, line })
    }

    /// Waits until the target has taken up every handshake, at most for `patience`.
    pub async fn settle(&self, patience: Duration) {
        let all = async {
            while self.stood() < self.standing.len() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let _ = timeout(patience, all).await;
    }

    /// Handshakes that the target has taken up.
    pub fn stood(&self) -> usize {
        self.line.answered()
    }

    /// Handshakes that the target has taken up without asking for a proof of address.
    pub fn unproven(&self) -> usize {
        self.line.unproven()
    }
}

/// How the target received a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reception {
    /// The newcomer had to prove its address first.
    pub retried: bool,
    /// The handshake was completed.
    pub connected: bool,
    /// At least one datagram came back.
    pub answered: bool,
}

/// Dials once from an address as an honest peer, and leaves again. Waits up to `PATIENCE` for what is expected, and gives
/// what is not expected `AT_ONCE` in which it could come.
///
/// # Errors
///
/// No socket at the address.
pub async fn receive(target: Target, from: IpAddr, expected: Reception) -> Result<Reception> {
    let (endpoint, line) = endpoint(from, Loss::None)?;
    let config = net::client_config(&Identity::new()?, &Guise { from, ..Guise::default() })?;
    let mut connecting = endpoint.connect_with(config, target.address, "minimodel")?;
    let (begun, mut ended) = (Instant::now(), None);
    while ended.is_none() && expected.retried && line.retried() == 0 && begun.elapsed() < PATIENCE {
        ended = timeout(LOOK_EVERY, &mut connecting).await.ok();
    }
    if ended.is_none() {
        let patience = if expected.connected { PATIENCE } else { AT_ONCE };
        ended = timeout(patience, &mut connecting).await.ok();
    }
    let reception = Reception {
        retried: line.retried() > 0,
        connected: matches!(ended, Some(Ok(_))),
        answered: line.received.load(Ordering::Relaxed) > 0,
    };
    endpoint.close(0u32.into(), b"");
    Ok(reception)
}

fn endpoint(from: IpAddr, loss: Loss) -> Result<(Endpoint, Arc<Line>)> {
    let (socket, line) =
        socket::counted(SocketAddr::new(from, 0), loss).context("no socket at the address")?;
    let runtime = Arc::new(TokioRuntime);
    Ok((Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, runtime)?, line))
}

/// Requests many chunks and falls silent in the middle: the target has as much under way as it may, and gets no
/// acknowledgement. Then calls `end`, and returns how the connection ended, by what was still received.
///
/// # Errors
///
/// A seeder that does not serve.
pub async fn fall_silent(target: Target, model: &Model, end: impl FnOnce()) -> Result<Ended> {
    let guise = Guise { window: 8 << 20, ..Guise::default() };
    let (endpoint, line) = endpoint(guise.from, Loss::None)?;
    let connection = net::dial(&endpoint, &target, &Identity::new()?, &guise).await??;
    let mut peer = Peer::open(connection).await?;
    peer.introduce(model, Consent::FETCH).await?;
    peer.become_served().await?;
    let mut kept = Vec::new();
    for index in 0..model.count.min(240) {
        kept.push(peer.ask(&Request::Chunk { index }.encode()).await?);
    }
    // The first byte of the first answer.
    if let Some((_, recv)) = kept.first_mut() {
        recv.read_exact(&mut [0]).await?;
    }
    line.is_mute.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(300)).await;
    end();
    Ok(peer.end_within(PATIENCE).await)
}
