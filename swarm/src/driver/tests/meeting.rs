//! A member introduces two of its peers, over real sockets.

use std::net::UdpSocket;

use minimodel_wire::{Offer, PeerId};

use super::live::Live;
use super::*;
use crate::machine::NotMet;

const MEMBER: Consent = Consent::SERVE;

fn publishes() -> Consent {
    MEMBER | Consent::PUBLISH
}

/// An offer of a seeder at an address where nobody answers.
fn misleading(seeder: &Live, silent: &UdpSocket) -> SignedOffer {
    let addresses = vec![silent.local_addr().unwrap()];
    let offer = Offer { peer: seeder.node.id(), swarm_id: [1; 32], addresses, expires_unix: 2_000 };
    SignedOffer::sign(offer, &seeder.key).unwrap()
}

/// What a fetch hears of a seeder that it cannot dial, with a member that both are connected to.
async fn introduced(seeder_consent: Consent) -> (Option<PeerId>, Option<NotMet>, PeerId) {
    let mut member = Live::new(1, publishes(), Controls::default(), Memory::new());
    let mut seeder = Live::new(2, seeder_consent, Controls::default(), Memory::new());
    let mut fetcher = Live::fetcher(Controls::default(), &[&member]);
    // Slow enough for the whole introduction.
    member.rate_limit.set(Some(16 << 10));
    seeder.session.tell(Input::Source(offer(&member.node)));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut contacts = 0;
    let work = async {
        loop {
            let event = tokio::select! {
                event = member.session.next() => {
                    contacts += u32::from(matches!(event, SessionEvent::Machine(Event::Joined { .. })));
                    if contacts == 1 {
                        contacts += 1;
                        fetcher.session.tell(Input::Source(misleading(&seeder, &silent)));
                    }
                    continue;
                }
                _ = seeder.session.next() => continue,
                event = fetcher.session.next() => event,
            };
            match event {
                SessionEvent::Machine(Event::Met { peer, by }) if peer == seeder.node.id() => {
                    return (Some(by), None);
                }
                SessionEvent::Machine(Event::NotMet { why, .. }) => return (None, Some(why)),
                _ => {}
            }
        }
    };
    let (by, why) = timeout(PATIENCE, work).await.unwrap();
    (by, why, member.node.id())
}

#[tokio::test]
async fn seeder_that_cannot_be_dialed_is_met_through_a_member() {
    let (by, why, member) = introduced(publishes()).await;
    assert_eq!((by, why), (Some(member), None));
}

// Rows: H14
#[tokio::test]
async fn seeder_that_agreed_to_serve_alone_is_not_introduced() {
    let (by, why, _) = introduced(MEMBER).await;
    assert_eq!((by, why), (None, Some(NotMet::NobodyKnowsIt)));
}

// Rows: H14
#[tokio::test]
async fn packet_that_opens_a_router_is_none_of_quic_and_not_answered() {
    let (node, _) = node(1);
    let prober = UdpSocket::bind("127.0.0.1:0").unwrap();
    prober.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    // What this node sends to open its router arrives as it is, once the runtime knows that the socket takes packets.
    let mut packet = [1; 64];
    let (len, from) = loop {
        node.dialer.puncher.send(prober.local_addr().unwrap());
        match prober.recv_from(&mut packet) {
            Ok(came) => break came,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!((&packet[..len], from), (&[0; 8][..], node.local_address()));
    prober.send_to(&packet[..len], from).unwrap();
    assert!(prober.recv_from(&mut packet).is_err(), "two that do so at once would never end");
}
