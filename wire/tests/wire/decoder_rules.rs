//! Each rule of the control stream, by a bad input that breaks only it.

use bytes::Bytes;
use minimodel_wire::{BitfieldError, CloseCode, DecodeError, Decoder, Frame, FrameKind, limits};

use crate::samples;

/// Head and body of a frame of any type, also of types that must not be sent.
pub(crate) fn raw(number: u16, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("a short body");
    [&len.to_le_bytes()[..], &number.to_le_bytes(), body].concat()
}

fn head(number: u16, len: u32) -> Vec<u8> {
    [&len.to_le_bytes()[..], &number.to_le_bytes()].concat()
}

/// The only frame in these bytes, for an artifact of ten chunks.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Frame>, DecodeError> {
    let mut decoder = Decoder::new(Some(10));
    decoder.push(bytes);
    decoder.next()
}

pub(crate) fn refused(bytes: &[u8], error: DecodeError, code: CloseCode) {
    assert_eq!(decode(bytes), Err(error));
    assert_eq!(error.close_code(), code);
}

/// The bytes of a frame with one byte of its body changed.
fn changed(frame: &Frame, offset_in_body: usize, value: u8) -> Vec<u8> {
    let mut bytes = frame.encode();
    bytes[limits::FRAME_HEAD_LEN + offset_in_body] = value;
    bytes
}

fn bitfield(count: u32, kind: u8, bits: &[u8]) -> Vec<u8> {
    raw(0x0003, &[&count.to_le_bytes()[..], &[kind], bits].concat())
}

// Rows: A1
#[test]
fn stream_that_ends_inside_a_head_is_truncated() {
    let mut decoder = Decoder::new(None);
    decoder.push(&[4, 0, 0]);
    assert_eq!(decoder.next(), Ok(None));
    let error = DecodeError::TruncatedHead { got: 3, need: 6 };
    assert_eq!(decoder.finish(), Err(error));
    assert_eq!(error.close_code(), CloseCode::Malformed);
    assert_eq!(error.to_string(), "frame truncated: head, got 3 of 6 bytes");
}

// Rows: F1
#[test]
fn taken_frames_are_freed_when_the_next_bytes_come() {
    let (whole, mut decoder) = (Frame::DontHave { index: 7 }.encode(), Decoder::new(None));
    for _ in 0..3 {
        decoder.push(&whole);
        decoder.push(&whole[..8]);
        assert_eq!(decoder.buffered_len(), whole.len() + 8);
        assert_eq!(decoder.next(), Ok(Some(Frame::DontHave { index: 7 })));
        assert_eq!(decoder.buffered_len(), 8);
        decoder.push(&whole[8..]);
        assert_eq!(decoder.next(), Ok(Some(Frame::DontHave { index: 7 })));
        assert_eq!((decoder.next(), decoder.buffered_len()), (Ok(None), 0));
    }
    assert_eq!(decoder.finish(), Ok(()));
}

// Rows: A1
#[test]
fn stream_that_ends_inside_a_body_is_truncated() {
    let whole = Frame::DontHave { index: 7 }.encode();
    for got in (0..4).rev() {
        let mut decoder = Decoder::new(None);
        decoder.push(&whole[..limits::FRAME_HEAD_LEN + got]);
        assert_eq!(decoder.next(), Ok(None));
        let error = DecodeError::Truncated { kind: FrameKind::DontHave, got, need: 4 };
        assert_eq!(decoder.finish(), Err(error));
    }
    let error = DecodeError::Truncated { kind: FrameKind::DontHave, got: 1, need: 4 };
    assert_eq!(error.close_code(), CloseCode::Malformed);
    assert_eq!(error.to_string(), "frame truncated: DontHave, got 1 of 4 bytes");
}

// Rows: A2
#[test]
fn length_above_the_cap_is_refused_from_the_head_alone() {
    let caps = [
        (0x0001, 1_024),
        (0x0002, 1_024),
        (0x0003, 7),
        (0x0004, 1_032),
        (0x0005, 4),
        (0x0006, 0),
        (0x0007, 0),
        (0x0008, 0),
        (0x0009, 0),
        (0x000a, 8_328),
        (0x000b, 4),
        (0x8000, 4_096),
        (0xbfff, 4_096),
    ];
    for (number, cap) in caps {
        let kind = FrameKind::from_number(number).expect("a known type");
        for len in [cap + 1, u32::MAX] {
            let error = DecodeError::FrameTooLarge { kind, len, cap };
            refused(&head(number, len), error, CloseCode::FrameTooLarge);
        }
        assert!(decode(&head(number, cap)).is_ok(), "{kind} at its cap");
    }
}

// Rows: A2
#[test]
fn no_byte_after_a_refused_head_is_kept() {
    let mut decoder = Decoder::new(None);
    decoder.push(&Frame::Choke.encode());
    decoder.push(&head(0x0001, u32::MAX));
    decoder.push(&[0; 10_000]);
    assert_eq!(decoder.buffered_len(), limits::FRAME_HEAD_LEN);
    assert_eq!(decoder.next(), Ok(Some(Frame::Choke)));
    assert_eq!(decoder.buffered_len(), 0);
    assert!(matches!(decoder.next(), Err(DecodeError::FrameTooLarge { .. })));
}

// Rows: A2
#[test]
fn bitfield_cap_is_two_mebibytes_while_chunk_count_is_unknown() {
    let mut decoder = Decoder::new(None);
    decoder.push(&head(0x0003, (2 << 20) + 6));
    let (kind, len, cap) = (FrameKind::Bitfield, (2 << 20) + 6, (2 << 20) + 5);
    assert_eq!(decoder.next(), Err(DecodeError::FrameTooLarge { kind, len, cap }));
}

// Rows: A3
#[test]
fn unknown_types_are_refused() {
    for number in [0x0000, 0x0010, 0x7fff, 0xc000, 0xffff] {
        refused(&head(number, 0), DecodeError::UnknownFrame { number }, CloseCode::UnknownFrame);
    }
    assert_eq!(DecodeError::UnknownFrame { number: 16 }.to_string(), "unknown frame 0x0010");
}

// Rows: A3
#[test]
fn ignorable_types_are_skipped_with_their_body() {
    let mut decoder = Decoder::new(None);
    decoder.push(&raw(0x8000, &[1; 4_096]));
    decoder.push(&raw(0xbfff, &[]));
    decoder.push(&Frame::Choke.encode());
    assert_eq!(decoder.next(), Ok(Some(Frame::Ignored { kind: 0x8000 })));
    assert_eq!(decoder.next(), Ok(Some(Frame::Ignored { kind: 0xbfff })));
    assert_eq!(decoder.next(), Ok(Some(Frame::Choke)));
}

// Rows: A4
#[test]
fn hello_of_another_version_is_named_whatever_follows() {
    for theirs in [0, 2, u16::MAX] {
        let error = DecodeError::UnsupportedVersion { theirs, ours: 1 };
        for number in [0x0001, 0x0002] {
            let body = [&theirs.to_le_bytes()[..], &[0xff; 1_000]].concat();
            refused(&raw(number, &body), error, CloseCode::UnsupportedVersion);
        }
    }
    let error = DecodeError::UnsupportedVersion { theirs: 2, ours: 1 };
    assert_eq!(error.to_string(), "peer speaks version 2, we speak 1");
}

// Rows: A6
#[test]
fn trailing_bytes_are_refused_with_their_offset() {
    let have = Frame::Have { indexes: vec![1] };
    let hello = Frame::Hello(samples::hello());
    let manifest_only = Frame::ManifestOnly(samples::manifest_only());
    let peers = Frame::Peers { offers: vec![Bytes::from_static(b"x")] };
    for frame in [have, hello, manifest_only, peers] {
        let kind = frame.kind();
        let mut body = frame.encode().split_off(limits::FRAME_HEAD_LEN);
        let offset = body.len();
        body.extend([0, 0]);
        let error = DecodeError::TrailingBytes { kind, offset, extra: 2 };
        refused(&raw(kind.number(), &body), error, CloseCode::Malformed);
    }
    let error = DecodeError::TrailingBytes { kind: FrameKind::Bitfield, offset: 5, extra: 1 };
    refused(&bitfield(10, 1, &[0]), error, CloseCode::Malformed);
    refused(&bitfield(10, 0, &[0]), error, CloseCode::Malformed);
}

// Rows: A1
#[test]
fn body_that_ends_before_its_fields_is_refused_with_the_offset() {
    for (name, frame) in samples::frames() {
        let kind = frame.kind();
        if matches!(frame, Frame::Bitfield(_)) || frame == (Frame::Ignored { kind: 0x8001 }) {
            continue;
        }
        let body = frame.encode().split_off(limits::FRAME_HEAD_LEN);
        for len in 0..body.len() {
            let mut decoder = Decoder::new(None);
            decoder.push(&raw(kind.number(), &body[..len]));
            let Err(DecodeError::ShortBody { kind: named, offset, len: shown }) = decoder.next() else {
                panic!("{name} cut to {len} bytes was not refused as short");
            };
            assert_eq!((named, shown), (kind, len));
            assert!(offset <= len);
        }
    }
    let error = DecodeError::ShortBody { kind: FrameKind::DontHave, offset: 0, len: 3 };
    refused(&raw(0x0005, &[0; 3]), error, CloseCode::Malformed);
}

#[test]
fn consent_with_an_unknown_bit_is_refused() {
    let offset = 2 + 4 * 32 + 4 + 4;
    for bits in [8, 0x80, 0xff] {
        let bytes = changed(&Frame::Hello(samples::hello()), offset, bits);
        refused(&bytes, DecodeError::UnknownConsent { bits }, CloseCode::Malformed);
    }
}

#[test]
fn software_of_64_bytes_is_taken_and_of_65_refused() {
    for (len, taken) in [(0_usize, true), (64, true), (65, false)] {
        let mut hello = samples::manifest_only();
        hello.software = "x".repeat(len);
        let bytes = Frame::ManifestOnly(hello.clone()).encode();
        if taken {
            assert_eq!(decode(&bytes), Ok(Some(Frame::ManifestOnly(hello))));
        } else {
            refused(&bytes, DecodeError::SoftwareTooLong { len: len as u64 }, CloseCode::Malformed);
        }
    }
}

// Rows: A2
#[test]
fn software_length_of_64_bits_allocates_nothing() {
    let mut bytes = Frame::ManifestOnly(samples::manifest_only()).encode();
    bytes[limits::FRAME_HEAD_LEN + 34..][..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(&bytes, DecodeError::SoftwareTooLong { len: u64::MAX }, CloseCode::Malformed);
}

#[test]
fn software_that_is_not_printable_ascii_is_refused() {
    for byte in [0x00, b'\n', 0x1b, 0x1f, 0x7f, 0x80, 0xff] {
        let bytes = changed(&Frame::Hello(samples::hello()), 2 + 4 * 32 + 4 + 4 + 1 + 8 + 3, byte);
        refused(&bytes, DecodeError::SoftwareNotPrintable { offset: 3 }, CloseCode::Malformed);
    }
}

// Rows: B7
#[test]
fn bitfield_for_another_chunk_count_is_refused() {
    for count in [0, 9, 11, u32::MAX] {
        let error = DecodeError::BitfieldCount { count, expected: 10 };
        refused(&bitfield(count, 1, &[]), error, CloseCode::ProtocolViolation);
    }
}

// Rows: B7
#[test]
fn bitfield_count_out_of_bounds_is_refused_without_chunk_count() {
    let cases = [
        (0, DecodeError::BitfieldOfNothing),
        (limits::MAX_CHUNK_COUNT + 1, DecodeError::BitfieldTooMany { count: limits::MAX_CHUNK_COUNT + 1 }),
        (u32::MAX, DecodeError::BitfieldTooMany { count: u32::MAX }),
    ];
    for (count, error) in cases {
        let mut decoder = Decoder::new(None);
        decoder.push(&bitfield(count, 1, &[]));
        assert_eq!(decoder.next(), Err(error));
        assert_eq!(error.close_code(), CloseCode::Malformed);
    }
    let mut most = Decoder::new(None);
    most.push(&bitfield(limits::MAX_CHUNK_COUNT, 1, &[]));
    assert!(matches!(most.next(), Ok(Some(Frame::Bitfield(_)))));
    assert_eq!(limits::MAX_BITFIELD_LEN, FrameKind::Bitfield.cap(None));
}

#[test]
fn bitfield_of_an_unknown_kind_is_refused() {
    for kind in [3, 255] {
        refused(&bitfield(10, kind, &[]), DecodeError::BitfieldKind { kind }, CloseCode::Malformed);
    }
}

// Rows: A6
#[test]
fn bits_that_have_a_shorter_form_are_refused() {
    let none = DecodeError::BitfieldNotShortest { count: 10, ones: 0 };
    refused(&bitfield(10, 2, &[0, 0]), none, CloseCode::Malformed);
    let all = DecodeError::BitfieldNotShortest { count: 10, ones: 10 };
    refused(&bitfield(10, 2, &[0xff, 0xc0]), all, CloseCode::Malformed);
}

// Rows: B7
#[test]
fn bits_of_a_wrong_length_are_refused() {
    let error = DecodeError::BitfieldBits(BitfieldError::Length { count: 10, got: 1, need: 2 });
    refused(&bitfield(10, 2, &[0x80]), error, CloseCode::Malformed);
}

// Rows: B7
#[test]
fn bits_with_spare_bits_are_refused() {
    let error = DecodeError::BitfieldBits(BitfieldError::SpareBits { count: 10, last: 0x20 });
    refused(&bitfield(10, 2, &[0x80, 0x20]), error, CloseCode::Malformed);
}

// Rows: B8
#[test]
fn have_of_256_indexes_is_taken_and_of_257_refused() {
    let most = Frame::Have { indexes: vec![9; 256] };
    assert_eq!(decode(&most.encode()), Ok(Some(most)));
    // The count is checked before the indexes: a whole frame of 257 would be above the cap by its length alone.
    let mut bytes = raw(0x0004, &[0; 1_032]);
    bytes[6..14].copy_from_slice(&257_u64.to_le_bytes());
    refused(&bytes, DecodeError::HaveTooMany { len: 257 }, CloseCode::Malformed);
    bytes[6..14].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(&bytes, DecodeError::HaveTooMany { len: u64::MAX }, CloseCode::Malformed);
}

// Rows: B8
#[test]
fn have_without_an_index_is_refused() {
    refused(&Frame::Have { indexes: vec![] }.encode(), DecodeError::HaveEmpty, CloseCode::Malformed);
}

// Rows: B8
#[test]
fn index_beyond_the_artifact_is_refused() {
    for index in [10, u32::MAX] {
        let error = DecodeError::IndexOutOfRange { index, count: 10 };
        refused(&Frame::DontHave { index }.encode(), error, CloseCode::ProtocolViolation);
        refused(&Frame::Have { indexes: vec![9, index] }.encode(), error, CloseCode::ProtocolViolation);
    }
    let error = DecodeError::IndexOutOfRange { index: 10, count: 10 };
    assert_eq!(error.to_string(), "range outside file: chunk 10 of 10");
}

#[test]
fn late_chunk_count_applies_to_frames_already_pushed() {
    let mut decoder = Decoder::new(None);
    decoder.push(&Frame::Hello(samples::hello()).encode());
    decoder.push(&bitfield(11, 1, &[]));
    assert_eq!(decoder.next(), Ok(Some(Frame::Hello(samples::hello()))));
    decoder.set_chunk_count(10);
    assert_eq!(decoder.next(), Err(DecodeError::BitfieldCount { count: 11, expected: 10 }));
}

#[test]
fn peers_without_an_offer_is_refused() {
    refused(&Frame::Peers { offers: vec![] }.encode(), DecodeError::PeersEmpty, CloseCode::Malformed);
}

#[test]
fn peers_of_16_offers_is_taken_and_of_17_refused() {
    let most = Frame::Peers { offers: vec![Bytes::from(vec![7; 512]); 16] };
    assert_eq!(decode(&most.encode()), Ok(Some(most)));
    let too_many = Frame::Peers { offers: vec![Bytes::new(); 17] };
    refused(&too_many.encode(), DecodeError::PeersTooMany { len: 17 }, CloseCode::Malformed);
}

#[test]
fn offer_of_513_bytes_is_refused() {
    let peers = Frame::Peers { offers: vec![Bytes::from(vec![7; 513])] };
    refused(&peers.encode(), DecodeError::OfferTooLong { len: 513 }, CloseCode::Malformed);
}

#[test]
fn bye_with_an_unknown_code_is_refused() {
    for code in [23, u32::MAX] {
        let error = DecodeError::UnknownCloseCode { code };
        refused(&raw(0x000b, &code.to_le_bytes()), error, CloseCode::Malformed);
    }
}

#[test]
fn first_error_is_returned_for_ever() {
    let mut decoder = Decoder::new(None);
    decoder.push(&raw(0x0004, &[0; 8]));
    assert_eq!(decoder.next(), Err(DecodeError::HaveEmpty));
    decoder.push(&Frame::Choke.encode());
    assert_eq!(decoder.next(), Err(DecodeError::HaveEmpty));
    assert_eq!(decoder.finish(), Err(DecodeError::HaveEmpty));
    assert_eq!(decoder.buffered_len(), 0);
}

#[test]
fn frames_before_a_fault_are_returned_first() {
    let mut decoder = Decoder::new(None);
    decoder.push(&[Frame::Unchoke.encode(), Frame::Interested.encode(), head(0x0000, 0)].concat());
    assert_eq!(decoder.next(), Ok(Some(Frame::Unchoke)));
    assert_eq!(decoder.next(), Ok(Some(Frame::Interested)));
    assert_eq!(decoder.next(), Err(DecodeError::UnknownFrame { number: 0 }));
}
