//! ONNX: good files, and one bad file for each rule.

use minimodel_fixtures::{protobuf_bytes as bytes, protobuf_number as number, varint};
use minimodel_verifier::artifact::{self, Format};
use minimodel_verifier::{Outcome, Report, onnx};
use proptest::prelude::*;

fn scan(bytes: &[u8], step: usize) -> Report {
    let mut scan = artifact::scan(Format::Onnx, bytes.len() as u64);
    bytes.chunks(step).for_each(|piece| scan.push(piece));
    scan.finish().report
}

/// The names of the checks that failed, and of those that warn.
fn verdict(bytes: &[u8]) -> (Vec<&'static str>, Vec<&'static str>) {
    let whole = scan(bytes, usize::MAX);
    for step in [1, 7, 64] {
        assert_eq!(scan(bytes, step), whole, "in slices of {step}");
    }
    let of = |outcome| {
        let checks = whole.checks().iter().filter(|check| check.outcome == outcome);
        checks.map(|check| check.name).collect()
    };
    (of(Outcome::Fail), of(Outcome::Warn))
}

fn all(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

/// A tensor of 2 x 3 floats, with more fields.
fn tensor(more: &[Vec<u8>]) -> Vec<u8> {
    all(&[number(1, 2), number(1, 3), number(2, 1), bytes(8, "w"), bytes(9, [0; 24]), more.concat()])
}

fn external(key: &str, value: &str) -> Vec<u8> {
    bytes(13, all(&[bytes(1, key), bytes(2, value)]))
}

fn opset(domain: &str, version: u64) -> Vec<u8> {
    bytes(8, all(&[bytes(1, domain), number(2, version)]))
}

/// A model with this graph.
fn model(graph: &[Vec<u8>]) -> Vec<u8> {
    all(&[number(1, 8), bytes(2, "test"), bytes(7, graph.concat()), opset("", 17)])
}

#[test]
fn good_onnx_files_pass() {
    let node =
        bytes(1, all(&[bytes(1, "x"), bytes(2, "y"), bytes(4, "Add"), bytes(5, bytes(5, tensor(&[])))]));
    let graph = [node, bytes(2, "main"), bytes(5, tensor(&[])), bytes(11, "input")];
    let file = model(&graph);
    assert_eq!(verdict(&file), (vec![], vec![]));
    assert_eq!(Format::of_beginning(&file), Some(Format::Onnx));
    let mut scan = artifact::scan(Format::Onnx, file.len() as u64);
    scan.push(&file);
    let header = scan.finish().header;
    let claims: Vec<_> = header.claims.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        claims,
        [
            "onnx.ir_version=8",
            "onnx.opset_version=17",
            "onnx.parameter_count=12",
            "onnx.tensor_count=2",
            "onnx.tensor_types=1:2"
        ]
    );
    assert_eq!(
        header.summary,
        [
            ("parameters", "12".to_owned()),
            ("tensors", "2: 2 x FLOAT".to_owned()),
            ("opset", "17".to_owned()),
            ("producer", "test".to_owned()),
        ]
    );
    // Packed dimensions, 4-bit numbers, texts, a scalar, a field that is newer, and 32 and 64 fixed bits.
    let packed = all(&[bytes(1, [3, 5]), number(2, 22), bytes(9, [0; 8])]);
    let texts = all(&[number(1, 1), number(2, 8), bytes(6, "text")]);
    let scalar = all(&[number(2, 7), bytes(9, [0; 8])]);
    let fixed = all(&[vec![0x0d + (8 << 3), 0, 0, 0, 0], vec![1 + (15 << 3)], vec![0; 8]]);
    let graph = [bytes(5, packed), bytes(5, texts), bytes(5, scalar), bytes(99, "later")];
    assert_eq!(verdict(&all(&[model(&graph), fixed])), (vec![], vec![]));
}

// Rows: D13
#[test]
fn each_bad_onnx_fails_by_its_own_rule() {
    let nested = (0..70).fold(tensor(&[]), |inner, _| all(&[bytes(1, bytes(5, bytes(6, inner)))]));
    let good = model(&[bytes(5, tensor(&[]))]);
    let with = |tensor: Vec<u8>| model(&[bytes(5, tensor)]);
    let out_of_graph = {
        // The graph says one byte more than its tensor ends at, and the tensor two more than the graph.
        let mut graph = bytes(5, tensor(&[]));
        graph[1] += 2;
        model(&[graph])
    };
    let cases = [
        ("onnx.fields.key", all(&[good.clone(), vec![0x0b]])),
        ("onnx.fields.key", all(&[good.clone(), vec![0x00, 0x00]])),
        ("onnx.fields.key", all(&[good.clone(), vec![0x08], vec![0xff; 10]])),
        ("onnx.fields.length", good[..good.len() - 1].to_vec()),
        ("onnx.fields.length", all(&[good.clone(), vec![0x12, 0x05]])),
        ("onnx.fields.length", all(&[good.clone(), vec![0x12], varint(u64::MAX)])),
        ("onnx.fields.length", all(&[good.clone(), vec![0x80]])),
        ("onnx.fields.length", out_of_graph),
        ("onnx.fields.depth", model(&[nested])),
        ("onnx.fields.text", all(&[good.clone(), bytes(2, vec![b'a'; 65_537])])),
        ("onnx.fields.key", with(bytes(1, [0x80]))),
        ("onnx.model", all(&[good.clone(), number(1, 8)])),
        ("onnx.model", all(&[good.clone(), bytes(7, "")])),
        ("onnx.model", number(1, 8)),
        ("onnx.model", bytes(7, "")),
        ("onnx.model", vec![]),
        ("onnx.tensors.duplicate", with(tensor(&[number(2, 1)]))),
        ("onnx.tensors.duplicate", with(tensor(&[bytes(9, "")]))),
        ("onnx.tensors.shape", with(all(&[number(1, u64::MAX), number(2, 1)]))),
        ("onnx.tensors.shape", with(all(&[number(1, 1 << 62), number(1, 2), number(2, 1)]))),
        ("onnx.tensors.shape", with(all(&[number(1, 0), number(1, u64::MAX), number(2, 1)]))),
        ("onnx.tensors.length", with(tensor(&[number(1, 4)]))),
        ("onnx.tensors.length", with(all(&[number(1, 1 << 62), number(2, 15), bytes(9, "")]))),
        ("onnx.external.key", with(tensor(&[external("__class__", "x")]))),
        ("onnx.external.key", with(tensor(&[external("offset", "0"), external("offset", "1")]))),
        ("onnx.external.path", with(tensor(&[external("location", "../../etc/passwd")]))),
        ("onnx.external.path", with(tensor(&[external("location", "/etc/passwd")]))),
        ("onnx.external.path", with(tensor(&[external("location", "a\\..\\b")]))),
        ("onnx.external.path", with(tensor(&[external("location", "C:x")]))),
        ("onnx.external.path", with(tensor(&[external("location", "")]))),
    ];
    for (name, file) in cases {
        assert_eq!(verdict(&file).0, [name], "{}", file.escape_ascii());
    }
    let mut longer = artifact::scan(Format::Onnx, 9);
    longer.push(&good);
    assert!(!longer.finish().report.ok());
}

#[test]
fn what_a_loader_may_lack_is_a_warning() {
    let graph = [bytes(1, bytes(7, "com.example")), bytes(5, tensor(&[external("location", "w.bin")]))];
    assert_eq!(verdict(&model(&graph)), (vec![], vec!["onnx.domain", "onnx.external"]));
    let unknown = all(&[number(2, 99), bytes(9, "abc")]);
    assert_eq!(verdict(&model(&[bytes(5, unknown)])), (vec![], vec!["onnx.tensors.type"]));
}

#[test]
fn every_rule_of_onnx_has_a_bad_file() {
    let source = include_str!("onnx.rs");
    for rule in onnx::Rule::ALL.iter().filter(|rule| **rule != onnx::Rule::FileLength) {
        assert!(source.contains(&format!("{:?}", rule.name())), "{}", rule.name());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_scanned_in_any_slices(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1_usize..50) {
        prop_assert_eq!(scan(&bytes, step), scan(&bytes, usize::MAX));
        let begun = [&[8, 8, 0x3a][..], &bytes].concat();
        prop_assert_eq!(scan(&begun, step), scan(&begun, usize::MAX));
    }

    #[test]
    fn flipped_bits_of_a_good_file_never_panic(place in 0_usize..100, bit in 0_u8..8) {
        let mut file = model(&[bytes(5, tensor(&[external("location", "w.bin")]))]);
        let place = place % file.len();
        file[place] ^= 1 << bit;
        prop_assert_eq!(scan(&file, 1), scan(&file, usize::MAX));
    }
}
