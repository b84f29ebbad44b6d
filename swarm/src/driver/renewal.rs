//! Our own offer, signed anew before it ends: a share may go on for longer than an offer holds.

use ed25519_dalek::SigningKey;
use minimodel_wire::limits::MAX_OFFER_LIFE;
use minimodel_wire::{Offer, SignedOffer};

use super::report::Report;
use super::session::Session;
use crate::machine::Input;

/// An offer, and what is needed to sign the next.
pub(super) struct Renewal {
    key: SigningKey,
    offer: SignedOffer,
    /// Seconds for which the first was signed, and each after it is.
    life: u64,
}

impl Renewal {
    /// `unix`: now, in seconds since 1970. `None` if the offer does not hold by that: who signed it goes by another
    /// calendar, and for how long the next should hold is not known.
    pub(super) fn new(key: SigningKey, offer: SignedOffer, unix: u64) -> Option<Self> {
        let life = offer.offer().expires_unix.checked_sub(unix)?;
        (1..=MAX_OFFER_LIFE.as_secs()).contains(&life).then_some(Self { key, offer, life })
    }

    /// A new offer with the same addresses, if half of the time of the last one is over.
    fn look(&mut self, unix: u64) -> Option<SignedOffer> {
        if self.offer.offer().expires_unix.saturating_sub(unix) > self.life / 2 {
            return None;
        }
        let offer = Offer { expires_unix: unix.saturating_add(self.life), ..self.offer.offer().clone() };
        // Its addresses were good enough to be signed before.
        self.offer = SignedOffer::sign(offer, &self.key).ok()?;
        Some(self.offer.clone())
    }
}

impl Session {
    /// Tells the machine what the calendar says, if it is to know, and renews our offer in time.
    pub(super) fn look_at_calendar(&mut self) {
        let now = self.now();
        let Some(unix) = self.calendar.look(now.since_start()) else { return };
        self.machine.handle(now, Input::Calendar { unix });
        if let Some(offer) = self.renewal.as_mut().and_then(|renewal| renewal.look(unix)) {
            self.machine.handle(now, Input::OwnOffer(offer.clone()));
            // A watcher that misses it has one that holds for half of its time yet.
            let _ = self.reports.try_send(Report::Offer(offer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_780_000_000;
    const WEEK: u64 = 7 * 24 * 3_600;

    fn renewal(expires_unix: u64) -> Option<Renewal> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let peer = minimodel_wire::PeerId(key.verifying_key().to_bytes());
        let addresses = vec!["192.0.2.7:4433".parse().unwrap(), "[2001:db8::7]:4433".parse().unwrap()];
        let offer = Offer { peer, swarm_id: [1; 32], addresses, expires_unix };
        let offer = SignedOffer::sign(offer, &key).unwrap();
        Renewal::new(key, offer, NOW)
    }

    #[test]
    fn c5_an_offer_is_signed_anew_when_half_of_its_time_is_over_for_as_long_as_the_first() {
        let mut renewal = renewal(NOW + WEEK).unwrap();
        let first = renewal.offer.clone();
        assert_eq!(renewal.look(NOW + WEEK / 2 - 1), None);
        let second = renewal.look(NOW + WEEK / 2).unwrap();
        let expected = Offer { expires_unix: NOW + WEEK / 2 + WEEK, ..first.offer().clone() };
        assert_eq!(*second.offer(), expected);
        assert_eq!(renewal.look(NOW + WEEK / 2 + 1), None);
        // The machine slept for longer than it held.
        let third = renewal.look(NOW + 5 * WEEK).unwrap();
        assert_eq!(third.offer().expires_unix, NOW + 6 * WEEK);
        third.check_fresh(NOW + 5 * WEEK).unwrap();
    }

    #[test]
    fn c5_an_offer_that_does_not_hold_by_our_calendar_is_not_renewed() {
        for expires_unix in [0, NOW - 1, NOW, NOW + 365 * 24 * 3_600] {
            assert!(renewal(expires_unix).is_none(), "{expires_unix}");
        }
    }
}
