//! Reaching one peer at any of its addresses, and nobody else.

use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId};
use quinn::{Connection, ConnectionError, Endpoint};
use tokio::task::JoinSet;

use super::connection::code_of;
use super::error::DriverError;
use super::tls::Credentials;
use super::transport::{self, HANDSHAKE};

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

/// Connects to `peer` at the first address where its key answers.
pub(super) async fn dial(
    endpoint: Endpoint,
    credentials: Credentials,
    peer: PeerId,
    addresses: Vec<SocketAddr>,
    serves: bool,
) -> Result<Connection, DialFault> {
    let mut attempts = JoinSet::new();
    for (turn, address) in (0u32..).zip(addresses) {
        let (endpoint, credentials) = (endpoint.clone(), credentials.clone());
        attempts.spawn(async move {
            tokio::time::sleep(STAGGER * turn).await;
            attempt(&endpoint, &credentials, peer, address, serves).await
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

async fn attempt(
    endpoint: &Endpoint,
    credentials: &Credentials,
    peer: PeerId,
    address: SocketAddr,
    serves: bool,
) -> Result<Connection, DialFault> {
    let (config, found) = configure(credentials, peer, serves).map_err(|_| DialFault::default())?;
    let connecting = endpoint.connect_with(config, address, SERVER_NAME).map_err(|_| DialFault::default())?;
    match tokio::time::timeout(HANDSHAKE, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(fault_of(&error, found.take().filter(|&found| found != peer))),
        Err(_) => Err(DialFault::default()),
    }
}

fn configure(
    credentials: &Credentials,
    peer: PeerId,
    serves: bool,
) -> Result<(quinn::ClientConfig, super::tls::FoundKey), DriverError> {
    let (tls, found) = credentials.client(peer)?;
    Ok((transport::client(tls, serves)?, found))
}

fn fault_of(error: &ConnectionError, wrong_key: Option<PeerId>) -> DialFault {
    DialFault { wrong_key, code: code_of(error) }
}
