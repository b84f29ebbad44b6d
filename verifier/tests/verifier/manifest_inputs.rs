//! Manifests that the tests start from, and ways to break exactly one thing in them.

use ed25519_dalek::SigningKey;
use minimodel_verifier::Manifest;
use minimodel_verifier::manifest::{FieldAt, Schema};

/// A digest in the spelling of manifests: 64 times one uppercase hex digit.
pub(crate) fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// An unsigned manifest with every key that a manifest can have, in another order than the canonical one.
pub(crate) fn unsigned() -> String {
    let digests = ['A', 'B', 'C', 'D', 'E', 'F', '1'].map(digest);
    let [file, tokenizer, layout, root, list, evidence, source] = digests;
    format!(
        "manifest.version=0
manifest.kind=minimodel.manifest
manifest.schema_id=minimodel.manifest.v0
manifest.schema_checksum={schema}
manifest.created_utc=2026-06-01T12:00:00Z
model.id=tinylm-16m
model.version=1.0.0
publisher.id=example-lab
publisher.key_id=none
model_card.route=https://example.org/models/tinylm-16m
license.route=https://example.org/licenses/apache-2.0.txt
license.spdx=Apache-2.0
artifact.kind=slm
artifact.byte_count=10000000
artifact.sha256={file}
artifact.acquisition=consent-peer-transfer
artifact.project_server_url=none
slm.format_version=1
slm.checksum=00c0ffee00c0ffee
slm.tokenizer_checksum={tokenizer}
slm.tensor_layout_checksum={layout}
slm.quantization=q4_0
slm.vocab_size=260
slm.hidden_size=512
slm.layer_count=4
slm.head_count=8
slm.kv_head_count=8
slm.ffn_size=2048
slm.max_context=512
slm.parameter_count=17044992
chunk.scheme=fixed-size-merkle-v0
chunk.size=65536
chunk.count=153
chunk.merkle_root={root}
chunk.list_route=/models/tinylm-16m/chunks.txt
chunk.list_sha256={list}
evidence.0.kind=training-report
evidence.0.route=/models/tinylm-16m/training.html
evidence.0.sha256={evidence}
evidence.1.kind=evaluation
evidence.1.route=https://example.org/models/tinylm-16m/evaluation.html
evidence.1.sha256=none
source.kind=checkpoint
source.id=Example/TinyLM 16M
source.revision=3f2a
source.sha256={source}
requires.ram_mb=64
requires.vram_mb=0
requires.arch=x86_64,aarch64
takedown.route=https://example.org/takedown
x.note=made for the format's own tests
",
        schema = Schema::V0.checksum()
    )
}

/// The key that the tests sign with.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// [`unsigned`], signed by [`key`].
pub(crate) fn signed() -> Manifest {
    let unsigned = Manifest::parse(unsigned().as_bytes()).expect("the example is valid");
    unsigned.sign(&key()).expect("the example can be signed")
}

/// `text` with `key`'s value replaced in its line.
pub(crate) fn with(text: &str, key: &str, value: &str) -> String {
    assert!(line_of(text, key) > 0);
    edit(text, key, |_| format!("{key}={value}\n"))
}

/// `text` without `key`'s line.
pub(crate) fn without(text: &str, key: &str) -> String {
    assert!(line_of(text, key) > 0);
    edit(text, key, |_| String::new())
}

fn edit(text: &str, key: &str, change: impl Fn(&str) -> String) -> String {
    let prefix = format!("{key}=");
    text.split_inclusive('\n')
        .map(|line| if line.starts_with(&prefix) { change(line) } else { line.to_owned() })
        .collect()
}

/// The 1-based line of `key`.
pub(crate) fn line_of(text: &str, key: &str) -> usize {
    let prefix = format!("{key}=");
    text.lines().position(|line| line.starts_with(&prefix)).map_or(0, |index| index + 1)
}

/// The field `key` as an error carries it.
pub(crate) fn field_at(text: &str, key: &str) -> FieldAt {
    let line = line_of(text, key);
    let value = text.lines().nth(line - 1).and_then(|line| line.split_once('=')).map(|(_, value)| value);
    FieldAt { line, key: key.to_owned(), value: value.unwrap_or_default().trim_matches(' ').to_owned() }
}
