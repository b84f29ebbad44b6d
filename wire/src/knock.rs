//! The knock: how two programs that found each other by chance prove that both know one swarm, without naming it.
//!
//! A knock is a connection of its own, with [`KNOCK_ALPN`](crate::KNOCK_ALPN). Its dialer shows a throwaway key and takes any key. Each side
//! proves the swarm id by a MAC over what TLS exports of this connection (RFC 8446 section 7.5), so that no proof serves elsewhere; the
//! answer ends with the acceptor's own signed offer, which must be of the key that the acceptor proved in the handshake.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::limits::{KNOCK_LEN, MAX_KNOCK_ANSWER_LEN, MAX_OFFER_LEN};
use crate::{OfferError, PeerId, SignedOffer, UncheckedOffer};

/// What precedes the exported secret in the MAC of each side, so that neither proof is the other's.
const OF_DIALER: &[u8] = b"minimodel knock dialer";
const OF_ACCEPTOR: &[u8] = b"minimodel knock acceptor";

/// Bytes of the answer before the offer.
const HEAD: usize = KNOCK_LEN + 2;

/// What the dialer sends: its proof of the swarm id, the 32 bytes of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knock {
    /// HMAC-SHA256 under the swarm id.
    pub proof: [u8; KNOCK_LEN],
}

/// Why a knock, or the answer to one, is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KnockError {
    /// It ends early or goes on.
    #[error("the answer to a knock has {len} bytes, not {HEAD} and those of an offer")]
    Length {
        /// Bytes that came.
        len: usize,
    },
    /// The other side did not prove that it knows the swarm.
    #[error("the other side does not know the swarm")]
    Unproved,
    /// The offer is none, or its signature is wrong.
    #[error("the answer to a knock has no valid offer: {0}")]
    Offer(#[from] OfferError),
    /// The offer is of another key than the one in the handshake, or for another swarm.
    #[error("the answer to a knock has an offer of {peer}, which did not answer, or for another swarm")]
    OfAnother {
        /// The signer of the offer.
        peer: PeerId,
    },
}

impl Knock {
    /// Label of the secret that TLS exports for both proofs (RFC 8446 section 7.5), with no context.
    pub const EXPORTER: &'static [u8] = b"EXPORTER-minimodel-knock";

    /// The knock of a dialer that knows `swarm_id`; `exported`: the secret of the connection.
    pub fn new(swarm_id: &[u8; 32], exported: &[u8; 32]) -> Self {
        let mut proof = [0; KNOCK_LEN];
        proof.copy_from_slice(&mac(swarm_id, OF_DIALER, exported).finalize().into_bytes());
        Self { proof }
    }

    /// Returns true if the dialer knows `swarm_id`. Compares in constant time.
    pub fn is_of(&self, swarm_id: &[u8; 32], exported: &[u8; 32]) -> bool {
        mac(swarm_id, OF_DIALER, exported).verify_slice(&self.proof).is_ok()
    }
}

/// What the acceptor answers: its own proof, and its offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnockAnswer(Vec<u8>);

impl KnockAnswer {
    /// The answer of the acceptor whose offer this is. Its swarm is the one that is proved.
    pub fn new(offer: &SignedOffer, exported: &[u8; 32]) -> Self {
        let proof = mac(&offer.offer().swarm_id, OF_ACCEPTOR, exported).finalize().into_bytes();
        let offer = offer.to_bytes();
        let len = u16::try_from(offer.len()).unwrap_or(u16::MAX);
        let parts: [&[u8]; 3] = [&proof, &len.to_le_bytes(), &offer];
        Self(parts.concat())
    }

    /// The bytes to send.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the answer of the peer whose key is `peer`, and returns its offer.
    ///
    /// # Errors
    ///
    /// Another length, a proof of another swarm, or an offer that is not valid, not the peer's or not for the swarm. The offer's expiry
    /// is left to the caller.
    pub fn read(
        bytes: &[u8],
        swarm_id: &[u8; 32],
        exported: &[u8; 32],
        peer: PeerId,
    ) -> Result<SignedOffer, KnockError> {
        let wrong = KnockError::Length { len: bytes.len() };
        let Some((proof, rest)) = bytes.split_first_chunk::<KNOCK_LEN>() else { return Err(wrong) };
        let Some((len, offer)) = rest.split_first_chunk::<2>() else { return Err(wrong) };
        let is_whole = offer.len() == usize::from(u16::from_le_bytes(*len)) && offer.len() <= MAX_OFFER_LEN;
        if !is_whole || bytes.len() > MAX_KNOCK_ANSWER_LEN {
            return Err(wrong);
        }
        // The signature is checked last: it costs most, and a side that does not know the swarm cannot make us check one.
        mac(swarm_id, OF_ACCEPTOR, exported).verify_slice(proof).map_err(|_| KnockError::Unproved)?;
        let offer = UncheckedOffer::read(Bytes::copy_from_slice(offer))?;
        let claim = offer.claim();
        if claim.peer != peer || claim.swarm_id != *swarm_id {
            return Err(KnockError::OfAnother { peer: claim.peer });
        }
        Ok(offer.check()?)
    }
}

fn mac(swarm_id: &[u8; 32], role: &[u8], exported: &[u8; 32]) -> Hmac<Sha256> {
    let mut key = [0; 64];
    key[..32].copy_from_slice(swarm_id);
    // A key of one block is taken as it is, as a shorter one with zeros behind it (RFC 2104 section 2).
    Hmac::<Sha256>::new(&key.into()).chain_update(role).chain_update(exported)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::Offer;

    const SWARM: [u8; 32] = [7; 32];
    const EXPORTED: [u8; 32] = [9; 32];

    fn offer(key: u8, swarm_id: [u8; 32]) -> SignedOffer {
        let key = SigningKey::from_bytes(&[key; 32]);
        let peer = PeerId(key.verifying_key().to_bytes());
        let addresses = vec!["203.0.113.9:4433".parse().unwrap()];
        SignedOffer::sign(Offer { peer, swarm_id, addresses, expires_unix: 1 }, &key).unwrap()
    }

    fn read(bytes: &[u8], offer: &SignedOffer) -> Result<SignedOffer, KnockError> {
        KnockAnswer::read(bytes, &SWARM, &EXPORTED, offer.offer().peer)
    }

    #[test]
    fn knock_proves_one_swarm_on_one_connection() {
        let knock = Knock::new(&SWARM, &EXPORTED);
        assert!(knock.is_of(&SWARM, &EXPORTED));
        assert!(!knock.is_of(&[8; 32], &EXPORTED) && !knock.is_of(&SWARM, &[8; 32]));
    }

    #[test]
    fn proofs_are_the_golden_ones_of_the_page() {
        // python3: hmac.digest(b"\x07"*32, b"minimodel knock dialer" + b"\x09"*32, "sha256").hex(), and so on.
        let hex = |proof: &[u8]| data_encoding::HEXLOWER.encode(proof);
        let dialer = hex(&Knock::new(&SWARM, &EXPORTED).proof);
        assert_eq!(dialer, "9159ece77d8f0582f1a05870156d68aa5759e4195d1300e64aeaa1483863218b");
        let answer = KnockAnswer::new(&offer(1, SWARM), &EXPORTED);
        let acceptor = hex(&answer.as_bytes()[..KNOCK_LEN]);
        assert_eq!(acceptor, "683a0507f84b68da834042f9bff950687e9168bb319458562dcd1fd05ceaf0f6");
        let page = include_str!("../../docs/protocol.md").lines().filter_map(|line| line.split('#').next());
        let page: String = page.flat_map(str::split_whitespace).collect();
        assert!(page.contains(&dialer) && page.contains(&acceptor));
    }

    #[test]
    fn answer_brings_the_offer_of_the_key_in_the_handshake() {
        let offer = offer(1, SWARM);
        let answer = KnockAnswer::new(&offer, &EXPORTED);
        assert_eq!(read(answer.as_bytes(), &offer), Ok(offer.clone()));
        assert!(answer.as_bytes().len() <= MAX_KNOCK_ANSWER_LEN);
        assert_eq!(answer.as_bytes().len(), HEAD + offer.to_bytes().len());
    }

    // Rows: H15
    #[test]
    fn forged_answers_bring_no_offer() {
        let (mine, other) = (offer(1, SWARM), offer(2, SWARM));
        let good = KnockAnswer::new(&mine, &EXPORTED);
        for cut in 0..good.as_bytes().len() {
            assert!(matches!(read(&good.as_bytes()[..cut], &mine), Err(KnockError::Length { .. })), "{cut}");
        }
        let longer = [good.as_bytes(), &[0]].concat();
        assert_eq!(read(&longer, &mine), Err(KnockError::Length { len: longer.len() }));
        // The dialer's own proof, sent back.
        let mut mirrored = good.as_bytes().to_vec();
        mirrored[..KNOCK_LEN].copy_from_slice(&Knock::new(&SWARM, &EXPORTED).proof);
        assert_eq!(read(&mirrored, &mine), Err(KnockError::Unproved));
        assert_eq!(read(KnockAnswer::new(&mine, &[0; 32]).as_bytes(), &mine), Err(KnockError::Unproved));
        assert_eq!(
            read(KnockAnswer::new(&offer(1, [8; 32]), &EXPORTED).as_bytes(), &mine),
            Err(KnockError::Unproved)
        );
        let of_another = KnockError::OfAnother { peer: other.offer().peer };
        assert_eq!(read(KnockAnswer::new(&other, &EXPORTED).as_bytes(), &mine), Err(of_another));
        for bit in 0..8 * mine.to_bytes().len() {
            let mut bytes = good.as_bytes().to_vec();
            bytes[HEAD + bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bytes, &mine).is_err(), "bit {bit}");
        }
    }
}
