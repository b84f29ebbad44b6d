//! The first corpus of each target: valid samples, faulty ones, and the smallest of each kind.

use minimodel_fixtures::{bad_manifests, bad_slm, slm_vec, valid_manifests, valid_slm};
use minimodel_verifier::Report;
use minimodel_verifier::digest::tagged;
use minimodel_verifier::manifest::Acquisition;
use minimodel_verifier::receipt::{
    Consent as Agreed, ConsentAction, ImportRecord, PeerSupply, Receipt, RecordedCheck,
};
use minimodel_wire::{
    Bitfield, ChunkHead, CloseCode, Frame, LeavesHead, ManifestHead, ManifestOnly, Nat, Request,
};

use crate::samples::{self, CHUNKS};

/// Most bytes of a sample: larger ones test nothing more and slow the fuzzer down.
const MOST_BYTES: usize = 5_000;

/// The first corpus of a target; empty for an unknown name.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "frame" => frame(),
        "handshake" => handshake(),
        "manifest" => manifest(),
        "offer" => offer(),
        "receipt" => receipt(),
        "request" => request(),
        "slm" => slm(),
        "machine" => noise(32, 120),
        "proof" => noise(32, 40),
        "state" => state(),
        _ => return Vec::new(),
    };
    seeds.push(Vec::new());
    seeds.retain(|seed| seed.len() <= MOST_BYTES);
    seeds
}

/// Pseudo-random bytes, the same every time, for targets that take decisions from any bytes.
fn noise(count: u64, len: usize) -> Vec<Vec<u8>> {
    let byte = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 56) as u8
    };
    let some = |number: u64| {
        let mut state = number;
        (0..len).map(|_| byte(&mut state)).collect()
    };
    (1..=count).map(some).collect()
}

fn frames() -> Vec<Frame> {
    let mut partial = Bitfield::new(CHUNKS);
    partial.set(3);
    let offers = samples::offers().iter().take(2).map(|offer| offer.to_bytes().into()).collect();
    vec![
        Frame::Hello(samples::hello(samples::consent(7))),
        Frame::Bitfield(partial),
        Frame::Bitfield(Bitfield::full(CHUNKS)),
        Frame::Bitfield(Bitfield::new(CHUNKS)),
        Frame::Have { indexes: vec![1, 2, 19] },
        Frame::DontHave { index: 4 },
        Frame::Choke,
        Frame::Unchoke,
        Frame::Interested,
        Frame::NotInterested,
        Frame::Peers { offers },
        Frame::Observed { address: samples::seen(9), nat: Nat::Same },
        Frame::Introduce { peer: samples::id(1) },
        Frame::Ignored { kind: 0x8001 },
        Frame::ManifestOnly(ManifestOnly { version: 1, swarm_id: [1; 32], software: "fuzz/1".to_owned() }),
        Frame::Bye { code: CloseCode::Done },
    ]
}

fn frame() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    let whole: Vec<u8> = frames().iter().flat_map(Frame::encode).collect();
    for setup in [0, 1, 2, 3, 0x32] {
        seeds.push([&[setup][..], &whole].concat());
    }
    seeds.extend(frames().iter().map(|frame| [&[2][..], &frame.encode()].concat()));
    let digests = vec![[7; 32]; 3];
    let others = [
        Request::Chunk { index: 3 }.encode(),
        Request::Leaves { first: 1, count: 5 }.encode(),
        Request::Manifest.encode(),
        ChunkHead { len: 65_536, proof: digests.clone() }.encode(),
        LeavesHead { count: 5, proof: digests }.encode(),
        ManifestHead { len: 2_000 }.encode(),
    ];
    seeds.extend(others.iter().map(|bytes| [&[0][..], bytes].concat()));
    // Too large, unknown, cut in the head.
    seeds.extend([
        b"\x00\xff\xff\xff\xff\x01\x00".to_vec(),
        b"\x00\0\0\0\0\xff\x00".to_vec(),
        b"\x00\x01\0\0".to_vec(),
    ]);
    seeds
}

fn handshake() -> Vec<Vec<u8>> {
    let mut seeds = noise(16, 40);
    for setup in [0x01, 0x02, 0x07, 0x27] {
        // Hello, Bitfield, Unchoke, then one of each frame, in pieces as the stream would bring them.
        let mut seed = vec![setup, 0x10, 4, 0, 7, 4, 5, 0, 0xff, 0xff, 0, 0, 4, 10, 0, 8, 2, 3, 7, 10];
        for frame in frames() {
            for piece in frame.encode().chunks(200) {
                seed.extend([0, piece.len() as u8]);
                seed.extend(piece);
            }
        }
        seeds.push(seed);
    }
    seeds
}

fn manifest() -> Vec<Vec<u8>> {
    let valid = valid_manifests().into_iter().map(|valid| valid.text.into_bytes());
    let bad = bad_manifests().into_iter().map(|bad| bad.text);
    valid.chain(bad).collect()
}

fn offer() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = noise(16, 60);
    for offer in samples::offers().iter().take(3) {
        seeds.push([&[0][..], &offer.to_bytes()].concat());
        seeds.push([&[1][..], offer.to_string().as_bytes()].concat());
    }
    // An offer made of one address, and one that is not changed.
    let mut made = vec![2, 1, 1];
    made.extend([0xff; 16]);
    made.extend([1, 0, 10, 0, 0, 1, 7, 0]);
    made.extend([1; 32]);
    seeds.extend([made, vec![3, 0, 0], vec![3, 0, 0, 9, 0, 1]]);
    seeds
}

fn request() -> Vec<Vec<u8>> {
    let manifest = samples::manifest();
    let text = |offers: &str, consent: &str| {
        format!(
            r#"{{"request_version":0,"kind":"minimodel.import-peer-request","model_id":"{}","byte_count":{},"artifact_sha256":"{}","offers":[{offers}],"consent":[{consent}]}}"#,
            manifest.model_id(),
            manifest.byte_count(),
            tagged(manifest.artifact_sha256()),
        )
    };
    let offer = format!("\"{}\"", samples::offers()[0]);
    let good = text(&offer, r#""fetch","import""#);
    let mut seeds =
        vec![good.clone(), text("", ""), text(r#""x""#, r#""all""#), "{}".to_owned(), "[]".to_owned()];
    seeds.push(good.replace("request_version\":0", "request_version\":18446744073709551616"));
    seeds.push(good.replace("\"kind\"", "\"kind\":\"a\",\"kind\""));
    seeds.push(good.replace("sample", "\\u001b\\ud83d\\ude00"));
    seeds.push(good.replace("sha256:", "sha256:\\u0000"));
    seeds.push(good.replace(':', " :\n\t "));
    seeds.into_iter().map(String::into_bytes).collect()
}

fn receipt() -> Vec<Vec<u8>> {
    let mut report = Report::new();
    report.pass("artifact.sha256", "x");
    report.warn("slm.checksum", "unreproduced", "the sum of the format page");
    let peer = |letter: &str, rejected: Option<&str>| PeerSupply {
        id: letter.repeat(52),
        bytes: 5,
        chunks: 1,
        rejected: rejected.map(str::to_owned),
    };
    let agreed = |action| Agreed { action, at_utc: "2026-06-01T12:00:00Z".into(), by: "flag".into() };
    let record = ImportRecord {
        lane: Acquisition::ConsentPeerTransfer,
        started_utc: "2026-06-01T12:00:05Z".into(),
        finished_utc: "2026-06-01T12:01:10Z".into(),
        tool_version: "minimodel 0.1.0".into(),
        checksum_recomputed: false,
        consents: vec![agreed(ConsentAction::Fetch), agreed(ConsentAction::Import)],
        peers: vec![peer("a", None), peer("b", Some("chunk 7 fails its proof"))],
        checks: RecordedCheck::all(&report),
    };
    let local = ImportRecord { lane: Acquisition::UserLocalFile, peers: Vec::new(), ..record.clone() };
    let signed = samples::manifest().sign(samples::key(0)).expect("it has room for a signature");
    let receipts = [(samples::manifest(), record), (&signed, local)];
    let mut seeds: Vec<Vec<u8>> = receipts
        .into_iter()
        .map(|(manifest, record)| {
            Receipt::new(manifest, record).expect("a good record").render().into_bytes()
        })
        .collect();
    let text = String::from_utf8_lossy(&seeds[0]).into_owned();
    seeds.push(text.replace("peer.0.bytes=5", "peer.0.bytes=05").into_bytes());
    seeds.push(text.replace("check.0", "check.1").into_bytes());
    seeds.push(text.split_inclusive('\n').take(9).collect::<String>().into_bytes());
    seeds.push(text.replace("evidence.status=not-claimed", "evidence.0.kind=a").into_bytes());
    seeds
}

fn slm() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    let small = |bytes: &Vec<u8>| bytes.len() < 4_500;
    let valid = valid_slm().into_iter().map(|(_, shape)| slm_vec(&shape, 1)).filter(small).take(6);
    let bad = bad_slm().into_iter().map(|bad| bad.bytes).filter(small).step_by(5).take(12);
    for bytes in valid.chain(bad) {
        seeds.push([&[0, 3][..], &bytes].concat());
    }
    let head = seeds[0][2..400].to_vec();
    seeds.push([&[1, 0][..], &u64::MAX.to_le_bytes(), &head].concat());
    seeds.push([&[1, 9][..], &400_u64.to_le_bytes(), &head].concat());
    for file in 0..32 {
        seeds.push(vec![2, file, file, 8, 0, file, 64, 0, 1]);
    }
    seeds
}

fn state() -> Vec<Vec<u8>> {
    let mut seeds = noise(16, 60);
    for setup in [0x80, 0x84, 0x87, 0x8c, 0x97, 0xe7] {
        for wrong in 0..4 {
            // Three honest chunks, a session, a blame.
            let mut seed = vec![setup, wrong];
            for index in 0..3 {
                seed.extend([0, index, 0]);
            }
            seed.extend([5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
            seeds.push(seed);
        }
    }
    seeds
}
