//! The manifests of `minimodel-fixtures`, which were written from the format page alone: each valid one reads
//! as its canonical form says, and each bad one breaks the rule that it was made to break.

use ed25519_dalek::{Signer as _, SigningKey};
use minimodel_fixtures::{
    ManifestOptions, bad_manifests, false_claims, manifest_artifact, schema_checksum, valid_manifests,
};
use minimodel_verifier::manifest::{RouteFault, Schema, check};
use minimodel_verifier::{Manifest, ManifestError as E, sha256};

#[test]
fn both_sides_know_the_same_keys() {
    let keys: String = minimodel_fixtures::manifest_keys();
    assert_eq!(keys, Schema::V0.key_list());
    assert_eq!(schema_checksum(), Schema::V0.checksum());
}

#[test]
fn each_valid_manifest_reads_as_its_canonical_form_says() {
    for valid in valid_manifests() {
        let manifest =
            Manifest::parse(valid.text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", valid.name));
        assert_eq!(manifest.canonical(), valid.canonical, "{}", valid.name);
        assert_eq!(manifest.swarm_id(), &sha256(valid.canonical.as_bytes()), "{}", valid.name);
        assert_eq!(manifest.is_signed(), valid.name.starts_with("signed"), "{}", valid.name);
        assert_eq!(Manifest::parse(manifest.text().as_bytes()).as_ref(), Ok(&manifest), "{}", valid.name);
        assert_eq!(
            manifest.draft().build().map(|again| again.draft().clone()).as_ref(),
            Ok(manifest.draft())
        );
        assert!(check(valid.text.as_bytes()).ok(), "{}", valid.name);
    }
}

#[test]
fn each_bad_manifest_breaks_the_rule_it_was_made_to_break() {
    for bad in bad_manifests() {
        let error = Manifest::parse(&bad.text).expect_err(&bad.name);
        assert_eq!(rule_of(&error), bad.rule, "{}: {error}", bad.name);
        let report = check(&bad.text);
        let failed: Vec<&str> = report.failures().map(|check| check.name).collect();
        assert_eq!(failed, [error.check_name()], "{}", bad.name);
    }
}

#[test]
fn a_false_claim_is_no_fault_of_the_text() {
    let signing_key = Some(SigningKey::from_bytes(&[9; 32]));
    for options in [ManifestOptions::default(), ManifestOptions { signing_key, ..ManifestOptions::default() }]
    {
        for claim in false_claims(&manifest_artifact(), &options) {
            assert!(Manifest::parse(&claim.text).is_ok(), "{}", claim.name);
        }
    }
}

#[test]
fn both_sides_make_the_same_signature() {
    let key = minimodel_fixtures::fixture_signing_key();
    let full = valid_manifests().into_iter().find(|valid| valid.name == "full").expect("there");
    let signed = valid_manifests().into_iter().find(|valid| valid.name == "signed").expect("there");
    let manifest = Manifest::parse(full.text.as_bytes()).expect("valid").sign(&key).expect("signed");
    assert_eq!(manifest, Manifest::parse(signed.text.as_bytes()).expect("valid"));
    let signature = key.sign(manifest.canonical().as_bytes()).to_bytes();
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(manifest.text().ends_with(&format!("signature.value={hex}\n")));
}

/// The name that the fixtures give to the rule.
fn rule_of(error: &E) -> &'static str {
    let key = error.key().unwrap_or_default();
    match error {
        E::TooLarge { .. } => "manifest.size",
        E::ByteOrderMark | E::LoneCarriageReturn { .. } | E::ForbiddenByte { .. } => "manifest.bytes",
        E::NoEquals { .. } => "manifest.line",
        E::KeyTooLong { .. } => "manifest.key_length",
        E::KeySpelling { .. } => "manifest.key_syntax",
        E::ValueTooLong { .. } => "manifest.value_length",
        E::TooManyFields { .. } => "manifest.field_count",
        E::DuplicateKey { .. } => "manifest.duplicate_key",
        E::CommentInSigned { .. } => "manifest.comment",
        E::UnknownVersion(_) => "manifest.version",
        E::UnknownKind(_) => "manifest.kind",
        E::ForbiddenWord { .. } => "manifest.forbidden_key",
        E::UnknownKey { .. } => "manifest.unknown_key",
        E::MissingKey { .. } => "manifest.missing_key",
        E::SchemaId(_) => "manifest.schema_id",
        E::SchemaChecksum(_) => "manifest.schema_checksum",
        E::Time(_) => "manifest.created_utc",
        E::NotRouteSafe(_) | E::ParentInWord(_) if key == "model.id" => "manifest.model_id",
        E::NotRouteSafe(_) | E::ParentInWord(_) if key == "publisher.id" => "manifest.publisher_id",
        E::NotRouteSafe(_) | E::ParentInWord(_) => "manifest.evidence_kind",
        E::ModelVersion(_) => "manifest.model_version",
        E::KeyIdSpelling(_) | E::KeyWithoutSignature(_) | E::SignatureWithoutKey(_) => {
            "manifest.publisher_key_id"
        }
        E::Route { fault: RouteFault::ModelBytes | RouteFault::Resolve, .. } => "manifest.route_model_bytes",
        E::Route { .. } => "manifest.route",
        E::Spdx { .. } => "manifest.license_spdx",
        E::ArtifactKind(_) => "manifest.artifact_kind",
        E::Acquisition(_) => "manifest.acquisition",
        E::ProjectServerUrl(_) => "manifest.project_server_url",
        E::ModelCardStatus(_) | E::ModelCardContradiction { .. } | E::ClaimSpelling { .. } => {
            unreachable!("a rule of version 1")
        }
        E::SlmFormatVersion(_) => "manifest.format_version",
        E::SlmChecksumSpelling(_) => "manifest.slm_checksum",
        E::Quantization(_) => "manifest.quantization",
        E::ChunkScheme(_) => "manifest.chunk_scheme",
        E::ChunkSizeNotPowerOfTwo(_) | E::ChunkSizeOutOfRange(_) => "manifest.chunk_size",
        E::ChunkCount { .. } => "manifest.chunk_count",
        E::ChunkListHalf { .. } => "manifest.chunk_list_pair",
        E::NumberSpelling(_) | E::NumberTooLarge(_) => "manifest.number",
        E::DigestSpelling(_) | E::EvidenceDigest(_) => "manifest.sha256",
        E::EvidenceStatus(_) => "manifest.evidence_status",
        E::EvidenceMissing
        | E::EvidenceContradiction { .. }
        | E::EvidenceGap { .. }
        | E::EvidenceIncomplete { .. } => "manifest.evidence",
        E::SourceEmpty(_) => "manifest.source",
        E::RequiresArch { .. } => "manifest.requires_arch",
        E::SignatureHalf { .. } => "manifest.signature_pair",
        E::SignatureAlgorithm(_) => "manifest.signature_algorithm",
        E::SignatureSpelling(_) => "manifest.signature_value",
        E::InvalidKey(_) | E::WeakKey(_) | E::SignatureMismatch { .. } => "manifest.signature",
    }
}
