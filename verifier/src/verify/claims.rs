//! The manifest's claims about the inside of the file, compared with the file.

use crate::artifact::Format;
use crate::digest::tagged;
use crate::manifest::SlmClaims;
use crate::report::Report;
use crate::scan::Claims;

/// One check for each `slm.*` claim but the checksum.
pub(super) fn compare(found: &SlmClaims, claims: &SlmClaims, report: &mut Report) {
    report.equal("slm.tokenizer_checksum", tagged(&found.tokenizer_sha256), tagged(&claims.tokenizer_sha256));
    report.equal("slm.tensor_layout_checksum", tagged(&found.layout_sha256), tagged(&claims.layout_sha256));
    report.equal("slm.quantization", found.quantization.as_str(), claims.quantization.as_str());
    for ((name, found), (_, claimed)) in found.numbers().into_iter().zip(claims.numbers()) {
        report.equal(name, found, claimed);
    }
}

/// One check for each claim of a manifest of version 1 about a file of this format.
pub(super) fn compare_listed(format: Format, found: &Claims, claimed: &Claims, report: &mut Report) {
    for rule in format.claims() {
        let [found, claimed] = [found, claimed].map(|claims| claims.get(rule.key).map(String::as_str));
        if found.is_some() || claimed.is_some() {
            report.equal(rule.key, found.unwrap_or("none"), claimed.unwrap_or("none"));
        }
    }
}

/// The known values of the rolling checksum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksum {
    /// The value in the header; 0 has failed in the scan already.
    pub(super) stored: u64,
    /// The value in the manifest, if there is one.
    pub(super) claimed: Option<u64>,
    /// The value by the recurrence of `docs/slm.md`, if it was computed.
    pub(super) recomputed: Option<u64>,
}

impl Checksum {
    /// Fails if the stored value is not the manifest's. A value that cannot be reproduced is a warning: upstream has not
    /// published its constants, and SHA-256 covers every byte.
    pub(super) fn check(self, report: &mut Report) {
        const NAME: &str = "slm.checksum";
        let Self { stored, claimed, recomputed } = self;
        let spelled = |sum: u64| format!("{sum:016x}");
        match (claimed, recomputed) {
            _ if stored == 0 => (),
            (Some(claimed), _) if claimed != stored => report.fail(NAME, spelled(stored), spelled(claimed)),
            (_, None) => report.pass(NAME, format!("{}, compared, not recomputed", spelled(stored))),
            (_, Some(recomputed)) if recomputed == stored => report.pass(NAME, spelled(stored)),
            (_, Some(recomputed)) => {
                report.warn(NAME, format!("unreproduced: {}", spelled(stored)), spelled(recomputed));
            }
        }
    }
}
