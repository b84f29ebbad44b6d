//! The named checks of `verify-manifest`, in their one order.

/// At most [`MAX_MANIFEST_BYTES`](super::MAX_MANIFEST_BYTES).
pub(super) const SIZE: &str = "manifest.size";
/// Bytes, lines, spelling of keys, comments, limits, no key twice.
pub(super) const TEXT: &str = "manifest.text";
/// `manifest.version` and `manifest.kind`: before the keys, so that another version is named as such.
pub(super) const VERSION: &str = "manifest.version";
/// No unknown key, no forbidden word, no required key missing.
pub(super) const KEYS: &str = "manifest.keys";
/// `manifest.schema_id`, `.schema_checksum` and `.created_utc`.
pub(super) const SCHEMA: &str = "manifest.schema";
/// `model.*` and `publisher.*`.
pub(super) const IDENTITY: &str = "manifest.identity";
/// `model_card.route`, `license.route` and `takedown.route`.
pub(super) const ROUTES: &str = "manifest.routes";
/// `license.spdx`.
pub(super) const LICENSE: &str = "manifest.license";
/// `artifact.*`.
pub(super) const ARTIFACT: &str = "manifest.artifact";
/// `slm.*`, as far as the text alone can show it.
pub(super) const SLM: &str = "manifest.slm";
/// The same of `gguf.*`.
pub(super) const GGUF: &str = "manifest.gguf";
/// The same of `safetensors.*`.
pub(super) const SAFETENSORS: &str = "manifest.safetensors";
/// The same of `onnx.*`.
pub(super) const ONNX: &str = "manifest.onnx";
/// The same of `other.*`.
pub(super) const OTHER: &str = "manifest.other";
/// `chunk.*`.
pub(super) const CHUNKS: &str = "manifest.chunks";
/// `evidence.*`.
pub(super) const EVIDENCE: &str = "manifest.evidence";
/// `source.*`.
pub(super) const SOURCE: &str = "manifest.source";
/// `requires.*`.
pub(super) const REQUIRES: &str = "manifest.requires";
/// `signature.*` and the key in `publisher.key_id`.
pub(super) const SIGNATURE: &str = "manifest.signature";

/// Every check of a manifest of version 0, in the order in which they are made and reported. One of version 1 has that of its format
/// in the place of `manifest.slm`.
pub const CHECKS: [&str; 15] = [
    SIZE, TEXT, VERSION, KEYS, SCHEMA, IDENTITY, ROUTES, LICENSE, ARTIFACT, SLM, CHUNKS, EVIDENCE, SOURCE,
    REQUIRES, SIGNATURE,
];

/// The check that covers the value of `key`.
pub(super) fn of_key(key: &str) -> &'static str {
    match key.split('.').next().unwrap_or_default() {
        _ if matches!(key, "manifest.version" | "manifest.kind") => VERSION,
        "manifest" => SCHEMA,
        "model" | "publisher" => IDENTITY,
        _ if key == "license.spdx" => LICENSE,
        "model_card" | "license" | "takedown" => ROUTES,
        "artifact" => ARTIFACT,
        "slm" => SLM,
        "gguf" => GGUF,
        "safetensors" => SAFETENSORS,
        "onnx" => ONNX,
        "other" => OTHER,
        "chunk" => CHUNKS,
        "evidence" => EVIDENCE,
        "source" => SOURCE,
        "requires" => REQUIRES,
        "signature" => SIGNATURE,
        _ => KEYS,
    }
}
