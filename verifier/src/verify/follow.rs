//! The whole-file check of a growing file, piece by piece as it is read back.

use std::sync::Arc;

use super::artifact::{Verified, judge};
use super::pass::Seen;
use super::scanning::Scanning;
use crate::manifest::Manifest;
use crate::sha::Sha256;

/// The incremental form of [`verify_artifact`](super::verify_artifact), for a file whose chunks were each proven against
/// the root on arrival: the rolling checksum is compared and not recomputed, the tree is not rebuilt, and all other checks
/// are the same. The caller passes the bytes of the file in order, from the first to the last.
#[derive(Debug)]
pub struct Following {
    manifest: Arc<Manifest>,
    sha: Sha256,
    scan: Scanning,
    bytes: u64,
}

impl Following {
    /// A check before the first byte.
    pub fn new(manifest: Arc<Manifest>) -> Self {
        let scan = Scanning::new(manifest.format(), manifest.byte_count());
        Self { manifest, sha: Sha256::default(), scan, bytes: 0 }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, piece: &[u8]) {
        self.sha.update(piece);
        self.seen(piece);
    }

    /// Takes the next bytes of the file, and hashes `other_data` into `other` along with them: see [`Sha256::update_both`].
    pub fn push_beside(&mut self, piece: &[u8], other: &mut Sha256, other_data: &[u8]) {
        self.sha.update_both(piece, other, other_data);
        self.seen(piece);
    }

    fn seen(&mut self, piece: &[u8]) {
        self.scan.push(piece);
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
    }

    /// The verdict on all bytes that were passed.
    pub fn finish(self) -> Verified {
        let seen = Seen {
            bytes: self.bytes,
            sha256: self.sha.finish(),
            found: self.scan.finish(),
            rolling: None,
            chunk_hashes: None,
        };
        judge(&self.manifest, seen)
    }
}
