//! Peer ids and codes as text and numbers.

use ed25519_dalek::VerifyingKey;
use minimodel_wire::{CloseCode, KeyFault, PeerId, PeerIdError, ResetCode, UnknownCode};

use crate::samples::{refused_keys, text_of};

/// 32 bytes of which the first five are zero.
fn zeros() -> String {
    format!("{}7{}", "a".repeat(8), "a".repeat(43))
}

#[test]
fn peer_id_text_is_lowercase_base32() {
    let mut bytes = [0; 32];
    bytes[5] = 0xf8;
    assert_eq!(PeerId(bytes).to_string(), zeros());
    assert_eq!(PeerId([0xff; 32]).to_string(), format!("{}q", "7".repeat(51)));
    assert_eq!(PeerId(bytes).short(), "aaaaaaaa7a");
    assert_eq!(zeros().parse(), Ok(PeerId(bytes)));
}

/// H5: these keys are of small order, so that signatures under them need no secret, or are a second spelling of a key.
// Rows: H5
#[test]
fn a_peer_id_of_small_order_or_in_a_second_spelling_is_refused() {
    for (key, fault) in refused_keys() {
        assert_eq!(PeerId::from_bytes(key), Err(fault), "{key:02x?}");
        let parsed = text_of(&key).parse::<PeerId>();
        assert_eq!(parsed, Err(PeerIdError::Key(fault)), "{key:02x?}");
    }
    // The curve arithmetic confirms the list.
    let weak = refused_keys().into_iter().filter(|(_, fault)| *fault == KeyFault::SmallOrder);
    for (key, _) in weak {
        assert!(VerifyingKey::from_bytes(&key).map_or(true, |key| key.is_weak()), "{key:02x?}");
    }
}

// Rows: H5
#[test]
fn the_neighbours_of_what_is_refused_are_not() {
    for (mut key, _) in refused_keys() {
        key[16] ^= 1;
        assert_eq!(PeerId::from_bytes(key), Ok(PeerId(key)), "{key:02x?}");
    }
    // The largest canonical y but one: p - 2.
    let mut key = [0xff; 32];
    (key[0], key[31]) = (0xeb, 0x7f);
    assert_eq!(PeerId::from_bytes(key), Ok(PeerId(key)));
}

#[test]
fn peer_id_of_another_length_is_refused() {
    for len in [0, 1, 51, 53, 56] {
        assert_eq!("a".repeat(len).parse::<PeerId>(), Err(PeerIdError::Length { len }));
    }
}

#[test]
fn peer_id_with_a_character_outside_the_alphabet_is_refused() {
    for bad in ["A", "1", "8", "=", " ", "-"] {
        let text = zeros().replacen('a', bad, 1);
        assert_eq!(text.parse::<PeerId>(), Err(PeerIdError::Base32 { offset: 0 }), "{bad}");
    }
    let two_bytes = format!("ä{}", "a".repeat(50));
    assert_eq!(two_bytes.parse::<PeerId>(), Err(PeerIdError::Base32 { offset: 0 }));
}

#[test]
fn peer_id_with_spare_bits_is_refused() {
    for last in ["b", "c", "i", "7"] {
        let text = format!("{}{last}", "a".repeat(51));
        assert_eq!(text.parse::<PeerId>(), Err(PeerIdError::Base32 { offset: 51 }), "{last}");
    }
}

#[test]
fn codes_and_their_numbers_are_the_same_both_ways() {
    for (number, code) in (0_u32..).zip(CloseCode::ALL) {
        assert_eq!(u32::from(*code), number);
        assert_eq!(u64::from(*code), u64::from(number));
        assert_eq!(CloseCode::try_from(number), Ok(*code));
    }
    for (number, code) in (0_u32..).zip(ResetCode::ALL) {
        assert_eq!(u32::from(*code), number);
        assert_eq!(ResetCode::try_from(number), Ok(*code));
    }
}

#[test]
fn unknown_codes_are_named() {
    assert_eq!(CloseCode::try_from(23_u32), Err(UnknownCode(23)));
    assert_eq!(CloseCode::try_from(1_u64 << 32), Err(UnknownCode(1 << 32)));
    assert_eq!(ResetCode::try_from(8_u32), Err(UnknownCode(8)));
}
