//! Properties that hold for all values and for all bytes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use minimodel_wire::{
    Bitfield, ChunkHead, CloseCode, Consent, DecodeError, Decoder, Frame, Hello, LeavesHead, ManifestHead,
    ManifestOnly, Meeting, Nat, NoMeeting, Offer, PeerId, Request, SignedOffer, WireAddress, limits,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn hello() -> impl Strategy<Value = Hello> {
    (any::<[[u8; 32]; 4]>(), any::<(u32, u32)>(), 0_u8..8, "[ -~]{0,64}").prop_map(
        |(ids, layout, consent, software)| {
            let [swarm_id, artifact_sha256, license_sha256, evidence_sha256] = ids;
            Hello {
                version: 1,
                swarm_id,
                artifact_sha256,
                license_sha256,
                evidence_sha256,
                chunk_size: layout.0,
                chunk_count: layout.1,
                consent: Consent::from_bits(consent).expect("three bits"),
                software,
            }
        },
    )
}

fn bitfield() -> impl Strategy<Value = Bitfield> {
    (1_u32..500, vec(any::<u32>(), 0..40)).prop_map(|(count, indexes)| {
        let mut bits = Bitfield::new(count);
        for index in indexes {
            bits.set(index % count);
        }
        bits
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let manifest_only = (any::<[u8; 32]>(), "[ -~]{0,64}");
    let offer = vec(any::<u8>(), 0..=limits::MAX_OFFER_LEN).prop_map(Bytes::from);
    prop_oneof![
        hello().prop_map(Frame::Hello),
        manifest_only.prop_map(|(swarm_id, software)| {
            Frame::ManifestOnly(ManifestOnly { version: 1, swarm_id, software })
        }),
        bitfield().prop_map(Frame::Bitfield),
        (1_u32..500).prop_map(|count| Frame::Bitfield(Bitfield::full(count))),
        vec(any::<u32>(), 1..=256).prop_map(|indexes| Frame::Have { indexes }),
        any::<u32>().prop_map(|index| Frame::DontHave { index }),
        Just(Frame::Choke),
        Just(Frame::Unchoke),
        Just(Frame::Interested),
        Just(Frame::NotInterested),
        vec(offer, 1..=16).prop_map(|offers| Frame::Peers { offers }),
        proptest::sample::select(CloseCode::ALL).prop_map(|code| Frame::Bye { code }),
        (seen(), proptest::sample::select(&NATS[..]))
            .prop_map(|(address, nat)| Frame::Observed { address, nat }),
        any::<[u8; 32]>().prop_map(|peer| Frame::Introduce { peer: PeerId(peer) }),
        (
            any::<[u8; 32]>(),
            any::<bool>(),
            0..=limits::MAX_MEET_DELAY,
            seen(),
            (any::<u16>(), proptest::sample::select(&NATS[..]))
        )
            .prop_map(|(peer, answers, delay, address, (offered_port, nat))| {
                Frame::Meet(Meeting { peer: PeerId(peer), address, offered_port, answers, delay, nat })
            }),
        (any::<[u8; 32]>(), proptest::sample::select(&REASONS[..]))
            .prop_map(|(peer, reason)| Frame::NoMeet { peer: PeerId(peer), reason }),
        limits::IGNORABLE_KINDS.prop_map(|kind| Frame::Ignored { kind }),
    ]
}

const NATS: [Nat; 4] = [Nat::Unknown, Nat::None, Nat::Same, Nat::Varies];

const REASONS: [NoMeeting; 3] = [NoMeeting::NotConnected, NoMeeting::Limit, NoMeeting::NoAddress];

/// Any address from which packets can come.
fn seen() -> impl Strategy<Value = WireAddress> {
    any::<(std::net::IpAddr, u16)>()
        .prop_filter_map("an address that can be seen", |address| WireAddress::seen(address.into()))
}

/// Bytes that look like frames: a plausible type and length, then anything.
fn frame_like() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![vec(any::<u8>(), 0..300), vec(0_u8..4, 0..40)];
    vec((0_u16..17, body), 1..4).prop_map(|frames| {
        let raw = |(number, body): (u16, Vec<u8>)| {
            let len = u32::try_from(body.len()).expect("short");
            [&len.to_le_bytes()[..], &number.to_le_bytes(), &body].concat()
        };
        frames.into_iter().flat_map(raw).collect()
    })
}

/// A good frame with one byte changed.
fn damaged_frame() -> impl Strategy<Value = Vec<u8>> {
    (frame(), any::<proptest::sample::Index>(), any::<u8>()).prop_map(|(frame, at, value)| {
        let mut bytes = frame.encode();
        let at = at.index(bytes.len());
        bytes[at] = value;
        bytes
    })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..200), frame_like(), damaged_frame()]
}

/// Decodes bytes that arrive in pieces of this size: all frames, and how the stream ended.
fn decode_all(bytes: &[u8], piece: usize) -> (Vec<Frame>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(None);
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(fault) => return (frames, Err(fault)),
            }
        }
    }
    (frames, decoder.finish())
}

fn addresses() -> impl Strategy<Value = Vec<SocketAddr>> {
    let v4 = (1_u8..=223, any::<[u8; 3]>(), 1_u16..)
        .prop_map(|(a, [b, c, d], port)| SocketAddr::from((Ipv4Addr::new(a, b, c, d), port)));
    let v6 = (any::<[u16; 7]>(), 1_u16..).prop_map(|([b, c, d, e, f, g, h], port)| {
        SocketAddr::from((Ipv6Addr::new(0x2001, b, c, d, e, f, g, h), port))
    });
    proptest::collection::btree_set(prop_oneof![v4, v6], 1..=8).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    // Rows: A6
    #[test]
    fn frames_survive_the_round_trip(frames in vec(frame(), 1..5)) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        prop_assert_eq!(decode_all(&bytes, bytes.len()), (frames, Ok(())));
    }

    #[test]
    fn no_frame_is_longer_than_the_cap_of_its_kind(frame in frame()) {
        let body_len = frame.encode().len() - limits::FRAME_HEAD_LEN;
        prop_assert!(body_len <= frame.kind().cap(None) as usize);
    }

    // Rows: A6
    #[test]
    fn bytes_that_decode_are_the_only_spelling(bytes in any_bytes()) {
        let (frames, end) = decode_all(&bytes, bytes.len().max(1));
        if end.is_ok() && !frames.iter().any(|frame| matches!(frame, Frame::Ignored { .. })) {
            let again: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn pieces_of_any_size_decode_alike(bytes in any_bytes(), piece in 1_usize..40) {
        let at_once = decode_all(&bytes, bytes.len().max(1));
        prop_assert_eq!(&decode_all(&bytes, 1), &at_once);
        prop_assert_eq!(&decode_all(&bytes, piece), &at_once);
    }

    // Rows: A6
    #[test]
    fn requests_and_heads_have_one_spelling(bytes in vec(prop_oneof![0_u8..5, any::<u8>()], 0..140)) {
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(), &bytes[..]);
        }
        if let Ok(head) = ChunkHead::decode(&bytes) {
            prop_assert_eq!(head.encode(), &bytes[..]);
        }
        if let Ok(head) = LeavesHead::decode(&bytes) {
            prop_assert_eq!(head.encode(), &bytes[..]);
        }
        if let Ok(head) = ManifestHead::decode(&bytes) {
            prop_assert_eq!(head.encode(), &bytes[..]);
        }
    }

    // Rows: A6
    #[test]
    fn requests_survive_the_round_trip(first in any::<u32>(), count in 1..=limits::MAX_LEAVES) {
        for request in [Request::Chunk { index: first }, Request::Leaves { first, count }, Request::Manifest] {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }

    // Rows: A6
    #[test]
    fn heads_survive_the_round_trip(
        len in 1..=limits::MAX_CHUNK_LEN, count in 1..=limits::MAX_LEAVES, proof in vec(any::<[u8; 32]>(), 0..=24),
    ) {
        let head = ChunkHead { len, proof: proof.clone() };
        prop_assert_eq!(ChunkHead::decode(&head.encode()), Ok(head));
        let head = LeavesHead { count, proof: [proof.clone(), proof].concat() };
        prop_assert_eq!(LeavesHead::decode(&head.encode()), Ok(head));
    }

    #[test]
    fn peer_ids_survive_the_round_trip(bytes in any::<[u8; 32]>()) {
        let peer = PeerId(bytes);
        prop_assert_eq!(peer.to_string().parse(), Ok(peer));
        prop_assert!(peer.to_string().starts_with(&peer.short()));
    }

    #[test]
    fn peer_id_texts_have_one_spelling(text in "[a-z2-7]{52}") {
        if let Ok(peer) = text.parse::<PeerId>() {
            prop_assert_eq!(peer.to_string(), text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn offers_survive_the_round_trip(
        seed in any::<[u8; 32]>(), swarm_id in any::<[u8; 32]>(), addresses in addresses(), expires_unix in any::<u64>(),
    ) {
        let key = SigningKey::from_bytes(&seed);
        let peer = PeerId(key.verifying_key().to_bytes());
        let signed = SignedOffer::sign(Offer { peer, swarm_id, addresses, expires_unix }, &key);
        let signed = signed.expect("every address can be dialled");
        prop_assert!(signed.to_bytes().len() <= limits::MAX_OFFER_LEN);
        prop_assert!(signed.to_string().len() <= limits::MAX_OFFER_TEXT_LEN);
        prop_assert_eq!(SignedOffer::from_bytes(&signed.to_bytes()), Ok(signed.clone()));
        prop_assert_eq!(signed.to_string().parse(), Ok(signed));
    }

    // Rows: C4
    #[test]
    fn any_bytes_are_no_offer(bytes in vec(prop_oneof![0_u8..8, any::<u8>()], 0..400)) {
        prop_assert!(SignedOffer::from_bytes(&bytes).is_err());
        let text = format!("mm1{}", String::from_utf8_lossy(&bytes));
        prop_assert!(text.parse::<SignedOffer>().is_err());
    }
}
