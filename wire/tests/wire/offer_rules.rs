//! Each rule of an offer, by a bad input that breaks only it.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use minimodel_wire::{AddressFault, Offer, OfferError, PeerId, SignedOffer, UncheckedOffer};

use crate::samples::{address, key, offer, refused_keys, signed_offer};

const COUNT_AT: usize = 1 + 32 + 32 + 8;
const FIRST_ADDRESS_AT: usize = COUNT_AT + 1;
const SIGNATURE_LEN: usize = 64;

/// Changes the signed part and signs it again, so that only the change can be at fault.
fn resigned(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = signed_offer().to_bytes();
    bytes.truncate(bytes.len() - SIGNATURE_LEN);
    change(&mut bytes);
    let signature = key().sign(&[b"minimodel offer v1\0", &bytes[..]].concat());
    [bytes, signature.to_bytes().to_vec()].concat()
}

fn with_addresses(texts: &[&str]) -> Offer {
    Offer { addresses: texts.iter().map(|text| address(text)).collect(), ..offer() }
}

// Rows: C4
#[test]
fn each_flipped_bit_is_refused() {
    let golden = signed_offer().to_bytes();
    for bit in 0..golden.len() * 8 {
        let mut bytes = golden.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(SignedOffer::from_bytes(&bytes).is_err(), "bit {bit}");
    }
}

// Rows: C4
#[test]
fn each_truncation_is_refused_with_its_offset() {
    let golden = signed_offer().to_bytes();
    for len in 0..golden.len() {
        let Err(OfferError::Truncated { offset }) = SignedOffer::from_bytes(&golden[..len]) else {
            panic!("{len} bytes were not refused as truncated");
        };
        assert!(offset <= len);
    }
}

// Rows: C4
#[test]
fn offer_mixed_from_two_is_refused() {
    let other = Offer { swarm_id: [0x99; 32], ..offer() };
    let other = SignedOffer::sign(other, &key()).expect("a good offer").to_bytes();
    let ours = signed_offer().to_bytes();
    let split = ours.len() - SIGNATURE_LEN;
    let mixed = [&ours[..split], &other[split..]].concat();
    assert_eq!(SignedOffer::from_bytes(&mixed), Err(OfferError::Signature { peer: offer().peer }));
}

// Rows: C4
#[test]
fn signature_without_the_domain_is_refused() {
    let mut bytes = signed_offer().to_bytes();
    bytes.truncate(bytes.len() - SIGNATURE_LEN);
    let signature = key().sign(&bytes);
    bytes.extend(signature.to_bytes());
    assert_eq!(SignedOffer::from_bytes(&bytes), Err(OfferError::Signature { peer: offer().peer }));
}

// Rows: C4
#[test]
fn signature_of_another_key_is_refused() {
    let other = SigningKey::from_bytes(&[8; 32]);
    let signer = PeerId(other.verifying_key().to_bytes());
    let error = OfferError::OtherSigner { peer: offer().peer, signer };
    assert_eq!(SignedOffer::sign(offer(), &other), Err(error));
    let renamed = resigned(|body| body[1..33].copy_from_slice(&signer.0));
    assert_eq!(SignedOffer::from_bytes(&renamed), Err(OfferError::Signature { peer: signer }));
}

/// With the neutral element as key this signature verifies for every message, unless verification is strict. Every refused
/// key is rejected before its signature is checked.
// Rows: H5, C4
#[test]
fn offer_of_a_small_order_or_noncanonical_key_is_refused() {
    for (key, fault) in refused_keys() {
        let mut bytes = resigned(|body| body[1..33].copy_from_slice(&key));
        let split = bytes.len() - SIGNATURE_LEN;
        bytes[split..].fill(0);
        bytes[split] = 1;
        let error = OfferError::RefusedKey { peer: PeerId(key), fault };
        assert_eq!(UncheckedOffer::read(bytes.clone().into()).unwrap_err(), error);
        assert_eq!(SignedOffer::from_bytes(&bytes).unwrap_err(), error);
    }
}

#[test]
fn peer_id_that_is_no_key_is_refused() {
    let no_key = (0..=255)
        .map(|byte| PeerId([byte; 32]))
        .find(|peer| VerifyingKey::from_bytes(&peer.0).is_err())
        .expect("about half of all values are no point of the curve");
    let bytes = resigned(|body| body[1..33].copy_from_slice(&no_key.0));
    assert_eq!(SignedOffer::from_bytes(&bytes), Err(OfferError::Key { peer: no_key }));
}

// Rows: A6, C4
#[test]
fn trailing_bytes_are_refused() {
    let bytes = [signed_offer().to_bytes(), vec![0; 3]].concat();
    assert_eq!(SignedOffer::from_bytes(&bytes), Err(OfferError::TrailingBytes { extra: 3 }));
}

#[test]
fn offer_above_512_bytes_is_refused() {
    assert_eq!(SignedOffer::from_bytes(&[1; 513]), Err(OfferError::TooLong { len: 513 }));
    assert!(!matches!(SignedOffer::from_bytes(&[1; 512]), Err(OfferError::TooLong { .. })));
}

#[test]
fn offer_bytes_equal_their_copy_and_debug_output_shows_the_peer() {
    let signed = signed_offer();
    assert_eq!(signed.as_bytes(), signed.to_bytes());
    let shown = format!("{signed:?}");
    assert!(shown.contains(&format!("{}", signed.offer().peer)), "{shown}");
}

#[test]
fn other_version_is_refused() {
    for version in [0, 2, 255] {
        let bytes = resigned(|body| body[0] = version);
        assert_eq!(SignedOffer::from_bytes(&bytes), Err(OfferError::Version { version }));
    }
}

#[test]
fn offer_has_1_to_8_addresses() {
    let eight: Vec<String> = (1..=8).map(|last| format!("192.0.2.{last}:47000")).collect();
    let eight: Vec<&str> = eight.iter().map(String::as_str).collect();
    assert!(SignedOffer::sign(with_addresses(&eight), &key()).is_ok());
    let nine = [&eight[..], &["192.0.2.9:47000"]].concat();
    for (addresses, count) in [(&[][..], 0), (&nine[..], 9)] {
        let error = OfferError::AddressCount { count };
        assert_eq!(SignedOffer::sign(with_addresses(addresses), &key()), Err(error.clone()));
        let bytes = resigned(|body| body[COUNT_AT] = u8::try_from(count).expect("small"));
        assert_eq!(SignedOffer::from_bytes(&bytes), Err(error));
    }
}

#[test]
fn unknown_address_family_is_refused() {
    for family in [0, 5, 255] {
        let bytes = resigned(|body| body[FIRST_ADDRESS_AT] = family);
        assert_eq!(SignedOffer::from_bytes(&bytes), Err(OfferError::AddressFamily { family }));
    }
}

#[test]
fn addresses_that_nobody_can_be_dialled_at_are_refused() {
    let cases = [
        ("192.0.2.7:0", AddressFault::NoPort),
        ("0.0.0.0:47000", AddressFault::Unspecified),
        ("[::]:47000", AddressFault::Unspecified),
        ("224.0.0.1:47000", AddressFault::Multicast),
        ("[ff02::1]:47000", AddressFault::Multicast),
        ("255.255.255.255:47000", AddressFault::Broadcast),
        ("[::ffff:192.0.2.7]:47000", AddressFault::Mapped),
        ("[fe80::1%3]:47000", AddressFault::Scoped),
    ];
    for (text, fault) in cases {
        let error = OfferError::Address { address: address(text), fault };
        assert_eq!(SignedOffer::sign(with_addresses(&[text]), &key()), Err(error), "{text}");
    }
}

#[test]
fn addresses_on_the_wire_are_checked_too() {
    let bytes = resigned(|body| body[FIRST_ADDRESS_AT + 5..][..2].fill(0));
    let error = OfferError::Address { address: address("192.0.2.7:0"), fault: AddressFault::NoPort };
    assert_eq!(SignedOffer::from_bytes(&bytes), Err(error));
}

#[test]
fn repeated_address_is_refused() {
    let twice = with_addresses(&["192.0.2.7:1", "192.0.2.7:2", "192.0.2.7:1"]);
    let error = OfferError::Address { address: address("192.0.2.7:1"), fault: AddressFault::Repeated };
    assert_eq!(SignedOffer::sign(twice, &key()), Err(error));
}

#[test]
fn loopback_and_private_addresses_are_allowed() {
    let local = with_addresses(&["127.0.0.1:1", "[::1]:1", "10.0.0.1:1", "[fd00::1]:1"]);
    assert!(SignedOffer::sign(local, &key()).is_ok());
}

// Rows: C5
#[test]
fn offer_is_fresh_until_five_minutes_after_its_expiry() {
    let offer = signed_offer();
    for now in [1_797_500_000, 1_799_999_999, 1_800_000_000, 1_800_000_300] {
        assert_eq!(offer.check_fresh(now), Ok(()));
    }
    for now_unix in [1_800_000_301, u64::MAX] {
        let error = OfferError::Expired { expires_unix: 1_800_000_000, now_unix };
        assert_eq!(offer.check_fresh(now_unix), Err(error));
    }
    let error = offer.check_fresh(1_800_000_301).expect_err("expired");
    assert_eq!(error.to_string(), "offer expired at 1800000000, clock says 1800000301");
}

// Rows: H6, C5
#[test]
fn offer_valid_for_more_than_thirty_days_is_refused() {
    let (now_unix, skew, month) = (1_800_000_000, 300, 30 * 86_400);
    let until = |expires_unix| Offer { expires_unix, ..offer() }.check_fresh(now_unix);
    assert_eq!(until(now_unix + month + skew), Ok(()));
    for expires_unix in [now_unix + month + skew + 1, 500_000_000_000, u64::MAX] {
        assert_eq!(until(expires_unix), Err(OfferError::TooLongLived { expires_unix, now_unix }));
    }
    let error = until(500_000_000_000).unwrap_err().to_string();
    assert_eq!(error, "offer claims to hold until 500000000000, clock says 1800000000; the most is 30 days");
}

// Rows: C5
#[test]
fn expiry_near_the_end_of_time_does_not_overflow() {
    let far = Offer { expires_unix: u64::MAX, ..offer() };
    assert_eq!(SignedOffer::sign(far, &key()).map(|offer| offer.check_fresh(u64::MAX)), Ok(Ok(())));
}

#[test]
fn text_without_its_prefix_is_refused() {
    for text in ["", "mm", "mm2aaaa", "MM1aaaa", " mm1aaaa"] {
        assert_eq!(text.parse::<SignedOffer>(), Err(OfferError::Prefix), "{text}");
    }
}

#[test]
fn text_above_2048_characters_is_refused() {
    let text = format!("mm1{}", "a".repeat(2_046));
    assert_eq!(text.parse::<SignedOffer>(), Err(OfferError::TextTooLong { len: 2_049 }));
    assert!(!matches!(text[..2_048].parse::<SignedOffer>(), Err(OfferError::TextTooLong { .. })));
}

#[test]
fn text_in_another_spelling_is_refused() {
    let text = signed_offer().to_string();
    let upper = format!("mm1{}", text[3..].to_uppercase());
    assert!(matches!(upper.parse::<SignedOffer>(), Err(OfferError::Base32 { .. })));
    let with_line_end = format!("{text}\n");
    assert!(matches!(with_line_end.parse::<SignedOffer>(), Err(OfferError::Base32 { .. })));
    let wrong = text.replacen("mm1", "mm11", 1);
    assert_eq!(wrong.parse::<SignedOffer>(), Err(OfferError::Base32 { offset: 3 }));
}

#[test]
fn offer_is_read_without_its_signature_which_check_verifies() {
    let bytes = signed_offer().to_bytes();
    let read = UncheckedOffer::read(bytes.clone().into()).unwrap();
    assert_eq!((read.claim(), &read.bytes()[..]), (&offer(), &bytes[..]));
    assert_eq!(read.check(), Ok(signed_offer()));
    let mut forged = bytes.clone();
    *forged.last_mut().unwrap() ^= 1;
    let read = UncheckedOffer::read(forged.into()).unwrap();
    assert_eq!(read.check(), Err(OfferError::Signature { peer: offer().peer }));
    for len in 0..bytes.len() {
        assert!(UncheckedOffer::read(bytes[..len].to_vec().into()).is_err(), "{len} bytes");
    }
}
