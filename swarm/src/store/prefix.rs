//! Follows the growing front of a part: the whole-file check runs in step with the transfer.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::disk::{Disk, DiskFile as _};
use super::part::Part;

/// Reads the artifact in order, back from the file, and waits for what is not here yet. For a thread of its own.
///
/// Ends after the last byte of the artifact. After [`Part::abort_prefix`] every read fails with [`PrefixAborted`]
/// inside an [`io::Error`] of kind `Other` (`Interrupted` would be tried again by the standard library).
#[derive(Debug)]
pub struct PrefixReader<D: Disk> {
    part: Arc<Part<D>>,
    offset: u64,
}

/// Why a [`PrefixReader`] ended before the end of the artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading the growing file was given up")]
pub struct PrefixAborted;

impl<D: Disk> Part<D> {
    /// A reader at the beginning of the artifact.
    pub fn prefix_reader(self: &Arc<Self>) -> PrefixReader<D> {
        PrefixReader { part: self.clone(), offset: 0 }
    }

    /// Ends all prefix readers of this part, those that wait included, and a [`Part::rescan`] under way, for good.
    pub fn abort_prefix(&self) {
        // Under the lock that the readers wait with, so that none of them checks before and waits after.
        let holdings = self.holdings();
        self.prefix_aborted.store(true, Ordering::Relaxed);
        drop(holdings);
        self.grown.notify_all();
    }

    /// Fills `piece` with the bytes of the file from `offset` on, proven or not.
    ///
    /// # Errors
    /// The disk's, and `UnexpectedEof` behind the end of the file.
    pub fn read_back(&self, offset: u64, piece: &mut [u8]) -> io::Result<()> {
        self.data.read_exact_at(piece, offset)
    }

    pub(super) fn is_prefix_aborted(&self) -> bool {
        self.prefix_aborted.load(Ordering::Relaxed)
    }

    /// Waits until the chunk is here; `false` when the prefix is aborted.
    fn wait_for(&self, index: u32) -> bool {
        let mut holdings = self.holdings();
        while !self.is_prefix_aborted() {
            if holdings.has(index) {
                return true;
            }
            holdings = self.grown.wait(holdings).unwrap_or_else(PoisonError::into_inner);
        }
        false
    }
}

impl<D: Disk> io::Read for PrefixReader<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let layout = &self.part.spec.layout;
        let chunk_size = u64::from(layout.chunk_size());
        // A layout counts its chunks in u32; behind the last there is no chunk, and its length is 0.
        let index = u32::try_from(self.offset / chunk_size).unwrap_or(u32::MAX);
        let end = layout.offset(index) + u64::from(layout.chunk_len(index));
        let left = usize::try_from(end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let Some(window) = buffer.get_mut(..want).filter(|window| !window.is_empty()) else { return Ok(0) };
        if !self.part.wait_for(index) {
            return Err(io::Error::other(PrefixAborted));
        }
        self.part.read_back(self.offset, window)?;
        self.offset += want as u64;
        Ok(want)
    }
}
