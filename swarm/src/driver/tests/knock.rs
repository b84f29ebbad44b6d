//! Knocks on sessions with real sockets.

use minimodel_wire::{CloseCode, KnockError, PeerId};

use super::super::KnockFailed;
use super::super::close::code_of;
use super::super::door::Knocks;
use super::super::tls::peer_of;
use super::*;

const ALL: Knocks = Knocks { from_lan: true, from_anywhere: true };

/// A seeder that answers these knocks, and its offer.
fn seeder(incoming: Incoming, knocks: Knocks) -> (Node, Session, SignedOffer) {
    let (node, key) = node_for(incoming, 1);
    let offer = node.offer([1; 32], 100_000).unwrap();
    let mut inputs = Memory::new().inputs(Consent::SERVE, &key);
    (inputs.config.offer, inputs.knocks) = (Some(offer.clone()), knocks);
    let session = Session::new(&node, inputs).unwrap();
    (node, session, offer)
}

/// What a stranger's knock for a swarm brings, while the session runs.
async fn knocked(target: &Node, session: &mut Session, swarm: [u8; 32]) -> Result<SignedOffer, KnockFailed> {
    let (stranger, _) = node(9);
    let knock = stranger.knock(target.local_address(), swarm);
    let both = async {
        let mut knock = std::pin::pin!(knock);
        loop {
            tokio::select! {
                knocked = &mut knock => return knocked,
                _ = session.next() => {}
            }
        }
    };
    timeout(PATIENCE, both).await.unwrap()
}

// Rows: H15
#[tokio::test]
async fn knock_brings_the_offer_to_one_who_knows_the_swarm() {
    for incoming in [Incoming::OneSession, Incoming::ManySessions] {
        let (node, mut session, offer) = seeder(incoming, ALL);
        assert_eq!(knocked(&node, &mut session, [1; 32]).await, Ok(offer));
        assert_eq!(knocked(&node, &mut session, [2; 32]).await, Err(KnockFailed::NoMember));
        assert_eq!(session.links.opened(), 0, "a knock is no connection of the session");
    }
}

// Rows: H15
#[tokio::test]
async fn knock_at_a_share_that_is_not_to_be_found_brings_nothing() {
    let (node, mut session, _) = seeder(Incoming::OneSession, Knocks::default());
    assert_eq!(knocked(&node, &mut session, [1; 32]).await, Err(KnockFailed::NoMember));
}

// Rows: H15
#[tokio::test]
async fn knock_shows_no_key_of_the_one_who_knocks() {
    let (target, _) = node(1);
    let (stranger, _) = node(9);
    let mut tls = target.dialer.credentials.server().unwrap();
    tls.alpn_protocols = vec![minimodel_wire::KNOCK_ALPN.to_vec()];
    target.dialer.endpoint.set_server_config(Some(super::super::transport::server(tls).unwrap()));
    let at = target.local_address();
    let mut keys: Vec<PeerId> = Vec::new();
    for _ in 0..2 {
        let accept = async {
            let connection = target.dialer.endpoint.accept().await.unwrap().await.unwrap();
            let key = peer_of(&connection).unwrap();
            // A side that sends its own proof back, and the offer of another.
            let (mut send, mut recv) = connection.accept_bi().await.unwrap();
            let knock = recv.read_to_end(64).await.unwrap();
            let offer = stranger.offer([1; 32], 100_000).unwrap().to_bytes();
            let len = u16::try_from(offer.len()).unwrap().to_le_bytes();
            send.write_all(&[&knock[..], &len, &offer].concat()).await.unwrap();
            send.finish().unwrap();
            let code = code_of(&connection.closed().await);
            (key, code)
        };
        let (answered, (key, code)) = tokio::join!(stranger.knock(at, [1; 32]), accept);
        assert_eq!(answered, Err(KnockFailed::Answer(KnockError::Unproved)));
        assert_eq!(code, Some(CloseCode::Done));
        assert_ne!(key, stranger.id());
        keys.push(key);
    }
    assert_ne!(keys[0], keys[1], "a key for each knock");
}

#[tokio::test]
async fn knock_where_nobody_answers_ends_soon() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (stranger, _) = node(9);
    let knock = stranger.knock(socket.local_addr().unwrap(), [1; 32]);
    assert_eq!(timeout(PATIENCE, knock).await.unwrap(), Err(KnockFailed::Silent));
}

// Rows: H15
#[tokio::test]
async fn stranger_who_sends_no_whole_knock_is_not_answered() {
    let (node_, mut session, _) = seeder(Incoming::OneSession, ALL);
    let (stranger, _) = node(9);
    let at = node_.local_address();
    let asking = async {
        let mut codes = Vec::new();
        for bytes in [&[][..], &[7; 31], &[7; 33], &[7; 32]] {
            let tls = stranger.dialer.credentials.throwaway().unwrap();
            let config = super::super::transport::client(tls, false, stranger.dialer.path(at)).unwrap();
            let connection =
                stranger.dialer.endpoint.connect_with(config, at, "minimodel").unwrap().await.unwrap();
            let (mut send, _recv) = connection.open_bi().await.unwrap();
            send.write_all(bytes).await.unwrap();
            send.finish().unwrap();
            codes.push(code_of(&connection.closed().await));
        }
        codes
    };
    let both = async {
        let mut asking = std::pin::pin!(asking);
        loop {
            tokio::select! {
                codes = &mut asking => return codes,
                _ = session.next() => {}
            }
        }
    };
    let codes = timeout(PATIENCE, both).await.unwrap();
    assert_eq!(codes, [Some(CloseCode::WrongSwarm); 4]);
}
