//! Handshakes that never end, how newcomers are received meanwhile, and a listener that falls silent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use minimodel_wire::{Consent, Request};
use quinn::{Connecting, Endpoint, EndpointConfig, TokioRuntime};
use tokio::time::timeout;

use crate::model::Model;
use crate::net::{self, Guise, Peer, Target};
use crate::seen::Ended;
use crate::socket::{self, Loss};
use crate::tls::Identity;

/// Less than a client waits before it sends its first packet again: whatever comes until then is an answer to one.
const AT_ONCE: Duration = Duration::from_millis(800);

/// Half-open handshakes from one address, held until this is dropped: whoever is in it proves its address when it is
/// asked to, and says nothing more.
#[derive(Debug)]
pub struct Crowd {
    _endpoint: Endpoint,
    _standing: Vec<Connecting>,
}

impl Crowd {
    /// Begins `count` handshakes. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// No socket at the address.
    pub fn stand(target: Target, from: IpAddr, count: usize) -> Result<Self> {
        let guise = Guise { from, loss: Loss::AllButRetry, ..Guise::default() };
        let endpoint = net::endpoint(&guise)?;
        let config = net::client_config(&Identity::new()?, &guise)?;
        let connect = |_| endpoint.connect_with(config.clone(), target.address, "minimodel");
        let standing = (0..count).map(connect).collect::<Result<_, _>>()?;
        Ok(Self { _endpoint: endpoint, _standing: standing })
    }
}

/// How a newcomer was received at once, before it had to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reception {
    /// It had to prove its address first.
    pub retried: bool,
    /// Its handshake was done.
    pub connected: bool,
    /// Anything at all came back.
    pub answered: bool,
}

/// Dials once from an address, honestly, and leaves again.
///
/// # Errors
///
/// No socket at the address.
pub async fn receive(target: Target, from: IpAddr) -> Result<Reception> {
    let guise = Guise { from, ..Guise::default() };
    let (socket, line) =
        socket::counted(SocketAddr::new(from, 0), Loss::None).context("no socket at the address")?;
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, runtime)?;
    let config = net::client_config(&Identity::new()?, &guise)?;
    let connecting = endpoint.connect_with(config, target.address, "minimodel")?;
    let connection = timeout(AT_ONCE, connecting).await;
    let connected = matches!(connection, Ok(Ok(_)));
    let reception = Reception {
        retried: line.retries.load(Ordering::Relaxed) > 0,
        connected,
        answered: line.received.load(Ordering::Relaxed) > 0,
    };
    endpoint.close(0u32.into(), b"");
    Ok(reception)
}

/// Asks for much, and falls silent in the middle of it: the other side has all under way that it may, and hears of none
/// of it. Then `end` is called, and how the connection ends is what still came through.
///
/// # Errors
///
/// A seeder that does not serve.
pub async fn fall_silent(target: Target, model: &Model, end: impl FnOnce()) -> Result<Ended> {
    let guise = Guise { window: 8 << 20, ..Guise::default() };
    let (socket, line) = socket::counted(SocketAddr::new(guise.from, 0), Loss::None)?;
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, runtime)?;
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
    Ok(peer.end_within(Duration::from_secs(3)).await)
}
