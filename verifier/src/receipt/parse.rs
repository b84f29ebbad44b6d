//! Reading of a receipt from its lines.

use std::iter::Peekable;

use super::MAX_RECEIPT_BYTES;
use super::error::ReceiptError;
use super::record::{Consent, ConsentAction, ImportRecord, PeerSupply, Receipt, RecordedCheck, Subject};
use crate::artifact::Format;
use crate::digest::{self, parse_hex, parse_tagged, tagged};
use crate::manifest::route;
use crate::manifest::value::{is_version, key_id_bytes};
use crate::manifest::{Acquisition, Evidence, Schema};
use crate::other::Container;
use crate::word::{decimal, is_route_safe};
use crate::{Digest, Outcome};

const DIGEST: &str = "`sha256:` and 64 uppercase hex digits";
const ROUTE: &str = "a metadata route";
const ROUTE_SAFE: &str = "a-z, 0-9, `.`, `_` and `-`, at most 128, without `..`";
const NUMBER: &str = "decimal digits without a leading 0";

impl Receipt {
    /// Reads the text of a receipt: its sum, and every line in its place.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse(text: &[u8]) -> Result<Self, ReceiptError> {
        let receipt = receipt(text)?;
        receipt.validate()?;
        Ok(receipt)
    }
}

/// Checks size, bytes and sum, then reads line by line.
fn receipt(text: &[u8]) -> Result<Receipt, ReceiptError> {
    if text.len() > MAX_RECEIPT_BYTES {
        return Err(ReceiptError::TooLarge { bytes: text.len() });
    }
    let text = check_bytes(text)?;
    let mut lines = Lines { lines: check_sum(text)?.lines().zip(1..).peekable() };
    let (line, version) = lines.take("receipt.version")?;
    let schema = Schema::ALL.into_iter().find(|schema| schema.version() == version);
    let schema = schema.ok_or_else(|| ReceiptError::UnknownVersion { line, found: version.to_owned() })?;
    lines.literal("receipt.kind", "minimodel.import-receipt", "`minimodel.import-receipt`")?;
    let tool_version = lines.take("tool.version")?.1.to_owned();
    let subject = subject(&mut lines, schema)?;
    let import = import(&mut lines, schema, tool_version)?;
    match lines.lines.next() {
        Some((found, line)) => Err(ReceiptError::TrailingLine { line, found: found.to_owned() }),
        None => Ok(Receipt { subject, import }),
    }
}

fn check_bytes(text: &[u8]) -> Result<&str, ReceiptError> {
    let (mut line, mut column) = (1, 1);
    for &byte in text {
        match byte {
            b'\n' => (line, column) = (line + 1, 0),
            0x20..=0x7E => {}
            _ => return Err(ReceiptError::ForbiddenByte { line, column, byte }),
        }
        column += 1;
    }
    #[expect(clippy::expect_used, reason = "the loop above let only ASCII through, and that is UTF-8")]
    let text = std::str::from_utf8(text).expect("ASCII");
    Ok(text)
}

/// Checks the sum and returns the lines that it covers.
fn check_sum(text: &str) -> Result<&str, ReceiptError> {
    let whole_lines = text.strip_suffix('\n').unwrap_or(text);
    let start = whole_lines.rfind('\n').map_or(0, |end| end + 1);
    let (covered, last) = text.split_at(start);
    let sum = last.strip_prefix("receipt.sha256=").and_then(|value| value.strip_suffix('\n'));
    let Some(sum) = sum else {
        return Err(ReceiptError::NoSum { found: last.to_owned() });
    };
    let stated = parse_tagged(sum).ok_or_else(|| ReceiptError::SumSpelling { found: sum.to_owned() })?;
    let computed = digest::sha256(covered.as_bytes());
    if stated == computed {
        Ok(covered)
    } else {
        Err(ReceiptError::SumMismatch { stated: sum.to_owned(), computed: tagged(&computed) })
    }
}

/// The remaining lines, with their numbers.
struct Lines<'a, I: Iterator<Item = (&'a str, usize)>> {
    lines: Peekable<I>,
}

impl<'a, I: Iterator<Item = (&'a str, usize)>> Lines<'a, I> {
    /// Line number and value of the next line, whose key must be `expected`.
    fn take(&mut self, expected: &str) -> Result<(usize, &'a str), ReceiptError> {
        let Some((found, line)) = self.lines.next() else {
            return Err(ReceiptError::EndsEarly { expected: expected.to_owned() });
        };
        match found.split_once('=') {
            Some((key, value)) if key == expected => Ok((line, value)),
            _ => Err(ReceiptError::UnexpectedLine {
                line,
                expected: expected.to_owned(),
                found: found.to_owned(),
            }),
        }
    }

    /// As [`take`](Self::take), with the value parsed by `read`.
    fn value<T>(
        &mut self,
        key: &str,
        accepted: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ReceiptError> {
        let (line, found) = self.take(key)?;
        read(found).ok_or_else(|| {
            let (key, found) = (key.to_owned(), found.to_owned());
            ReceiptError::Value { line, key, found, accepted }
        })
    }

    fn literal(&mut self, key: &str, word: &str, accepted: &'static str) -> Result<(), ReceiptError> {
        self.value(key, accepted, |found| (found == word).then_some(()))
    }

    fn text(&mut self, key: &str) -> Result<String, ReceiptError> {
        Ok(self.take(key)?.1.to_owned())
    }

    fn digest(&mut self, key: &str) -> Result<Digest, ReceiptError> {
        self.value(key, DIGEST, parse_tagged)
    }

    fn number(&mut self, key: &str) -> Result<u64, ReceiptError> {
        self.value(key, NUMBER, |found| decimal(found).ok())
    }

    fn matching(
        &mut self,
        key: &str,
        accepted: &'static str,
        rule: fn(&str) -> bool,
    ) -> Result<String, ReceiptError> {
        self.value(key, accepted, |found| rule(found).then(|| found.to_owned()))
    }

    /// All entries of a numbered list, counted from 0 without a gap.
    fn list<T>(
        &mut self,
        name: &str,
        mut entry: impl FnMut(&mut Self, &str) -> Result<T, ReceiptError>,
    ) -> Result<Vec<T>, ReceiptError> {
        let mut entries = Vec::new();
        loop {
            let prefix = format!("{name}.{}", entries.len());
            let next = self.lines.peek().and_then(|(line, _)| line.strip_prefix(&prefix));
            if !next.is_some_and(|rest| rest.starts_with('.')) {
                return Ok(entries);
            }
            entries.push(entry(self, &prefix)?);
        }
    }
}

fn is_route(text: &str) -> bool {
    route::check(text).is_ok()
}

fn subject<'a>(
    lines: &mut Lines<'a, impl Iterator<Item = (&'a str, usize)>>,
    schema: Schema,
) -> Result<Subject, ReceiptError> {
    let swarm_id = lines.digest("manifest.sha256")?;
    let line = lines.lines.peek().map(|(_, line)| *line).unwrap_or_default();
    let same = lines.value("swarm.id", "64 lowercase hex digits", parse_hex)?;
    if same != swarm_id {
        return Err(ReceiptError::SwarmIdDiffers { line });
    }
    let model_id = lines.matching("model.id", ROUTE_SAFE, is_route_safe)?;
    let model_version = lines.matching("model.version", "a model version", is_version)?;
    let publisher_id = lines.matching("publisher.id", ROUTE_SAFE, is_route_safe)?;
    let status = "`unsigned`, or `verified ed25519:` and 64 lowercase hex digits";
    let signed_by =
        lines.value("signature.status", status, |found| match found.strip_prefix("verified ") {
            Some(key) => key_id_bytes(key).map(|_| Some(key.to_owned())),
            None => (found == "unsigned").then_some(None),
        })?;
    let format = match schema {
        Schema::V0 => Format::Slm,
        Schema::V1 => {
            let accepted = "`gguf`, `safetensors`, `onnx` or `other`";
            let kind = lines.value("artifact.kind", accepted, |found| match found {
                "other" => Some(None),
                _ => Format::from_words(found, None).filter(|&format| Schema::of(format) == schema).map(Some),
            })?;
            let container = |found: &str| Format::from_words("other", Some(found));
            match kind {
                Some(format) => format,
                None => lines.value("other.container", Container::ACCEPTED, container)?,
            }
        }
    };
    let byte_count = lines.number("artifact.byte_count")?;
    let artifact_sha256 = lines.digest("artifact.sha256")?;
    lines.literal("chunk.scheme", "fixed-size-merkle-v0", "`fixed-size-merkle-v0`")?;
    Ok(Subject {
        swarm_id,
        model_id,
        model_version,
        publisher_id,
        signed_by,
        format,
        byte_count,
        artifact_sha256,
        chunk_size: lines.number("chunk.size")?,
        chunk_count: lines.number("chunk.count")?,
        merkle_root: lines.digest("chunk.merkle_root")?,
        license_route: lines.matching("license.route", ROUTE, is_route)?,
        evidence: evidence(lines)?,
    })
}

fn evidence<'a>(
    lines: &mut Lines<'a, impl Iterator<Item = (&'a str, usize)>>,
) -> Result<Vec<Evidence>, ReceiptError> {
    let pieces = lines.list("evidence", |lines, piece| {
        Ok(Evidence {
            kind: lines.matching(&format!("{piece}.kind"), ROUTE_SAFE, is_route_safe)?,
            route: lines.matching(&format!("{piece}.route"), ROUTE, is_route)?,
            sha256: lines.value(&format!("{piece}.sha256"), DIGEST, |found| match found {
                "none" => Some(None),
                digest => parse_tagged(digest).map(Some),
            })?,
        })
    })?;
    if pieces.is_empty() {
        lines.literal("evidence.status", "not-claimed", "`not-claimed`")?;
    }
    Ok(pieces)
}

fn import<'a>(
    lines: &mut Lines<'a, impl Iterator<Item = (&'a str, usize)>>,
    schema: Schema,
    tool_version: String,
) -> Result<ImportRecord, ReceiptError> {
    let lane = "`user-local-file`, `user-external-download` or `consent-peer-transfer`";
    Ok(ImportRecord {
        tool_version,
        lane: lines.value("import.lane", lane, Acquisition::from_word)?,
        started_utc: lines.text("import.started_utc")?,
        finished_utc: lines.text("import.finished_utc")?,
        consents: lines.list("consent", |lines, consent| {
            let action = "`serve`, `fetch`, `import`, `cache` or `publish`";
            Ok(Consent {
                action: lines.value(&format!("{consent}.action"), action, ConsentAction::from_word)?,
                at_utc: lines.text(&format!("{consent}.at"))?,
                by: lines.text(&format!("{consent}.by"))?,
            })
        })?,
        peers: lines.list("peer", |lines, peer| {
            Ok(PeerSupply {
                id: lines.text(&format!("{peer}.id"))?,
                bytes: lines.number(&format!("{peer}.bytes"))?,
                chunks: lines.number(&format!("{peer}.chunks"))?,
                rejected: Some(lines.text(&format!("{peer}.rejected"))?).filter(|reason| reason != "none"),
            })
        })?,
        checksum_recomputed: schema == Schema::V0
            && lines.value("slm.checksum_recomputed", "`yes` or `no`", |found| match found {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            })?,
        checks: lines.list("check", |lines, check| {
            Ok(RecordedCheck {
                name: lines.text(&format!("{check}.name"))?,
                outcome: lines.value(
                    &format!("{check}.outcome"),
                    "`pass` or `warn`",
                    |found| match found {
                        "pass" => Some(Outcome::Pass),
                        "warn" => Some(Outcome::Warn),
                        "fail" => Some(Outcome::Fail),
                        _ => None,
                    },
                )?,
                detail: lines.text(&format!("{check}.detail"))?,
            })
        })?,
    })
}
