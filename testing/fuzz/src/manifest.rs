//! The manifest's text.

use minimodel_verifier::Manifest;
use minimodel_verifier::manifest::{MAX_MANIFEST_BYTES, check};

use crate::samples;

/// The data is the text of a manifest.
///
/// # Panics
/// When parsing what was printed gives another manifest, the report disagrees with the parser, an error message could
/// control a terminal, or a file name could leave its folder.
pub fn manifest(data: &[u8]) {
    let report = check(data);
    let parsed = Manifest::parse(data);
    assert_eq!(report.ok(), parsed.is_ok(), "the report and the parser agree");
    assert!(report.checks().iter().all(|check| check.detail().len() < 10_000));
    match parsed {
        Ok(manifest) => holds(&manifest),
        Err(error) => {
            let told = error.to_string();
            assert!(told.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{told:?}");
            assert!(told.len() < 2_000, "{} bytes", told.len());
        }
    }
}

fn holds(manifest: &Manifest) {
    let text = manifest.text();
    assert!(text.len() <= MAX_MANIFEST_BYTES);
    assert_eq!(Manifest::parse(text.as_bytes()).as_ref(), Ok(manifest), "parse(print(m)) == m");
    assert_eq!(manifest.chunk_count(), manifest.byte_count().div_ceil(manifest.chunk_size()));
    let stem = manifest.artifact_name().stem().to_owned();
    // A version may hold two dots, which mean nothing without a separator.
    assert!(!stem.contains(['/', '\\', ':', '\0']) && !stem.starts_with(['.', '-']), "{stem}");
    assert_eq!(manifest.fields().count(), manifest.canonical().lines().count());
    let _ = (manifest.license_digest(), manifest.evidence_digest());
    if manifest.is_signed() {
        return;
    }
    assert_eq!(manifest.draft().build().as_ref().map(Manifest::canonical), Ok(manifest.canonical()));
    // Signing fails only where the signature makes the text too large or its fields too many.
    if let Ok(signed) = manifest.sign(samples::key(1)) {
        assert!(signed.is_signed() && signed.swarm_id() != manifest.swarm_id());
        assert_eq!(signed.draft(), manifest.draft());
    }
}
