//! Each rule of the sections `artifact` to `requires` has a bad input that breaks only that rule.

use minimodel_verifier::{Manifest, ManifestError as E};

use crate::manifest_inputs::{digest, field_at, line_of, unsigned, with, without};
use crate::manifest_rules::{refused, value_refused};

const EVIDENCE: [&str; 6] = [
    "evidence.0.kind",
    "evidence.0.route",
    "evidence.0.sha256",
    "evidence.1.kind",
    "evidence.1.route",
    "evidence.1.sha256",
];

fn without_evidence() -> String {
    EVIDENCE.iter().fold(unsigned(), |text, key| without(&text, key))
}

// Rows: D5
#[test]
fn a_digest_in_another_spelling() {
    let upper = digest('A');
    let lower = upper.to_lowercase();
    let odd = &upper[..70];
    let long = format!("{upper}A");
    let bare = &upper["sha256:".len()..];
    let tagged_upper = upper.replace("sha256", "SHA256");
    for (key, name) in [
        ("artifact.sha256", "manifest.artifact"),
        ("slm.tokenizer_checksum", "manifest.slm"),
        ("slm.tensor_layout_checksum", "manifest.slm"),
        ("chunk.merkle_root", "manifest.chunks"),
        ("chunk.list_sha256", "manifest.chunks"),
        ("source.sha256", "manifest.source"),
    ] {
        for value in ["", "none", &lower, odd, &long, bare, &tagged_upper] {
            value_refused(key, value, E::DigestSpelling, name);
        }
    }
}

// Rows: D4
#[test]
fn a_number_in_another_spelling() {
    let slm = [
        "vocab_size",
        "hidden_size",
        "layer_count",
        "head_count",
        "kv_head_count",
        "ffn_size",
        "max_context",
    ];
    let slm = slm.into_iter().chain(["parameter_count"]).map(|key| (format!("slm.{key}"), "manifest.slm"));
    let others = [
        ("artifact.byte_count", "manifest.artifact"),
        ("chunk.size", "manifest.chunks"),
        ("chunk.count", "manifest.chunks"),
    ];
    for (key, name) in others.map(|(key, name)| (key.to_owned(), name)).into_iter().chain(slm) {
        for value in ["", "0", "-1", "+1", "01", "1.0", "0x10", "1e3", "1 000", "1_000"] {
            value_refused(&key, value, E::NumberSpelling, name);
        }
        value_refused(&key, "18446744073709551616", E::NumberTooLarge, name);
    }
}

#[test]
fn another_artifact_kind() {
    value_refused("artifact.kind", "gguf", E::ArtifactKind, "manifest.artifact");
}

#[test]
fn a_project_server_url_is_refused_by_name() {
    for url in ["https://example.org/models", "", "None", "/models"] {
        value_refused("artifact.project_server_url", url, E::ProjectServerUrl, "manifest.artifact");
    }
    let text = with(&unsigned(), "artifact.project_server_url", "https://example.org/models");
    let message = Manifest::parse(text.as_bytes()).expect_err("refused").to_string();
    let expected = "line 17: `artifact.project_server_url` is `https://example.org/models`, accepted: `none`: no project server carries model bytes";
    assert_eq!(message, expected);
}

#[test]
fn another_acquisition() {
    for lane in ["", "project-server", "Consent-Peer-Transfer"] {
        value_refused("artifact.acquisition", lane, E::Acquisition, "manifest.artifact");
    }
    for lane in ["user-local-file", "user-external-download"] {
        let text = with(&unsigned(), "artifact.acquisition", lane);
        assert_eq!(Manifest::parse(text.as_bytes()).expect("valid").acquisition(), lane);
    }
}

// Rows: D11
#[test]
fn the_largest_byte_count_is_a_number_like_any_other() {
    let text = with(&unsigned(), "artifact.byte_count", &u64::MAX.to_string());
    let text = with(&text, "chunk.count", &(u64::MAX / 65_536 + 1).to_string());
    assert_eq!(Manifest::parse(text.as_bytes()).expect("valid").byte_count(), u64::MAX);
}

#[test]
fn another_slm_format_version() {
    value_refused("slm.format_version", "2", E::SlmFormatVersion, "manifest.slm");
}

// Rows: D5
#[test]
fn an_slm_checksum_in_another_spelling() {
    for value in ["", "00C0FFEE00C0FFEE", "0c0ffee00c0ffee", "000c0ffee00c0ffee", "0x00c0ffee00c0ff"] {
        value_refused("slm.checksum", value, E::SlmChecksumSpelling, "manifest.slm");
    }
}

#[test]
fn another_quantization() {
    for value in ["", "q5_0", "F32"] {
        value_refused("slm.quantization", value, E::Quantization, "manifest.slm");
    }
    for value in ["f32", "q8_0", "mixed"] {
        assert!(Manifest::parse(with(&unsigned(), "slm.quantization", value).as_bytes()).is_ok());
    }
}

#[test]
fn slm_claims_are_not_held_against_each_other() {
    let text = with(&unsigned(), "slm.head_count", "7");
    let text = with(&text, "slm.vocab_size", "1");
    assert!(Manifest::parse(with(&text, "slm.checksum", "0000000000000000").as_bytes()).is_ok());
}

#[test]
fn another_chunk_scheme() {
    value_refused("chunk.scheme", "fixed-size-merkle-v1", E::ChunkScheme, "manifest.chunks");
}

#[test]
fn a_chunk_size_that_is_no_power_of_two() {
    for size in ["65535", "65537", "98304", "18446744073709551615"] {
        value_refused("chunk.size", size, E::ChunkSizeNotPowerOfTwo, "manifest.chunks");
    }
}

#[test]
fn a_chunk_size_outside_16_kib_to_16_mib() {
    for size in ["1", "8192", "33554432", "9223372036854775808"] {
        value_refused("chunk.size", size, E::ChunkSizeOutOfRange, "manifest.chunks");
    }
    for (size, count) in [("16384", "611"), ("16777216", "1")] {
        let text = with(&unsigned(), "chunk.size", size);
        assert!(Manifest::parse(with(&text, "chunk.count", count).as_bytes()).is_ok());
    }
}

// Rows: D4
#[test]
fn a_chunk_count_that_is_not_exact() {
    for (bytes, count, expected) in [("10000000", "152", 153), ("10000000", "154", 153), ("65536", "2", 1)] {
        let text = with(&unsigned(), "artifact.byte_count", bytes);
        let text = with(&text, "chunk.count", count);
        let error = E::ChunkCount { at: field_at(&text, "chunk.count"), expected };
        refused(text.as_bytes(), &error, "manifest.chunks");
    }
}

#[test]
fn half_a_chunk_list() {
    for (key, missing) in
        [("chunk.list_route", "chunk.list_sha256"), ("chunk.list_sha256", "chunk.list_route")]
    {
        let text = without(&unsigned(), missing);
        let error = E::ChunkListHalf { line: line_of(&text, key), key, missing };
        refused(text.as_bytes(), &error, "manifest.chunks");
    }
    let neither = without(&without(&unsigned(), "chunk.list_route"), "chunk.list_sha256");
    assert_eq!(Manifest::parse(neither.as_bytes()).expect("valid").chunk_list_route(), None);
}

#[test]
fn another_evidence_status() {
    let text = without_evidence() + "evidence.status=claimed\n";
    let error = E::EvidenceStatus(field_at(&text, "evidence.status"));
    refused(text.as_bytes(), &error, "manifest.evidence");
}

#[test]
fn no_word_about_evidence() {
    refused(without_evidence().as_bytes(), &E::EvidenceMissing, "manifest.evidence");
    let not_claimed = without_evidence() + "evidence.status=not-claimed\n";
    assert!(Manifest::parse(not_claimed.as_bytes()).is_ok());
}

#[test]
fn evidence_beside_not_claimed() {
    let text = unsigned() + "evidence.status=not-claimed\n";
    refused(text.as_bytes(), &E::EvidenceContradiction { line: 52 }, "manifest.evidence");
}

#[test]
fn a_gap_in_the_evidence_numbers() {
    for (number, missing) in [("3", 2), ("10", 2), ("4294967295", 2), ("99999999999999999999", 2)] {
        let key = format!("evidence.{number}.kind");
        let text = format!("{}{key}=audit\n", unsigned());
        refused(text.as_bytes(), &E::EvidenceGap { line: 52, key, missing }, "manifest.evidence");
    }
    let text = unsigned().replace("evidence.0.", "evidence.2.");
    let line = line_of(&text, "evidence.2.kind");
    let error = E::EvidenceGap { line: line + 3, key: "evidence.1.kind".into(), missing: 0 };
    refused(text.as_bytes(), &error, "manifest.evidence");
}

#[test]
fn evidence_without_one_of_its_parts() {
    for missing in ["kind", "route", "sha256"] {
        let text = without(&unsigned(), &format!("evidence.1.{missing}"));
        let first = if missing == "kind" { "evidence.1.route" } else { "evidence.1.kind" };
        let error = E::EvidenceIncomplete { line: line_of(&text, first), number: 1, missing };
        refused(text.as_bytes(), &error, "manifest.evidence");
    }
}

#[test]
fn an_evidence_kind_that_is_not_route_safe() {
    value_refused("evidence.0.kind", "Training Report", E::NotRouteSafe, "manifest.evidence");
    value_refused("evidence.0.kind", "a..b", E::ParentInWord, "manifest.evidence");
}

// Rows: D5
#[test]
fn an_evidence_digest_in_another_spelling() {
    for value in ["", "None", &digest('F').to_lowercase()] {
        value_refused("evidence.0.sha256", value, E::EvidenceDigest, "manifest.evidence");
    }
}

#[test]
fn an_empty_source_value() {
    for key in ["source.kind", "source.id", "source.revision"] {
        value_refused(key, "", E::SourceEmpty, "manifest.source");
    }
}

// Rows: D4
#[test]
fn a_requirement_in_another_spelling() {
    for key in ["requires.ram_mb", "requires.vram_mb"] {
        for value in ["", "00", "01", "-1", "1.5", "64 MB"] {
            value_refused(key, value, E::NumberSpelling, "manifest.requires");
        }
        value_refused(key, "18446744073709551616", E::NumberTooLarge, "manifest.requires");
        assert!(Manifest::parse(with(&unsigned(), key, "0").as_bytes()).is_ok());
    }
}

#[test]
fn an_arch_list_with_a_word_that_is_not_route_safe() {
    for (list, word) in [
        ("", ""),
        ("x86_64,", ""),
        (",x86_64", ""),
        ("x86_64, aarch64", " aarch64"),
        ("X86", "X86"),
        ("a..b", "a..b"),
    ] {
        let text = with(&unsigned(), "requires.arch", list);
        let error = E::RequiresArch { at: field_at(&text, "requires.arch"), word: word.into() };
        refused(text.as_bytes(), &error, "manifest.requires");
    }
}
