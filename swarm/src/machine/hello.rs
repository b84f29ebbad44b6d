//! The Hello: what both sides must agree on.

use minimodel_wire::{CloseCode, Consent, Hello};

use super::config::Config;

/// Compares a Hello with our terms and consent. The error is the close code that names the difference: license before
/// evidence, evidence before the rest.
pub(super) fn judge(config: &Config, hello: &Hello) -> Result<(), CloseCode> {
    let terms = &config.terms;
    if hello.version != minimodel_wire::PROTOCOL_VERSION {
        return Err(CloseCode::UnsupportedVersion);
    }
    if hello.artifact_sha256 != terms.artifact_sha256 {
        return Err(CloseCode::WrongSwarm);
    }
    if hello.license_sha256 != terms.license_sha256 {
        return Err(CloseCode::LicenseMismatch);
    }
    if hello.evidence_sha256 != terms.evidence_sha256 {
        return Err(CloseCode::EvidenceMismatch);
    }
    if hello.swarm_id != terms.swarm_id {
        return Err(CloseCode::WrongSwarm);
    }
    if (hello.chunk_size, hello.chunk_count) != (terms.chunk_size, terms.chunk_count) {
        return Err(CloseCode::ChunkLayoutMismatch);
    }
    let (ours, theirs) = (config.consent, hello.consent);
    let we_help = ours.contains(Consent::SERVE) && theirs.contains(Consent::FETCH);
    let they_help = theirs.contains(Consent::SERVE) && ours.contains(Consent::FETCH);
    // Two that only serve may still introduce each other to others.
    let is_contact = |consent: Consent| consent.contains(Consent::SERVE | Consent::PUBLISH);
    let introduces = is_contact(ours) && is_contact(theirs);
    if we_help || they_help || introduces { Ok(()) } else { Err(CloseCode::NoConsent) }
}
