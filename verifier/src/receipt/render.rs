//! Rendering of a receipt as lines, in their one order.

use super::record::Receipt;
use crate::artifact::Format;
use crate::digest::{hex, sha256, tagged};
use crate::manifest::Schema;

impl Receipt {
    /// The text; its last line is the sum of the lines before it.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            for part in [key, "=", value, "\n"] {
                text.push_str(part);
            }
        };
        line("receipt.version", Schema::of(self.subject.format).version());
        line("receipt.kind", "minimodel.import-receipt");
        line("tool.version", &self.import.tool_version);
        subject(self, &mut line);
        import(self, &mut line);
        let sum = tagged(&sha256(text.as_bytes()));
        format!("{text}receipt.sha256={sum}\n")
    }
}

fn subject(receipt: &Receipt, line: &mut impl FnMut(&str, &str)) {
    let subject = &receipt.subject;
    line("manifest.sha256", &tagged(&subject.swarm_id));
    line("swarm.id", &hex(&subject.swarm_id));
    line("model.id", &subject.model_id);
    line("model.version", &subject.model_version);
    line("publisher.id", &subject.publisher_id);
    let signature =
        subject.signed_by.as_ref().map_or_else(|| "unsigned".to_owned(), |key| format!("verified {key}"));
    line("signature.status", &signature);
    if subject.format != Format::Slm {
        line("artifact.kind", subject.format.word());
        if let Format::Other(container) = subject.format {
            line("other.container", container.word());
        }
    }
    line("artifact.byte_count", &subject.byte_count.to_string());
    line("artifact.sha256", &tagged(&subject.artifact_sha256));
    line("chunk.scheme", "fixed-size-merkle-v0");
    line("chunk.size", &subject.chunk_size.to_string());
    line("chunk.count", &subject.chunk_count.to_string());
    line("chunk.merkle_root", &tagged(&subject.merkle_root));
    line("license.route", &subject.license_route);
    if subject.evidence.is_empty() {
        line("evidence.status", "not-claimed");
    }
    for (number, piece) in subject.evidence.iter().enumerate() {
        line(&format!("evidence.{number}.kind"), &piece.kind);
        line(&format!("evidence.{number}.route"), &piece.route);
        let sha256 = piece.sha256.as_ref().map_or_else(|| "none".to_owned(), tagged);
        line(&format!("evidence.{number}.sha256"), &sha256);
    }
}

fn import(receipt: &Receipt, line: &mut impl FnMut(&str, &str)) {
    let import = &receipt.import;
    line("import.lane", import.lane.as_str());
    line("import.started_utc", &import.started_utc);
    line("import.finished_utc", &import.finished_utc);
    for (number, consent) in import.consents.iter().enumerate() {
        line(&format!("consent.{number}.action"), consent.action.as_str());
        line(&format!("consent.{number}.at"), &consent.at_utc);
        line(&format!("consent.{number}.by"), &consent.by);
    }
    for (number, peer) in import.peers.iter().enumerate() {
        line(&format!("peer.{number}.id"), &peer.id);
        line(&format!("peer.{number}.bytes"), &peer.bytes.to_string());
        line(&format!("peer.{number}.chunks"), &peer.chunks.to_string());
        line(&format!("peer.{number}.rejected"), peer.rejected.as_deref().unwrap_or("none"));
    }
    if receipt.subject.format == Format::Slm {
        line("slm.checksum_recomputed", if import.checksum_recomputed { "yes" } else { "no" });
    }
    for (number, check) in import.checks.iter().enumerate() {
        line(&format!("check.{number}.name"), &check.name);
        line(&format!("check.{number}.outcome"), check.outcome.as_str());
        line(&format!("check.{number}.detail"), &check.detail);
    }
}
