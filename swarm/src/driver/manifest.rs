//! Fetches a manifest with an offer alone: one request to one peer, and the answer counts only if it has the hash in
//! the offer.

use std::sync::Arc;
use std::time::Duration;

use minimodel_verifier::Manifest;
use minimodel_wire::{CloseCode, Frame, ManifestOnly, PROTOCOL_VERSION, PeerId, ResetCode, SignedOffer};
use quinn::{Connection, RecvStream, SendStream};

use super::close::{close, code_of};
use super::dial::Dialer;
use super::download;
use super::error::DriverError;
use super::node::Node;
use super::transport;
use crate::machine::RequestFault;

/// Pauses before the manifest is requested again from a peer that is busy: as often as one connection may ask.
const BUSY_PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

impl Node {
    /// Asks the peer of an offer for the manifest that the offer names, and for nothing else.
    ///
    /// # Errors
    ///
    /// The peer cannot be reached, refuses, or has another key; or its answer is no valid manifest, or not the one in
    /// the offer.
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
        let question = question(offer.offer().swarm_id, software);
        // The control stream stays open until the connection is closed; the peer's own frames on it are not read.
        let (mut asked, _control) = ask(&connection, &question).await;
        for pause in BUSY_PAUSES {
            if asked != Err(RequestFault::Reset(ResetCode::Busy)) {
                break;
            }
            tokio::time::sleep(pause).await;
            asked = download::manifest(&connection).await;
        }
        let refused = connection.close_reason().as_ref().and_then(code_of);
        let answer = match (asked, refused) {
            (Ok(text), _) => judge(peer, offer.offer().swarm_id, &text),
            (Err(RequestFault::Malformed | RequestFault::Short), _) => {
                Err((CloseCode::Malformed, DriverError::NoManifest { peer }))
            }
            (Err(_), Some(code)) => Err((CloseCode::Done, DriverError::Refused { peer, code })),
            (Err(RequestFault::Reset(ResetCode::Busy)), None) => {
                Err((CloseCode::Done, DriverError::Refused { peer, code: CloseCode::Busy }))
            }
            (Err(RequestFault::Reset(ResetCode::BudgetUsed)), None) => {
                Err((CloseCode::Done, DriverError::Refused { peer, code: CloseCode::BudgetUsed }))
            }
            (Err(_), None) => Err((CloseCode::Done, DriverError::NoManifest { peer })),
        };
        let (code, answer) = match answer {
            Ok(manifest) => (CloseCode::Done, Ok(manifest)),
            Err((code, error)) => (code, Err(error)),
        };
        let grace = transport::drain_time(connection.rtt());
        close(&connection, code);
        let _ = tokio::time::timeout(grace, self.dialer.endpoint.wait_idle()).await;
        answer
    }
}

/// Parses the text as the manifest that the offer names, its signature included; an error comes with the close code for
/// the peer.
fn judge(peer: PeerId, swarm_id: [u8; 32], text: &[u8]) -> Result<Arc<Manifest>, (CloseCode, DriverError)> {
    let fault = match Manifest::parse(text) {
        Ok(manifest) if *manifest.swarm_id() == swarm_id => return Ok(Arc::new(manifest)),
        Ok(_) => DriverError::WrongManifest { peer },
        Err(fault) => DriverError::InvalidManifest { peer, fault: Box::new(fault) },
    };
    Err((CloseCode::ProtocolViolation, fault))
}

fn question(swarm_id: [u8; 32], software: &str) -> Frame {
    Frame::ManifestOnly(ManifestOnly { version: PROTOCOL_VERSION, swarm_id, software: software.to_owned() })
}

/// Requests the manifest. Returns the answer, and the control stream where it could be opened.
async fn ask(
    connection: &Connection,
    question: &Frame,
) -> (Result<Vec<u8>, RequestFault>, Option<(SendStream, RecvStream)>) {
    let Ok((mut control, frames)) = connection.open_bi().await else {
        return (Err(RequestFault::Lost), None);
    };
    let answer = match control.write_all(&question.encode()).await {
        // The peer may read the request before the frame that permits it, since streams have no order; it keeps the
        // request until then.
        Ok(()) => download::manifest(connection).await,
        Err(_) => Err(RequestFault::Lost),
    };
    (answer, Some((control, frames)))
}
