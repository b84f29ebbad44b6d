//! Manifests of version 1, which name GGUF and safetensors files, and their receipts.

use std::sync::Arc;

use minimodel_fixtures::{chunk_hashes, gguf_vec, merkle_root, onnx_vec, safetensors_vec};
use minimodel_verifier::artifact::Format;
use minimodel_verifier::manifest::{Acquisition, FormatClaims, ManifestDraft, Schema, check};
use minimodel_verifier::other::Container;
use minimodel_verifier::receipt::{Consent, ConsentAction, ImportRecord, Receipt, RecordedCheck};
use minimodel_verifier::verify::{Following, inspect_artifact, verify_artifact};
use minimodel_verifier::{Manifest, ManifestError as E, Report, sha256};

use crate::manifest_inputs::{key, unsigned, with, without};

const CHUNK: u64 = 16 << 10;

/// Every format of version 1; one file that can run code stands for all.
const FORMATS: [Format; 4] =
    [Format::Gguf, Format::Safetensors, Format::Onnx, Format::Other(Container::Pickle)];

fn file(format: Format) -> Vec<u8> {
    match format {
        Format::Gguf => gguf_vec(20_000, 7),
        Format::Safetensors => safetensors_vec(20_000, 7),
        Format::Onnx => onnx_vec(20_000),
        Format::Other(_) => [&b"\x80\x04\x95"[..], &[7; 40_000]].concat(),
        Format::Slm => unreachable!("a file of version 1"),
    }
}

/// The draft of a manifest of this file.
fn draft(format: Format, file: &[u8]) -> ManifestDraft {
    let inspected = inspect_artifact(format, file.len() as u64, CHUNK, &mut &*file).unwrap();
    assert!(inspected.report.ok(), "{:?}", inspected.report);
    let mut draft = Manifest::parse(unsigned().as_bytes()).unwrap().draft().clone();
    draft.model_card_route = None;
    draft.claims = inspected.claims.unwrap();
    draft.artifact.byte_count = file.len() as u64;
    draft.artifact.sha256 = sha256(file);
    draft.chunks.size = CHUNK;
    draft.chunks.count = (file.len() as u64).div_ceil(CHUNK);
    draft.chunks.merkle_root = merkle_root(&chunk_hashes(file, CHUNK as usize));
    draft.chunks.list = None;
    draft
}

fn verified(manifest: &Manifest, file: &[u8]) -> Report {
    let report = verify_artifact(manifest, &mut &*file).unwrap().report;
    let mut following = Following::new(Arc::new(manifest.clone()));
    file.chunks(1_000).for_each(|piece| following.push(piece));
    let failed = |report: &Report| report.failures().map(|check| check.name).collect::<Vec<_>>();
    // The chunks are proven before, so that the tree is not judged in step.
    let without_root = |name: &&str| *name != "chunk.merkle_root";
    let expected: Vec<_> = failed(&report).into_iter().filter(without_root).collect();
    assert_eq!(failed(&following.finish().report), expected);
    report
}

#[test]
fn manifest_says_what_the_file_says_of_itself() {
    let expected = [
        (
            Format::Gguf,
            "gguf.architecture=llama gguf.context_length=2048 gguf.parameter_count=20000 gguf.tensor_count=1 \
             gguf.tensor_types=0:1 gguf.version=3",
        ),
        (
            Format::Safetensors,
            "safetensors.parameter_count=20000 safetensors.tensor_count=1 safetensors.tensor_types=F32:1",
        ),
        (
            Format::Onnx,
            "onnx.ir_version=10 onnx.opset_version=21 onnx.parameter_count=20000 onnx.tensor_count=1 onnx.tensor_types=1:1",
        ),
        (Format::Other(Container::Pickle), "other.container=pkl"),
    ];
    for (format, claims) in expected {
        let file = file(format);
        let manifest = draft(format, &file).sign(&key()).unwrap();
        assert_eq!((manifest.format(), manifest.slm()), (format, None));
        assert_eq!(Manifest::parse(manifest.text().as_bytes()).as_ref(), Ok(&manifest));
        let of_format = format!("{}.", format.word());
        let lines: Vec<_> =
            manifest.canonical().lines().filter(|line| line.starts_with(&of_format)).collect();
        assert_eq!(lines.join(" "), claims);
        for line in [
            "manifest.version=1",
            "manifest.schema_id=minimodel.manifest.v1",
            "model_card.status=not-provided",
        ] {
            assert!(manifest.canonical().lines().any(|found| found == line), "{line}");
        }
        let name = format!("{}-{}.{}", manifest.model_id(), manifest.model_version(), format.ending());
        assert_eq!(manifest.artifact_name().file(), name);
        let report = verified(&manifest, &file);
        assert!(report.ok(), "{report:?}");
        let names: Vec<_> =
            check(manifest.text().as_bytes()).checks().iter().map(|check| check.name).collect();
        assert!(names.contains(&&*format!("manifest.{}", format.word())), "{names:?}");
    }
}

// Rows: D2
#[test]
fn each_false_claim_fails_by_its_own_name() {
    for format in FORMATS {
        let file = file(format);
        let good = draft(format, &file);
        for rule in format.claims() {
            let mut other = good.clone();
            let FormatClaims::Listed(_, claims) = &mut other.claims else { unreachable!() };
            // The format itself, not what is in the file.
            if matches!(format, Format::Other(_)) {
                continue;
            } else if rule.is_required {
                *claims.get_mut(rule.key).unwrap() = "9".to_owned();
            } else {
                claims.remove(rule.key);
            }
            let failed: Vec<_> =
                verified(&other.build().unwrap(), &file).failures().map(|check| check.name).collect();
            assert_eq!(failed, [rule.key]);
        }
        if let Format::Other(_) = format {
            let mut other = good.clone();
            other.claims = FormatClaims::placeholder(Format::Other(Container::Hdf5));
            let failed: Vec<_> =
                verified(&other.build().unwrap(), &file).failures().map(|check| check.name).collect();
            assert_eq!(failed, ["other.container"]);
        }
        let mut spoiled = file.clone();
        spoiled[40_000] ^= 1;
        let failed: Vec<_> =
            verified(&good.build().unwrap(), &spoiled).failures().map(|check| check.name).collect();
        assert_eq!(failed, ["artifact.sha256", "chunk.merkle_root"]);
        // A file of another format with the right hashes is none.
        let slm = vec![0; 40_000];
        let mut of_slm = draft(format, &file);
        of_slm.artifact.byte_count = slm.len() as u64;
        (of_slm.artifact.sha256, of_slm.chunks.count) = (sha256(&slm), 3);
        of_slm.chunks.merkle_root = merkle_root(&chunk_hashes(&slm, CHUNK as usize));
        assert!(!verified(&of_slm.build().unwrap(), &slm).ok());
    }
}

/// `text` with one more line.
fn plus(text: &str, key: &str, value: &str) -> String {
    format!("{text}{key}={value}\n")
}

// Rows: D2
#[test]
fn each_broken_rule_of_version_1_has_an_error_of_its_own() {
    let text = draft(Format::Gguf, &file(Format::Gguf)).build().unwrap().text();
    let v0 = unsigned();
    let slm_key = Schema::V0.checksum();
    let is = |expected: fn(&E) -> bool, text: &str| {
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(!error.accepted().is_empty());
        assert_eq!(
            check(text.as_bytes()).failures().next().map(|check| check.name),
            Some(error.check_name())
        );
    };
    is(|error| matches!(error, E::UnknownVersion(_)), &with(&text, "manifest.version", "2"));
    for kind in ["slm", "GGUF", "tflite"] {
        is(|error| matches!(error, E::ArtifactKind(_)), &with(&text, "artifact.kind", kind));
    }
    is(|error| matches!(error, E::ArtifactKind(_)), &with(&v0, "artifact.kind", "gguf"));
    is(|error| matches!(error, E::SchemaId(_)), &with(&text, "manifest.schema_id", "minimodel.manifest.v0"));
    is(|error| matches!(error, E::SchemaChecksum(_)), &with(&text, "manifest.schema_checksum", slm_key));
    for foreign in ["slm.checksum", "safetensors.tensor_count", "gguf.other"] {
        is(|error| matches!(error, E::UnknownKey { .. }), &plus(&text, foreign, "1"));
    }
    is(|error| matches!(error, E::UnknownKey { .. }), &plus(&v0, "model_card.status", "not-provided"));
    for missing in ["gguf.version", "gguf.tensor_count", "gguf.parameter_count", "artifact.kind"] {
        is(|error| matches!(error, E::MissingKey { .. }), &without(&text, missing));
    }
    let bad = [
        ("gguf.version", "03"),
        ("gguf.architecture", "La ma"),
        ("gguf.context_length", "2k"),
        ("gguf.tensor_types", "0:1,0:1"),
    ];
    for (key, value) in bad {
        is(|error| matches!(error, E::ClaimSpelling { .. }), &with(&text, key, value));
    }
    let other = draft(FORMATS[3], &file(FORMATS[3])).build().unwrap().text();
    is(|error| matches!(error, E::ClaimSpelling { .. }), &with(&other, "other.container", "exe"));
    is(|error| matches!(error, E::ClaimSpelling { .. }), &with(&other, "artifact.executes_on_load", "no"));
    for missing in ["other.container", "artifact.executes_on_load"] {
        is(|error| matches!(error, E::MissingKey { .. }), &without(&other, missing));
    }
    is(|error| matches!(error, E::UnknownKey { .. }), &plus(&text, "artifact.executes_on_load", "yes"));
    is(|error| matches!(error, E::ModelCardStatus(_)), &with(&text, "model_card.status", "none"));
    is(|error| matches!(error, E::ModelCardContradiction { .. }), &plus(&text, "model_card.route", "/card"));
    is(
        |error| matches!(error, E::MissingKey { key: "model_card.route" }),
        &without(&text, "model_card.status"),
    );
}

#[test]
fn receipt_of_version_1_names_the_format_and_no_checksum() {
    for format in FORMATS {
        let manifest = draft(format, &file(format)).sign(&key()).unwrap();
        let utc = "2026-06-01T12:00:00Z".to_owned();
        let import = ImportRecord {
            lane: Acquisition::UserLocalFile,
            started_utc: utc.clone(),
            finished_utc: utc.clone(),
            tool_version: "minimodel 1".to_owned(),
            checksum_recomputed: true,
            consents: vec![Consent {
                action: ConsentAction::Import,
                at_utc: utc,
                by: "--consent".to_owned(),
            }],
            peers: Vec::new(),
            checks: RecordedCheck::all(&verified(&manifest, &file(format))),
        };
        let receipt = Receipt::new(&manifest, import).unwrap();
        let text = receipt.render();
        assert!(text.starts_with("receipt.version=1\n") && !text.contains("\nslm."));
        assert!(text.contains(&format!("\nartifact.kind={}\n", format.word())));
        assert_eq!(Receipt::parse(text.as_bytes()).as_ref(), Ok(&receipt));
        // Neither version is read as the other.
        let version_0 = text.replacen("version=1", "version=0", 1);
        let slm = text.replacen(&format!("kind={}", format.word()), "kind=slm", 1);
        for other in [version_0, slm, text.replacen("version=1", "version=2", 1)] {
            let body = &other[..other.rfind("receipt.sha256=").unwrap()];
            let sum = minimodel_verifier::digest::tagged(&sha256(body.as_bytes()));
            assert!(Receipt::parse(format!("{body}receipt.sha256={sum}\n").as_bytes()).is_err());
        }
    }
}
