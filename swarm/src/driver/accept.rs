//! Letting peers in: how many at once, and which must first prove their address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use minimodel_wire::CloseCode;
use quinn::{Connecting, ServerConfig};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::close;
use super::dial::Dialer;
use super::session::Note;
use super::tls::peer_of;
use super::transport::{self, HANDSHAKE, MAX_INCOMING, Path, RETRY_BEYOND};

/// Handshakes at once from one address: several people may sit behind one NAT, not dozens.
const MAX_PER_ADDRESS: usize = 8;

/// Accepts connections until the endpoint closes.
pub(super) async fn run(dialer: Dialer, server: ServerConfig, notes: mpsc::Sender<Note>) {
    let mut handshakes: JoinSet<IpAddr> = JoinSet::new();
    let mut by_address: BTreeMap<IpAddr, usize> = BTreeMap::new();
    while let Some(incoming) = dialer.endpoint.accept().await {
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
        let remote = incoming.remote_address();
        let address = remote.ip();
        if by_address.get(&address).is_some_and(|&count| count >= MAX_PER_ADDRESS) {
            incoming.ignore();
            continue;
        }
        let config =
            transport::server_for(&server, Path::new(remote, dialer.max_datagram, dialer.congestion));
        // A newcomer whose first packet does not decrypt is none.
        let Ok(connecting) = incoming.accept_with(config) else { continue };
        *by_address.entry(address).or_default() += 1;
        let notes = notes.clone();
        handshakes.spawn(async move {
            shake_hands(connecting, notes).await;
            address
        });
    }
}

async fn shake_hands(connecting: Connecting, notes: mpsc::Sender<Note>) {
    let Ok(Ok(connection)) = tokio::time::timeout(HANDSHAKE, connecting).await else { return };
    match peer_of(&connection) {
        Some(peer) => {
            let _ = notes.send(Note::Connected { connection, peer, dialed: false }).await;
        }
        None => close(&connection, CloseCode::NotAllowed),
    }
}
