//! Reaching one peer at any of its addresses, and nobody else.

use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId};
use quinn::{Connection, ConnectionError, Endpoint};
use tokio::task::JoinSet;

use super::congestion::Congestion;
use super::connection::code_of;
use super::error::DriverError;
use super::routes::Routes;
use super::tls::Credentials;
use super::transport::{self, HANDSHAKE, Path};

/// The next address is tried when the one before is silent for this long (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// The name in the TLS hello: nobody looks at it, and it tells an onlooker nothing.
const SERVER_NAME: &str = "minimodel";

/// Why no address gave the peer.
#[derive(Debug, Default)]
pub(super) struct DialFault {
    pub(super) wrong_key: Option<PeerId>,
    pub(super) code: Option<CloseCode>,
}

/// What every connection that we begin is made with.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    pub(super) endpoint: Endpoint,
    pub(super) credentials: Credentials,
    /// Whether the other side may ask anything of us.
    pub(super) serves: bool,
    /// No datagram is longer, in bytes.
    pub(super) max_datagram: Option<u16>,
    pub(super) congestion: Congestion,
    pub(super) routes: Routes,
}

impl Dialer {
    /// Connects to `peer` at the first address where its key answers.
    pub(super) async fn dial(
        self,
        peer: PeerId,
        addresses: Vec<SocketAddr>,
    ) -> Result<Connection, DialFault> {
        let mut attempts = JoinSet::new();
        for (turn, address) in (0u32..).zip(addresses) {
            let dialer = self.clone();
            attempts.spawn(async move {
                tokio::time::sleep(STAGGER * turn).await;
                dialer.attempt(peer, address).await
            });
        }
        let mut worst = DialFault::default();
        while let Some(ended) = attempts.join_next().await {
            match ended {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(fault)) => {
                    worst.wrong_key = worst.wrong_key.or(fault.wrong_key);
                    worst.code = worst.code.or(fault.code);
                }
                Err(_) => {}
            }
        }
        Err(worst)
    }

    async fn attempt(&self, peer: PeerId, address: SocketAddr) -> Result<Connection, DialFault> {
        let (config, found) = self.configure(peer, address).map_err(|_| DialFault::default())?;
        let connecting = self.endpoint.connect_with(config, address, SERVER_NAME);
        let connecting = connecting.map_err(|_| DialFault::default())?;
        match tokio::time::timeout(HANDSHAKE, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(fault_of(&error, found.take().filter(|&found| found != peer))),
            Err(_) => Err(DialFault::default()),
        }
    }

    fn configure(
        &self,
        peer: PeerId,
        address: SocketAddr,
    ) -> Result<(quinn::ClientConfig, super::tls::FoundKey), DriverError> {
        let (tls, found) = self.credentials.client(peer)?;
        Ok((transport::client(tls, self.serves, self.path(address))?, found))
    }

    pub(super) fn path(&self, remote: SocketAddr) -> Path {
        let payload = self.routes.payload(remote);
        Path { remote, payload, most: self.max_datagram, congestion: self.congestion }
    }
}

fn fault_of(error: &ConnectionError, wrong_key: Option<PeerId>) -> DialFault {
    DialFault { wrong_key, code: code_of(error) }
}
