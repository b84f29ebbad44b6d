//! Reading chunks back and hashing them again, on all cores.

use std::io;

use minimodel_verifier::Digest;
use minimodel_verifier::chunk::Layout;
use minimodel_verifier::pool;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::create::is_named;
use super::disk::{Disk, DiskFile};
use super::error::{Change, SourceError, StoreError};
use super::holdings::FOUND_HERE;
use super::part::{Part, SetAside};
use super::prefix::PrefixAborted;
use super::record::is_zero;
use super::similarity::{RepairIf, Similarity};
use super::state::ChunkEntry;

/// Bytes that are read between two checks for an abort.
const AT_ONCE_BYTES: u64 = 32 << 20;
/// Chunks are read in pieces of this size, so that memory follows the cores and not the chunk size.
const PIECE_BYTES: usize = 256 << 10;

/// Returns those of `candidates`, in order, whose bytes in `file` have the hash beside their index. A file that ends
/// early has fewer good chunks; only a read that fails is an error.
pub(super) fn good_chunks<F: DiskFile>(
    layout: &Layout,
    file: &F,
    candidates: &[(u32, Digest)],
) -> io::Result<Vec<u32>> {
    pool::start();
    let verdicts: io::Result<Vec<Option<u32>>> = candidates
        .par_iter()
        .map_init(
            || vec![0; PIECE_BYTES],
            |piece, (index, expected)| {
                let found = hash_chunk(layout, file, *index, piece)?;
                Ok((found.as_ref() == Some(expected)).then_some(*index))
            },
        )
        .collect();
    Ok(verdicts?.into_iter().flatten().collect())
}

/// SHA-256 of the bytes at the place of a chunk; `None` when the file ends before its end.
fn hash_chunk<F: DiskFile>(
    layout: &Layout,
    file: &F,
    index: u32,
    piece: &mut [u8],
) -> io::Result<Option<Digest>> {
    let (mut offset, mut left) = (layout.offset(index), layout.chunk_len(index) as usize);
    let mut hasher = Sha256::new();
    while left > 0 {
        let count = left.min(piece.len());
        let Some(window) = piece.get_mut(..count) else { break };
        match file.read_exact_at(window, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            answer => answer?,
        }
        hasher.update(&*window);
        (offset, left) = (offset + count as u64, left - count);
    }
    Ok(Some(hasher.finalize().into()))
}

impl<D: Disk> Part<D> {
    /// Compares the file with the leaf hashes of the whole artifact, and records the good chunks that no record named,
    /// so that they are not fetched again; returns their indices. Good chunks of a file that was put aside are copied.
    /// Blocks while it reads and hashes.
    ///
    /// `leaves` are checked here once more against the root: [`StoreError::ForeignLeaves`]. If too little of a user's
    /// file that is to be repaired is the artifact's, the error is [`StoreError::Unlike`], and nothing is recorded.
    pub fn rescan(&self, leaves: Vec<Digest>) -> Result<Vec<u32>, StoreError> {
        if let Err(reason) = self.holdings().tree.insert_range(0, &leaves, &[]) {
            return Err(StoreError::ForeignLeaves { path: self.path(), reason });
        }
        let all: Vec<(u32, Digest)> = (0..).zip(leaves).collect();
        let good = match self.unknown.repair_if {
            Some(condition) => self.good_if_like(&all, condition)?,
            None => {
                let is_missing = |(index, _): &(u32, Digest)| !self.has(*index);
                let missing: Vec<_> = all.iter().copied().filter(is_missing).collect();
                self.good_of(&missing)?
            }
        };
        let mut found = Vec::new();
        for index in good {
            let known = self.chunk_hash(index).zip(self.proof(index));
            let Some((sha256, path)) = known.filter(|_| !self.has(index)) else { continue };
            if self.record_held(ChunkEntry { index, sha256, supplier: FOUND_HERE, path })? {
                found.push(index);
            }
        }
        if let Some(aside) = &self.unknown.aside {
            self.copy_good(aside, &all, &mut found)?;
            found.sort_unstable();
        }
        Ok(found)
    }

    /// Copies the missing chunks that are good in a file that was put aside, by `all` leaf hashes. That file is only
    /// read; it is removed if it held nothing but what is here now.
    fn copy_good(
        &self,
        aside: &SetAside<D::File>,
        all: &[(u32, Digest)],
        found: &mut Vec<u32>,
    ) -> Result<(), StoreError> {
        let layout = &self.spec.layout;
        let failed = |error| StoreError::of(&*self.disk, &aside.name, "read", 0, error);
        let good = self.good_in(&aside.file, &aside.name, all)?;
        for &index in &good {
            let known = self.chunk_hash(index).zip(self.proof(index));
            let Some((sha256, path)) = known.filter(|_| !self.has(index)) else { continue };
            let mut bytes = vec![0; layout.chunk_len(index) as usize];
            aside.file.read_exact_at(&mut bytes, layout.offset(index)).map_err(failed)?;
            // Hashed once more: other processes may have that file open.
            if minimodel_verifier::sha256(&bytes) == sha256
                && self.write_held(ChunkEntry { index, sha256, supplier: FOUND_HERE, path }, &bytes)?
            {
                found.push(index);
            }
        }
        let is_left = |(index, _): &(u32, Digest)| good.binary_search(index).is_err();
        let end = aside.file.stat().map_err(failed)?.byte_count;
        let is_copied = end <= layout.byte_count()
            && good.iter().all(|&index| self.has(index))
            && all
                .iter()
                .filter(|chunk| is_left(chunk))
                .try_fold(true, |so_far, (index, _)| {
                    let from = layout.offset(*index);
                    let to = (from + u64::from(layout.chunk_len(*index))).min(end);
                    Ok(so_far && (from >= end || is_zero(&aside.file, from, to)?))
                })
                .map_err(failed)?;
        if is_copied {
            // Before that file is removed, the copy must survive a power loss.
            self.sync()?;
            if is_named(&*self.disk, &aside.name, &aside.file)? {
                self.disk.remove(&aside.name).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Reads and hashes again every chunk that is here, and gives up those that went bad on the disk; returns their
    /// indices. For a whole file that fails its whole-file check: these are the chunks to fetch again.
    pub fn recheck(&self) -> Result<Vec<u32>, StoreError> {
        let held: Vec<(u32, Digest)> = {
            let holdings = self.holdings();
            let hash = |index| Some((index, *holdings.tree.chunk_hash(index)?));
            holdings.held().into_iter().filter_map(hash).collect()
        };
        let indices: Vec<u32> = held.iter().map(|(index, _)| *index).collect();
        let mut good = self.good_of(&held)?.into_iter().peekable();
        // Both lists are in order.
        let bad = indices.into_iter().filter(|index| good.next_if_eq(index).is_none());
        Ok(bad.filter(|&index| self.discard(index)).collect())
    }

    /// The good chunks of the user's own file, if they are enough for `condition`.
    fn good_if_like(&self, all: &[(u32, Digest)], condition: RepairIf) -> Result<Vec<u32>, StoreError> {
        let good = self.good_of(all)?;
        let similarity = Similarity::of(&self.spec.layout, &self.data, all, &good)
            .map_err(|error| StoreError::of(&*self.disk, &self.names.part, "read", 0, error))?;
        if similarity.permits(condition) {
            return Ok(good);
        }
        let _ = self.unknown.unlike.set(similarity);
        Err(StoreError::Unlike { path: self.path(), similarity })
    }

    fn good_of(&self, candidates: &[(u32, Digest)]) -> Result<Vec<u32>, StoreError> {
        self.good_in(&self.data, &self.names.part, candidates)
    }

    /// [`good_chunks`], which ends early with an error after [`Part::abort_prefix`].
    fn good_in<F: DiskFile>(
        &self,
        file: &F,
        name: &str,
        candidates: &[(u32, Digest)],
    ) -> Result<Vec<u32>, StoreError> {
        let at_once = (AT_ONCE_BYTES / u64::from(self.spec.layout.chunk_size())).max(1) as usize;
        let mut good = Vec::new();
        for some in candidates.chunks(at_once) {
            let found = match self.is_prefix_aborted() {
                true => Err(io::Error::other(PrefixAborted)),
                false => good_chunks(&self.spec.layout, file, some),
            };
            good.extend(found.map_err(|error| StoreError::of(&*self.disk, name, "read", 0, error))?);
        }
        Ok(good)
    }

    /// Gives up a chunk whose bytes are no longer good; `false` when it was not here. The caller must announce that.
    pub fn discard(&self, index: u32) -> bool {
        self.holdings().give_up(index)
    }

    /// Reads back the bytes of a chunk that is here. After a peer's complaint ([`ChunkSource::suspect`]) the bytes are
    /// hashed first, and a chunk that went bad is given up: [`SourceError::Rotten`].
    ///
    /// [`ChunkSource::suspect`]: super::ChunkSource::suspect
    pub fn read_chunk(&self, index: u32) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        self.read_chunk_into(index, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads back a chunk into a buffer, which is resized to the chunk. Its content counts only after `Ok`.
    pub(super) fn read_chunk_into(&self, index: u32, bytes: &mut Vec<u8>) -> Result<(), SourceError> {
        let layout = &self.spec.layout;
        if index >= layout.count() {
            return Err(SourceError::NoSuchChunk { index, count: layout.count() });
        }
        if !self.has(index) {
            return Err(SourceError::NotHave { index });
        }
        if self.trust.is_sealed() {
            let (was, now) = (layout.byte_count(), self.stat()?.byte_count);
            if was != now {
                return Err(self.changed(Change::Length { was, now }));
            }
        }
        bytes.resize(layout.chunk_len(index) as usize, 0);
        let is_whole = match self.data.read_exact_at(bytes, layout.offset(index)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            answer => {
                answer.map_err(|error| StoreError::of(&*self.disk, &self.names.part, "read", 0, error))?;
                !self.trust.is_suspicious()
                    || self.chunk_hash(index) == Some(minimodel_verifier::sha256(bytes))
            }
        };
        if !is_whole {
            self.discard(index);
            return Err(if self.trust.is_sealed() {
                self.changed(Change::Content { index })
            } else {
                SourceError::Rotten { path: self.path(), index }
            });
        }
        Ok(())
    }

    fn changed(&self, what: Change) -> SourceError {
        SourceError::Changed { path: self.disk.path(&self.names.target), what }
    }
}
