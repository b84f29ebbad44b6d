//! An offer that its peer has signed, in bytes and as text.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{SIGNATURE_LENGTH as SIGNATURE_LEN, Signature, Signer, SigningKey, VerifyingKey};

use crate::base32;
use crate::limits;
use crate::offer::{Offer, OfferError, VERSION};
use crate::peer_id::PeerId;

/// Stands before the signed bytes, so that a signature under an offer can never be one under anything else.
const DOMAIN: &[u8] = b"minimodel offer v1\0";

const TEXT_PREFIX: &str = "mm1";

/// An offer and the exact bytes under which its peer's signature holds.
///
/// There is none that was not checked: it is either signed here or read from bytes whose signature is right. Whether
/// it has expired is asked when it is used, see [`SignedOffer::check_fresh`].
#[derive(Clone, PartialEq, Eq)]
pub struct SignedOffer {
    offer: Offer,
    bytes: Vec<u8>,
}

impl SignedOffer {
    /// Signs an offer with the key of the peer that it names.
    ///
    /// # Errors
    ///
    /// The key of another peer, or an address that may not stand in an offer.
    pub fn sign(offer: Offer, key: &SigningKey) -> Result<Self, OfferError> {
        let signer = PeerId(key.verifying_key().to_bytes());
        if offer.peer != signer {
            return Err(OfferError::OtherSigner { peer: offer.peer, signer });
        }
        offer.check()?;
        let mut bytes = offer.encode_body();
        let signature = key.sign(&[DOMAIN, &bytes].concat());
        bytes.extend_from_slice(&signature.to_bytes());
        Ok(Self { offer, bytes })
    }

    /// Reads an offer: the one spelling of its content, then a signature that holds strictly.
    ///
    /// # Errors
    ///
    /// The first broken rule of [`OfferError`]; expiry is not one of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OfferError> {
        if bytes.len() > limits::MAX_OFFER_LEN {
            return Err(OfferError::TooLong { len: bytes.len() });
        }
        let (offer, rest) = Offer::decode_body(bytes)?;
        let peer = offer.peer;
        let body_len = bytes.len() - rest.len();
        let (signature, extra) =
            rest.split_first_chunk().ok_or(OfferError::Truncated { offset: body_len })?;
        if !extra.is_empty() {
            return Err(OfferError::TrailingBytes { extra: extra.len() });
        }
        let key = VerifyingKey::from_bytes(&peer.0).map_err(|_| OfferError::Key { peer })?;
        // Every field has one spelling, so the body encoded again is what was received.
        key.verify_strict(&[DOMAIN, &offer.encode_body()].concat(), &Signature::from_bytes(signature))
            .map_err(|_| OfferError::Signature { peer })?;
        Ok(Self { offer, bytes: bytes.to_vec() })
    }

    /// Who the bytes say the offer is of, and the beginning of the signature, both unchecked: enough to see that an offer
    /// was read before, at no more than a look. `None` for bytes that are no offer of this version.
    pub fn glance(bytes: &[u8]) -> Option<(PeerId, u64)> {
        let (body, signature) = bytes.split_last_chunk::<SIGNATURE_LEN>()?;
        let (&[VERSION], rest) = body.split_first_chunk()? else { return None };
        let (&peer, _) = rest.split_first_chunk()?;
        let (&begin, _) = signature.split_first_chunk()?;
        Some((PeerId(peer), u64::from_le_bytes(begin)))
    }

    /// The bytes, as passed on in `Peers` frames and written to an offer file's text form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// What the offer says.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Checks the expiry against a clock, in seconds since 1970, with five minutes of skew.
    ///
    /// # Errors
    ///
    /// [`OfferError::Expired`].
    pub fn check_fresh(&self, now_unix: u64) -> Result<(), OfferError> {
        let expires_unix = self.offer.expires_unix;
        if now_unix <= expires_unix.saturating_add(limits::OFFER_CLOCK_SKEW.as_secs()) {
            Ok(())
        } else {
            Err(OfferError::Expired { expires_unix, now_unix })
        }
    }
}

impl fmt::Display for SignedOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TEXT_PREFIX}{}", base32::encode(&self.bytes))
    }
}

impl fmt::Debug for SignedOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignedOffer").field(&self.offer).finish()
    }
}

impl FromStr for SignedOffer {
    type Err = OfferError;

    /// Strict: no other case, padding, space or line end.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > limits::MAX_OFFER_TEXT_LEN {
            return Err(OfferError::TextTooLong { len: text.len() });
        }
        let digits = text.strip_prefix(TEXT_PREFIX).ok_or(OfferError::Prefix)?;
        let bytes = base32::decode(digits)
            .map_err(|offset| OfferError::Base32 { offset: offset + TEXT_PREFIX.len() })?;
        Self::from_bytes(&bytes)
    }
}
