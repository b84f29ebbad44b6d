//! Dials one peer at any of its addresses; no other key is accepted there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId};
use quinn::{Connection, ConnectionError, Endpoint};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::close::code_of;
use super::congestion::Congestion;
use super::error::DriverError;
use super::observed::Observations;
use super::puncher::Puncher;
use super::routes::Routes;
use super::tls::Credentials;
use super::transport::{self, HANDSHAKE, Path};

/// Delay before the next address is tried (RFC 8305 section 5), and the time by which the last attempt must have begun:
/// with many addresses the delay is shorter.
const STAGGER: Duration = Duration::from_millis(250);
const ALL_BEGUN: Duration = Duration::from_millis(2_250);
/// A peer that has not answered by then is unreachable: the user waits no longer than five seconds for that report.
/// Packets went out at once and after one and three seconds (RFC 9002 section 6.2), so that even a path of a second's
/// round trip that lost one of them has answered. From the first answer on a handshake has [`HANDSHAKE`].
const SILENCE: Duration = Duration::from_millis(4_500);
/// The same limit at an address that only other peers named. It is half as long, since two of them are tried
/// one after the other; it is still six times the round trip of a satellite's path, and three datagrams and a close are
/// all that goes there.
pub(super) const SILENCE_AT_PEX_ADDRESS: Duration = Duration::from_millis(2_200);
/// Server name in the TLS ClientHello: no peer looks at it, and it tells an observer nothing.
pub(super) const SERVER_NAME: &str = "minimodel";

/// Why no address led to the peer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DialFault {
    pub(super) wrong_key: Option<PeerId>,
    pub(super) code: Option<CloseCode>,
}

impl DialFault {
    fn add(&mut self, other: Self) {
        self.wrong_key = self.wrong_key.or(other.wrong_key);
        self.code = self.code.or(other.code);
    }
}

/// Settings of every outgoing connection.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    pub(super) endpoint: Endpoint,
    /// Sends packets that are not QUIC's from the same socket.
    pub(super) puncher: Puncher,
    pub(super) credentials: Credentials,
    /// Whether the other side may send requests to this node.
    pub(super) serves: bool,
    /// Longest datagram, in bytes.
    pub(super) max_datagram: Option<u16>,
    pub(super) congestion: Congestion,
    pub(super) routes: Routes,
    /// What other members see of this node.
    pub(super) observations: Arc<Observations>,
}

impl Dialer {
    /// Connects to `peer` at the first address where its key answers: tries `addresses` in parallel, and `pex_addresses`
    /// one after the other.
    pub(super) async fn dial(
        self,
        peer: PeerId,
        addresses: Vec<SocketAddr>,
        pex_addresses: Vec<SocketAddr>,
    ) -> Result<Connection, DialFault> {
        let end = Instant::now() + SILENCE;
        let stagger = STAGGER.min(ALL_BEGUN / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1));
        let mut attempts = JoinSet::new();
        for (turn, address) in (0u32..).zip(addresses) {
            let dialer = self.clone();
            attempts.spawn(async move {
                tokio::time::sleep(stagger * turn).await;
                dialer.attempt(peer, dialer.path(address), end).await
            });
        }
        attempts.spawn(async move {
            let mut worst = DialFault::default();
            for address in pex_addresses {
                let silence = Instant::now() + SILENCE_AT_PEX_ADDRESS;
                match self.attempt(peer, self.path(address), silence).await {
                    Ok(connection) => return Ok(connection),
                    Err(fault) => worst.add(fault),
                }
            }
            Err(worst)
        });
        let mut worst = DialFault::default();
        while let Some(ended) = attempts.join_next().await {
            match ended {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(fault)) => worst.add(fault),
                Err(_) => {}
            }
        }
        Err(worst)
    }

    /// Makes one handshake; gives up if nothing has come back by `silence`.
    pub(super) async fn attempt(
        &self,
        peer: PeerId,
        path: Path,
        silence: Instant,
    ) -> Result<Connection, DialFault> {
        let (config, found) = self.configure(peer, path).map_err(|_| DialFault::default())?;
        self.observations.dialed(path.remote);
        let connecting = self.endpoint.connect_with(config, path.remote, SERVER_NAME);
        let mut connecting = connecting.map_err(|_| DialFault::default())?;
        // The handshake data comes with the other side's first answer, or the handshake has failed.
        if timeout_at(silence, connecting.handshake_data()).await.is_err() {
            return Err(DialFault::default());
        }
        match timeout(HANDSHAKE, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(fault_of(&error, found.take().filter(|&found| found != peer))),
            Err(_) => Err(DialFault::default()),
        }
    }

    fn configure(
        &self,
        peer: PeerId,
        path: Path,
    ) -> Result<(quinn::ClientConfig, super::tls::FoundKey), DriverError> {
        let (tls, found) = self.credentials.client(peer)?;
        Ok((transport::client(tls, self.serves, path)?, found))
    }

    pub(super) fn path(&self, remote: SocketAddr) -> Path {
        let payload = self.routes.payload(remote);
        Path { remote, payload, most: self.max_datagram, congestion: self.congestion, first_rtt: None }
    }
}

fn fault_of(error: &ConnectionError, wrong_key: Option<PeerId>) -> DialFault {
    DialFault { wrong_key, code: code_of(error) }
}
