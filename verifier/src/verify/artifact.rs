//! Verification of a whole file, against a manifest or by itself.

use std::io::{self, Read};

use super::claims::{self, Checksum};
use super::pass::{self, Seen, Wanted};
use super::scanning::Found;
use crate::artifact::Format;
use crate::chunk::{Layout, LayoutError, Tree};
use crate::digest::{Digest, tagged};
use crate::manifest::{FormatClaims, Manifest};
use crate::report::Report;
use crate::slm::SlmFacts;

/// The result of [`verify_artifact`] and of [`Following`](super::Following).
#[derive(Debug, Clone)]
pub struct Verified {
    /// `artifact.*`, the rules of the format, the claims of the manifest, `chunk.*`, and `slm.checksum`. A file of another
    /// length fails by `artifact.byte_count` alone: nothing else about it is decided.
    pub report: Report,
    /// The rebuilt tree; `None` if it was not rebuilt, or if its count or root is not the manifest's.
    pub tree: Option<Tree>,
    /// Present for a `.slm` file whose header, tokenizer and directory are valid.
    pub facts: Option<SlmFacts>,
}

/// Verifies a file, read once from its beginning, against a manifest.
///
/// Reads at most one byte more than the manifest's byte count. Holds two blocks of 4 MiB, the tokenizer and directory
/// of the file, and 64 bytes a chunk.
///
/// # Errors
/// Only those of reading; what is wrong with the file is in the report.
pub fn verify_artifact(manifest: &Manifest, artifact: &mut (dyn Read + Send)) -> io::Result<Verified> {
    let layout = Layout::new(manifest.byte_count(), manifest.chunk_size());
    let seen = pass::run(
        manifest.byte_count(),
        Wanted { format: manifest.format(), chunks: layout.ok() },
        artifact,
    )?;
    Ok(judge(manifest, seen))
}

/// Makes the checks on the results of a pass. Without chunk hashes, every chunk was proven on arrival.
pub(super) fn judge(manifest: &Manifest, seen: Seen) -> Verified {
    let layout = Layout::new(manifest.byte_count(), manifest.chunk_size());
    let mut report = Report::new();
    if !length_holds(&seen, manifest.byte_count(), &mut report) {
        return Verified { report, tree: None, facts: None };
    }
    report.equal("artifact.sha256", tagged(&seen.sha256), tagged(manifest.artifact_sha256()));
    let Found { rules, facts, claims } = seen.found;
    report.extend(rules);
    match (&claims, manifest.claims()) {
        (Some(FormatClaims::Slm(found)), FormatClaims::Slm(claimed)) => {
            claims::compare(found, claimed, &mut report);
            let (stored, claimed) = (found.checksum, Some(claimed.checksum));
            Checksum { stored, claimed, recomputed: seen.rolling }.check(&mut report);
        }
        (Some(FormatClaims::Listed(format, found)), FormatClaims::Listed(_, claimed)) => {
            claims::compare_listed(*format, found, claimed, &mut report);
        }
        _ => {}
    }
    let count_holds = count_holds(layout, manifest, &mut report);
    let tree = seen.chunk_hashes.map(Tree::from_chunk_hashes);
    let root_holds = match &tree {
        Some(tree) => root_holds(tree, manifest, &mut report),
        None => {
            if layout.is_ok() {
                report.pass("chunk.merkle_root", "every chunk proven on arrival");
            }
            false
        }
    };
    Verified { report, tree: tree.filter(|_| count_holds && root_holds), facts }
}

/// The result of [`inspect_artifact`]: everything that a manifest states about its artifact.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// `artifact.byte_count`, the rules of the format, and `slm.checksum`.
    pub report: Report,
    /// SHA-256 of the bytes that were read.
    pub sha256: Digest,
    /// The tree over the chunks; `None` when the file does not have `byte_count` bytes.
    pub tree: Option<Tree>,
    /// Present for a `.slm` file whose header, tokenizer and directory are valid.
    pub facts: Option<SlmFacts>,
    /// What a manifest claims about the inside of the file; `None` where its header is not valid.
    pub claims: Option<FormatClaims>,
    /// The rolling checksum, recomputed; 0 for a file of any other format than `.slm`.
    pub rolling: u64,
}

/// The pass of [`verify_artifact`] without a manifest, for a file of this format and `byte_count` bytes, cut in chunks of
/// `chunk_size`.
///
/// # Errors
/// Those of reading, and `InvalidInput` with a [`LayoutError`] inside when the sizes give no layout.
pub fn inspect_artifact(
    format: Format,
    byte_count: u64,
    chunk_size: u64,
    artifact: &mut (dyn Read + Send),
) -> io::Result<Inspected> {
    let invalid = |error: LayoutError| io::Error::new(io::ErrorKind::InvalidInput, error);
    let layout = Layout::new(byte_count, chunk_size).map_err(invalid)?;
    let seen = pass::run(byte_count, Wanted { format, chunks: Some(layout) }, artifact)?;
    let mut report = Report::new();
    let rolling = seen.rolling.unwrap_or_default();
    if !length_holds(&seen, byte_count, &mut report) {
        return Ok(Inspected { report, sha256: seen.sha256, tree: None, facts: None, claims: None, rolling });
    }
    let Found { rules, facts, claims } = seen.found;
    report.extend(rules);
    if let Some(facts) = &facts {
        let stored = facts.stored_checksum;
        Checksum { stored, claimed: None, recomputed: seen.rolling }.check(&mut report);
    }
    let tree = seen.chunk_hashes.map(Tree::from_chunk_hashes);
    Ok(Inspected { report, sha256: seen.sha256, tree, facts, claims, rolling })
}

fn length_holds(seen: &Seen, byte_count: u64, report: &mut Report) -> bool {
    const NAME: &str = "artifact.byte_count";
    if seen.bytes > byte_count {
        report.fail(NAME, format!("more than {byte_count}"), byte_count.to_string());
    } else {
        report.equal(NAME, seen.bytes, byte_count);
    }
    seen.bytes == byte_count
}

/// `chunk.count`: the sizes give exactly the count that the manifest names.
pub(super) fn count_holds(
    layout: Result<Layout, LayoutError>,
    manifest: &Manifest,
    report: &mut Report,
) -> bool {
    let claimed = manifest.chunk_count();
    match layout {
        Ok(layout) => report.equal("chunk.count", u64::from(layout.count()), claimed),
        Err(error) => report.fail("chunk.count", error.to_string(), claimed.to_string()),
    }
    layout.is_ok_and(|layout| u64::from(layout.count()) == claimed)
}

/// `chunk.merkle_root`: the tree over these chunks is the manifest's.
pub(super) fn root_holds(tree: &Tree, manifest: &Manifest, report: &mut Report) -> bool {
    report.equal("chunk.merkle_root", tagged(tree.root()), tagged(manifest.merkle_root()));
    tree.root() == manifest.merkle_root()
}
