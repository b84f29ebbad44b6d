//! One pass over a file: read a block ahead, hash and scan the one before on all cores.

use std::io::{self, Read};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::scanning::{Found, Scanning};
use crate::artifact::Format;
use crate::chunk::Layout;
use crate::digest::{Digest, sha256};
use crate::pool;
use crate::slm::Rolling;

/// Bytes a block; two are in memory. A power of two, so a block holds whole chunks or a part of one.
const BLOCK_BYTES: usize = 4 << 20;

/// What to look for: the rules of a format, and the tree over chunks. The rolling checksum of `.slm` is recomputed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) format: Format,
    pub(super) chunks: Option<Layout>,
}

/// The results of one pass.
#[derive(Debug)]
pub(super) struct Seen {
    /// Bytes that were read: at most one more than asked for, which means that the file is longer.
    pub(super) bytes: u64,
    pub(super) sha256: Digest,
    pub(super) found: Found,
    pub(super) rolling: Option<u64>,
    pub(super) chunk_hashes: Option<Vec<Digest>>,
}

/// Reads `byte_count` bytes, and one more if there is one.
pub(super) fn run(byte_count: u64, wanted: Wanted, artifact: &mut dyn Read) -> io::Result<Seen> {
    pool::start();
    let mut left = artifact.take(byte_count.saturating_add(1));
    let (mut bytes, mut whole, mut scan) = (0_u64, Sha256::new(), Scanning::new(wanted.format, byte_count));
    let mut rolling = (wanted.format == Format::Slm).then(Rolling::new);
    let mut chunks = wanted.chunks.map(ChunkHashes::new);
    let (mut block, mut next) = (Block::new(byte_count), Block::new(byte_count));
    block.read(&mut left)?;
    while !block.bytes().is_empty() {
        let block_bytes = block.bytes();
        bytes = bytes.saturating_add(block_bytes.len() as u64);
        // The calling thread waits for the disk while the pool works.
        rayon::in_place_scope(|scope| {
            if let Some(rolling) = &mut rolling {
                scope.spawn(|_| rolling.push(block_bytes));
            }
            scope.spawn(|_| whole.update(block_bytes));
            if let Some(chunks) = &mut chunks {
                scope.spawn(|_| chunks.push(block_bytes));
            }
            scope.spawn(|_| scan.push(block_bytes));
            next.read(&mut left)
        })?;
        std::mem::swap(&mut block, &mut next);
    }
    Ok(Seen {
        bytes,
        sha256: whole.finalize().into(),
        found: scan.finish(),
        rolling: rolling.map(|rolling| rolling.finish()),
        chunk_hashes: chunks.map(ChunkHashes::finish),
    })
}

/// A buffer for the next block of the file, zeroed once and not again for each block.
struct Block {
    room: Vec<u8>,
    filled: usize,
}

impl Block {
    /// A block for a file of `byte_count` bytes and one more; a small file needs no whole block.
    fn new(byte_count: u64) -> Self {
        let most = usize::try_from(byte_count).unwrap_or(usize::MAX).saturating_add(1);
        Self { room: vec![0; most.min(BLOCK_BYTES)], filled: 0 }
    }

    fn bytes(&self) -> &[u8] {
        self.room.get(..self.filled).unwrap_or_default()
    }

    /// Reads until it is full or the source has ended.
    fn read(&mut self, source: &mut dyn Read) -> io::Result<()> {
        self.filled = 0;
        while let Some(rest) = self.room.get_mut(self.filled..).filter(|rest| !rest.is_empty()) {
            match source.read(rest) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// SHA-256 values of the chunks, computed block by block.
struct ChunkHashes {
    chunk_bytes: usize,
    done: Vec<Digest>,
    /// A chunk that began in an earlier block: only where chunks are larger than blocks.
    open: Sha256,
    open_bytes: usize,
}

impl ChunkHashes {
    fn new(layout: Layout) -> Self {
        Self {
            chunk_bytes: layout.chunk_size() as usize,
            done: Vec::new(),
            open: Sha256::new(),
            open_bytes: 0,
        }
    }

    fn push(&mut self, block: &[u8]) {
        if self.chunk_bytes <= BLOCK_BYTES {
            self.done.par_extend(block.par_chunks(self.chunk_bytes).map(sha256));
            return;
        }
        // All blocks but the last are full, and a chunk is a whole number of them.
        self.open.update(block);
        self.open_bytes += block.len();
        if self.open_bytes >= self.chunk_bytes {
            self.close();
        }
    }

    fn close(&mut self) {
        self.done.push(self.open.finalize_reset().into());
        self.open_bytes = 0;
    }

    fn finish(mut self) -> Vec<Digest> {
        if self.open_bytes > 0 {
            self.close();
        }
        self.done
    }
}
