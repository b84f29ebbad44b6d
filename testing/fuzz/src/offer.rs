//! Offers: as bytes, as text, made of any parts, and changed after they were signed.

use std::net::{IpAddr, SocketAddr};

use minimodel_wire::limits::{MAX_OFFER_LEN, MAX_OFFER_TEXT_LEN};
use minimodel_wire::{Offer, OfferError, PeerId, SignedOffer, UncheckedOffer};

use crate::samples;
use crate::source::Source;

/// The first byte chooses: bytes of an offer, its text, an offer made of the rest, or a signed one that is changed.
///
/// # Panics
/// When an offer has a second spelling, a signed offer is not read back, or a changed one is accepted.
pub fn offer(data: &[u8]) {
    let mut source = Source::new(data);
    match source.byte() % 4 {
        0 => from_bytes(source.rest()),
        1 => from_text(source.rest()),
        2 => made(&mut source),
        _ => changed(&mut source),
    }
}

fn from_bytes(bytes: &[u8]) {
    let read = UncheckedOffer::read(bytes.to_vec().into());
    match SignedOffer::from_bytes(bytes) {
        Ok(offer) => {
            assert_eq!(offer.to_bytes(), bytes, "one spelling");
            assert_eq!(offer.offer().check(), Ok(()));
            assert_eq!(read.as_ref().map(UncheckedOffer::claim), Ok(offer.offer()));
            assert_eq!(PeerId::from_bytes(offer.offer().peer.0), Ok(offer.offer().peer));
            assert_eq!(offer.to_string().parse(), Ok(offer));
        }
        Err(error) => {
            assert!(error.to_string().len() < 1_000);
            // An offer that can be read fails only by its signature or key.
            let is_of_signature = matches!(error, OfferError::Signature { .. } | OfferError::Key { .. });
            assert_eq!(read.is_ok(), is_of_signature, "{error}");
        }
    }
}

fn from_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(offer) = text.parse::<SignedOffer>() {
        assert!(text.len() <= MAX_OFFER_TEXT_LEN);
        assert_eq!(offer.to_string(), text, "one spelling");
    }
}

fn made(source: &mut Source<'_>) {
    let key = samples::key(source.byte() % 8);
    let peer = samples::id(source.byte() % 8);
    let expires_unix = source.u64();
    let now_unix = source.u64();
    let addresses = (0..source.below(10)).map(|_| address(source)).collect();
    let offer = Offer { peer, swarm_id: source.array(), addresses, expires_unix };
    let is_sound = offer.check().is_ok() && peer.0 == key.verifying_key().to_bytes();
    let signed = SignedOffer::sign(offer.clone(), key);
    assert_eq!(signed.is_ok(), is_sound, "{signed:?}");
    let Ok(signed) = signed else { return };
    let bytes = signed.to_bytes();
    assert!(bytes.len() <= MAX_OFFER_LEN && signed.to_string().len() <= MAX_OFFER_TEXT_LEN);
    assert_eq!(SignedOffer::from_bytes(&bytes).as_ref(), Ok(&signed));
    assert_eq!(signed.offer(), &offer);
    let is_late = now_unix > expires_unix.saturating_add(300);
    let is_far = expires_unix > now_unix.saturating_add(30 * 86_400 + 300);
    assert_eq!(signed.check_fresh(now_unix).is_err(), is_late || is_far);
}

fn address(source: &mut Source<'_>) -> SocketAddr {
    let ip = if source.byte().is_multiple_of(2) {
        IpAddr::from(source.array::<4>())
    } else {
        IpAddr::from(source.array::<16>())
    };
    SocketAddr::new(ip, source.u16())
}

/// A signed offer, cut and with bytes replaced: only the unchanged offer is accepted.
fn changed(source: &mut Source<'_>) {
    let signed = samples::offers();
    let honest = signed[source.below(signed.len())].to_bytes();
    let mut bytes = honest.clone();
    bytes.truncate(honest.len() - source.below(8));
    while !source.is_empty() {
        let (place, mask) = (usize::from(source.u16()), source.byte());
        let place = place % (bytes.len() + 4);
        match bytes.get_mut(place) {
            Some(byte) => *byte ^= mask,
            None => bytes.push(mask),
        }
    }
    let believed = SignedOffer::from_bytes(&bytes).is_ok();
    assert_eq!(believed, bytes == honest, "an offer that its peer did not sign");
}
