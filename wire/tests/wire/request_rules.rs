//! Each rule of a request stream, by a bad input that breaks only it.

use minimodel_wire::{
    ChunkHead, CloseCode, LeavesHead, ManifestHead, Request, RequestError, ResetCode, limits,
};

use crate::samples;

fn refused(bytes: &[u8], error: RequestError) {
    assert_eq!(Request::decode(bytes), Err(error));
    assert_eq!(error.reset_code(), ResetCode::Malformed);
    assert_eq!(error.close_code(), CloseCode::Malformed);
}

fn fixed(number: u32, digests: u8) -> [u8; 5] {
    let [a, b, c, d] = number.to_le_bytes();
    [a, b, c, d, digests]
}

#[test]
fn empty_request_is_refused() {
    refused(&[], RequestError::Empty);
}

#[test]
fn unknown_request_is_refused() {
    for kind in [0, 4, 255] {
        refused(&[kind], RequestError::UnknownRequest { kind });
    }
}

// Rows: A6
#[test]
fn request_of_another_length_is_refused() {
    let cases = [
        (1, "chunk request", vec![0, 3, 5], 4),
        (2, "leaves request", vec![0, 7, 9], 8),
        (3, "manifest request", vec![1], 0),
    ];
    for (kind, what, lengths, need) in cases {
        for got in lengths {
            let bytes = [vec![kind], vec![0; got]].concat();
            refused(&bytes, RequestError::Length { what, got, need });
        }
    }
}

#[test]
fn leaves_request_takes_1_to_8192_hashes() {
    for count in [0, 8_193, u32::MAX] {
        let bytes = Request::Leaves { first: 0, count }.encode();
        refused(&bytes, RequestError::LeavesCount { count });
    }
    for count in [1, 8_192] {
        let request = Request::Leaves { first: 0, count };
        assert_eq!(Request::decode(&request.encode()), Ok(request));
    }
}

#[test]
fn longest_request_has_max_len() {
    let longest = samples::requests().iter().map(|(_, request)| request.encode().len()).max();
    assert_eq!(longest, Some(Request::MAX_LEN));
}

// Rows: A7
#[test]
fn range_outside_the_file_is_refused() {
    let outside = |request: Request, first, count| {
        let error = RequestError::OutsideFile { first, count, chunk_count: 10 };
        assert_eq!(request.check_inside(10), Err(error));
        assert_eq!(error.close_code(), CloseCode::ProtocolViolation);
    };
    outside(Request::Chunk { index: 10 }, 10, 1);
    outside(Request::Chunk { index: u32::MAX }, u32::MAX, 1);
    outside(Request::Leaves { first: 9, count: 2 }, 9, 2);
    outside(Request::Leaves { first: u32::MAX, count: 8_192 }, u32::MAX, 8_192);
    let inside = [Request::Chunk { index: 9 }, Request::Leaves { first: 9, count: 1 }, Request::Manifest];
    assert!(inside.iter().all(|request| request.check_inside(10).is_ok()));
}

#[test]
fn chunk_of_an_impossible_length_is_refused() {
    for len in [0, limits::MAX_CHUNK_LEN + 1, u32::MAX] {
        assert_eq!(ChunkHead::proof_count(&fixed(len, 0)), Err(RequestError::ChunkLength { len }));
    }
    assert_eq!(ChunkHead::proof_count(&fixed(limits::MAX_CHUNK_LEN, 24)), Ok(24));
    assert_eq!(ChunkHead::proof_count(&fixed(1, 0)), Ok(0));
}

// Rows: B4
#[test]
fn proof_that_no_artifact_needs_is_refused_before_its_digests() {
    for got in [25, 255] {
        let error = RequestError::ProofTooLong { got: usize::from(got), cap: 24 };
        assert_eq!(ChunkHead::proof_count(&fixed(1, got)), Err(error));
    }
    for got in [49, 255] {
        let error = RequestError::ProofTooLong { got: usize::from(got), cap: 48 };
        assert_eq!(LeavesHead::proof_count(&fixed(1, got)), Err(error));
    }
    assert_eq!(LeavesHead::proof_count(&fixed(8_192, 48)), Ok(48));
}

#[test]
fn head_of_another_length_than_announced_is_refused() {
    let head = samples::chunk_head().encode();
    let longer = [&head[..], &[0]].concat();
    let error = |got, need| Err(RequestError::Length { what: "chunk head", got, need });
    assert_eq!(ChunkHead::decode(&head[..4]), error(4, 5));
    assert_eq!(ChunkHead::decode(&head[..5]), error(0, 64));
    assert_eq!(ChunkHead::decode(&longer), error(65, 64));
    let head = samples::leaves_head().encode();
    let error = |got, need| Err(RequestError::Length { what: "leaves head", got, need });
    assert_eq!(LeavesHead::decode(&head[..0]), error(0, 5));
    assert_eq!(LeavesHead::decode(&head[..36]), error(31, 32));
}

#[test]
fn leaves_answer_of_no_or_too_many_hashes_is_refused() {
    for count in [0, 8_193] {
        assert_eq!(LeavesHead::proof_count(&fixed(count, 0)), Err(RequestError::LeavesCount { count }));
    }
}

#[test]
fn leaf_hashes_of_another_length_than_announced_are_refused() {
    let head = samples::leaves_head();
    let hashes = [[1; 32], [2; 32], [3; 32]];
    let bytes = LeavesHead::encode_hashes(&hashes);
    assert_eq!(bytes.len(), head.hashes_len());
    assert_eq!(head.decode_hashes(&bytes), Ok(hashes.to_vec()));
    for got in [0, 64, 95] {
        let error = RequestError::Length { what: "leaf hashes", got, need: 96 };
        assert_eq!(head.decode_hashes(&bytes[..got]), Err(error));
    }
}

#[test]
fn manifest_of_an_impossible_length_is_refused() {
    for len in [0, limits::MAX_MANIFEST_LEN + 1, u32::MAX] {
        assert_eq!(ManifestHead::decode(&len.to_le_bytes()), Err(RequestError::ManifestLength { len }));
    }
    let error = RequestError::Length { what: "manifest head", got: 3, need: 4 };
    assert_eq!(ManifestHead::decode(&[1, 0, 0]), Err(error));
}

#[test]
fn longest_heads_have_max_len() {
    let proof = vec![[0; 32]; 24];
    assert_eq!(ChunkHead { len: 1, proof }.encode().len(), ChunkHead::MAX_LEN);
    let proof = vec![[0; 32]; 48];
    assert_eq!(LeavesHead { count: 1, proof }.encode().len(), LeavesHead::MAX_LEN);
}
