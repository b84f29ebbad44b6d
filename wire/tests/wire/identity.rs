//! Peer ids and codes as text and numbers.

use minimodel_wire::{CloseCode, PeerId, PeerIdError, ResetCode, UnknownCode};

/// 32 zero bytes: 52 times `a`.
fn zeros() -> String {
    "a".repeat(52)
}

#[test]
fn peer_id_text_is_lowercase_base32() {
    assert_eq!(PeerId([0; 32]).to_string(), zeros());
    assert_eq!(PeerId([0xff; 32]).to_string(), format!("{}q", "7".repeat(51)));
    assert_eq!(PeerId([0; 32]).short(), "aaaaaaaaaa");
    assert_eq!(zeros().parse(), Ok(PeerId([0; 32])));
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
