use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::derive::seal_key;
use super::error::DhtError;

/// Most bytes of an offer in an item.
pub const MAX_OFFER: usize = 512;
/// Bytes that tell the length of the offer, little-endian.
const LENGTH_LEN: usize = 2;
const TAG_LEN: usize = 16;
/// Bytes of every sealed offer: nonce, then under seal length, offer and zeros, then the tag. BEP 44 allows 1,000.
pub(super) const SEALED_LEN: usize = NONCE_LEN + LENGTH_LEN + MAX_OFFER + TAG_LEN;

/// Seals `offer` of `peer` for those who know `swarm`, by ChaCha20-Poly1305 under the key of the swarm, with the peer id as additional data.
pub(super) fn seal(offer: &[u8], peer: &[u8; 32], swarm: &[u8; 32]) -> Result<Vec<u8>, DhtError> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|error| DhtError::NoRandomness { reason: error.to_string() })?;
    seal_with(nonce, offer, peer, swarm)
}

fn seal_with(
    nonce: [u8; NONCE_LEN],
    offer: &[u8],
    peer: &[u8; 32],
    swarm: &[u8; 32],
) -> Result<Vec<u8>, DhtError> {
    let too_long = DhtError::OfferTooLong { bytes: offer.len(), max: MAX_OFFER };
    let length = u16::try_from(offer.len()).ok().filter(|length| usize::from(*length) <= MAX_OFFER);
    let (Some(length), Some(key)) = (length, key(swarm)) else { return Err(too_long) };
    let mut text = length.to_le_bytes().to_vec();
    text.extend(offer);
    text.resize(LENGTH_LEN + MAX_OFFER, 0);
    let nonced = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonced, Aad::from(peer), &mut text).map_err(|_| too_long)?;
    Ok([&nonce, text.as_slice(), tag.as_ref()].concat())
}

/// Opens what [`seal`] made. Returns `None` for anything else.
pub(super) fn open(sealed: &[u8], peer: &[u8; 32], swarm: &[u8; 32]) -> Option<Vec<u8>> {
    if sealed.len() != SEALED_LEN {
        return None;
    }
    let (nonce, text) = sealed.split_first_chunk()?;
    let mut text = text.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let text = key(swarm)?.open_in_place(nonce, Aad::from(peer), &mut text).ok()?;
    let (length, rest) = text.split_first_chunk()?;
    let (offer, padding) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    padding.iter().all(|byte| *byte == 0).then(|| offer.to_vec())
}

fn key(swarm: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, &seal_key(swarm)).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;

    const PEER: [u8; 32] = [0x22; 32];
    const SWARM: [u8; 32] = [0x11; 32];

    #[test]
    fn an_offer_opens_as_it_was_sealed() {
        for length in [0, 1, 300, MAX_OFFER] {
            let offer = vec![7; length];
            let sealed = seal(&offer, &PEER, &SWARM).unwrap();
            assert_eq!(sealed.len(), SEALED_LEN);
            assert_eq!(open(&sealed, &PEER, &SWARM), Some(offer));
        }
    }

    #[test]
    fn a_sealed_offer_is_the_golden_one() {
        let sealed = seal_with([9; NONCE_LEN], b"an offer", &PEER, &SWARM).unwrap();
        let hash: String = Sha256::digest(&sealed).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "482005ce66bdc92fc8d02aba5b03acc85f0830338495696ffd97b9c6b744b3ce");
    }

    #[test]
    fn an_offer_that_is_too_long_is_refused() {
        for bytes in [MAX_OFFER + 1, 70_000] {
            let refused = Err(DhtError::OfferTooLong { bytes, max: MAX_OFFER });
            assert_eq!(seal(&vec![0; bytes], &PEER, &SWARM), refused);
        }
    }

    // Rows: H17
    #[test]
    fn other_peers_and_swarms_do_not_open_it() {
        let sealed = seal(b"an offer", &PEER, &SWARM).unwrap();
        assert_eq!(open(&sealed, &PEER, &[0x12; 32]), None);
        assert_eq!(open(&sealed, &[0x23; 32], &SWARM), None);
    }

    // Rows: H17
    #[test]
    fn an_altered_byte_closes_it() {
        let sealed = seal(b"an offer", &PEER, &SWARM).unwrap();
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert_eq!(open(&altered, &PEER, &SWARM), None, "byte {place}");
        }
    }

    #[test]
    fn a_length_beyond_the_item_does_not_open() {
        let mut text = vec![0xff; LENGTH_LEN + MAX_OFFER];
        let nonce = Nonce::assume_unique_for_key([1; NONCE_LEN]);
        let tag =
            key(&SWARM).unwrap().seal_in_place_separate_tag(nonce, Aad::from(&PEER), &mut text).unwrap();
        let sealed = [&[1; NONCE_LEN], text.as_slice(), tag.as_ref()].concat();
        assert_eq!(open(&sealed, &PEER, &SWARM), None);
    }

    #[test]
    fn two_seals_of_one_offer_differ() {
        assert_ne!(seal(b"an offer", &PEER, &SWARM).unwrap(), seal(b"an offer", &PEER, &SWARM).unwrap());
    }

    proptest! {
        #[test]
        fn garbage_does_not_open(garbage in proptest::collection::vec(any::<u8>(), 0..1100)) {
            prop_assert_eq!(open(&garbage, &PEER, &SWARM), None);
        }
    }
}
