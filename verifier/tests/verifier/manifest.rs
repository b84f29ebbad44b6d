//! What a valid manifest gives: canonical form, identities, signing, drafts, the report, the published page.

use ed25519_dalek::SigningKey;
use minimodel_verifier::manifest::{CHECKS, ManifestDraft, RequiresClaims, Schema, SourceClaims, check};
use minimodel_verifier::{Manifest, ManifestError, Outcome, digest, sha256};

use crate::manifest_inputs::{key, signed, unsigned, with};

const PAGE: &str = include_str!("../../../docs/manifest.md");

fn parse(text: &str) -> Manifest {
    Manifest::parse(text.as_bytes()).expect("a valid manifest")
}

#[test]
fn the_canonical_form_is_sorted_lines_without_the_signature() {
    // By the key alone: `.` and the digits sort before `=`, so sorting whole lines would put `x.a=` last.
    let text = unsigned() + "x.a.b=1\nx.a=2\nx.a0=3\nx.a_=4\n";
    let mut fields: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();
    fields.sort();
    let canonical: String = fields.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    assert!(canonical.contains("x.a=2\nx.a.b=1\nx.a0=3\nx.a_=4\n"));
    let manifest = parse(&text);
    assert_eq!(manifest.canonical(), canonical);
    assert_eq!(manifest.text(), canonical);
    assert_eq!(manifest.swarm_id(), &sha256(canonical.as_bytes()));
    let fields: String = manifest.fields().map(|(key, value)| format!("{key}={value}\n")).collect();
    assert_eq!(fields, canonical);
}

#[test]
fn line_ends_spaces_empty_lines_comments_and_order_are_ignored() {
    let plain = parse(&unsigned());
    let crlf = unsigned().replace('\n', "\r\n");
    let spaced = unsigned().replace('=', "=  ").replace('\n', "  \n\n");
    let commented = format!("# a comment\n{}#x.a=1", unsigned());
    let reversed: String = unsigned().lines().rev().map(|line| format!("{line}\n")).collect();
    for text in [crlf, spaced, commented, reversed, unsigned().trim_end().to_owned()] {
        assert_eq!(parse(&text), plain);
    }
}

#[test]
fn accessors_say_what_stands_there() {
    let manifest = parse(&unsigned());
    assert_eq!(manifest.model_id(), "tinylm-16m");
    assert_eq!(manifest.model_version(), "1.0.0");
    assert_eq!(manifest.artifact_name().file(), "tinylm-16m-1.0.0.slm");
    assert_eq!(manifest.publisher_id(), "example-lab");
    assert_eq!(manifest.publisher_key_id(), "none");
    assert_eq!(manifest.created_utc(), "2026-06-01T12:00:00Z");
    assert_eq!(manifest.model_card_route().unwrap(), "https://example.org/models/tinylm-16m");
    assert_eq!(manifest.license_route(), "https://example.org/licenses/apache-2.0.txt");
    assert_eq!(manifest.license_spdx(), Some("Apache-2.0"));
    assert_eq!(manifest.takedown_route(), Some("https://example.org/takedown"));
    assert_eq!(manifest.acquisition(), "consent-peer-transfer");
    assert_eq!(manifest.byte_count(), 10_000_000);
    assert_eq!(manifest.artifact_sha256(), &[0xAA; 32]);
    assert_eq!((manifest.chunk_size(), manifest.chunk_count()), (65_536, 153));
    assert_eq!(manifest.merkle_root(), &[0xDD; 32]);
    assert_eq!(manifest.chunk_list_route(), Some("/models/tinylm-16m/chunks.txt"));
    assert_eq!(manifest.chunk_list_sha256(), Some(&[0xEE; 32]));
    assert_eq!(manifest.slm().unwrap().checksum, 0x00c0_ffee_00c0_ffee);
    assert_eq!(manifest.slm().unwrap().tokenizer_sha256, [0xBB; 32]);
    assert_eq!(manifest.slm().unwrap().layout_sha256, [0xCC; 32]);
    assert_eq!(manifest.slm().unwrap().quantization, "q4_0");
    assert_eq!(manifest.slm().unwrap().parameter_count, 17_044_992);
    let [first, second] = manifest.evidence() else { panic!("two pieces of evidence") };
    assert_eq!((first.kind.as_str(), first.sha256), ("training-report", Some([0xFF; 32])));
    assert_eq!(second.route, "https://example.org/models/tinylm-16m/evaluation.html");
    assert_eq!(second.sha256, None);
    assert_eq!(manifest.draft().source.id.as_deref(), Some("Example/TinyLM 16M"));
    assert_eq!(manifest.draft().requires.vram_mb, Some(0));
    assert_eq!(manifest.draft().requires.arch, ["x86_64", "aarch64"]);
    assert_eq!(manifest.draft().extra["x.note"], "made for the format's own tests");
}

#[test]
fn license_and_evidence_digests_cover_their_canonical_lines() {
    let manifest = parse(&unsigned());
    let license = "license.route=https://example.org/licenses/apache-2.0.txt\nlicense.spdx=Apache-2.0\n";
    assert_eq!(manifest.license_digest(), sha256(license.as_bytes()));
    let other = parse(&with(&unsigned(), "license.spdx", "MIT"));
    assert_ne!(other.license_digest(), manifest.license_digest());
    assert_eq!(other.evidence_digest(), manifest.evidence_digest());
    let other = parse(&with(&unsigned(), "evidence.1.kind", "audit"));
    assert_eq!(other.license_digest(), manifest.license_digest());
    assert_ne!(other.evidence_digest(), manifest.evidence_digest());
}

#[test]
fn not_claimed_evidence_is_no_evidence() {
    let mut draft = parse(&unsigned()).draft().clone();
    draft.evidence.clear();
    let manifest = draft.build().expect("valid");
    assert!(manifest.evidence().is_empty());
    assert_eq!(manifest.evidence_digest(), sha256(b"evidence.status=not-claimed\n"));
}

#[test]
fn a_manifest_with_required_keys_alone_is_valid() {
    let draft = ManifestDraft {
        license_spdx: None,
        takedown_route: None,
        evidence: Vec::new(),
        source: SourceClaims::default(),
        requires: RequiresClaims::default(),
        extra: [].into(),
        ..parse(&unsigned()).draft().clone()
    };
    let mut draft = draft;
    draft.chunks.list = None;
    let manifest = draft.build().expect("valid");
    assert_eq!(manifest.fields().count(), 34, "33 required keys and evidence.status");
    assert_eq!(manifest.draft(), &draft);
}

#[test]
fn a_draft_renders_the_canonical_form() {
    let manifest = parse(&unsigned());
    assert_eq!(manifest.draft().build(), Ok(manifest.clone()));
    assert_eq!(manifest.draft().sign(&key()), Ok(signed()));
}

#[test]
fn signing_names_the_key_and_verifies() {
    let manifest = signed();
    let public = digest::hex(key().verifying_key().as_bytes());
    assert!(manifest.is_signed());
    assert_eq!(manifest.publisher_key_id(), format!("ed25519:{public}"));
    assert!(manifest.canonical().contains(&format!("\npublisher.key_id=ed25519:{public}\n")));
    assert!(!manifest.canonical().contains("signature."));
    assert!(manifest.text().contains("\nsignature.algorithm=ed25519\nsignature.value="));
    assert_eq!(parse(&manifest.text()), manifest);
    assert_ne!(manifest.swarm_id(), parse(&unsigned()).swarm_id());
}

#[test]
fn signing_again_replaces_key_and_signature_and_drops_comments() {
    let commented = parse(&format!("# a comment\n{}", unsigned()));
    assert_eq!(commented.sign(&key()), Ok(signed()));
    let other = SigningKey::from_bytes(&[8; 32]);
    let again = signed().sign(&other).expect("signed again");
    assert_eq!(again, parse(&unsigned()).sign(&other).expect("signed once"));
    assert_eq!(again.sign(&key()), Ok(signed()));
}

#[test]
fn a_draft_cannot_smuggle_lines_keys_or_comments() {
    let base = parse(&unsigned()).draft().clone();
    let line = 1 + base.build().expect("valid").fields().filter(|(key, _)| *key < "x.a").count();
    let build = |key: &str, value: &str| {
        let mut draft = base.clone();
        draft.extra.insert(key.to_owned(), value.to_owned());
        draft.build().expect_err("refused")
    };
    let byte = |byte| ManifestError::ForbiddenByte { line, column: 6, byte };
    assert_eq!(build("x.a", "1\nsource.id=2"), byte(b'\n'));
    assert_eq!(build("x.a", "1\r"), byte(b'\r'));
    assert_eq!(build("x.a", "1\t"), byte(b'\t'));
    assert_eq!(build("x.a", "1\u{e9}"), byte(0xC3));
    assert_eq!(build("x.a=1", "2"), ManifestError::KeySpelling { line, key: "x.a=1".into() });
    assert_eq!(build("x.a\n", "2"), ManifestError::KeySpelling { line, key: "x.a\n".into() });
    assert_eq!(build("#x", "2"), ManifestError::UnknownKey { line: 1, key: "#x".into() });
    let model_id = base.build().expect("valid").fields().filter(|(key, _)| *key <= "model.id").count();
    assert_eq!(build("model.id", "2"), ManifestError::UnknownKey { line: model_id, key: "model.id".into() });
}

#[test]
fn the_report_names_every_check_in_order() {
    let report = check(signed().text().as_bytes());
    assert!(report.ok());
    let names: Vec<&str> = report.checks().iter().map(|check| check.name).collect();
    assert_eq!(names, CHECKS);
    assert!(report.checks().iter().all(|check| check.outcome == Outcome::Pass));
    let found = &report.check("manifest.signature").expect("made").found;
    assert_eq!(found, &format!("verified {}", signed().publisher_key_id()));
}

#[test]
fn an_unsigned_manifest_is_a_warning() {
    let report = check(unsigned().as_bytes());
    assert!(report.ok());
    let last = report.check("manifest.signature").expect("made");
    assert_eq!((last.outcome, last.found.as_str()), (Outcome::Warn, "unsigned"));
}

#[test]
fn the_example_of_the_page_is_the_one_that_is_tested() {
    let start = PAGE.find("artifact.acquisition=").expect("the page has an example");
    let example = &PAGE[start..start + PAGE[start..].find("```").expect("the block ends")];
    assert_eq!(example, signed().text());
    assert!(PAGE.contains(&format!("`{}`", digest::hex(signed().swarm_id()))), "the page names its swarm id");
}

#[test]
fn the_page_names_every_key_and_every_check() {
    let keys = Schema::ALL.into_iter().flat_map(|schema| schema.key_list().lines());
    for word in keys.chain(CHECKS).chain(Schema::ALL.map(Schema::id)) {
        assert!(PAGE.contains(&format!("`{word}`")), "{word}");
    }
    assert!(Schema::ALL.iter().all(|schema| PAGE.contains(schema.checksum())));
}
