//! GGUF and safetensors: good files of every kind, and one bad file for each rule.

use minimodel_verifier::artifact::{self, Format};
use minimodel_verifier::scan::Scanned;
use minimodel_verifier::{Outcome, gguf, safetensors};
use proptest::prelude::*;

use crate::safetensors_files::safetensors_file;

/// Scans bytes in slices of this many.
pub(crate) fn scan(format: Format, bytes: &[u8], step: usize) -> Scanned {
    let mut scan = artifact::scan(format, bytes.len() as u64);
    for piece in bytes.chunks(step) {
        scan.push(piece);
    }
    scan.finish()
}

/// The names of the checks that failed, and of those that warn.
fn verdict(format: Format, bytes: &[u8]) -> (Vec<&'static str>, Vec<&'static str>) {
    let whole = scan(format, bytes, usize::MAX);
    for step in [1, 7, 64] {
        assert_eq!(scan(format, bytes, step).report, whole.report, "in slices of {step}");
    }
    let of = |outcome| {
        let checks = whole.report.checks().iter().filter(|check| check.outcome == outcome);
        checks.map(|check| check.name).collect()
    };
    (of(Outcome::Fail), of(Outcome::Warn))
}

#[track_caller]
pub(crate) fn passes(format: Format, bytes: &[u8]) {
    assert_eq!(verdict(format, bytes), (vec![], vec![]));
}

#[track_caller]
pub(crate) fn fails(format: Format, name: &str, bytes: &[u8]) {
    assert_eq!(verdict(format, bytes).0, [name]);
}

#[track_caller]
pub(crate) fn warns(format: Format, name: &str, bytes: &[u8]) {
    assert_eq!(verdict(format, bytes), (vec![], vec![name]));
}

/// A GGUF file in the making.
#[derive(Clone)]
struct Gguf {
    version: u32,
    keys: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    alignment: usize,
    data: Vec<u8>,
}

fn text(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text].concat()
}

fn key(name: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(name.as_bytes())[..], &kind.to_le_bytes(), value].concat()
}

fn array(name: &str, kind: u32, count: u64, elements: &[u8]) -> Vec<u8> {
    key(name, 9, &[&kind.to_le_bytes()[..], &count.to_le_bytes(), elements].concat())
}

fn entry(name: &str, dimensions: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut entry = text(name.as_bytes());
    entry.extend((dimensions.len() as u32).to_le_bytes());
    entry.extend(dimensions.iter().flat_map(|side| side.to_le_bytes()));
    entry.extend(kind.to_le_bytes());
    entry.extend(offset.to_le_bytes());
    entry
}

impl Gguf {
    /// Two tensors: 3 f32 values with their padding, and a row of Q8_0.
    fn new() -> Self {
        let keys = vec![
            key("general.architecture", 8, &text(b"llama")),
            key("llama.context_length", 4, &2048_u32.to_le_bytes()),
            key("general.license", 8, &text(b"gemma")),
            array("tokenizer.ggml.tokens", 8, 2, &[text(b"a"), text("ü".as_bytes())].concat()),
            array("tokenizer.ggml.scores", 6, 2, &[0; 8]),
            array("tokenizer.ggml.token_type", 5, 2, &[1, 0, 0, 0, 3, 0, 0, 0]),
            array("x.flags", 7, 2, &[0, 1]),
        ];
        let tensors = vec![entry("a", &[3], 0, 0), entry("b", &[32, 1], 8, 32)];
        Self {
            version: 3,
            keys,
            tensors,
            alignment: 32,
            data: [vec![1; 12], vec![0; 20], vec![2; 34]].concat(),
        }
    }

    fn header(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.keys.len() as u64).to_le_bytes());
        bytes.extend(self.keys.concat());
        bytes.extend(self.tensors.concat());
        bytes
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(bytes.len().next_multiple_of(self.alignment), 0);
        bytes.extend(&self.data);
        bytes
    }

    fn key(mut self, key: Vec<u8>) -> Vec<u8> {
        self.keys.push(key);
        self.bytes()
    }

    /// A file whose only tensor is this one, with so many bytes.
    fn only(mut self, tensor: Vec<u8>, bytes: usize) -> Vec<u8> {
        (self.tensors, self.data) = (vec![tensor], vec![0; bytes]);
        self.bytes()
    }
}

#[test]
fn good_gguf_passes_and_says_what_it_is() {
    let file = Gguf::new();
    passes(Format::Gguf, &file.bytes());
    passes(Format::Gguf, &Gguf { version: 2, ..file.clone() }.bytes());
    // Padded at its end, aligned otherwise, and a first part without tensors.
    let mut padded = file.bytes();
    padded.resize(padded.len().next_multiple_of(32), 0);
    passes(Format::Gguf, &padded);
    let tensors = vec![entry("a", &[3], 0, 0), entry("b", &[32, 1], 8, 64)];
    let data = [vec![1; 12], vec![0; 52], vec![2; 34]].concat();
    let aligned = Gguf { alignment: 64, tensors, data, ..file.clone() };
    passes(Format::Gguf, &aligned.key(key("general.alignment", 4, &64_u32.to_le_bytes())));
    let first = Gguf { tensors: vec![], ..file.clone() };
    passes(Format::Gguf, &first.header());
    assert_eq!(
        scan(Format::Gguf, &file.bytes(), 5).header.summary,
        [
            ("parameters", "35".to_owned()),
            ("tensors", "2: 1 x F32, 1 x Q8_0".to_owned()),
            ("architecture", "llama".to_owned()),
            ("license", "gemma".to_owned()),
            ("context", "2048".to_owned()),
            ("vocabulary", "2".to_owned()),
        ]
    );
}

// Rows: D13
#[test]
fn each_bad_gguf_fails_by_its_own_rule() {
    let file = Gguf::new();
    let bytes = file.bytes();
    let fails = |name: &str, bytes: &[u8]| fails(Format::Gguf, name, bytes);
    fails("gguf.header.magic", &[b"GGUX", &bytes[4..]].concat());
    for version in [0, 1, 4, 3_u32.swap_bytes()] {
        fails("gguf.header.version", &Gguf { version, ..file.clone() }.bytes());
    }
    // CVE-2024-23605: a count of keys for which there is no room.
    let mut counts = bytes.clone();
    counts[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    fails("gguf.header.counts", &counts);
    counts[16..24].copy_from_slice(&60_000_u64.to_le_bytes());
    assert!(!scan(Format::Gguf, &counts, 9).report.ok());
    for length in 0..file.header().len() {
        fails("gguf.header.length", &bytes[..length]);
    }
    fails("gguf.keys.name", &file.clone().key(key("", 4, &[0; 4])));
    fails("gguf.keys.name", &file.clone().key(key("a\nb", 4, &[0; 4])));
    fails("gguf.keys.duplicate", &file.clone().key(key("general.license", 8, &text(b"mit"))));
    fails("gguf.values.type", &file.clone().key(key("x", 13, &[0; 8])));
    fails("gguf.values.type", &file.clone().key(array("x", 9, 1, &[0; 16])));
    fails("gguf.values.bool", &file.clone().key(key("x", 7, &[2])));
    fails("gguf.values.bool", &file.clone().key(array("x", 7, 2, &[1, 2])));
    // ggml 1516: texts and arrays of a GiB, which are not there.
    fails("gguf.values.text_limit", &file.clone().key(key("x", 8, &(1_u64 << 30).to_le_bytes())));
    fails("gguf.header.length", &file.clone().key(array("x", 6, 1 << 60, &[])));
    fails("gguf.header.length", &file.clone().key(array("x", 12, 1 << 40, &[])));
    // llama.cpp 26318: an alignment of another type, of 0, or of no power of two.
    for (kind, value) in [(10, 32_u64), (4, 0), (4, 7), (4, 4), (4, 1 << 17), (4, 48)] {
        let width = if kind == 10 { 8 } else { 4 };
        fails(
            "gguf.alignment",
            &file.clone().key(key("general.alignment", kind, &value.to_le_bytes()[..width])),
        );
    }
    let mut doubled = file.clone();
    doubled.keys[4] = array("tokenizer.ggml.scores", 6, 1, &[0; 4]);
    fails("gguf.tokenizer", &doubled.bytes());
    doubled.keys[4] = array("tokenizer.ggml.scores", 5, 2, &[0; 8]);
    fails("gguf.tokenizer", &doubled.bytes());
    let split = |no: u16, count: u16| {
        let mut file = file.clone();
        file.keys.push(key("split.no", 2, &no.to_le_bytes()));
        file.key(key("split.count", 2, &count.to_le_bytes()))
    };
    fails("gguf.split", &split(2, 2));
    passes(Format::Gguf, &split(1, 2));
    passes(Format::Gguf, &split(0, 0));
}

// Rows: D13
#[test]
fn each_bad_tensor_of_a_gguf_fails_by_its_own_rule() {
    let file = Gguf::new();
    let fails = |name: &str, bytes: &[u8]| fails(Format::Gguf, name, bytes);
    let only = |tensor, bytes| file.clone().only(tensor, bytes);
    fails("gguf.tensors.name", &only(entry(&"n".repeat(128), &[3], 0, 0), 12));
    fails("gguf.tensors.rank", &only(entry("n", &[1; 5], 0, 0), 4));
    // CVE-2024-21802, llama.cpp 24263 and 27203: no elements, and products that are negative or wrap.
    fails("gguf.tensors.dimensions", &only(entry("n", &[3, 0], 0, 0), 12));
    fails("gguf.tensors.dimensions", &only(entry("n", &[i64::MAX as u64, 2], 0, 0), 12));
    fails("gguf.tensors.dimensions", &only(entry("n", &[1 << 32, 1 << 32], 0, 0), 12));
    // llama.cpp 26978: a padded size that wraps to 0.
    fails("gguf.tensors.range", &only(entry("n", &[4, (1 << 30) - 1, (1 << 30) + 1, 1], 0, 0), 0));
    fails("gguf.tensors.rows", &only(entry("n", &[31], 8, 0), 34));
    fails("gguf.tensors.offset", &only(entry("n", &[3], 0, 32), 44));
    // CVE-2026-7482: a tensor beyond the end of the file.
    fails("gguf.tensors.range", &only(entry("n", &[1_000], 0, 0), 12));
    fails("gguf.tensors.range", &only(entry("n", &[4], 0, 0), 12));
    fails("gguf.data.end", &only(entry("n", &[3], 0, 0), 33));
    let doubled = Gguf { tensors: vec![entry("a", &[3], 0, 0), entry("a", &[32, 1], 8, 32)], ..file.clone() };
    fails("gguf.tensors.duplicate", &doubled.bytes());
    for place in [12, 31] {
        let mut padding = file.clone();
        padding.data[place] = 1;
        fails("gguf.padding", &padding.bytes());
    }
    let mut after_header = file.bytes();
    after_header[file.header().len()] = 9;
    fails("gguf.padding", &after_header);
    let mut gap = file.clone();
    gap.tensors[1] = entry("b", &[32, 1], 8, 64);
    gap.data.splice(32..32, [0; 32]);
    fails("gguf.tensors.offset", &gap.bytes());
}

#[test]
fn oddities_of_good_gguf_files_are_warnings() {
    let file = Gguf::new();
    let warns = |name: &str, bytes: &[u8]| warns(Format::Gguf, name, bytes);
    warns("gguf.values.text", &file.clone().key(key("x", 8, &text(&[0xff]))));
    warns("gguf.tensors.long_name", &file.clone().only(entry(&"n".repeat(64), &[3], 0, 0), 12));
    warns("gguf.tensors.scalar", &file.clone().only(entry("n", &[], 0, 0), 4));
    warns("gguf.tensors.type", &file.clone().only(entry("n", &[64], 99, 0), 777));
    let template =
        |template: &str| file.clone().key(key("tokenizer.chat_template", 8, &text(template.as_bytes())));
    for bad in ["{{ x.__class__ }}", "{% import 'os' %}", "{{ cycler.x }}"] {
        warns("gguf.template", &template(bad));
    }
    passes(Format::Gguf, &template("{% if messages %} important {% endif %}"));
}

#[test]
fn file_of_another_length_than_said_fails() {
    let (gguf, tensors) = (
        Gguf::new().bytes(),
        safetensors_file(r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, 2),
    );
    let all = [
        (Format::Gguf, &gguf, "gguf.file.length"),
        (Format::Safetensors, &tensors, "safetensors.file.length"),
    ];
    for (format, bytes, name) in all {
        let mut scan = artifact::scan(format, bytes.len() as u64);
        scan.push(bytes);
        scan.push(b"x");
        let failed: Vec<_> = scan.finish().report.failures().map(|check| check.name).collect();
        assert_eq!(failed, [name]);
    }
}

#[test]
fn every_rule_has_a_name_of_its_own() {
    let mut names: Vec<_> = gguf::Rule::ALL.iter().map(|rule| rule.name()).collect();
    names.extend(safetensors::Rule::ALL.iter().map(|rule| rule.name()));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

proptest! {
    // Rows: D13
    #[test]
    fn damaged_headers_are_judged_alike_in_any_slices(
        place in any::<prop::sample::Index>(), byte: u8, step in 1_usize..200, is_gguf: bool,
    ) {
        let (format, mut bytes) = if is_gguf {
            (Format::Gguf, Gguf::new().bytes())
        } else {
            let header = r#"{"__metadata__":{"format":"pt"},"a":{"shape":[1],"data_offsets":[0,1],"dtype":"U8"}}"#;
            (Format::Safetensors, safetensors_file(header, 1))
        };
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let whole = scan(format, &bytes, usize::MAX).report;
        prop_assert_eq!(&scan(format, &bytes, step).report, &whole);
        // What passes here without a warning passes for the reference reader too.
        if !is_gguf && whole.checks().iter().all(|check| check.outcome == Outcome::Pass) {
            prop_assert!(::safetensors::SafeTensors::deserialize(&bytes).is_ok());
        }
    }
}
