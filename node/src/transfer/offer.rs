//! Checks of offers before any peer is dialed.

use minimodel_verifier::Manifest;
use minimodel_wire::{OfferError, PeerId, SignedOffer};

/// Why an offer cannot be used. Nothing was dialed.
///
/// ```
/// use minimodel::transfer::{UnusableOffer, read_offer};
///
/// let advice = match read_offer("mm1abc", None, minimodel::clock::now_unix()) {
///     Ok(_) => "",
///     Err(UnusableOffer::Invalid(_)) => "paste it again, whole",
///     Err(UnusableOffer::Expired { .. } | UnusableOffer::TooLongLived { .. }) => "ask for a new one",
///     Err(UnusableOffer::OtherSwarm { .. }) => "this one is for another model",
/// };
/// assert_eq!(advice, "paste it again, whole");
/// ```
#[derive(Debug, thiserror::Error)]
pub enum UnusableOffer {
    /// It is no offer, or its signature does not hold.
    #[error("the offer is not valid: {0}")]
    Invalid(OfferError),
    /// It has expired.
    #[error("the offer of peer {peer} has expired")]
    Expired {
        /// The peer.
        peer: PeerId,
        /// When it expired, in seconds since 1970.
        expires_unix: u64,
        /// This machine's clock, in seconds since 1970.
        now_unix: u64,
    },
    /// It claims to hold for longer than offers may.
    #[error("the offer of peer {peer} claims to hold for too long")]
    TooLongLived {
        /// The peer.
        peer: PeerId,
        /// When it would expire, in seconds since 1970.
        expires_unix: u64,
        /// This machine's clock, in seconds since 1970.
        now_unix: u64,
    },
    /// It is for another swarm than the manifest's.
    #[error("the offer of peer {peer} is for something else")]
    OtherSwarm {
        /// The peer.
        peer: PeerId,
        /// The swarm of the offer.
        found: [u8; 32],
        /// The swarm of the manifest.
        expected: [u8; 32],
    },
}

/// Reads an offer and checks its signature, its expiry, and that it is for `manifest`, if that is known.
///
/// # Errors
///
/// The first check that fails.
pub fn read_offer(
    text: &str,
    manifest: Option<&Manifest>,
    now_unix: u64,
) -> Result<SignedOffer, UnusableOffer> {
    let offer: SignedOffer = text.parse().map_err(UnusableOffer::Invalid)?;
    check_offer(&offer, manifest, now_unix)?;
    Ok(offer)
}

/// Refuses an offer that has expired or claims to hold for too long, or is for another swarm than the manifest's.
///
/// # Errors
///
/// The first check that fails.
pub fn check_offer(
    offer: &SignedOffer,
    manifest: Option<&Manifest>,
    now_unix: u64,
) -> Result<(), UnusableOffer> {
    let (peer, expires_unix) = (offer.offer().peer, offer.offer().expires_unix);
    offer.check_fresh(now_unix).map_err(|error| match error {
        OfferError::TooLongLived { .. } => UnusableOffer::TooLongLived { peer, expires_unix, now_unix },
        _ => UnusableOffer::Expired { peer, expires_unix, now_unix },
    })?;
    let found = &offer.offer().swarm_id;
    match manifest.map(Manifest::swarm_id).filter(|&expected| expected != found) {
        None => Ok(()),
        Some(expected) => Err(UnusableOffer::OtherSwarm { peer, found: *found, expected: *expected }),
    }
}
