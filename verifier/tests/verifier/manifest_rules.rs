//! Each rule of manifest v0 has a bad input that breaks only that rule: text, keys, schema, identity, routes.
//! The sections after them are in `manifest_sections`, the signature in `manifest_signature`.

use minimodel_verifier::manifest::{CHECKS, RouteFault, SpdxFault, check};
use minimodel_verifier::{Manifest, ManifestError, Outcome};

use crate::manifest_inputs::{digest, field_at, signed, unsigned, with, without};
use ManifestError as E;

/// `text` is refused with `error`, and the report fails at that error's check after passing all before it.
#[track_caller]
pub(crate) fn refused(text: &[u8], error: &ManifestError, check_name: &str) {
    assert_eq!(Manifest::parse(text).as_ref(), Err(error));
    let report = check(text);
    let outcomes: Vec<_> = report.checks().iter().map(|check| (check.name, check.outcome)).collect();
    let failing = CHECKS.iter().position(|name| *name == check_name).expect("a known check");
    let mut expected: Vec<_> = CHECKS[..failing].iter().map(|name| (*name, Outcome::Pass)).collect();
    expected.push((CHECKS[failing], Outcome::Fail));
    assert_eq!(outcomes, expected);
    assert!(!report.ok());

    let message = error.to_string();
    assert!(message.bytes().all(|byte| (0x20..=0x7E).contains(&byte)), "{message}");
    if let Some(line) = error.line() {
        assert!(message.starts_with(&format!("line {line}")), "{message}");
    }
    if let Some(key) = error.key().filter(|key| key.len() <= 80) {
        assert!(message.contains(key), "{message}");
    }
    assert!(!error.accepted().is_empty() && !error.found().is_empty());
}

/// The unsigned example with one value changed is refused with `error` about that field.
#[track_caller]
pub(crate) fn value_refused(
    key: &str,
    value: &str,
    error: fn(minimodel_verifier::manifest::FieldAt) -> ManifestError,
    name: &str,
) {
    let text = with(&unsigned(), key, value);
    refused(text.as_bytes(), &error(field_at(&text, key)), name);
}

// --- the text ---

// Rows: D3
#[test]
fn a_text_over_64_kib() {
    let padding = |bytes: usize| format!("{}# {}\n", unsigned(), "x".repeat(bytes - unsigned().len() - 3));
    assert!(Manifest::parse(padding(65_536).as_bytes()).is_ok());
    refused(padding(65_537).as_bytes(), &E::TooLarge { bytes: 65_537 }, "manifest.size");
    let open_ended = padding(65_537);
    refused(open_ended.trim_end().as_bytes(), &E::TooLarge { bytes: 65_537 }, "manifest.size");
}

// Rows: D2
#[test]
fn a_byte_order_mark() {
    refused(format!("\u{feff}{}", unsigned()).as_bytes(), &E::ByteOrderMark, "manifest.text");
}

// Rows: D2
#[test]
fn a_carriage_return_alone() {
    let error = |line, column| E::LoneCarriageReturn { line, column };
    let text = unsigned().replacen("version=0", "version=\r0", 1);
    refused(text.as_bytes(), &error(1, 18), "manifest.text");
    let text = format!("{}x.a=1\r", unsigned());
    refused(text.as_bytes(), &error(52, 6), "manifest.text");
    let text = unsigned().replacen('\n', "\r\r\n", 1);
    refused(text.as_bytes(), &error(1, 19), "manifest.text");
}

// Rows: D2
#[test]
fn each_byte_outside_printable_ascii() {
    for byte in (0..=u8::MAX).filter(|byte| !matches!(byte, 0x20..=0x7E | b'\n' | b'\r')) {
        let mut text = unsigned().into_bytes();
        text.extend_from_slice(b"x.a=1");
        text.push(byte);
        refused(&text, &E::ForbiddenByte { line: 52, column: 6, byte }, "manifest.text");
    }
    let text = format!("# caf\u{e9}\n{}", unsigned());
    refused(text.as_bytes(), &E::ForbiddenByte { line: 1, column: 6, byte: 0xC3 }, "manifest.text");
}

#[test]
fn a_line_without_an_equals_sign() {
    for line in ["x.a", " ", " # not a comment"] {
        let text = format!("{line}\n{}", unsigned());
        refused(text.as_bytes(), &E::NoEquals { line: 1, text: line.into() }, "manifest.text");
    }
}

// Rows: D3
#[test]
fn a_key_over_128_bytes() {
    let key = |bytes: usize| format!("x.{}", "k".repeat(bytes - 2));
    assert!(Manifest::parse(format!("{}=1\n{}", key(128), unsigned()).as_bytes()).is_ok());
    let text = format!("{}=1\n{}", key(129), unsigned());
    refused(text.as_bytes(), &E::KeyTooLong { line: 1, key: key(129) }, "manifest.text");
}

#[test]
fn a_key_that_is_not_lowercase_words_joined_by_dots() {
    for key in ["", "X.a", "x.A", "x._a", "x..a", "x.", ".x", "x.a-b", "x.a ", " x.a", "x.a b"] {
        let text = format!("{key}=1\n{}", unsigned());
        refused(text.as_bytes(), &E::KeySpelling { line: 1, key: key.into() }, "manifest.text");
    }
}

// Rows: D3
#[test]
fn a_value_over_2048_bytes() {
    let text = |bytes: usize| format!("x.a=  {}  \n{}", "v".repeat(bytes), unsigned());
    assert!(Manifest::parse(text(2048).as_bytes()).is_ok());
    let error = E::ValueTooLong { line: 1, key: "x.a".into(), bytes: 2049 };
    refused(text(2049).as_bytes(), &error, "manifest.text");
}

// Rows: D3
#[test]
fn more_than_512_fields() {
    let text = |fields: usize| {
        let more: String = (0..fields - 51).map(|number| format!("x.n{number}=1\n")).collect();
        unsigned() + &more
    };
    assert!(Manifest::parse(text(512).as_bytes()).is_ok());
    refused(text(513).as_bytes(), &E::TooManyFields { line: 513 }, "manifest.text");
}

// Rows: D1
#[test]
fn a_duplicate_key() {
    let text = unsigned() + "model.id=other\n";
    let error = E::DuplicateKey { line: 52, key: "model.id".into(), first_line: 6 };
    refused(text.as_bytes(), &error, "manifest.text");
    assert!(error.to_string().starts_with("line 52: duplicate key `model.id`"));
}

#[test]
fn a_comment_in_a_signed_manifest() {
    let text = format!("{}# nobody signed this\n", signed().text());
    let line = text.lines().count();
    refused(text.as_bytes(), &E::CommentInSigned { line }, "manifest.text");
}

// --- version and keys ---

#[test]
fn an_unknown_version() {
    for version in ["2", "00", "", "v0"] {
        value_refused("manifest.version", version, E::UnknownVersion, "manifest.version");
    }
    let other = "manifest.kind=minimodel.manifest\nmanifest.version=2\nnew.key=1\n";
    let error = E::UnknownVersion(field_at(other, "manifest.version"));
    refused(other.as_bytes(), &error, "manifest.version");
}

#[test]
fn another_kind() {
    value_refused("manifest.kind", "minimodel.offer", E::UnknownKind, "manifest.version");
}

#[test]
fn a_forbidden_word_in_a_key_wherever_it_stands() {
    for word in ["install", "script", "command", "callback", "token", "endpoint", "exec"] {
        let keys = [format!("x.{word}"), format!("x.post_{word}"), format!("x.{word}.a"), word.to_owned()];
        for key in keys {
            let text = format!("{}{key}=1\n", unsigned());
            let error = E::ForbiddenWord { line: 52, key, word };
            refused(text.as_bytes(), &error, "manifest.keys");
        }
    }
    let harmless = unsigned() + "x.tokenizer=1\nx.installed_by=2\n";
    assert!(Manifest::parse(harmless.as_bytes()).is_ok());
}

// Rows: D1
#[test]
fn an_unknown_key_outside_x() {
    let keys = ["y.a", "x", "model.name", "evidence.01.kind", "evidence.0.url", "signature.key", "xx.a"];
    for key in keys {
        let text = format!("{}{key}=1\n", unsigned());
        refused(text.as_bytes(), &E::UnknownKey { line: 52, key: key.into() }, "manifest.keys");
    }
}

// Rows: D1
#[test]
fn each_required_key_missing() {
    let optional = ["license.spdx", "chunk.list_", "evidence.", "source.", "requires.", "takedown.", "x."];
    let mut missing = 0;
    for line in unsigned().lines() {
        let key = line.split_once('=').expect("a field").0;
        if optional.iter().any(|prefix| key.starts_with(prefix)) {
            continue;
        }
        let text = without(&unsigned(), key);
        let Err(error @ E::MissingKey { key: named }) = Manifest::parse(text.as_bytes()) else {
            panic!("{key} may be left out");
        };
        assert_eq!(named, key);
        let early = matches!(key, "manifest.version" | "manifest.kind");
        refused(text.as_bytes(), &error, if early { "manifest.version" } else { "manifest.keys" });
        missing += 1;
    }
    assert_eq!(missing, 33);
}

#[test]
fn each_optional_key_may_be_left_out() {
    let keys =
        ["license.spdx", "source.kind", "source.id", "source.revision", "source.sha256", "requires.ram_mb"];
    for key in keys.into_iter().chain(["requires.vram_mb", "requires.arch", "takedown.route", "x.note"]) {
        assert!(Manifest::parse(without(&unsigned(), key).as_bytes()).is_ok(), "{key}");
    }
}

// --- schema and identity ---

#[test]
fn another_schema_id() {
    value_refused("manifest.schema_id", "minimodel.manifest.v1", E::SchemaId, "manifest.schema");
}

#[test]
fn another_schema_checksum() {
    value_refused("manifest.schema_checksum", &digest('0'), E::SchemaChecksum, "manifest.schema");
}

#[test]
fn a_time_that_is_not_rfc_3339_utc_with_a_z() {
    for time in ["2026-06-01", "2026-06-01T12:00:00+00:00", "2026-06-01T12:00:00z", "2026-02-30T12:00:00Z"] {
        value_refused("manifest.created_utc", time, E::Time, "manifest.schema");
    }
}

// Rows: D6
#[test]
fn an_id_that_is_not_route_safe() {
    for key in ["model.id", "publisher.id"] {
        for id in ["", "A", ".a", "-a", "a/b", "a\\b", "c:", "a b", "../a", &"a".repeat(129)] {
            value_refused(key, id, E::NotRouteSafe, "manifest.identity");
        }
    }
}

// Rows: D6
#[test]
fn an_id_with_two_dots() {
    value_refused("model.id", "a..b", E::ParentInWord, "manifest.identity");
    value_refused("publisher.id", "a..", E::ParentInWord, "manifest.identity");
}

// Rows: D6
#[test]
fn a_model_version_outside_its_alphabet() {
    for version in ["", ".1", "-1", "1/2", "1 2", "1~rc", &"1".repeat(65)] {
        value_refused("model.version", version, E::ModelVersion, "manifest.identity");
    }
}

// Rows: D5
#[test]
fn a_key_id_in_another_spelling() {
    let hex = "ab".repeat(32);
    for id in
        ["", "None", &hex, &format!("ed25519:{}", hex.to_uppercase()), &format!("ed25519:{}", &hex[1..])]
    {
        value_refused("publisher.key_id", id, E::KeyIdSpelling, "manifest.identity");
    }
}

// --- routes and license ---

// Rows: D7
#[test]
fn each_route_follows_the_route_rules() {
    for (key, name) in [
        ("model_card.route", "manifest.routes"),
        ("license.route", "manifest.routes"),
        ("takedown.route", "manifest.routes"),
        ("chunk.list_route", "manifest.chunks"),
        ("evidence.0.route", "manifest.evidence"),
        ("evidence.1.route", "manifest.evidence"),
    ] {
        for (route, fault) in [
            ("", RouteFault::Scheme),
            ("file:///etc/passwd", RouteFault::Scheme),
            ("/a?b", RouteFault::Query),
            ("/a#b", RouteFault::Fragment),
            ("/a%20b", RouteFault::Percent),
            ("//example.org/a", RouteFault::SecondSlash),
            ("https://example.org", RouteFault::NoPath),
            ("https://a:b@example.org/a", RouteFault::UserInfo),
            ("https://127.0.0.1/a", RouteFault::IpLiteral),
            ("https://example.org:8443/a", RouteFault::Port),
            ("https://localhost/a", RouteFault::Localhost),
            ("https://-a.org/a", RouteFault::HostName),
            ("/a b", RouteFault::PathCharacter),
            ("/a//b", RouteFault::EmptySegment),
            ("/a/../b", RouteFault::ParentSegment),
            ("/a/./b", RouteFault::DotSegment),
            ("/a/model.SLM", RouteFault::ModelBytes),
            ("https://example.org/a/Resolve/b", RouteFault::Resolve),
        ] {
            let text = with(&unsigned(), key, route);
            refused(text.as_bytes(), &E::Route { at: field_at(&text, key), fault }, name);
        }
    }
}

#[test]
fn a_license_that_is_no_spdx_expression() {
    for (expression, fault) in [
        ("", SpdxFault::LicenseExpected),
        ("MIT Apache-2.0", SpdxFault::OperatorExpected),
        ("MIT/Apache-2.0", SpdxFault::Name),
        ("MIT WITH", SpdxFault::Exception),
        ("(MIT", SpdxFault::Parenthesis),
    ] {
        let text = with(&unsigned(), "license.spdx", expression);
        let error = E::Spdx { at: field_at(&text, "license.spdx"), fault };
        refused(text.as_bytes(), &error, "manifest.license");
    }
}
