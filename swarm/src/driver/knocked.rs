//! Answers to knocks of others.

use std::net::SocketAddr;

use minimodel_wire::limits::KNOCK_LEN;
use minimodel_wire::{CloseCode, Knock, KnockAnswer};
use quinn::Connection;
use quinn::crypto::rustls::HandshakeData;
use tokio::time::timeout;

use super::close::close;
use super::registrations::Sessions;
use super::tls::exported;
use super::transport::KNOCK;

/// Returns true if the dialer of this connection knocks, by the application protocol that it chose.
pub(super) fn is_knock(connection: &Connection) -> bool {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    data.and_then(|data| data.protocol).is_some_and(|protocol| protocol == minimodel_wire::KNOCK_ALPN)
}

/// Answers the knock of a connection, and ends it. `from`: where the dialer received our part of the handshake.
pub(super) async fn answer(connection: &Connection, from: SocketAddr, sessions: &Sessions) {
    let code = match timeout(KNOCK, exchange(connection, from, sessions)).await {
        Ok(Some(())) => CloseCode::Done,
        Ok(None) => CloseCode::WrongSwarm,
        Err(_) => CloseCode::TooSlow,
    };
    close(connection, code);
}

/// Reads the knock and sends the answer; `None`: no session answers it.
async fn exchange(connection: &Connection, from: SocketAddr, sessions: &Sessions) -> Option<()> {
    let (mut send, mut recv) = connection.accept_bi().await.ok()?;
    let knock = recv.read_to_end(KNOCK_LEN).await.ok()?;
    let knock = Knock { proof: knock.try_into().ok()? };
    let exported = exported(connection)?;
    let from = from.ip().to_canonical();
    // The source address of a later packet is not proven: a dialer elsewhere can write one of our network there.
    if connection.remote_address().ip().to_canonical() != from {
        return None;
    }
    let offer = sessions
        .that_answers(|swarm_id, door| door.offer_to(from).filter(|_| knock.is_of(swarm_id, &exported)))?;
    send.write_all(KnockAnswer::new(&offer, &exported).as_bytes()).await.ok()?;
    send.finish().ok()?;
    // The dialer has the answer once it closes, or has acknowledged the stream's end.
    let _ = send.stopped().await;
    Some(())
}
