//! Building a manifest from typed claims.

use std::collections::BTreeMap;

use super::claims::{
    ArtifactClaims, ChunkClaims, Evidence, FormatClaims, RequiresClaims, SlmClaims, SourceClaims,
};
use super::error::ManifestError;
use super::schema::Schema;
use super::text::is_key;
use crate::digest::tagged;

/// The content of a manifest without key and signature: the typed input for a new manifest, and the result of
/// [`Manifest::draft`](super::Manifest::draft).
///
/// A draft is not validated. [`build`](Self::build) and [`sign`](Self::sign) render the text and pass it to the parser that
/// reads foreign manifests, so that no manifest is written that could not be read.
/// Spaces at both ends of a text are trimmed, as in any manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestDraft {
    /// `manifest.created_utc`.
    pub created_utc: String,
    /// `model.id`.
    pub model_id: String,
    /// `model.version`.
    pub model_version: String,
    /// `publisher.id`.
    pub publisher_id: String,
    /// `model_card.route`; `None` renders `model_card.status=not-provided`, which version 0 does not have.
    pub model_card_route: Option<String>,
    /// `license.route`.
    pub license_route: String,
    /// `license.spdx`.
    pub license_spdx: Option<String>,
    /// `takedown.route`.
    pub takedown_route: Option<String>,
    /// `artifact.*`.
    pub artifact: ArtifactClaims,
    /// The format of the file, and the claims about its inside; decides the version.
    pub claims: FormatClaims,
    /// `chunk.*`.
    pub chunks: ChunkClaims,
    /// `evidence.N.*`; empty renders `evidence.status=not-claimed`.
    pub evidence: Vec<Evidence>,
    /// `source.*`.
    pub source: SourceClaims,
    /// `requires.*`.
    pub requires: RequiresClaims,
    /// Any keys under `x.`, with their values.
    pub extra: BTreeMap<String, String>,
}

impl ManifestDraft {
    /// The canonical form. A key or value that would be read back as something else is an error.
    pub(super) fn render(&self, key_id: &str) -> Result<String, ManifestError> {
        let mut text = String::new();
        for (line, (key, value)) in (1..).zip(self.fields(key_id)) {
            if self.extra.contains_key(&key) && !key.starts_with("x.") {
                return Err(ManifestError::UnknownKey { line, key });
            }
            if !is_key(&key) {
                return Err(ManifestError::KeySpelling { line, key });
            }
            let value = value.trim_matches(' ');
            let line_end = |(_, byte): &(usize, u8)| matches!(byte, b'\n' | b'\r');
            if let Some((index, byte)) = value.bytes().enumerate().find(line_end) {
                return Err(ManifestError::ForbiddenByte { line, column: key.len() + 2 + index, byte });
            }
            for part in [&key, "=", value, "\n"] {
                text.push_str(part);
            }
        }
        Ok(text)
    }

    /// Every field, sorted bytewise by key.
    fn fields(&self, key_id: &str) -> BTreeMap<String, String> {
        let mut fields = self.extra.clone();
        let mut put = |key: &str, value: &str| {
            fields.insert(key.to_owned(), value.to_owned());
        };
        let schema = Schema::of(self.claims.format());
        put("manifest.version", schema.version());
        put("manifest.kind", "minimodel.manifest");
        put("manifest.schema_id", schema.id());
        put("manifest.schema_checksum", schema.checksum());
        put("manifest.created_utc", &self.created_utc);
        put("model.id", &self.model_id);
        put("model.version", &self.model_version);
        put("publisher.id", &self.publisher_id);
        put("publisher.key_id", key_id);
        match &self.model_card_route {
            Some(route) => put("model_card.route", route),
            None => put("model_card.status", "not-provided"),
        }
        put("license.route", &self.license_route);
        put("artifact.kind", self.claims.format().word());
        put("artifact.byte_count", &self.artifact.byte_count.to_string());
        put("artifact.sha256", &tagged(&self.artifact.sha256));
        put("artifact.acquisition", self.artifact.acquisition.as_str());
        put("artifact.project_server_url", "none");
        put("chunk.scheme", "fixed-size-merkle-v0");
        put("chunk.size", &self.chunks.size.to_string());
        put("chunk.count", &self.chunks.count.to_string());
        put("chunk.merkle_root", &tagged(&self.chunks.merkle_root));
        match &self.claims {
            FormatClaims::Slm(claims) => put_slm(claims, &mut put),
            FormatClaims::Listed(_, claims) => claims.iter().for_each(|(key, value)| put(key, value)),
        }
        self.put_optional(&mut put);
        self.put_evidence(&mut put);
        fields
    }

    fn put_optional(&self, put: &mut impl FnMut(&str, &str)) {
        let list = self.chunks.list.as_ref();
        let (source, requires) = (&self.source, &self.requires);
        let arch = (!requires.arch.is_empty()).then(|| requires.arch.join(","));
        let optional = [
            ("license.spdx", self.license_spdx.clone()),
            ("takedown.route", self.takedown_route.clone()),
            ("chunk.list_route", list.map(|list| list.route.clone())),
            ("chunk.list_sha256", list.map(|list| tagged(&list.sha256))),
            ("source.kind", source.kind.clone()),
            ("source.id", source.id.clone()),
            ("source.revision", source.revision.clone()),
            ("source.sha256", source.sha256.as_ref().map(tagged)),
            ("requires.ram_mb", requires.ram_mb.map(|number| number.to_string())),
            ("requires.vram_mb", requires.vram_mb.map(|number| number.to_string())),
            ("requires.arch", arch),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                put(key, &value);
            }
        }
    }

    fn put_evidence(&self, put: &mut impl FnMut(&str, &str)) {
        if self.evidence.is_empty() {
            put("evidence.status", "not-claimed");
        }
        for (number, piece) in self.evidence.iter().enumerate() {
            put(&format!("evidence.{number}.kind"), &piece.kind);
            put(&format!("evidence.{number}.route"), &piece.route);
            let sha256 = piece.sha256.as_ref().map_or_else(|| "none".to_owned(), tagged);
            put(&format!("evidence.{number}.sha256"), &sha256);
        }
    }
}

fn put_slm(slm: &SlmClaims, put: &mut impl FnMut(&str, &str)) {
    put("slm.format_version", "1");
    put("slm.checksum", &format!("{:016x}", slm.checksum));
    put("slm.tokenizer_checksum", &tagged(&slm.tokenizer_sha256));
    put("slm.tensor_layout_checksum", &tagged(&slm.layout_sha256));
    put("slm.quantization", &slm.quantization);
    for (key, number) in slm.numbers() {
        put(key, &number.to_string());
    }
}
