//! Reading of claims from fields, section by section, in the order of [`CHECKS`](super::CHECKS).

use std::collections::BTreeMap;

use super::check as names;
use super::claims::{
    Acquisition, ArtifactClaims, ChunkClaims, ChunkListClaims, Evidence, FormatClaims, RequiresClaims,
    SlmClaims, SourceClaims,
};
use super::document::Manifest;
use super::draft::ManifestDraft;
use super::error::ManifestError;
use super::keys;
use super::limits::{MAX_CHUNK_SIZE_BYTES, MIN_CHUNK_SIZE_BYTES};
use super::schema::Schema;
use super::text::{self, Field, Fields};
use super::{signature, spdx, value};
use crate::Report;
use crate::artifact::Format;
use crate::other::Container;
use crate::scan::Claims;
use crate::word::is_route_safe;

impl Manifest {
    /// Reads a manifest and enforces every rule, the signature included.
    ///
    /// # Errors
    /// The first rule that is broken, in the order of [`CHECKS`](super::CHECKS).
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        manifest(text, &mut Report::new())
    }
}

/// Checks a manifest and reports each check. The first failure ends the report: later checks are not made. A manifest
/// without a signature ends in a warning.
///
/// The report is ok exactly when [`Manifest::parse`] accepts the text.
pub fn check(text: &[u8]) -> Report {
    let mut report = Report::new();
    if let Err(error) = manifest(text, &mut report) {
        report.fail(error.check_name(), error.found(), error.accepted());
    }
    report
}

/// Reads a manifest; each check that passed goes into `report`, the one that failed is the error.
fn manifest(text: &[u8], report: &mut Report) -> Result<Manifest, ManifestError> {
    let bytes = text::check_size(text)?;
    report.pass(names::SIZE, format!("{bytes} bytes"));
    let fields = text::fields(text)?;
    report.pass(names::TEXT, format!("{} fields", fields.len()));
    let version = fields.required("manifest.version")?;
    let schema = Schema::ALL.into_iter().find(|schema| schema.version() == version.value);
    let schema = schema.ok_or_else(|| ManifestError::UnknownVersion(version.at()))?;
    fields.required("manifest.kind")?.literal("minimodel.manifest", ManifestError::UnknownKind)?;
    report.pass(names::VERSION, schema.version());
    let format = format(&fields, schema)?;
    keys::check(&fields, schema, format)?;
    report.pass(names::KEYS, format!("{} fields", fields.len()));
    let (draft, key) = claims(&fields, (schema, format), report)?;
    let canonical = canonical(&fields);
    let signature = signature::check(&fields, key, &canonical)?;
    match signature {
        Some(_) => report.pass(names::SIGNATURE, format!("verified {}", key.value)),
        None => report.warn(names::SIGNATURE, "unsigned", "a signature by the publisher"),
    }
    Ok(Manifest::new(draft, key.value.to_owned(), canonical, signature.map(str::to_owned)))
}

/// All keys but `signature.*`, sorted bytewise, LF.
fn canonical(fields: &Fields<'_>) -> String {
    let mut canonical = String::new();
    for field in fields.in_key_order().filter(|field| !field.key.starts_with("signature.")) {
        for part in [field.key, "=", field.value, "\n"] {
            canonical.push_str(part);
        }
    }
    canonical
}

/// Reads everything but the signature; also returns the field of the publisher's key, whose spelling is checked.
fn claims<'a>(
    fields: &Fields<'a>,
    (schema, format): (Schema, Format),
    report: &mut Report,
) -> Result<(ManifestDraft, Field<'a>), ManifestError> {
    let created_utc = check_schema(fields, schema)?;
    report.pass(names::SCHEMA, schema.checksum());

    let model_id = fields.required("model.id")?.route_safe()?;
    let model_version = version(fields.required("model.version")?)?;
    let publisher_id = fields.required("publisher.id")?.route_safe()?;
    let key = fields.required("publisher.key_id")?;
    if key.value != "none" && value::key_id_bytes(key.value).is_none() {
        return Err(ManifestError::KeyIdSpelling(key.at()));
    }
    report.pass(names::IDENTITY, format!("{model_id} {model_version} by {publisher_id}"));

    let model_card_route = model_card(fields)?;
    let license_route = fields.required("license.route")?.route()?;
    let takedown_route = fields.optional("takedown.route").map(Field::route).transpose()?;
    report.pass(names::ROUTES, license_route.as_str());

    let license_spdx = fields.optional("license.spdx").map(spdx_expression).transpose()?;
    report.pass(names::LICENSE, license_spdx.as_deref().unwrap_or("no SPDX expression given"));

    let artifact = artifact(fields, format)?;
    report.pass(names::ARTIFACT, format!("{} bytes", artifact.byte_count));
    let claims = format_claims(fields, format)?;
    let found = if let FormatClaims::Slm(slm) = &claims { slm.quantization.as_str() } else { "well-formed" };
    // Keys of claims begin with the word of the format.
    report.pass(names::of_key(format.word()), found);
    let chunks = chunks(fields, artifact.byte_count)?;
    report.pass(names::CHUNKS, format!("{} of {} bytes", chunks.count, chunks.size));
    let evidence = evidence(fields)?;
    report.pass(
        names::EVIDENCE,
        if evidence.is_empty() { "not-claimed".into() } else { evidence.len().to_string() },
    );
    let source = source(fields)?;
    report.pass(names::SOURCE, source.id.as_deref().unwrap_or("not given"));
    let requires = requires(fields)?;
    report.pass(
        names::REQUIRES,
        if requires == RequiresClaims::default() { "not given" } else { "well-formed" },
    );

    let extra = fields.in_key_order().filter(|field| field.key.starts_with("x."));
    let extra = extra.map(|field| (field.key.to_owned(), field.value.to_owned())).collect();
    let draft = ManifestDraft {
        created_utc,
        model_id,
        model_version,
        publisher_id,
        model_card_route,
        license_route,
        license_spdx,
        takedown_route,
        artifact,
        claims,
        chunks,
        evidence,
        source,
        requires,
        extra,
    };
    Ok((draft, key))
}

/// The format of the file, which decides about the keys.
fn format(fields: &Fields<'_>, schema: Schema) -> Result<Format, ManifestError> {
    if schema == Schema::V0 {
        return Ok(Format::Slm);
    }
    let kind = fields.required("artifact.kind")?;
    let container = match kind.value {
        "other" => Some(fields.required("other.container")?),
        _ => None,
    };
    let format = Format::from_words(kind.value, container.map(|field| field.value));
    let unknown = || match container {
        Some(field) => ManifestError::ClaimSpelling { at: field.at(), accepted: Container::ACCEPTED },
        None => ManifestError::ArtifactKind(kind.at()),
    };
    format.filter(|&format| Schema::of(format) == schema).ok_or_else(unknown)
}

fn check_schema(fields: &Fields<'_>, schema: Schema) -> Result<String, ManifestError> {
    fields.required("manifest.schema_id")?.literal(schema.id(), ManifestError::SchemaId)?;
    let checksum = fields.required("manifest.schema_checksum")?;
    checksum.literal(schema.checksum(), ManifestError::SchemaChecksum)?;
    fields.required("manifest.created_utc")?.time()
}

fn version(field: Field<'_>) -> Result<String, ManifestError> {
    if value::is_version(field.value) {
        Ok(field.value.to_owned())
    } else {
        Err(ManifestError::ModelVersion(field.at()))
    }
}

fn spdx_expression(field: Field<'_>) -> Result<String, ManifestError> {
    match spdx::check(field.value) {
        Ok(()) => Ok(field.value.to_owned()),
        Err(fault) => Err(ManifestError::Spdx { at: field.at(), fault }),
    }
}

fn artifact(fields: &Fields<'_>, format: Format) -> Result<ArtifactClaims, ManifestError> {
    fields.required("artifact.kind")?.literal(format.word(), ManifestError::ArtifactKind)?;
    fields.required("artifact.project_server_url")?.literal("none", ManifestError::ProjectServerUrl)?;
    let lane = fields.required("artifact.acquisition")?;
    Ok(ArtifactClaims {
        byte_count: fields.required("artifact.byte_count")?.number()?,
        sha256: fields.required("artifact.sha256")?.digest()?,
        acquisition: Acquisition::from_word(lane.value)
            .ok_or_else(|| ManifestError::Acquisition(lane.at()))?,
    })
}

/// The route, or `None` where there is said to be none. Only version 1 has the key that says so.
fn model_card(fields: &Fields<'_>) -> Result<Option<String>, ManifestError> {
    let Some(status) = fields.optional("model_card.status") else {
        return fields.required("model_card.route")?.route().map(Some);
    };
    status.literal("not-provided", ManifestError::ModelCardStatus)?;
    match fields.optional("model_card.route") {
        Some(route) => Err(ManifestError::ModelCardContradiction { line: route.line }),
        None => Ok(None),
    }
}

fn format_claims(fields: &Fields<'_>, format: Format) -> Result<FormatClaims, ManifestError> {
    if format == Format::Slm {
        return slm(fields).map(FormatClaims::Slm);
    }
    let mut claims = Claims::new();
    for rule in format.claims() {
        if let Some(field) = fields.optional(rule.key) {
            if !rule.spelling.accepts(field.value) {
                return Err(ManifestError::ClaimSpelling {
                    at: field.at(),
                    accepted: rule.spelling.accepted(),
                });
            }
            claims.insert(rule.key, field.value.to_owned());
        }
    }
    Ok(FormatClaims::Listed(format, claims))
}

fn slm(fields: &Fields<'_>) -> Result<SlmClaims, ManifestError> {
    fields.required("slm.format_version")?.literal("1", ManifestError::SlmFormatVersion)?;
    let quantization = fields.required("slm.quantization")?;
    if !matches!(quantization.value, "f32" | "q8_0" | "q4_0" | "mixed") {
        return Err(ManifestError::Quantization(quantization.at()));
    }
    let number = |key| fields.required(key)?.number();
    Ok(SlmClaims {
        checksum: fields.required("slm.checksum")?.slm_checksum()?,
        tokenizer_sha256: fields.required("slm.tokenizer_checksum")?.digest()?,
        layout_sha256: fields.required("slm.tensor_layout_checksum")?.digest()?,
        quantization: quantization.value.to_owned(),
        vocab_size: number("slm.vocab_size")?,
        hidden_size: number("slm.hidden_size")?,
        layer_count: number("slm.layer_count")?,
        head_count: number("slm.head_count")?,
        kv_head_count: number("slm.kv_head_count")?,
        ffn_size: number("slm.ffn_size")?,
        max_context: number("slm.max_context")?,
        parameter_count: number("slm.parameter_count")?,
    })
}

fn chunks(fields: &Fields<'_>, byte_count: u64) -> Result<ChunkClaims, ManifestError> {
    fields.required("chunk.scheme")?.literal("fixed-size-merkle-v0", ManifestError::ChunkScheme)?;
    let size_field = fields.required("chunk.size")?;
    let size = size_field.number()?;
    if !size.is_power_of_two() {
        return Err(ManifestError::ChunkSizeNotPowerOfTwo(size_field.at()));
    }
    if !(MIN_CHUNK_SIZE_BYTES..=MAX_CHUNK_SIZE_BYTES).contains(&size) {
        return Err(ManifestError::ChunkSizeOutOfRange(size_field.at()));
    }
    let count_field = fields.required("chunk.count")?;
    let (count, expected) = (count_field.number()?, byte_count.div_ceil(size));
    if count != expected {
        return Err(ManifestError::ChunkCount { at: count_field.at(), expected });
    }
    let merkle_root = fields.required("chunk.merkle_root")?.digest()?;
    let list = match fields.pair(["chunk.list_route", "chunk.list_sha256"]) {
        Ok(Some([route, sha256])) => {
            Some(ChunkListClaims { route: route.route()?, sha256: sha256.digest()? })
        }
        Ok(None) => None,
        Err((line, key, missing)) => return Err(ManifestError::ChunkListHalf { line, key, missing }),
    };
    Ok(ChunkClaims { size, count, merkle_root, list })
}

fn evidence(fields: &Fields<'_>) -> Result<Vec<Evidence>, ManifestError> {
    let mut pieces: BTreeMap<u32, BTreeMap<&str, Field<'_>>> = BTreeMap::new();
    for field in fields.in_line_order() {
        if let Some((number, part)) = keys::evidence_part(field.key) {
            pieces.entry(number).or_default().insert(part, field);
        }
    }
    if let Some(status) = fields.optional("evidence.status") {
        status.literal("not-claimed", ManifestError::EvidenceStatus)?;
        if !pieces.is_empty() {
            return Err(ManifestError::EvidenceContradiction { line: status.line });
        }
    } else if pieces.is_empty() {
        return Err(ManifestError::EvidenceMissing);
    }
    (0..).zip(pieces).map(|(expected, (number, parts))| evidence_piece(expected, number, &parts)).collect()
}

/// `parts` holds at least one field.
fn evidence_piece(
    expected: u32,
    number: u32,
    parts: &BTreeMap<&str, Field<'_>>,
) -> Result<Evidence, ManifestError> {
    let (line, key) = parts.values().next().map(|field| (field.line, field.key)).unwrap_or_default();
    if number != expected {
        return Err(ManifestError::EvidenceGap { line, key: key.to_owned(), missing: expected });
    }
    let part =
        |missing| parts.get(missing).ok_or(ManifestError::EvidenceIncomplete { line, number, missing });
    let (kind, route, sha256) = (part("kind")?, part("route")?, part("sha256")?);
    let sha256 = match sha256.value {
        "none" => None,
        _ => Some(sha256.digest().map_err(|_| ManifestError::EvidenceDigest(sha256.at()))?),
    };
    Ok(Evidence { kind: kind.route_safe()?, route: route.route()?, sha256 })
}

fn source(fields: &Fields<'_>) -> Result<SourceClaims, ManifestError> {
    let text = |key| match fields.optional(key) {
        Some(field) if field.value.is_empty() => Err(ManifestError::SourceEmpty(field.at())),
        field => Ok(field.map(|field| field.value.to_owned())),
    };
    Ok(SourceClaims {
        kind: text("source.kind")?,
        id: text("source.id")?,
        revision: text("source.revision")?,
        sha256: fields.optional("source.sha256").map(Field::digest).transpose()?,
    })
}

fn requires(fields: &Fields<'_>) -> Result<RequiresClaims, ManifestError> {
    let number = |key| fields.optional(key).map(Field::number_or_zero).transpose();
    let mut arch = Vec::new();
    if let Some(field) = fields.optional("requires.arch") {
        for word in field.value.split(',') {
            if !is_route_safe(word) {
                return Err(ManifestError::RequiresArch { at: field.at(), word: word.to_owned() });
            }
            arch.push(word.to_owned());
        }
    }
    Ok(RequiresClaims { ram_mb: number("requires.ram_mb")?, vram_mb: number("requires.vram_mb")?, arch })
}
