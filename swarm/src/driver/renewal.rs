//! Renewal of the node's own offer: before it expires, since a share may go on for longer than an offer is valid, and when
//! the node's addresses are others.

use std::net::SocketAddr;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use minimodel_wire::limits::{MAX_OFFER_LIFE, OFFER_CLOCK_SKEW};
use minimodel_wire::{Offer, SignedOffer};

use crate::machine::{Scope, Time};

/// Least time between two renewals, or a quarter of an offer's lifetime if that is less: a calendar that is set to and
/// fro must not make every member check a signature each time.
const PAUSE: Duration = Duration::from_secs(5 * 60);
/// Least time between two renewals of which the latter has other addresses.
const PAUSE_OF_A_MOVE: Duration = Duration::from_secs(60);

/// An offer, and what is needed to sign the next.
pub(super) struct Renewal {
    key: SigningKey,
    offer: SignedOffer,
    /// Lifetime of the first offer, and of each renewed one, in seconds; `None`: the first was not valid when the session
    /// began, so its signer goes by another calendar, and it is not renewed.
    life: Option<u64>,
    /// When the node's addresses were looked at last, by the monotonic clock.
    looked: Option<Time>,
    /// When the last offer was renewed, by the monotonic clock.
    signed: Option<Time>,
    /// The node's addresses when the last offer was signed. The user may have had an offer with others signed.
    named: Vec<SocketAddr>,
    /// The last offer that members got.
    told: Option<SignedOffer>,
    /// [`super::Node::moves`] at the last look.
    moves: u64,
}

impl Renewal {
    /// `unix`: now, in seconds since 1970. `named`: the node's addresses.
    pub(super) fn new(key: SigningKey, offer: SignedOffer, unix: u64, named: Vec<SocketAddr>) -> Self {
        let life = offer.offer().expires_unix.checked_sub(unix);
        let life = life.filter(|life| (1..=MAX_OFFER_LIFE.as_secs()).contains(life));
        Self { key, offer, life, looked: None, signed: None, named, told: None, moves: 0 }
    }

    /// Returns true if it is time to look at the node's addresses again, and notes that they are looked at. The system is asked
    /// for them each time, and members decide how often they tell of another address; `moves` counts what members have no part in.
    pub(super) fn begin_look(&mut self, now: Time, moves: u64) -> bool {
        let pause = self.pause(PAUSE_OF_A_MOVE);
        let is_due = self.looked.is_none_or(|looked| now.since(looked) >= pause) || self.moves != moves;
        self.moves = moves;
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// A pause, or a quarter of the offers' lifetime if that is less.
    fn pause(&self, pause: Duration) -> Duration {
        pause.min(Duration::from_secs(self.life.unwrap_or(u64::MAX)) / 4)
    }

    /// Signs a new offer if the node's addresses are others now; if half of the last one's time is over; or if the last
    /// one is valid for longer than its lifetime: the calendar was ahead when it was signed, and peers with the right
    /// calendar take it for a mistake.
    pub(super) fn look(&mut self, now: Time, unix: u64, addresses: &[SocketAddr]) -> Option<SignedOffer> {
        let life = self.life?;
        let left = self.offer.offer().expires_unix.saturating_sub(unix);
        let is_meant = left > life / 2 && left <= life.saturating_add(OFFER_CLOCK_SKEW.as_secs());
        // A machine that lost its network for a moment has no address but loopback: the last ones may be right again soon.
        let has_moved = self.named != addresses && addresses.iter().any(|at| !at.ip().is_loopback());
        let pause = self.pause(if has_moved { PAUSE_OF_A_MOVE } else { PAUSE });
        if (is_meant && !has_moved) || self.signed.is_some_and(|signed| now.since(signed) < pause) {
            return None;
        }
        let mut offer = Offer { expires_unix: unix.saturating_add(life), ..self.offer.offer().clone() };
        if has_moved {
            offer.addresses = addresses.to_vec();
        }
        // An address that no offer may name leaves the last offer as it is.
        self.offer = SignedOffer::sign(offer, &self.key).ok()?;
        self.signed = Some(now);
        if has_moved {
            self.named = addresses.to_vec();
        }
        Some(self.offer.clone())
    }

    /// The offer with all addresses.
    pub(super) fn whole(&self) -> SignedOffer {
        self.offer.clone()
    }

    /// Returns true if this node's addresses or its mapping have changed since the last look.
    pub(super) fn has_moved(&self, moves: u64) -> bool {
        self.moves != moves
    }

    /// The offer for members, if it is another than they got last.
    pub(super) fn announcement(&mut self, unconfirmed: Option<SocketAddr>) -> Option<SignedOffer> {
        let announced = self.announced(unconfirmed);
        let is_new = self.told.as_ref() != Some(&announced);
        self.told = Some(announced.clone());
        is_new.then_some(announced)
    }

    /// The offer for other members: without private addresses if it has public ones. Those who get it by hand may be in the
    /// same network; members need not know how that network looks within. It lacks `unconfirmed` too, an address on a router's word
    /// alone, unless it has no other.
    fn announced(&self, unconfirmed: Option<SocketAddr>) -> SignedOffer {
        let offer = self.offer.offer();
        let is_public = |address: &SocketAddr| Scope::of(address.ip()) == Scope::Public;
        let known = offer.addresses.iter().copied().filter(|&at| Some(at) != unconfirmed);
        let public: Vec<SocketAddr> = known.clone().filter(is_public).collect();
        let addresses = if public.is_empty() { known.collect() } else { public };
        if addresses.is_empty() || addresses.len() == offer.addresses.len() {
            return self.offer.clone();
        }
        // Signing worked before with all of these addresses.
        let announced = SignedOffer::sign(Offer { addresses, ..offer.clone() }, &self.key);
        announced.unwrap_or_else(|_| self.offer.clone())
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

    fn at(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|address| address.parse().unwrap()).collect()
    }

    /// The addresses of the first offer.
    fn old() -> Vec<SocketAddr> {
        at("192.0.2.7:4433 [2001:db8::7]:4433")
    }

    fn renewal(expires_unix: u64) -> Renewal {
        renewal_of(expires_unix, old())
    }

    fn renewal_of(expires_unix: u64, addresses: Vec<SocketAddr>) -> Renewal {
        let key = SigningKey::from_bytes(&[7; 32]);
        let peer = minimodel_wire::PeerId(key.verifying_key().to_bytes());
        let offer = Offer { peer, swarm_id: [1; 32], addresses: addresses.clone(), expires_unix };
        let offer = SignedOffer::sign(offer, &key).unwrap();
        Renewal::new(key, offer, NOW, addresses)
    }

    // Rows: C5
    #[test]
    fn offer_is_renewed_at_half_its_lifetime_with_the_same_lifetime() {
        let mut renewal = renewal(NOW + WEEK);
        let first = renewal.offer.clone();
        assert_eq!(renewal.look(after(WEEK / 2 - 1), NOW + WEEK / 2 - 1, &old()), None);
        let second = renewal.look(after(WEEK / 2), NOW + WEEK / 2, &old()).unwrap();
        let expected = Offer { expires_unix: NOW + WEEK / 2 + WEEK, ..first.offer().clone() };
        assert_eq!(*second.offer(), expected);
        assert_eq!(renewal.look(after(WEEK / 2 + 1), NOW + WEEK / 2 + 1, &old()), None);
        // The computer slept for longer than the offer was valid; the monotonic clock stood still meanwhile.
        let third = renewal.look(after(WEEK / 2 + 300), NOW + 5 * WEEK, &old()).unwrap();
        assert_eq!(third.offer().expires_unix, NOW + 6 * WEEK);
        third.check_fresh(NOW + 5 * WEEK).unwrap();
    }

    // Rows: C5
    #[test]
    fn offer_signed_with_calendar_ahead_is_renewed_on_correction() {
        const AHEAD: u64 = 60 * 24 * 3_600;
        let mut jumped = renewal(NOW + WEEK);
        let wrong = jumped.look(after(60), NOW + AHEAD, &old()).unwrap();
        assert!(wrong.check_fresh(NOW).is_err());
        // Two calendars may differ by five minutes, which is no reason to renew.
        assert_eq!(jumped.look(after(600), NOW + AHEAD - 300, &old()), None);
        let right = jumped.look(after(601), NOW + 601, &old()).unwrap();
        assert_eq!(right.offer().expires_unix, NOW + 601 + WEEK);
        right.check_fresh(NOW + 601).unwrap();
        // The share began while the calendar was ahead.
        let mut began = renewal(NOW + WEEK);
        let right = began.look(after(1), NOW - AHEAD, &old()).unwrap();
        assert_eq!(right.offer().expires_unix, NOW - AHEAD + WEEK);
    }

    // Rows: C5
    #[test]
    fn flipping_calendar_renews_offer_every_five_minutes_at_most() {
        let mut renewal = renewal(NOW + WEEK);
        let seconds = 3_600;
        let flips = (0..seconds).filter_map(|second| {
            let ahead = if second % 2 == 0 { 60 * 24 * 3_600 } else { 0 };
            renewal.look(after(second), NOW + second + ahead, &old())
        });
        assert_eq!(flips.count(), 12);
        // In the end the offer is valid by what the calendar says then.
        let at = NOW + seconds + 300;
        let last = renewal.look(after(seconds + 300), at, &old()).unwrap_or_else(|| renewal.offer.clone());
        last.check_fresh(at).unwrap();
        assert!(last.offer().expires_unix > at);
    }

    // Rows: C5
    #[test]
    fn an_offer_that_does_not_hold_by_our_calendar_is_not_renewed() {
        for expires_unix in [0, NOW - 1, NOW, NOW + 365 * 24 * 3_600] {
            let mut renewal = renewal(expires_unix);
            assert_eq!(renewal.look(after(400), NOW + WEEK, &at("192.0.2.8:1")), None, "{expires_unix}");
        }
    }

    #[test]
    fn offer_names_new_addresses_at_once_and_once_a_minute() {
        let mut renewal = renewal(NOW + WEEK);
        let (second, third) = (at("192.0.2.8:4433"), at("10.0.0.7:4433"));
        let moved = renewal.look(after(5), NOW + 5, &second).unwrap();
        assert_eq!((&moved.offer().addresses, moved.offer().expires_unix), (&second, NOW + 5 + WEEK));
        assert_eq!(renewal.look(after(6), NOW + 6, &second), None);
        assert_eq!(renewal.look(after(64), NOW + 64, &third), None);
        assert_eq!(renewal.look(after(65), NOW + 65, &third).unwrap().offer().addresses, third);
        // Without any network the last addresses stay.
        assert_eq!(renewal.look(after(500), NOW + 500, &at("127.0.0.1:4433")), None);
        assert_eq!(renewal.look(after(600), NOW + 600, &[]), None);
    }

    #[test]
    fn offer_with_own_addresses_keeps_them_until_node_moves() {
        let mut renewal = renewal(NOW + WEEK);
        renewal.named = at("10.0.0.7:4433");
        assert_eq!(renewal.look(after(1), NOW + 1, &at("10.0.0.7:4433")), None);
        let half = renewal.look(after(WEEK / 2), NOW + WEEK / 2, &at("10.0.0.7:4433")).unwrap();
        assert_eq!(half.offer().addresses, old());
    }

    // Rows: H13
    #[test]
    fn words_of_members_have_addresses_looked_at_once_a_minute() {
        let mut renewal = renewal(NOW + WEEK);
        let looks = (0..3_600).filter(|&second| renewal.begin_look(after(second), 0)).count();
        assert_eq!(looks, 60, "although nothing was signed");
        // What this machine's own network does is looked at at once.
        assert!(renewal.has_moved(1) && renewal.begin_look(after(3_541), 1));
        assert!(!renewal.has_moved(1) && !renewal.begin_look(after(3_542), 1));
    }

    // Rows: H13
    #[test]
    fn other_members_learn_no_private_address_beside_a_public_one() {
        let announced = |addresses: &str| {
            let announced = renewal_of(NOW + WEEK, at(addresses)).announced(None);
            announced.offer().addresses.clone()
        };
        let mixed = "[2001:db8::7]:1 192.168.1.7:1 203.0.113.9:2 [fd00::7]:1 100.64.0.9:1 127.0.0.1:1";
        assert_eq!(announced(mixed), at("[2001:db8::7]:1 203.0.113.9:2"));
        for same in ["192.168.1.7:1 [fd00::7]:1", "203.0.113.9:2", "127.0.0.1:1"] {
            assert_eq!(announced(same), at(same));
        }
    }

    // Rows: H16
    #[test]
    fn members_get_no_address_on_a_routers_word_alone() {
        let announced = |addresses: &str, unconfirmed: &str| {
            let mut renewal = renewal_of(NOW + WEEK, at(addresses));
            let first = renewal.announcement(Some(unconfirmed.parse().unwrap())).unwrap();
            (
                first.offer().addresses.clone(),
                renewal.announcement(None).map(|offer| offer.offer().addresses.clone()),
            )
        };
        let home = "8.8.4.4:1 192.168.1.7:1";
        assert_eq!(announced(home, "8.8.4.4:1"), (at("192.168.1.7:1"), Some(at("8.8.4.4:1"))));
        let both = "[2001:db8::7]:1 8.8.4.4:1 192.168.1.7:1";
        assert_eq!(
            announced(both, "8.8.4.4:1"),
            (at("[2001:db8::7]:1"), Some(at("[2001:db8::7]:1 8.8.4.4:1")))
        );
        assert_eq!(announced(both, "8.8.8.8:1"), (at("[2001:db8::7]:1 8.8.4.4:1"), None));
    }
}
