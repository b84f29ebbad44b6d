//! Peer exchange: members pass on offers, so that leechers that know only one seeder find each other.
//!
//! An offer is passed on first-hand only: by a member that is connected to the peer that signed it, and only if that peer
//! consented to publish. Received offers are handled in `offers`.

use std::collections::BTreeMap;

use bytes::Bytes;
use minimodel_wire::{CloseCode, Consent, Frame, SignedOffer};

use super::events::{Conn, Output};
use super::outbox::{OFFERS_PER_FRAME, Word};
use super::peer::{Peer, Phase};
use super::site::{Network, Scope};
use super::swarm::Swarm;

pub(super) fn pass_on_own_offer(swarm: &mut Swarm, conn: Conn) {
    if !swarm.config.consent.contains(Consent::PUBLISH) {
        return;
    }
    let Some(peer) = swarm.peers.get(&conn) else { return };
    if let Some(offer) = swarm.config.offer.as_ref().filter(|offer| may_know(peer, offer)) {
        let offers = vec![Bytes::from(offer.to_bytes())];
        swarm.send(conn, Frame::Peers { offers });
    }
}

/// Tells a peer the address at which we see it, if both sides take part in the exchange of addresses.
pub(super) fn tell_observed(swarm: &mut Swarm, conn: Conn) {
    if exchanges_addresses(swarm, conn) {
        swarm.push(Output::TellObserved { conn });
    }
}

/// Returns true if both users consented to publish.
pub(super) fn exchanges_addresses(swarm: &Swarm, conn: Conn) -> bool {
    let theirs = swarm.peers.get(&conn).is_some_and(|peer| peer.consent.contains(Consent::PUBLISH));
    theirs && swarm.config.consent.contains(Consent::PUBLISH)
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
    let Some(to) = swarm.peers.get(&conn) else { return };
    let others = swarm.peers.iter().filter(|&(&other, _)| other != conn);
    let offer = |peer: &Peer| {
        let offer = peer.offer.as_ref().filter(|offer| may_know(to, offer))?;
        Some((peer.site.allocation(), Bytes::from(offer.to_bytes())))
    };
    let mut known: Vec<(Network, Bytes)> = others.filter_map(|(_, peer)| offer(peer)).collect();
    swarm.rng.shuffle(&mut known);
    // One of each network before a second of any: the many keys of one leave room for others.
    let mut before: BTreeMap<Network, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Bytes)> = Vec::new();
    for (network, offer) in known {
        let before = before.entry(network).or_default();
        ranked.push((*before, offer));
        *before += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let offers: Vec<Bytes> = ranked.into_iter().take(OFFERS_PER_FRAME).map(|(_, offer)| offer).collect();
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
    let Some(to) = swarm.peers.get(&conn) else { return };
    let offer = |member| swarm.peers.get(member)?.offer.as_ref().filter(|offer| may_know(to, offer));
    let offers: Vec<Bytes> =
        members.iter().filter_map(offer).map(|offer| Bytes::from(offer.to_bytes())).collect();
    if !offers.is_empty() {
        swarm.send(conn, Frame::Peers { offers });
    }
}

/// Returns true if the offer can lead the peer to its signer: private addresses are of no use to a peer elsewhere, and tell
/// it how the signer's network looks within.
fn may_know(peer: &Peer, offer: &SignedOffer) -> bool {
    offer.offer().addresses.iter().any(|address| Scope::of(address.ip()) >= peer.site.scope())
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
    use minimodel_wire::{Bitfield, WireAddress};

    use super::super::events::Input;
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

    // Rows: H13
    #[test]
    fn private_offer_goes_to_no_peer_at_a_public_address() {
        let (private, public) = (offer(100, [1; 32], 10_000), [8, 8, 4, 4]);
        assert!(private.offer().addresses.iter().all(|at| Scope::of(at.ip()) < Scope::Public));
        let told = |of: Option<SignedOffer>, from: [u8; 4]| {
            let mut harness = Harness::with(SEED | Consent::PUBLISH, Bitfield::full(20), |config| {
                config.offer = of;
            });
            harness.join_from(1, [10, 1, 0, 1], all(), having([]));
            let theirs = Bytes::from(offer(1, [1; 32], 10_000).to_bytes());
            harness.frame(1, Frame::Peers { offers: vec![theirs] });
            harness.said();
            harness.join_from(2, from, all(), having([]));
            harness.wait(std::time::Duration::from_secs(2));
            let offers = |frame| if let Frame::Peers { offers } = frame { offers } else { Vec::new() };
            harness.frames(2).into_iter().flat_map(offers).count()
        };
        assert_eq!(told(Some(private.clone()), [10, 2, 0, 1]), 2, "its own, and that of the first peer");
        assert_eq!(told(Some(private), public), 0);
        assert_eq!(told(None, [10, 2, 0, 1]), 1);
    }

    // Rows: H13
    #[test]
    fn word_of_a_peer_without_publish_is_not_heard() {
        let both = SEED | Consent::PUBLISH;
        let cases = [(both, all(), true), (SEED, all(), false), (both, Consent::FETCH, false)];
        for (ours, theirs, is_heard) in cases {
            let mut harness = Harness::new(ours, Bitfield::full(20));
            harness.join(1, theirs, having([]));
            let seen = WireAddress::seen(([203, 0, 113, 9], 4433).into()).unwrap();
            harness.frame(1, Frame::Observed { address: seen, nat: Default::default() });
            let said = harness.said();
            let told = said.iter().filter(|output| matches!(output, Output::TellObserved { .. })).count();
            let heard = said.iter().filter(|output| matches!(output, Output::Observed { .. })).count();
            assert_eq!((told, heard), (usize::from(is_heard), usize::from(is_heard)));
            assert!(!said.iter().any(|output| matches!(output, Output::Close { .. })));
        }
    }
}
