//! The wire's decoders: frames, requests, answer heads, bitfields.

use minimodel_wire::limits::{FRAME_HEAD_LEN, MAX_BITFIELD_LEN};
use minimodel_wire::{Bitfield, ChunkHead, DecodeError, Decoder, Frame, LeavesHead, ManifestHead, Request};

/// The first byte chooses the decoder's chunk count and the size of the pieces; the rest is the stream.
///
/// # Panics
/// When pieces give another result than the whole, a decoded frame does not encode to the bytes it came from, or the
/// decoder buffers more than one frame may cost.
pub fn frame(data: &[u8]) {
    let Some((&setup, stream)) = data.split_first() else { return };
    let chunk_count = [None, Some(1), Some(20), Some(100_000)][usize::from(setup & 3)];
    let piece = 1 + usize::from(setup >> 2);
    let whole = decode(chunk_count, stream, stream.len().max(1));
    let pieces = decode(chunk_count, stream, piece);
    assert_eq!(whole, pieces, "fed {piece} bytes at a time");
    is_canonical(&whole, stream);
    others(stream);
}

/// The result of decoding a stream: frames, then how it ended.
type Decoded = (Vec<Frame>, Result<(), DecodeError>);

fn decode(chunk_count: Option<u32>, stream: &[u8], piece: usize) -> Decoded {
    let mut decoder = Decoder::new(chunk_count);
    let mut frames = Vec::new();
    for bytes in stream.chunks(piece) {
        decoder.push(bytes);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(), Err(error), "an error stays");
                    assert_eq!(decoder.finish(), Err(error));
                    assert_eq!(decoder.buffered_len(), 0, "nothing is kept after an error");
                    assert!(!error.to_string().is_empty());
                    return (frames, Err(error));
                }
            }
        }
        assert!(decoder.buffered_len() < FRAME_HEAD_LEN + MAX_BITFIELD_LEN as usize);
    }
    let end = decoder.finish();
    (frames, end)
}

/// Checks that each frame encodes to the bytes that it was decoded from; the body of an ignored frame is dropped.
fn is_canonical((frames, _): &Decoded, stream: &[u8]) {
    let mut rest = stream;
    for frame in frames {
        let (head, _) = rest.split_first_chunk::<FRAME_HEAD_LEN>().expect("a whole head");
        let body = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (taken, after) = rest.split_at(FRAME_HEAD_LEN + body);
        let encoded = frame.encode();
        match frame {
            Frame::Ignored { .. } => assert_eq!(encoded[4..], taken[4..FRAME_HEAD_LEN]),
            _ => assert_eq!(encoded, taken, "{frame:?}"),
        }
        rest = after;
    }
}

/// Checks the rest of the wire: bytes that decode as a request, head or bitfield must be the only spelling of its value.
fn others(bytes: &[u8]) {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(request.encode(), bytes);
        let _ = request.check_inside(20);
    }
    if let Ok(head) = ChunkHead::decode(bytes) {
        assert!(bytes.len() <= ChunkHead::MAX_LEN);
        assert_eq!(head.encode(), bytes);
    }
    if let Ok(head) = LeavesHead::decode(bytes) {
        assert!(bytes.len() <= LeavesHead::MAX_LEN);
        assert_eq!(head.encode(), bytes);
        if let Ok(hashes) = head.decode_hashes(bytes) {
            assert_eq!(LeavesHead::encode_hashes(&hashes), bytes);
        }
    }
    if let Ok(head) = ManifestHead::decode(bytes) {
        assert_eq!(head.encode(), bytes);
    }
    let Some((&count, bits)) = bytes.split_first() else { return };
    if let Ok(field) = Bitfield::from_bytes(count.into(), bits) {
        assert_eq!(field.to_bytes(), bits);
        assert_eq!(field.iter_ones().count(), field.ones() as usize);
        assert_eq!(field.first_one_from(0), field.iter_ones().next());
    }
}
