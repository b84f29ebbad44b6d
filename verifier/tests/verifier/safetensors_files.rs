//! Safetensors: good files of every kind, one bad file for each rule, and what the reference reader says of them.

use minimodel_verifier::artifact::Format;
use minimodel_verifier::safetensors;

use crate::formats::{fails, passes, scan, warns};

pub(crate) fn safetensors_file(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 7);
    bytes
}

/// Headers of good files, and how many bytes follow each.
const GOOD_SAFETENSORS: [(&str, usize); 4] = [
    ("{}", 0),
    (r#"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}    "#, 24),
    // In another order than the bytes, a scalar, one without elements, and two elements a byte.
    (
        r#"{"b":{"dtype":"BF16","shape":[],"data_offsets":[4,6]},"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]},"c":{"dtype":"I64","shape":[0,9],"data_offsets":[4,4]}}"#,
        6,
    ),
    (r#"{"__metadata__":{"format":"pt"},"a":{"shape":[1],"data_offsets":[0,1],"dtype":"U8"}}"#, 1),
];

#[test]
fn good_safetensors_passes_and_says_what_it_is() {
    for (header, data_bytes) in GOOD_SAFETENSORS {
        passes(Format::Safetensors, &safetensors_file(header, data_bytes));
    }
    assert_eq!(
        scan(Format::Safetensors, &safetensors_file(GOOD_SAFETENSORS[3].0, 1), 3).header.summary,
        [
            ("parameters", "1".to_owned()),
            ("tensors", "1: 1 x U8".to_owned()),
            ("metadata", "1: format".to_owned()),
        ]
    );
}

/// A rule, the header of a file that breaks it, and how many bytes follow.
const BAD_SAFETENSORS: &[(&str, &str, usize)] = &[
    ("safetensors.header.begin", r#" {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1),
    ("safetensors.header.json", r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#, 1),
    ("safetensors.header.json", "{}{}", 0),
    ("safetensors.header.json", r#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#, 1),
    ("safetensors.header.json", r#"{"a":{"dtype":"U8","shape":[1]}}"#, 1),
    ("safetensors.header.json", r#"{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#, 1),
    ("safetensors.header.json", r#"{"__metadata__":{"n":1}}"#, 0),
    ("safetensors.metadata.duplicate", r#"{"__metadata__":{"n":"1","\u006e":"2"}}"#, 0),
    (
        "safetensors.tensors.duplicate",
        r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
        2,
    ),
    (
        "safetensors.tensors.duplicate",
        r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#,
        1,
    ),
    ("safetensors.tensors.duplicate", r#"{"__metadata__":{},"__metadata__":{}}"#, 0),
    ("safetensors.tensors.range", r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}"#, 1),
    ("safetensors.tensors.range", r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, 1),
    ("safetensors.tensors.length", r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1]}}"#, 1),
    ("safetensors.tensors.length", r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}"#, 1),
    (
        "safetensors.tensors.length",
        r#"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        0,
    ),
    ("safetensors.tensors.contiguous", r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, 2),
    (
        "safetensors.tensors.contiguous",
        r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#,
        3,
    ),
    ("safetensors.data.end", r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 2),
    ("safetensors.data.end", "{}", 1),
];

/// The reference reader agrees on good files. Of the bad ones it takes those that two readers could read in two ways.
#[test]
fn reference_reader_takes_no_bad_file_but_ambiguous_ones() {
    let takes = |bytes: &[u8]| ::safetensors::SafeTensors::deserialize(bytes).is_ok();
    for (header, data_bytes) in GOOD_SAFETENSORS {
        assert!(takes(&safetensors_file(header, data_bytes)), "{header}");
    }
    let bad = BAD_SAFETENSORS.iter();
    let taken = bad.filter(|(_, header, data_bytes)| takes(&safetensors_file(header, *data_bytes)));
    let taken: Vec<_> = taken.map(|(rule, ..)| *rule).collect();
    assert_eq!(
        taken,
        ["safetensors.header.begin", "safetensors.metadata.duplicate", "safetensors.tensors.duplicate"]
    );
}

// Rows: D13
#[test]
fn each_bad_safetensors_fails_by_its_own_rule() {
    for &(name, header, data_bytes) in BAD_SAFETENSORS {
        fails(Format::Safetensors, name, &safetensors_file(header, data_bytes));
    }
    let long = format!(r#"{{"__metadata__":{{"n":"{}"}}}}"#, "x".repeat(safetensors::MAX_METADATA_BYTES));
    let scanned = scan(Format::Safetensors, &safetensors_file(&long, 0), 1 << 20);
    assert_eq!(
        scanned.report.failures().map(|check| check.name).collect::<Vec<_>>(),
        ["safetensors.metadata.limit"]
    );
    for bytes in [&b""[..], b"\x02\0\0", b"\x01\0\0\0\0\0\0\0{", b"\x09\0\0\0\0\0\0\0{}"] {
        fails(Format::Safetensors, "safetensors.header.length", bytes);
    }
    let mut huge = safetensors_file("{}", 0);
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fails(Format::Safetensors, "safetensors.header.length", &huge);
    let warns = |name: &str, header: &str| warns(Format::Safetensors, name, &safetensors_file(header, 1));
    warns("safetensors.tensors.dtype", r#"{"a":{"dtype":"Z9","shape":[9],"data_offsets":[0,1]}}"#);
    warns("safetensors.tensors.fields", r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":[{}]}}"#);
}
