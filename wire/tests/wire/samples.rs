//! One value of each kind, as shown in `docs/protocol.md`.

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use minimodel_wire::{
    Bitfield, ChunkHead, CloseCode, Consent, Frame, Hello, KeyFault, LeavesHead, ManifestHead, ManifestOnly,
    Meeting, Nat, NoMeeting, Offer, PeerId, Request, SignedOffer, WireAddress,
};

pub(crate) const SOFTWARE: &str = "minimodel/0.1.0";

pub(crate) fn hello() -> Hello {
    Hello {
        version: 1,
        swarm_id: [0x11; 32],
        artifact_sha256: [0x22; 32],
        license_sha256: [0x33; 32],
        evidence_sha256: [0x44; 32],
        chunk_size: 1 << 20,
        chunk_count: 1_000,
        consent: Consent::SERVE | Consent::FETCH,
        software: SOFTWARE.to_owned(),
    }
}

pub(crate) fn manifest_only() -> ManifestOnly {
    ManifestOnly { version: 1, swarm_id: [0x11; 32], software: SOFTWARE.to_owned() }
}

pub(crate) fn some_bits() -> Bitfield {
    let mut bits = Bitfield::new(10);
    bits.set(0);
    bits.set(9);
    bits
}

fn seen() -> WireAddress {
    WireAddress::seen(([203, 0, 113, 9], 4433).into()).expect("an address")
}

fn meeting() -> Meeting {
    let (address, peer) = (seen(), signed_offer().offer().peer);
    Meeting { peer, address, offered_port: 4434, answers: true, delay: 25, nat: Nat::Same }
}

/// Every frame of the page, by the name of its block.
pub(crate) fn frames() -> Vec<(&'static str, Frame)> {
    vec![
        ("hello", Frame::Hello(hello())),
        ("manifest-only", Frame::ManifestOnly(manifest_only())),
        ("bitfield-none", Frame::Bitfield(Bitfield::new(1_000))),
        ("bitfield-all", Frame::Bitfield(Bitfield::full(1_000))),
        ("bitfield-bits", Frame::Bitfield(some_bits())),
        ("have", Frame::Have { indexes: vec![0, 7, 999] }),
        ("dont-have", Frame::DontHave { index: 7 }),
        ("choke", Frame::Choke),
        ("unchoke", Frame::Unchoke),
        ("interested", Frame::Interested),
        ("not-interested", Frame::NotInterested),
        ("peers", Frame::Peers { offers: vec![Bytes::from(signed_offer().to_bytes())] }),
        ("bye", Frame::Bye { code: CloseCode::BadChunk }),
        ("observed", Frame::Observed { address: seen(), nat: Nat::Varies }),
        ("introduce", Frame::Introduce { peer: signed_offer().offer().peer }),
        ("meet", Frame::Meet(meeting())),
        ("no-meet", Frame::NoMeet { peer: signed_offer().offer().peer, reason: NoMeeting::NotConnected }),
        ("ignored", Frame::Ignored { kind: 0x8001 }),
    ]
}

pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    vec![
        ("request-chunk", Request::Chunk { index: 7 }),
        ("request-leaves", Request::Leaves { first: 8, count: 3 }),
        ("request-manifest", Request::Manifest),
    ]
}

pub(crate) fn chunk_head() -> ChunkHead {
    ChunkHead { len: 1 << 20, proof: vec![[0xaa; 32], [0xbb; 32]] }
}

pub(crate) fn leaves_head() -> LeavesHead {
    LeavesHead { count: 3, proof: vec![[0xcc; 32]] }
}

pub(crate) fn manifest_head() -> ManifestHead {
    ManifestHead { len: 1_500 }
}

/// The key of the page's offer: 32 times 0x07.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn offer() -> Offer {
    Offer {
        peer: PeerId(key().verifying_key().to_bytes()),
        swarm_id: [0x11; 32],
        addresses: vec![address("192.0.2.7:47000"), address("[2001:db8::7]:47000")],
        expires_unix: 1_800_000_000,
    }
}

pub(crate) fn signed_offer() -> SignedOffer {
    SignedOffer::sign(offer(), &key()).expect("the sample offer keeps every rule")
}

pub(crate) fn address(text: &str) -> std::net::SocketAddr {
    text.parse().expect("an address")
}

/// The text form of any 32 bytes, whatever they are.
pub(crate) fn text_of(key: &[u8; 32]) -> String {
    PeerId(*key).to_string()
}

/// Every key that is refused: the eight points of small order with either sign of x, and all 19 numbers that are a second
/// spelling of a point, again with either sign.
pub(crate) fn refused_keys() -> Vec<([u8; 32], KeyFault)> {
    const ORDER_8: [[u8; 32]; 2] = [
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    ];
    let near_p = |first: u8| {
        let mut y = [0xff; 32];
        (y[0], y[31]) = (first, 0x7f);
        y
    };
    let mut one = [0; 32];
    one[0] = 1;
    let weak = [[0; 32], one, near_p(0xec), ORDER_8[0], ORDER_8[1]];
    let second = (0xed..=0xff).map(|first| (near_p(first), KeyFault::NotCanonical));
    let all: Vec<_> = weak.into_iter().map(|key| (key, KeyFault::SmallOrder)).chain(second).collect();
    let mirrored = all.clone().into_iter().map(|(mut key, fault)| {
        key[31] |= 0x80;
        (key, fault)
    });
    all.into_iter().chain(mirrored).collect()
}
