//! Checks the chunks of a file that may be incomplete, without any network.

use std::io;

use rayon::prelude::*;

use super::artifact::{count_holds, root_holds};
use crate::chunk::{Layout, ReadAt, Tree, hash_chunk, hash_chunks, list};
use crate::digest::{Digest, sha256, tagged};
use crate::manifest::Manifest;
use crate::pool;
use crate::report::{Outcome, Report};

/// The verdict on one chunk of a local file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkVerdict {
    /// Its bytes are the artifact's.
    Good,
    /// The chunk is present and its bytes are wrong. A hole that was never written reads as zeros and counts as bad.
    Bad,
    /// The file ends before the chunk does.
    Absent,
    /// The chunk is present, but neither a chunk list nor the root of the whole file decides it.
    Unjudged,
}

/// The result of [`verify_chunks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkAudit {
    /// `artifact.byte_count`, `chunk.count`, `chunk.list_sha256`, `chunk.list_count`, `chunk.merkle_root`,
    /// `chunk.data`, `chunk.present`, as far as they could be decided.
    pub report: Report,
    /// One verdict a chunk, in order; empty when the manifest's sizes give no layout.
    pub verdicts: Vec<ChunkVerdict>,
}

impl ChunkAudit {
    /// How many chunks have this verdict.
    pub fn count(&self, verdict: ChunkVerdict) -> usize {
        self.verdicts.iter().filter(|found| **found == verdict).count()
    }

    /// True when every chunk is good.
    pub fn is_complete(&self) -> bool {
        !self.verdicts.is_empty() && self.count(ChunkVerdict::Good) == self.verdicts.len()
    }
}

/// Checks every chunk of `partial`, a file of `partial_bytes` bytes that holds each chunk at its offset.
///
/// With the chunk list, which is checked against the manifest first, each chunk is checked by itself. Without a list only a
/// whole file can be checked, and only as a whole: the root does not tell which chunk is wrong.
///
/// # Errors
/// Only those of reading.
pub fn verify_chunks<R: ReadAt + ?Sized>(
    manifest: &Manifest,
    known: Option<&[Digest]>,
    partial: &R,
    partial_bytes: u64,
) -> io::Result<ChunkAudit> {
    let mut report = Report::new();
    let size = format!("{partial_bytes} of {} bytes", manifest.byte_count());
    if partial_bytes > manifest.byte_count() {
        report.fail("artifact.byte_count", size.as_str(), format!("at most {}", manifest.byte_count()));
    } else {
        report.pass("artifact.byte_count", size.as_str());
    }
    let layout = Layout::new(manifest.byte_count(), manifest.chunk_size());
    let count_holds = count_holds(layout, manifest, &mut report);
    let Ok(layout) = layout else { return Ok(ChunkAudit { report, verdicts: Vec::new() }) };

    let is_whole = partial_bytes == manifest.byte_count();
    let judged = match known {
        _ if !count_holds => None,
        Some(known) if list_holds(known, &layout, manifest, &mut report) => {
            Some(judge_each(known, &layout, partial, partial_bytes)?)
        }
        Some(_) => None,
        None if is_whole => {
            let tree = Tree::from_chunk_hashes(hash_chunks(&layout, partial)?);
            let holds = root_holds(&tree, manifest, &mut report);
            holds.then(|| vec![ChunkVerdict::Good; layout.count() as usize])
        }
        None => {
            report.warn("chunk.merkle_root", size, "the whole file, or a chunk list to judge each chunk by");
            None
        }
    };
    let is_judged = judged.is_some();
    let unjudged = |index| {
        if is_inside(&layout, index, partial_bytes) { ChunkVerdict::Unjudged } else { ChunkVerdict::Absent }
    };
    let verdicts = judged.unwrap_or_else(|| (0..layout.count()).map(unjudged).collect());
    let mut audit = ChunkAudit { report, verdicts };
    if is_judged {
        audit.report_data();
    }
    audit.report_presence();
    Ok(audit)
}

/// Checks that the list is the manifest's: by its SHA-256 if the manifest names one, by its length, and by its root.
fn list_holds(known: &[Digest], layout: &Layout, manifest: &Manifest, report: &mut Report) -> bool {
    if let Some(claimed) = manifest.chunk_list_sha256() {
        // A list has one spelling, so the file's SHA-256 follows from its digests.
        report.equal("chunk.list_sha256", tagged(&sha256(list::render(known).as_bytes())), tagged(claimed));
    }
    report.equal("chunk.list_count", known.len(), layout.count() as usize);
    if known.len() != layout.count() as usize {
        return false;
    }
    let root_holds = root_holds(&Tree::from_chunk_hashes(known.to_vec()), manifest, report);
    root_holds && report.check("chunk.list_sha256").is_none_or(|check| check.outcome == Outcome::Pass)
}

fn judge_each<R: ReadAt + ?Sized>(
    known: &[Digest],
    layout: &Layout,
    partial: &R,
    partial_bytes: u64,
) -> io::Result<Vec<ChunkVerdict>> {
    let judge = |(index, expected): (u32, &Digest)| {
        if !is_inside(layout, index, partial_bytes) {
            return Ok(ChunkVerdict::Absent);
        }
        let found = hash_chunk(layout, partial, index)?;
        Ok(if found == *expected { ChunkVerdict::Good } else { ChunkVerdict::Bad })
    };
    pool::start();
    (0..layout.count()).into_par_iter().zip(known).map(judge).collect()
}

fn is_inside(layout: &Layout, index: u32, partial_bytes: u64) -> bool {
    layout.offset(index) + u64::from(layout.chunk_len(index)) <= partial_bytes
}

/// Most bad chunks that a message names.
const NAMED_CHUNKS: usize = 16;

impl ChunkAudit {
    fn report_data(&mut self) {
        let bad = self.count(ChunkVerdict::Bad);
        let good = format!("{} good", self.count(ChunkVerdict::Good));
        if bad == 0 {
            return self.report.pass("chunk.data", good);
        }
        let all = self.verdicts.iter().enumerate().filter(|(_, verdict)| **verdict == ChunkVerdict::Bad);
        let named: Vec<String> = all.take(NAMED_CHUNKS).map(|(index, _)| index.to_string()).collect();
        let more = if bad > NAMED_CHUNKS { " ..." } else { "" };
        self.report.fail("chunk.data", format!("{bad} bad, {good}; bad: {}{more}", named.join(" ")), "0 bad");
    }

    fn report_presence(&mut self) {
        let (absent, all) = (self.count(ChunkVerdict::Absent), self.verdicts.len());
        if absent == 0 {
            self.report.pass("chunk.present", format!("{all} of {all}"));
        } else {
            self.report.warn("chunk.present", format!("{} of {all}", all - absent), all.to_string());
        }
    }
}
