//! With an offer alone: one question to one peer, and nothing believed but a hash.

use std::sync::Arc;
use std::time::Duration;

use minimodel_verifier::Manifest;
use minimodel_wire::{CloseCode, Frame, ManifestOnly, PROTOCOL_VERSION, ResetCode, SignedOffer};
use quinn::Connection;

use super::connection::{close, code_of};
use super::dial::Dialer;
use super::download;
use super::error::DriverError;
use super::node::Node;
use super::transport;
use crate::machine::RequestFault;

/// The frame that permits the question may be read after the question itself: streams have no order.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

impl Node {
    /// Asks the peer of an offer for the manifest that the offer names, and for nothing else.
    ///
    /// # Errors
    ///
    /// The peer cannot be reached, refuses, is another, or its answer is not that manifest.
    pub async fn fetch_manifest(
        &self,
        offer: &SignedOffer,
        software: &str,
    ) -> Result<Arc<Manifest>, DriverError> {
        let (peer, addresses) = (offer.offer().peer, offer.offer().addresses.clone());
        let dialing =
            Dialer { serves: false, ..self.dialer.clone() }.dial(peer, addresses.clone(), Vec::new());
        let connection = dialing.await.map_err(|fault| match (fault.wrong_key, fault.code) {
            (Some(found), _) => DriverError::WrongKey { expected: peer, found },
            (None, Some(code)) => DriverError::Refused { peer, code },
            (None, None) => DriverError::Unreachable { peer, addresses },
        })?;
        let answer = question(&connection, offer.offer().swarm_id, software).await;
        let refused = connection.close_reason().as_ref().and_then(code_of);
        let grace = transport::goodbye(connection.rtt());
        close(&connection, CloseCode::Done);
        let _ = tokio::time::timeout(grace, self.dialer.endpoint.wait_idle()).await;
        let text = match (answer, refused) {
            (Ok(text), _) => text,
            (Err(_), Some(code)) => return Err(DriverError::Refused { peer, code }),
            (Err(_), None) => return Err(DriverError::NoManifest { peer }),
        };
        match Manifest::parse(&text) {
            Ok(manifest) if *manifest.swarm_id() == offer.offer().swarm_id => Ok(Arc::new(manifest)),
            _ => Err(DriverError::WrongManifest { peer }),
        }
    }
}

async fn question(
    connection: &Connection,
    swarm_id: [u8; 32],
    software: &str,
) -> Result<Vec<u8>, RequestFault> {
    // The control stream stays open while the question is asked; the peer's own frames on it are not read.
    let (mut control, _frames) = connection.open_bi().await.map_err(|_| RequestFault::Lost)?;
    let hello = Frame::ManifestOnly(ManifestOnly {
        version: PROTOCOL_VERSION,
        swarm_id,
        software: software.to_owned(),
    });
    control.write_all(&hello.encode()).await.map_err(|_| RequestFault::Lost)?;
    let mut answer = download::manifest(connection).await;
    for _ in 1..TRIES {
        if !matches!(answer, Err(RequestFault::Reset(ResetCode::NotPermitted))) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        answer = download::manifest(connection).await;
    }
    answer
}
