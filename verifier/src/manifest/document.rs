//! A manifest that keeps every rule.

use super::claims::{Evidence, FormatClaims, SlmClaims};
use super::draft::ManifestDraft;
use super::signature;
use crate::artifact::{ArtifactName, Format};
use crate::{Digest, sha256};

/// A valid manifest, of version 0 or 1: its text keeps every rule of the format and, if it is signed, the signature over the
/// canonical form verifies under `publisher.key_id`. Comments are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    draft: ManifestDraft,
    key_id: String,
    canonical: String,
    swarm_id: Digest,
    /// `signature.value`, verified.
    signature: Option<String>,
}

impl Manifest {
    pub(super) fn new(
        draft: ManifestDraft,
        key_id: String,
        canonical: String,
        signature: Option<String>,
    ) -> Self {
        let swarm_id = sha256(canonical.as_bytes());
        Self { draft, key_id, canonical, swarm_id, signature }
    }

    /// The text as sent and stored: the canonical form, then the `signature.*` lines if it is signed.
    pub fn text(&self) -> String {
        let lines = self.signature.as_deref().map(signature::lines).unwrap_or_default();
        format!("{}{lines}", self.canonical)
    }

    /// The canonical form: all keys but `signature.*`, sorted bytewise, LF line ends.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// SHA-256 of the canonical form: binds bytes, license, evidence and publisher at once.
    pub fn swarm_id(&self) -> &Digest {
        &self.swarm_id
    }

    /// SHA-256 over the canonical lines, each with its LF, that begin `license.`.
    pub fn license_digest(&self) -> Digest {
        self.section_digest("license.")
    }

    /// SHA-256 over the canonical lines, each with its LF, that begin `evidence.`.
    pub fn evidence_digest(&self) -> Digest {
        self.section_digest("evidence.")
    }

    fn section_digest(&self, prefix: &str) -> Digest {
        let lines: String =
            self.canonical.split_inclusive('\n').filter(|line| line.starts_with(prefix)).collect();
        sha256(lines.as_bytes())
    }

    /// The fields of the canonical form, in its order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.canonical.lines().filter_map(|line| line.split_once('='))
    }

    /// The typed content without key and signature; a starting point for another manifest.
    pub fn draft(&self) -> &ManifestDraft {
        &self.draft
    }

    /// The names of its files, which begin with `<model.id>-<model.version>`. They hold no path separator.
    pub fn artifact_name(&self) -> ArtifactName {
        ArtifactName::of_model(self.model_id(), self.model_version(), self.format())
    }

    /// True if there is a signature; it has been verified.
    pub fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// `publisher.key_id`: `ed25519:` and the key in hex, or `none`.
    pub fn publisher_key_id(&self) -> &str {
        &self.key_id
    }

    /// `model.id`, route-safe.
    pub fn model_id(&self) -> &str {
        &self.draft.model_id
    }

    /// `model.version`.
    pub fn model_version(&self) -> &str {
        &self.draft.model_version
    }

    /// `publisher.id`, route-safe.
    pub fn publisher_id(&self) -> &str {
        &self.draft.publisher_id
    }

    /// `manifest.created_utc`, RFC 3339 with a `Z`.
    pub fn created_utc(&self) -> &str {
        &self.draft.created_utc
    }

    /// `model_card.route`; `None` where the manifest says `model_card.status=not-provided`.
    pub fn model_card_route(&self) -> Option<&str> {
        self.draft.model_card_route.as_deref()
    }

    /// `license.route`.
    pub fn license_route(&self) -> &str {
        &self.draft.license_route
    }

    /// `license.spdx`, if given.
    pub fn license_spdx(&self) -> Option<&str> {
        self.draft.license_spdx.as_deref()
    }

    /// `takedown.route`, if given.
    pub fn takedown_route(&self) -> Option<&str> {
        self.draft.takedown_route.as_deref()
    }

    /// `artifact.acquisition`.
    pub fn acquisition(&self) -> &str {
        self.draft.artifact.acquisition.as_str()
    }

    /// `artifact.byte_count`: size of the file in bytes, at least 1.
    pub fn byte_count(&self) -> u64 {
        self.draft.artifact.byte_count
    }

    /// `artifact.sha256`.
    pub fn artifact_sha256(&self) -> &Digest {
        &self.draft.artifact.sha256
    }

    /// The format of the file (`artifact.kind`).
    pub fn format(&self) -> Format {
        self.draft.claims.format()
    }

    /// The claims about the inside of the file.
    pub fn claims(&self) -> &FormatClaims {
        &self.draft.claims
    }

    /// `slm.*`, if the file is a `.slm` file.
    pub fn slm(&self) -> Option<&SlmClaims> {
        if let FormatClaims::Slm(claims) = &self.draft.claims { Some(claims) } else { None }
    }

    /// `chunk.size` in bytes: a power of two, 16 KiB to 16 MiB.
    pub fn chunk_size(&self) -> u64 {
        self.draft.chunks.size
    }

    /// `chunk.count`: exactly the byte count divided by the chunk size, rounded up.
    pub fn chunk_count(&self) -> u64 {
        self.draft.chunks.count
    }

    /// `chunk.merkle_root`.
    pub fn merkle_root(&self) -> &Digest {
        &self.draft.chunks.merkle_root
    }

    /// `chunk.list_route`, if given.
    pub fn chunk_list_route(&self) -> Option<&str> {
        self.draft.chunks.list.as_ref().map(|list| list.route.as_str())
    }

    /// `chunk.list_sha256`, if given.
    pub fn chunk_list_sha256(&self) -> Option<&Digest> {
        self.draft.chunks.list.as_ref().map(|list| &list.sha256)
    }

    /// The evidence in its order; empty where the manifest says `evidence.status=not-claimed`.
    pub fn evidence(&self) -> &[Evidence] {
        &self.draft.evidence
    }
}
