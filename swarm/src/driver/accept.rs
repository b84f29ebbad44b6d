//! Letting peers in: how many at once, and which must first prove their address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use minimodel_wire::CloseCode;
use quinn::{Endpoint, Incoming};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::close;
use super::session::Note;
use super::tls::peer_of;
use super::transport::{HANDSHAKE, MAX_INCOMING, RETRY_BEYOND};

/// Handshakes at once from one address: several people may sit behind one NAT, not dozens.
const MAX_PER_ADDRESS: usize = 8;

/// Accepts connections until the endpoint closes.
pub(super) async fn run(endpoint: Endpoint, notes: mpsc::Sender<Note>) {
    let mut handshakes: JoinSet<IpAddr> = JoinSet::new();
    let mut by_address: BTreeMap<IpAddr, usize> = BTreeMap::new();
    while let Some(incoming) = endpoint.accept().await {
        while let Some(done) = handshakes.try_join_next() {
            let Ok(address) = done else { continue };
            if let Some(count) = by_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&address);
                }
            }
        }
        if handshakes.len() >= MAX_INCOMING {
            // An answer of any kind would cost more than the flood does.
            incoming.ignore();
            continue;
        }
        if handshakes.len() >= RETRY_BEYOND && incoming.may_retry() {
            // A newcomer that cannot answer at its address never comes back, and that is the point.
            let _ = incoming.retry();
            continue;
        }
        let address = incoming.remote_address().ip();
        let count = by_address.entry(address).or_default();
        if *count >= MAX_PER_ADDRESS {
            incoming.ignore();
            continue;
        }
        *count += 1;
        let notes = notes.clone();
        handshakes.spawn(async move {
            shake_hands(incoming, notes).await;
            address
        });
    }
}

async fn shake_hands(incoming: Incoming, notes: mpsc::Sender<Note>) {
    let Ok(connecting) = incoming.accept() else { return };
    let Ok(Ok(connection)) = tokio::time::timeout(HANDSHAKE, connecting).await else { return };
    match peer_of(&connection) {
        Some(peer) => {
            let _ = notes.send(Note::Connected { connection, peer, dialed: false }).await;
        }
        None => close(&connection, CloseCode::NotAllowed),
    }
}
