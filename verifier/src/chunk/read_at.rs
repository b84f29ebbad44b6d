//! Hashing of chunks on all cores, from a source that can be read at any offset.

use std::io;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::Layout;
use crate::digest::Digest;
use crate::os;
use crate::pool;

/// Bytes that several threads can read at once, each at its own offset.
pub trait ReadAt: Sync {
    /// Fills `buf` from `offset` on. Fewer bytes than that are an error of kind `UnexpectedEof`.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for std::fs::File {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        os::read_exact_at(self, buf, offset)
    }
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(buf.len()));
        match start.zip(end).and_then(|(start, end)| self.get(start..end)) {
            Some(bytes) => buf.copy_from_slice(bytes),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }
}

/// Chunks are read in pieces of this size, so that memory does not grow with the chunk size.
const PIECE_BYTES: u32 = 256 << 10;

/// SHA-256 of chunk `index`, read in pieces; of nothing when there is no such chunk.
pub fn hash_chunk<R: ReadAt + ?Sized>(layout: &Layout, source: &R, index: u32) -> io::Result<Digest> {
    let len = layout.chunk_len(index);
    let mut piece = vec![0; len.min(PIECE_BYTES) as usize];
    let mut hasher = Sha256::new();
    let mut done = 0;
    while done < len {
        piece.truncate((len - done) as usize);
        source.read_exact_at(&mut piece, layout.offset(index) + u64::from(done))?;
        hasher.update(&piece);
        done += (len - done).min(PIECE_BYTES);
    }
    Ok(hasher.finalize().into())
}

/// SHA-256 of every chunk, in order.
pub fn hash_chunks<R: ReadAt + ?Sized>(layout: &Layout, source: &R) -> io::Result<Vec<Digest>> {
    pool::start();
    (0..layout.count()).into_par_iter().map(|index| hash_chunk(layout, source, index)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn chunks_of_every_size_are_hashed_whole() {
        let bytes: Vec<u8> = (0..700_001_u32).map(|i| (i % 251) as u8).collect();
        for size in [16 << 10, 256 << 10, 512 << 10, 1 << 20] {
            let layout = Layout::new(bytes.len() as u64, size).unwrap();
            let expected: Vec<Digest> = bytes.chunks(size as usize).map(sha256).collect();
            assert_eq!(hash_chunks(&layout, bytes.as_slice()).unwrap(), expected);
        }
    }

    #[test]
    fn a_file_is_hashed_like_its_bytes() {
        let path = std::env::current_exe().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let layout = Layout::new(bytes.len() as u64, 1 << 20).unwrap();
        let (file, last) = (std::fs::File::open(&path).unwrap(), layout.count() - 1);
        for index in [0, last] {
            let (start, len) = (layout.offset(index) as usize, layout.chunk_len(index) as usize);
            assert_eq!(hash_chunk(&layout, &file, index).unwrap(), sha256(&bytes[start..start + len]));
        }
    }

    #[test]
    fn a_source_that_ends_early_is_an_error() {
        let layout = Layout::new(20_000, 16_384).unwrap();
        let error = hash_chunks(&layout, [0; 19_999].as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(hash_chunk(&layout, [0; 0].as_slice(), 2).unwrap(), sha256(b""));
    }
}
