//! Offers that the user named, checked against the clock and the manifest before any peer is dialed.

use minimodel::clock::{now_unix, utc};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;
use minimodel_wire::limits::MAX_OFFER_LIFE;
use minimodel_wire::{OfferError, SignedOffer};

use crate::args::OfferArg;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::offer_argument;

/// Reads an offer and checks its signature and its expiry.
pub(crate) fn read(argument: &OfferArg) -> Result<SignedOffer, Failure> {
    let signed = offer_argument::read(argument)?;
    check_fresh(&signed)?;
    Ok(signed)
}

/// Refuses an offer that has expired, or that claims to hold for too long.
pub(crate) fn check_fresh(offer: &SignedOffer) -> Result<(), Failure> {
    let now = now_unix();
    let (peer, until) = (offer.offer().peer, utc(offer.offer().expires_unix));
    offer.check_fresh(now).map_err(|error| match error {
        OfferError::TooLongLived { .. } => Failure::new(
            Exit::Invalid,
            format!("the offer of peer {peer} claims to hold for too long"),
            "nothing was dialed: if this machine's clock is right, ask for a new offer; their `minimodel seed` prints one",
        )
        .because(format!(
            "it says until {until}, this machine's clock says {}; the most is {} days",
            utc(now),
            MAX_OFFER_LIFE.as_secs() / 86_400
        )),
        _ => Failure::new(
            Exit::Invalid,
            format!("the offer of peer {peer} has expired"),
            "nothing was dialed: ask for a new offer; their `minimodel seed` prints one",
        )
        .because(format!("it was good until {until}, this machine's clock says {}", utc(now))),
    })
}

/// Refuses an offer for a swarm other than the manifest's.
pub(crate) fn check_swarm(offer: &SignedOffer, manifest: &Manifest) -> Result<(), Failure> {
    let (found, expected) = (&offer.offer().swarm_id, manifest.swarm_id());
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Invalid,
        format!("the offer of peer {} is for something else", offer.offer().peer),
        "nothing was dialed: use the manifest that came with this offer, or an offer for this manifest",
    )
    .because(format!("the offer names swarm {}, the manifest is swarm {}", hex(found), hex(expected))))
}
