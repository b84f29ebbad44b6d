//! Renewal of the node's own offer before it expires: a share may go on for longer than an offer is valid.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use minimodel_wire::limits::{MAX_OFFER_LIFE, OFFER_CLOCK_SKEW};
use minimodel_wire::{Offer, SignedOffer};

use crate::machine::Time;

/// Least time between two renewals, or a quarter of an offer's lifetime if that is less: a calendar that is set to and
/// fro must not make every member check a signature each time.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// An offer, and what is needed to sign the next.
pub(super) struct Renewal {
    key: SigningKey,
    offer: SignedOffer,
    /// Lifetime of the first offer, and of each renewed one, in seconds.
    life: u64,
    /// When the last offer was renewed, by the monotonic clock.
    signed: Option<Time>,
}

impl Renewal {
    /// `unix`: now, in seconds since 1970. `None` if the offer is not valid then: its signer goes by another calendar,
    /// and the lifetime of the next offer is not known.
    pub(super) fn new(key: SigningKey, offer: SignedOffer, unix: u64) -> Option<Self> {
        let life = offer.offer().expires_unix.checked_sub(unix)?;
        (1..=MAX_OFFER_LIFE.as_secs()).contains(&life).then_some(Self { key, offer, life, signed: None })
    }

    /// Signs a new offer with the same addresses if half of the last one's time is over; or if the last one is valid
    /// for longer than its lifetime: the calendar was ahead when it was signed, and peers with the right calendar take
    /// it for a mistake.
    pub(super) fn look(&mut self, now: Time, unix: u64) -> Option<SignedOffer> {
        let left = self.offer.offer().expires_unix.saturating_sub(unix);
        let is_meant = left > self.life / 2 && left <= self.life.saturating_add(OFFER_CLOCK_SKEW.as_secs());
        let pause = PAUSE.min(Duration::from_secs(self.life) / 4);
        if is_meant || self.signed.is_some_and(|signed| now.since(signed) < pause) {
            return None;
        }
        let offer = Offer { expires_unix: unix.saturating_add(self.life), ..self.offer.offer().clone() };
        // Signing worked before with these addresses.
        self.offer = SignedOffer::sign(offer, &self.key).ok()?;
        self.signed = Some(now);
        Some(self.offer.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_780_000_000;
    const WEEK: u64 = 7 * 24 * 3_600;

    fn after(seconds: u64) -> Time {
        Time::after_start(Duration::from_secs(seconds))
    }

    fn renewal(expires_unix: u64) -> Option<Renewal> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let peer = minimodel_wire::PeerId(key.verifying_key().to_bytes());
        let addresses = vec!["192.0.2.7:4433".parse().unwrap(), "[2001:db8::7]:4433".parse().unwrap()];
        let offer = Offer { peer, swarm_id: [1; 32], addresses, expires_unix };
        let offer = SignedOffer::sign(offer, &key).unwrap();
        Renewal::new(key, offer, NOW)
    }

    // Rows: C5
    #[test]
    fn offer_is_renewed_at_half_its_lifetime_with_the_same_lifetime() {
        let mut renewal = renewal(NOW + WEEK).unwrap();
        let first = renewal.offer.clone();
        assert_eq!(renewal.look(after(WEEK / 2 - 1), NOW + WEEK / 2 - 1), None);
        let second = renewal.look(after(WEEK / 2), NOW + WEEK / 2).unwrap();
        let expected = Offer { expires_unix: NOW + WEEK / 2 + WEEK, ..first.offer().clone() };
        assert_eq!(*second.offer(), expected);
        assert_eq!(renewal.look(after(WEEK / 2 + 1), NOW + WEEK / 2 + 1), None);
        // The computer slept for longer than the offer was valid; the monotonic clock stood still meanwhile.
        let third = renewal.look(after(WEEK / 2 + 300), NOW + 5 * WEEK).unwrap();
        assert_eq!(third.offer().expires_unix, NOW + 6 * WEEK);
        third.check_fresh(NOW + 5 * WEEK).unwrap();
    }

    // Rows: C5
    #[test]
    fn offer_signed_with_calendar_ahead_is_renewed_on_correction() {
        const AHEAD: u64 = 60 * 24 * 3_600;
        let mut jumped = renewal(NOW + WEEK).unwrap();
        let wrong = jumped.look(after(60), NOW + AHEAD).unwrap();
        assert!(wrong.check_fresh(NOW).is_err());
        // Two calendars may differ by five minutes, which is no reason to renew.
        assert_eq!(jumped.look(after(600), NOW + AHEAD - 300), None);
        let right = jumped.look(after(601), NOW + 601).unwrap();
        assert_eq!(right.offer().expires_unix, NOW + 601 + WEEK);
        right.check_fresh(NOW + 601).unwrap();
        // The share began while the calendar was ahead.
        let mut began = renewal(NOW + WEEK).unwrap();
        let right = began.look(after(1), NOW - AHEAD).unwrap();
        assert_eq!(right.offer().expires_unix, NOW - AHEAD + WEEK);
    }

    // Rows: C5
    #[test]
    fn flipping_calendar_renews_offer_every_five_minutes_at_most() {
        let mut renewal = renewal(NOW + WEEK).unwrap();
        let seconds = 3_600;
        let flips = (0..seconds).filter_map(|second| {
            let ahead = if second % 2 == 0 { 60 * 24 * 3_600 } else { 0 };
            renewal.look(after(second), NOW + second + ahead)
        });
        assert_eq!(flips.count(), 12);
        // In the end the offer is valid by what the calendar says then.
        let at = NOW + seconds + 300;
        let last = renewal.look(after(seconds + 300), at).unwrap_or_else(|| renewal.offer.clone());
        last.check_fresh(at).unwrap();
        assert!(last.offer().expires_unix > at);
    }

    // Rows: C5
    #[test]
    fn an_offer_that_does_not_hold_by_our_calendar_is_not_renewed() {
        for expires_unix in [0, NOW - 1, NOW, NOW + 365 * 24 * 3_600] {
            assert!(renewal(expires_unix).is_none(), "{expires_unix}");
        }
    }
}
