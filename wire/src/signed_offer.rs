//! An offer that its peer has signed, in bytes and as text.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use ed25519_dalek::{SIGNATURE_LENGTH as SIGNATURE_LEN, Signature, Signer, SigningKey, VerifyingKey};

use crate::base32;
use crate::limits;
use crate::offer::{Offer, OfferError};
use crate::peer_id::PeerId;

/// Domain separator before the signed bytes: the signature of an offer is never valid for anything else.
const DOMAIN: &[u8] = b"minimodel offer v1\0";

const TEXT_PREFIX: &str = "mm1";

/// An offer and the exact bytes under which its peer's signature holds.
///
/// Every value has been checked: it was either signed here or read from bytes whose signature holds. Its expiry is checked
/// when it is used, see [`SignedOffer::check_fresh`].
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
    /// The key of another peer, or an address that an offer must not have.
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
        UncheckedOffer::read(Bytes::copy_from_slice(bytes))?.check()
    }

    /// The bytes, as passed on in `Peers` frames and encoded in the text form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The bytes, without a copy.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content of the offer.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Checks the expiry against a clock, in seconds since 1970, with five minutes of skew.
    ///
    /// # Errors
    ///
    /// [`OfferError::Expired`], or [`OfferError::TooLongLived`] for an offer that claims to hold for more than 30 days.
    pub fn check_fresh(&self, now_unix: u64) -> Result<(), OfferError> {
        self.offer.check_fresh(now_unix)
    }
}

/// A well-formed offer whose signature has not been checked yet.
///
/// Reading costs next to nothing, checking the signature some ten thousand times as much: a peer that receives offers from
/// strangers reads each of them and checks only those that it can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UncheckedOffer {
    offer: Offer,
    bytes: Bytes,
}

impl UncheckedOffer {
    /// Reads an offer: the one spelling of its content, and a signature of the right length.
    ///
    /// # Errors
    ///
    /// The first broken rule of [`OfferError`] that can be seen without checking the signature; expiry is not one of
    /// them.
    pub fn read(bytes: Bytes) -> Result<Self, OfferError> {
        if bytes.len() > limits::MAX_OFFER_LEN {
            return Err(OfferError::TooLong { len: bytes.len() });
        }
        let (offer, rest) = Offer::decode_body(&bytes)?;
        let Some(extra) = rest.len().checked_sub(SIGNATURE_LEN) else {
            return Err(OfferError::Truncated { offset: bytes.len() - rest.len() });
        };
        if extra > 0 {
            return Err(OfferError::TrailingBytes { extra });
        }
        Ok(Self { offer, bytes })
    }

    /// The content of the offer, unproven until the signature is checked.
    pub fn claim(&self) -> &Offer {
        &self.offer
    }

    /// The bytes as received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Checks the signature, strictly.
    ///
    /// # Errors
    ///
    /// [`OfferError::Key`] or [`OfferError::Signature`].
    pub fn check(self) -> Result<SignedOffer, OfferError> {
        let peer = self.offer.peer;
        let Some((body, signature)) = self.bytes.split_last_chunk::<SIGNATURE_LEN>() else {
            return Err(OfferError::Truncated { offset: 0 });
        };
        let key = VerifyingKey::from_bytes(&peer.0).map_err(|_| OfferError::Key { peer })?;
        key.verify_strict(&[DOMAIN, body].concat(), &Signature::from_bytes(signature))
            .map_err(|_| OfferError::Signature { peer })?;
        Ok(SignedOffer { bytes: self.bytes.to_vec(), offer: self.offer })
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

    /// Accepts only lowercase text without padding, spaces or line ends.
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
