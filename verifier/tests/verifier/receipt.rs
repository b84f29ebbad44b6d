//! The receipt: round trips, and a bad input for each rule that breaks only that rule.

use minimodel_verifier::digest::{sha256, tagged};
use minimodel_verifier::manifest::Acquisition;
use minimodel_verifier::receipt::{
    Consent, ConsentAction, ImportRecord, PeerSupply, Receipt, ReceiptError as E, RecordedCheck,
};
use minimodel_verifier::{Manifest, Outcome, Report};
use proptest::prelude::*;

use crate::manifest_inputs::{signed, unsigned};

const PAGE: &str = include_str!("../../../docs/receipt.md");

fn record() -> ImportRecord {
    let mut report = Report::new();
    report.pass("artifact.byte_count", "10000000");
    report.pass("artifact.sha256", tagged(&[0xAA; 32]));
    report.pass("chunk.root", tagged(&[0xDD; 32]));
    report.warn("slm.checksum", "unreproduced", "the sum of the format page");
    ImportRecord {
        lane: Acquisition::ConsentPeerTransfer,
        started_utc: "2026-06-01T12:00:05Z".into(),
        finished_utc: "2026-06-01T12:01:10Z".into(),
        tool_version: "minimodel 0.1.0".into(),
        checksum_recomputed: false,
        consents: vec![
            consent(ConsentAction::Fetch, "--consent fetch,import"),
            consent(ConsentAction::Import, "--consent fetch,import"),
        ],
        peers: vec![
            peer('a', 6_029_312, 92, None),
            peer('b', 3_970_688, 61, Some("chunk 7 fails its proof")),
        ],
        checks: RecordedCheck::all(&report),
    }
}

fn consent(action: ConsentAction, by: &str) -> Consent {
    Consent { action, at_utc: "2026-06-01T12:00:00Z".into(), by: by.into() }
}

fn peer(letter: char, bytes: u64, chunks: u64, rejected: Option<&str>) -> PeerSupply {
    PeerSupply { id: letter.to_string().repeat(52), bytes, chunks, rejected: rejected.map(str::to_owned) }
}

fn receipt() -> Receipt {
    Receipt::new(&signed(), record()).expect("a valid record")
}

/// The text with one edit and its sum made right again.
fn edited(from: &str, to: &str) -> String {
    let text = receipt().render();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    resummed(&text.replace(from, to))
}

fn resummed(text: &str) -> String {
    let covered = &text[..text.find("receipt.sha256=").expect("a sum")];
    format!("{covered}receipt.sha256={}\n", tagged(&sha256(covered.as_bytes())))
}

fn line_of(text: &str, key: &str) -> usize {
    let prefix = format!("{key}=");
    text.lines().position(|line| line.starts_with(&prefix)).map_or(0, |index| index + 1)
}

#[track_caller]
fn refused(text: &str, error: E) {
    assert_eq!(Receipt::parse(text.as_bytes()), Err(error));
}

#[track_caller]
fn record_refused(change: impl FnOnce(&mut ImportRecord), error: E) {
    let mut record = record();
    change(&mut record);
    assert_eq!(Receipt::new(&signed(), record), Err(error));
}

#[test]
fn the_example_of_the_page_is_the_one_that_is_tested() {
    let start = PAGE.find("receipt.version=0\nreceipt.kind").expect("the page has an example");
    let example = &PAGE[start..start + PAGE[start..].find("```").expect("the block ends")];
    assert_eq!(example, receipt().render());
    assert_eq!(Receipt::parse(example.as_bytes()), Ok(receipt()));
}

#[test]
fn a_receipt_says_what_was_imported_and_how() {
    let receipt = receipt();
    assert_eq!(&receipt.subject().swarm_id, signed().swarm_id());
    assert_eq!(receipt.subject().signed_by.as_deref(), Some(signed().publisher_key_id()));
    assert_eq!(receipt.subject().evidence, signed().evidence());
    assert_eq!(receipt.import(), &record());
    let text = receipt.render();
    assert!(text.contains(&format!("\nmanifest.sha256={}\n", tagged(signed().swarm_id()))));
    assert!(text.contains("\nslm.checksum_recomputed=no\n"));
    assert!(text.contains("\npeer.1.rejected=chunk 7 fails its proof\n"));
}

#[test]
fn receipt_of_unsigned_manifest_from_local_file_round_trips() {
    let mut draft = Manifest::parse(unsigned().as_bytes()).expect("valid").draft().clone();
    draft.evidence.clear();
    let mut record = record();
    record.lane = Acquisition::UserLocalFile;
    record.peers.clear();
    record.checksum_recomputed = true;
    let receipt = Receipt::new(&draft.build().expect("valid"), record).expect("valid");
    let text = receipt.render();
    assert!(text.contains("\nsignature.status=unsigned\n"));
    assert!(text.contains("\nevidence.status=not-claimed\nimport.lane=user-local-file\n"));
    assert!(text.contains("\nslm.checksum_recomputed=yes\n"));
    assert!(!text.contains("peer."));
    assert_eq!(Receipt::parse(text.as_bytes()), Ok(receipt));
}

// Rows: D8
#[test]
fn a_check_that_quotes_foreign_text_is_recorded_escaped() {
    let mut report = Report::new();
    report.warn("slm.checksum", "\u{1b}[31m\u{202e}", "");
    let recorded = RecordedCheck::all(&report);
    assert_eq!(recorded[0].detail, r"found \u{1b}[31m\u{202e}");
    let record = ImportRecord { checks: recorded, ..record() };
    assert!(Receipt::new(&signed(), record).is_ok());
}

// --- what may not be recorded ---

#[test]
fn a_text_that_no_line_can_hold() {
    let error = |key: &str, byte| E::ForbiddenText { key: key.into(), byte };
    record_refused(|record| record.tool_version = "a\nb".into(), error("tool.version", b'\n'));
    record_refused(|record| record.consents[1].by = "\u{e9}".into(), error("consent.1.by", 0xC3));
    record_refused(|record| record.peers[0].rejected = Some("\0".into()), error("peer.0.rejected", 0));
    record_refused(|record| record.checks[2].name = "a\r".into(), error("check.2.name", b'\r'));
    record_refused(|record| record.checks[2].detail = "\u{1b}[0m".into(), error("check.2.detail", 0x1B));
}

#[test]
fn an_empty_text() {
    let error = |key: &str| E::EmptyText { key: key.into() };
    record_refused(|record| record.tool_version.clear(), error("tool.version"));
    record_refused(|record| record.consents[0].by.clear(), error("consent.0.by"));
    record_refused(|record| record.peers[1].rejected = Some(String::new()), error("peer.1.rejected"));
    record_refused(|record| record.checks[0].name.clear(), error("check.0.name"));
}

#[test]
fn a_time_in_another_spelling() {
    let error = |key: &str| E::Time { key: key.into(), found: "2026-06-01".into() };
    record_refused(|record| record.started_utc = "2026-06-01".into(), error("import.started_utc"));
    record_refused(|record| record.finished_utc = "2026-06-01".into(), error("import.finished_utc"));
    record_refused(|record| record.consents[1].at_utc = "2026-06-01".into(), error("consent.1.at"));
}

#[test]
fn no_consent_no_check_or_a_failed_check() {
    record_refused(|record| record.consents.clear(), E::NoConsent);
    record_refused(|record| record.checks.clear(), E::NoChecks);
    let failed = E::FailedCheck { name: "chunk.root".into() };
    record_refused(|record| record.checks[2].outcome = Outcome::Fail, failed);
}

#[test]
fn peers_that_cannot_be_recorded() {
    let lane = E::PeersWithoutTransfer { lane: "user-local-file" };
    record_refused(|record| record.lane = Acquisition::UserLocalFile, lane);
    let bad_id = E::PeerId { key: "peer.1.id".into(), found: "A/b".into() };
    record_refused(|record| record.peers[1].id = "A/b".into(), bad_id);
    let twice = E::DuplicatePeer { key: "peer.1.id".into(), found: "a".repeat(52) };
    record_refused(|record| record.peers[1].id = "a".repeat(52), twice);
    let reason = E::ReasonNone { key: "peer.0.rejected".into() };
    record_refused(|record| record.peers[0].rejected = Some("none".into()), reason);
}

#[test]
fn what_was_found_on_disk_is_what_the_peers_did_not_supply() {
    assert_eq!(receipt().found_on_disk(), 0);
    let mut found = record();
    found.peers.pop();
    let silent = Receipt::new(&signed(), found.clone()).expect("a valid record");
    assert_eq!(silent.found_on_disk(), 0);
    found.checks.push(RecordedCheck::found_on_disk(61, 3_970_688));
    let said = Receipt::new(&signed(), found).expect("a valid record");
    assert_eq!(said.found_on_disk(), 3_970_688);
    assert_eq!(Receipt::parse(said.render().as_bytes()).map(|read| read.found_on_disk()), Ok(3_970_688));
}

#[test]
fn a_record_that_is_too_large() {
    let huge = "x".repeat(16 * 1024 * 1024);
    let result = Receipt::new(&signed(), ImportRecord { tool_version: huge, ..record() });
    assert!(matches!(result, Err(E::TooLarge { bytes }) if bytes > 16 * 1024 * 1024));
}

// --- what is not a receipt ---

#[test]
fn a_text_that_is_too_large() {
    let text = "x".repeat(16 * 1024 * 1024 + 1);
    refused(&text, E::TooLarge { bytes: 16 * 1024 * 1024 + 1 });
    assert!(!matches!(Receipt::parse(&text.as_bytes()[1..]), Err(E::TooLarge { .. })));
}

#[test]
fn a_byte_outside_printable_ascii_and_lf() {
    for byte in [0, b'\t', b'\r', 0x7F, 0x80] {
        let mut text = receipt().render().into_bytes();
        text[20] = byte;
        assert_eq!(Receipt::parse(&text), Err(E::ForbiddenByte { line: 2, column: 3, byte }));
    }
}

#[test]
fn a_sum_that_is_missing_misspelled_or_wrong() {
    let text = receipt().render();
    let cut = text.trim_end();
    let last = cut.rsplit('\n').next().expect("a last line");
    refused(cut, E::NoSum { found: last.into() });
    refused("", E::NoSum { found: String::new() });
    refused("receipt.version=0\n", E::NoSum { found: "receipt.version=0\n".into() });
    let sum = last.strip_prefix("receipt.sha256=").expect("the sum");
    let lower = sum.to_lowercase();
    refused(&text.replace(sum, &lower), E::SumSpelling { found: lower });
    let stated = tagged(&[0; 32]);
    refused(&text.replace(sum, &stated), E::SumMismatch { stated, computed: sum.into() });
}

#[test]
fn another_line_than_the_one_that_comes_next() {
    let text = edited("receipt.kind=minimodel.import-receipt\n", "");
    let error = |line, expected: &str, found: &str| E::UnexpectedLine {
        line,
        expected: expected.into(),
        found: found.into(),
    };
    refused(&text, error(2, "receipt.kind", "tool.version=minimodel 0.1.0"));
    let text = edited("tool.version=", "tool.version ");
    refused(&text, error(3, "tool.version", "tool.version minimodel 0.1.0"));
    let text = edited("consent.1.action=", "consent.2.action=");
    let line = line_of(&text, "consent.2.action");
    refused(&text, error(line, "slm.checksum_recomputed", "consent.2.action=import"));
}

#[test]
fn lines_that_end_early_or_go_on() {
    refused(
        &resummed("receipt.version=0\nreceipt.sha256=\n"),
        E::EndsEarly { expected: "receipt.kind".into() },
    );
    let text = edited("receipt.sha256=", "x.a=1\nreceipt.sha256=");
    refused(&text, E::TrailingLine { line: line_of(&text, "x.a"), found: "x.a=1".into() });
}

#[test]
fn another_version() {
    let text = edited("receipt.version=0", "receipt.version=2");
    refused(&text, E::UnknownVersion { line: 1, found: "2".into() });
}

#[test]
fn a_swarm_id_that_is_not_the_manifest_sum() {
    let line = format!("swarm.id={}", "0".repeat(64));
    let old = format!("swarm.id={}", minimodel_verifier::digest::hex(signed().swarm_id()));
    refused(&edited(&old, &line), E::SwarmIdDiffers { line: 5 });
}

#[test]
fn each_value_in_another_spelling() {
    for (key, found) in [
        ("receipt.kind", "minimodel.manifest"),
        ("manifest.sha256", "none"),
        ("swarm.id", "0"),
        ("model.id", "a/b"),
        ("model.version", ""),
        ("publisher.id", "A"),
        ("signature.status", "verified"),
        ("signature.status", "verified none"),
        ("artifact.byte_count", "01"),
        ("artifact.sha256", "none"),
        ("chunk.scheme", "fixed-size-merkle-v1"),
        ("chunk.size", "64KiB"),
        ("chunk.count", "18446744073709551616"),
        ("chunk.merkle_root", ""),
        ("license.route", "file:///etc/passwd"),
        ("evidence.0.kind", "A"),
        ("evidence.0.route", ""),
        ("evidence.1.sha256", "None"),
        ("import.lane", "project-server"),
        ("consent.0.action", "exec"),
        ("peer.0.bytes", "-1"),
        ("peer.1.chunks", ""),
        ("slm.checksum_recomputed", "true"),
        ("check.3.outcome", "PASS"),
    ] {
        let text = receipt().render();
        let line = line_of(&text, key);
        let lines = text.lines().map(|old| {
            let is_it = old.starts_with(&format!("{key}="));
            if is_it { format!("{key}={found}\n") } else { format!("{old}\n") }
        });
        let text = resummed(&lines.collect::<String>());
        match Receipt::parse(text.as_bytes()) {
            Err(E::Value { line: at, key: named, found: value, .. }) => {
                assert_eq!((at, named.as_str(), value.as_str()), (line, key, found));
            }
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[test]
fn what_may_not_be_recorded_may_not_be_read_either() {
    refused(
        &edited("check.2.outcome=pass", "check.2.outcome=fail"),
        E::FailedCheck { name: "chunk.root".into() },
    );
    let time = E::Time { key: "import.started_utc".into(), found: "yesterday".into() };
    refused(&edited("import.started_utc=2026-06-01T12:00:05Z", "import.started_utc=yesterday"), time);
}

#[test]
fn no_flipped_bit_reads_as_a_receipt() {
    let text = receipt().render().into_bytes();
    for index in 0..text.len() {
        for bit in 0..8 {
            let mut flipped = text.clone();
            flipped[index] ^= 1 << bit;
            assert!(Receipt::parse(&flipped).is_err(), "byte {index} bit {bit}");
        }
    }
}

prop_compose! {
    fn any_record()(
        texts in prop::collection::vec("[ -~]{1,60}", 3),
        actions in prop::collection::vec(0_usize..5, 1..6),
        supplies in prop::collection::vec((any::<u64>(), any::<u64>(), prop::option::of("[!-~]{5,30}")), 0..9),
        checks in prop::collection::vec(("[a-z.]{1,20}", any::<bool>(), "[ -~]{0,80}"), 1..30),
        checksum_recomputed in any::<bool>(),
    ) -> ImportRecord {
        let peers = (0..).zip(supplies).map(|(number, (bytes, chunks, rejected))| PeerSupply {
            id: format!("peer{number}"), bytes, chunks, rejected,
        });
        let consents = actions.into_iter().map(|action| consent(ConsentAction::ALL[action], &texts[0]));
        let checks = checks.into_iter().map(|(name, passed, detail)| RecordedCheck {
            name, outcome: if passed { Outcome::Pass } else { Outcome::Warn }, detail,
        });
        ImportRecord {
            tool_version: texts[1].clone(),
            peers: peers.collect(),
            consents: consents.collect(),
            checks: checks.collect(),
            checksum_recomputed,
            ..record()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_of_render_is_the_same_receipt(record in any_record(), with_key in any::<bool>()) {
        let manifest = if with_key { signed() } else { Manifest::parse(unsigned().as_bytes()).expect("valid") };
        let receipt = Receipt::new(&manifest, record).expect("keeps the rules");
        let text = receipt.render();
        prop_assert!(text.bytes().all(|byte| matches!(byte, 0x20..=0x7E | b'\n')));
        prop_assert_eq!(Receipt::parse(text.as_bytes()), Ok(receipt));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(Receipt::parse(&bytes).is_err());
    }

    #[test]
    fn no_line_edit_makes_it_panic(index in any::<prop::sample::Index>(), line in "[ -~]{0,40}") {
        let text = receipt().render();
        let mut lines: Vec<&str> = text.lines().collect();
        let at = index.index(lines.len() - 1);
        lines[at] = &line;
        let text = resummed(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        if let Err(error) = Receipt::parse(text.as_bytes()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
