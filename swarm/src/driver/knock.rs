//! Knocks at addresses where a member of a swarm may be: nothing there is believed before it proved that it knows the swarm.

use std::net::SocketAddr;

use minimodel_wire::limits::MAX_KNOCK_ANSWER_LEN;
use minimodel_wire::{CloseCode, Knock, KnockAnswer, KnockError, SignedOffer};
use quinn::Connection;
use tokio::time::{Instant, timeout, timeout_at};

use super::close::{close, code_of};
use super::dial::{Dialer, SERVER_NAME, SILENCE_AT_PEX_ADDRESS};
use super::node::Node;
use super::tls::{exported, peer_of};
use super::transport::{self, KNOCK};

/// Why a knock brought no offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KnockFailed {
    /// Nothing came back.
    #[error("nothing answers there")]
    Silent,
    /// What is there speaks another protocol, or does not know the swarm.
    #[error("no member of the swarm answers there")]
    NoMember,
    /// The answer is not valid.
    #[error(transparent)]
    Answer(#[from] KnockError),
    /// This machine could not send.
    #[error("this machine cannot reach that address")]
    NoWay,
}

impl Node {
    /// Asks whether a member of the swarm is at `at`, under a key made for this once, and returns that member's offer, which is of the
    /// key that answered. Ends within the time for a handshake and a knock. What is there learns nothing but this
    /// machine's address, unless it knows the swarm.
    ///
    /// # Errors
    ///
    /// Why there is no offer. What is there may be anything.
    pub async fn knock(&self, at: SocketAddr, swarm_id: [u8; 32]) -> Result<SignedOffer, KnockFailed> {
        let connection = self.dialer.knock_at(at).await?;
        let answer = timeout(KNOCK, ask(&connection, &swarm_id)).await;
        close(&connection, CloseCode::Done);
        answer.unwrap_or(Err(KnockFailed::Silent))
    }
}

impl Dialer {
    /// A connection under a throwaway key, to any key.
    async fn knock_at(&self, at: SocketAddr) -> Result<Connection, KnockFailed> {
        let tls = self.credentials.throwaway().map_err(|_| KnockFailed::NoWay)?;
        let config = transport::client(tls, false, self.path(at)).map_err(|_| KnockFailed::NoWay)?;
        self.observations.dialed(at);
        let connecting = self.endpoint.connect_with(config, at, SERVER_NAME);
        let mut connecting = connecting.map_err(|_| KnockFailed::NoWay)?;
        let silence = Instant::now() + SILENCE_AT_PEX_ADDRESS;
        if timeout_at(silence, connecting.handshake_data()).await.is_err() {
            return Err(KnockFailed::Silent);
        }
        match timeout(KNOCK, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) if code_of(&error).is_some() => Err(KnockFailed::NoMember),
            _ => Err(KnockFailed::Silent),
        }
    }
}

async fn ask(connection: &Connection, swarm_id: &[u8; 32]) -> Result<SignedOffer, KnockFailed> {
    let (Some(peer), Some(exported)) = (peer_of(connection), exported(connection)) else {
        return Err(KnockFailed::NoMember);
    };
    let answer = async {
        let (mut send, mut recv) = connection.open_bi().await.ok()?;
        send.write_all(&Knock::new(swarm_id, &exported).proof).await.ok()?;
        send.finish().ok()?;
        recv.read_to_end(MAX_KNOCK_ANSWER_LEN).await.ok()
    };
    // A side that does not know the swarm closes the connection.
    let answer = answer.await.ok_or(KnockFailed::NoMember)?;
    Ok(KnockAnswer::read(&answer, swarm_id, &exported, peer)?)
}
