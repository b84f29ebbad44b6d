//! The door of a session: whether it tells a program that knows its swarm who is here, and with which offer.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use minimodel_wire::SignedOffer;

use crate::machine::Scope;

/// Whose knocks a session answers. The default is nobody's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Knocks {
    /// Those from the network at hand: from a private address or this machine.
    pub from_lan: bool,
    /// Those from public addresses. They are answered without the private addresses of this machine.
    pub from_anywhere: bool,
}

/// The door of one session. Clones are the same door.
#[derive(Debug, Clone, Default)]
pub(super) struct Door {
    knocks: Knocks,
    offers: Arc<Mutex<Option<OwnOffers>>>,
}

/// The offers of a session for its swarm.
#[derive(Debug)]
struct OwnOffers {
    /// With all addresses.
    whole: SignedOffer,
    /// As members get it.
    announced: SignedOffer,
}

impl Door {
    pub(super) fn new(knocks: Knocks) -> Self {
        Self { knocks, ..Self::default() }
    }

    /// Notes the offers with which knocks are answered from now on.
    pub(super) fn set(&self, whole: SignedOffer, announced: SignedOffer) {
        let offers = Some(OwnOffers { whole, announced });
        *self.offers.lock().unwrap_or_else(PoisonError::into_inner) = offers;
    }

    /// The offer for one who knocks from this address; `None`: it is not answered.
    pub(super) fn offer_to(&self, from: IpAddr) -> Option<SignedOffer> {
        let Knocks { from_lan, from_anywhere } = self.knocks;
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let offers = offers.as_ref()?;
        let (answers, offer) = match Place::of(from) {
            Place::Here => (from_lan || from_anywhere, &offers.whole),
            Place::Near => (from_lan, &offers.whole),
            // Private addresses are not for those who may be anywhere.
            Place::Far => (from_anywhere && names_public_ones_alone(&offers.announced), &offers.announced),
        };
        answers.then(|| offer.clone())
    }
}

/// Where one who knocks is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On this machine.
    Here,
    /// In the network at hand.
    Near,
    /// Anywhere, also behind the same translator of a provider (RFC 6598), which strangers share.
    Far,
}

impl Place {
    fn of(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        match (Scope::of(ip), ip) {
            (Scope::Loopback, _) => Self::Here,
            (Scope::Link, _) => Self::Near,
            (Scope::Private, IpAddr::V4(ip)) if !ip.is_private() => Self::Far,
            (Scope::Private, _) => Self::Near,
            (Scope::Public, _) => Self::Far,
        }
    }
}

fn names_public_ones_alone(offer: &SignedOffer) -> bool {
    offer.offer().addresses.iter().all(|at| Scope::of(at.ip()) == Scope::Public)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use minimodel_wire::{Offer, PeerId};

    use super::*;

    fn offer(addresses: &str) -> SignedOffer {
        let key = SigningKey::from_bytes(&[7; 32]);
        let addresses = addresses.split_whitespace().map(|at| at.parse().unwrap()).collect();
        let peer = PeerId(key.verifying_key().to_bytes());
        SignedOffer::sign(Offer { peer, swarm_id: [1; 32], addresses, expires_unix: 1 }, &key).unwrap()
    }

    // Rows: H15
    #[test]
    fn knock_is_answered_only_where_the_user_agreed_to_be_found() {
        let (whole, announced) = (offer("203.0.113.9:1 192.168.1.7:1"), offer("203.0.113.9:1"));
        let answered = |from_lan, from_anywhere| {
            let door = Door::new(Knocks { from_lan, from_anywhere });
            assert_eq!(door.offer_to([192, 168, 1, 9].into()), None, "no offer yet");
            door.set(whole.clone(), announced.clone());
            ["::ffff:127.0.0.1", "fe80::1", "192.168.1.9", "100.64.0.9", "8.8.4.4"]
                .map(|from| door.offer_to(from.parse().unwrap()))
        };
        let (whole, announced) = (Some(whole.clone()), Some(announced.clone()));
        assert_eq!(answered(false, false), [const { None }; 5]);
        assert_eq!(answered(true, false), [whole.clone(), whole.clone(), whole.clone(), None, None]);
        assert_eq!(answered(false, true), [whole, None, None, announced.clone(), announced]);
    }

    // Rows: H15
    #[test]
    fn stranger_who_knocks_is_told_no_private_address() {
        let door = Door::new(Knocks { from_lan: true, from_anywhere: true });
        let private = offer("192.168.1.7:1");
        door.set(private.clone(), private);
        assert_eq!(door.offer_to([8, 8, 4, 4].into()), None);
    }
}
