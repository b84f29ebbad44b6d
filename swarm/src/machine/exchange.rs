//! Peer exchange: members pass on offers, so that leechers that know only one seeder find each other.
//!
//! An offer is passed on first-hand only: by a member that is connected to the peer that signed it, and only if that peer
//! consented to publish. Received offers are handled in `offers`.

use bytes::Bytes;
use minimodel_wire::{CloseCode, Consent, Frame, SignedOffer};

use super::events::Conn;
use super::outbox::{OFFERS_PER_FRAME, Word};
use super::peer::Phase;
use super::swarm::Swarm;

pub(super) fn pass_on_own_offer(swarm: &mut Swarm, conn: Conn) {
    if !swarm.config.consent.contains(Consent::PUBLISH) {
        return;
    }
    if let Some(offer) = &swarm.config.offer {
        let offers = vec![Bytes::from(offer.to_bytes())];
        swarm.send(conn, Frame::Peers { offers });
    }
}

/// Replaces our own offer after it was signed anew, and sends it to all peers whose Hello was accepted. Later peers
/// get it after their Hello.
pub(super) fn own_offer_renewed(swarm: &mut Swarm, offer: SignedOffer) {
    swarm.config.offer = Some(offer);
    let is_told = |phase: Phase| matches!(phase, Phase::Bitfield | Phase::Ready);
    let told: Vec<Conn> =
        swarm.peers.iter().filter(|(_, peer)| is_told(peer.phase)).map(|(&conn, _)| conn).collect();
    told.into_iter().for_each(|conn| pass_on_own_offer(swarm, conn));
}

/// Sends a newcomer the offers of the members that consented to publish.
pub(super) fn pass_on_offers_to(swarm: &mut Swarm, conn: Conn) {
    if takes_part(swarm, conn) {
        send_offers(swarm, conn);
    }
}

/// Sends a guest the offers of other members, then `Busy`. So a newcomer finds its way into a swarm although the only
/// member that it knows is full. The caller closes the connection.
pub(super) fn send_on(swarm: &mut Swarm, conn: Conn) {
    if swarm.peers.get(&conn).is_some_and(|peer| peer.consent.contains(Consent::PUBLISH)) {
        send_offers(swarm, conn);
    }
    swarm.send(conn, Frame::Bye { code: CloseCode::Busy });
}

fn send_offers(swarm: &mut Swarm, conn: Conn) {
    let mut offers: Vec<Bytes> = swarm
        .peers
        .iter()
        .filter(|&(&other, _)| other != conn)
        .filter_map(|(_, peer)| peer.offer.as_ref())
        .map(|offer| Bytes::from(offer.to_bytes()))
        .collect();
    swarm.rng.shuffle(&mut offers);
    offers.truncate(OFFERS_PER_FRAME);
    if !offers.is_empty() {
        swarm.send(conn, Frame::Peers { offers });
    }
}

/// Queues the offer of this member for all others; it goes out with their next passed-on offers.
pub(super) fn pass_on(swarm: &mut Swarm, from: Conn) {
    let others: Vec<Conn> =
        swarm.peers.keys().copied().filter(|&conn| conn != from && takes_part(swarm, conn)).collect();
    for conn in others {
        if let Some(peer) = swarm.peers.get_mut(&conn) {
            peer.outbox.pass_on(from);
        }
        swarm.announcer.has_word(conn);
    }
}

/// Sends the current offers of these members.
fn send_offers_of(swarm: &mut Swarm, conn: Conn, members: &[Conn]) {
    let offer = |member| swarm.peers.get(member)?.offer.as_ref();
    let offers: Vec<Bytes> =
        members.iter().filter_map(offer).map(|offer| Bytes::from(offer.to_bytes())).collect();
    if !offers.is_empty() {
        swarm.send(conn, Frame::Peers { offers });
    }
}

/// Sends the control frames that are due to every peer, within each peer's budget.
pub(super) fn speak(swarm: &mut Swarm) {
    let now = swarm.now;
    for conn in swarm.announcer.take_due(now) {
        let later = loop {
            let Some(peer) = swarm.peers.get_mut(&conn) else { break None };
            match peer.outbox.next(now) {
                Ok(Some(Word::Frame(frame))) => swarm.send(conn, frame),
                Ok(Some(Word::Offers(members))) => send_offers_of(swarm, conn, &members),
                Ok(None) => break peer.outbox.next_at(now),
                Err(later) => break Some(later),
            }
        };
        if let Some(at) = later {
            swarm.announcer.wait(conn, at);
        }
    }
}

fn takes_part(swarm: &Swarm, conn: Conn) -> bool {
    swarm
        .peers
        .get(&conn)
        .is_some_and(|peer| peer.phase == Phase::Ready && peer.consent.contains(Consent::PUBLISH))
}

#[cfg(test)]
mod tests {
    use minimodel_wire::Bitfield;

    use super::super::events::{Input, Output};
    use super::super::harness::{Harness, SEED, all, having, offer};
    use super::*;

    // Rows: C5
    #[test]
    fn renewed_offer_goes_to_those_told_of_the_last_and_newcomers() {
        let renewed = offer(100, [1; 32], 20_000);
        for (consent, publishes) in [(SEED | Consent::PUBLISH, true), (SEED, false)] {
            let mut harness = Harness::with(consent, Bitfield::full(20), |config| {
                config.offer = Some(offer(100, [1; 32], 10_000));
            });
            let told = |harness: &mut Harness| {
                let offers = |output| match output {
                    Output::Send { conn, frame: Frame::Peers { offers } } => Some((conn, offers)),
                    _ => None,
                };
                harness.said().into_iter().filter_map(offers).collect::<Vec<_>>()
            };
            harness.join(1, all(), having([]));
            // This peer has not sent its Hello yet.
            harness.connect(2, 2, false);
            assert_eq!(told(&mut harness).len(), usize::from(publishes));
            harness.tell(Input::OwnOffer(renewed.clone()));
            let offers = vec![Bytes::from(renewed.to_bytes())];
            let expected = |conn| if publishes { vec![(Conn(conn), offers.clone())] } else { Vec::new() };
            assert_eq!(told(&mut harness), expected(1));
            let hello = harness.hello(all());
            harness.frame(2, Frame::Hello(hello));
            assert_eq!(told(&mut harness), expected(2));
        }
    }
}
