//! Where each chunk lies in the artifact.

/// The smallest chunk that a manifest may name: 16 KiB.
pub const MIN_CHUNK_BYTES: u64 = 16 << 10;
/// The largest chunk that a manifest may name: 16 MiB.
pub const MAX_CHUNK_BYTES: u64 = 16 << 20;
/// A limit of this implementation, not of the format: 2^24 chunks need about 1 GiB of tree.
pub const MAX_CHUNK_COUNT: u32 = 1 << 24;

/// A byte count and a chunk size that cannot be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// An artifact has at least one byte.
    #[error("an artifact of 0 bytes has no chunks")]
    Empty,
    /// Not a power of two from [`MIN_CHUNK_BYTES`] to [`MAX_CHUNK_BYTES`].
    #[error("chunk size {chunk_size} is not a power of two from 16384 to 16777216")]
    ChunkSize {
        /// The size in bytes that was asked for.
        chunk_size: u64,
    },
    /// More than [`MAX_CHUNK_COUNT`] chunks.
    #[error("{count} chunks are more than the 16777216 that this implementation holds")]
    TooManyChunks {
        /// The count that the sizes give.
        count: u64,
    },
}

/// An artifact cut into chunks of one size; only the last one may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    byte_count: u64,
    chunk_size: u32,
    count: u32,
}

impl Layout {
    /// Lays out `byte_count` bytes in chunks of `chunk_size` bytes.
    pub fn new(byte_count: u64, chunk_size: u64) -> Result<Self, LayoutError> {
        if byte_count == 0 {
            return Err(LayoutError::Empty);
        }
        let allowed =
            chunk_size.is_power_of_two() && (MIN_CHUNK_BYTES..=MAX_CHUNK_BYTES).contains(&chunk_size);
        let (true, Ok(size)) = (allowed, u32::try_from(chunk_size)) else {
            return Err(LayoutError::ChunkSize { chunk_size });
        };
        let count = byte_count.div_ceil(chunk_size);
        match u32::try_from(count) {
            Ok(count) if count <= MAX_CHUNK_COUNT => Ok(Self { byte_count, chunk_size: size, count }),
            _ => Err(LayoutError::TooManyChunks { count }),
        }
    }

    /// Length of the artifact in bytes, at least 1.
    pub fn byte_count(&self) -> u64 {
        self.byte_count
    }

    /// Length in bytes of every chunk but the last.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// Number of chunks, 1 to [`MAX_CHUNK_COUNT`].
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Offset of chunk `index` in bytes, whether or not there is such a chunk.
    pub fn offset(&self, index: u32) -> u64 {
        // u32 x u32 fits u64.
        u64::from(index) * u64::from(self.chunk_size)
    }

    /// Length of chunk `index` in bytes; 0 when there is no such chunk.
    pub fn chunk_len(&self, index: u32) -> u32 {
        let rest = self.byte_count.saturating_sub(self.offset(index));
        u32::try_from(rest).unwrap_or(u32::MAX).min(self.chunk_size)
    }
}

/// The chunk size for an artifact whose publisher names none: a power of two from 64 KiB to 4 MiB that gives at
/// most 1,024 chunks where that range allows it.
pub fn auto_chunk_size(byte_count: u64) -> u64 {
    const FEW_CHUNKS: u64 = 1024;
    byte_count.div_ceil(FEW_CHUNKS).clamp(64 << 10, 4 << 20).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_chunk_is_what_is_left() {
        let layout = Layout::new(100_000, 16_384).unwrap();
        assert_eq!((layout.count(), layout.chunk_size(), layout.byte_count()), (7, 16_384, 100_000));
        assert_eq!((layout.offset(6), layout.chunk_len(6)), (98_304, 1_696));
        assert_eq!((layout.chunk_len(5), layout.chunk_len(7), layout.chunk_len(u32::MAX)), (16_384, 0, 0));

        let whole = Layout::new(32_768, 16_384).unwrap();
        assert_eq!((whole.count(), whole.chunk_len(1), whole.chunk_len(2)), (2, 16_384, 0));
        assert_eq!(Layout::new(1, 16_384).unwrap().chunk_len(0), 1);
    }

    #[test]
    fn sizes_outside_the_rule_are_named() {
        assert_eq!(Layout::new(0, 16_384), Err(LayoutError::Empty));
        for chunk_size in [0, 1, 8_192, 16_383, 24_576, 33_554_432, u64::MAX] {
            assert_eq!(Layout::new(1, chunk_size), Err(LayoutError::ChunkSize { chunk_size }));
        }
        assert_eq!(Layout::new(1 << 38, 16_384).unwrap().count(), MAX_CHUNK_COUNT);
        let count = (1 << 24) + 1;
        assert_eq!(Layout::new((1 << 38) + 1, 16_384), Err(LayoutError::TooManyChunks { count }));
        let count = u64::MAX.div_ceil(MAX_CHUNK_BYTES);
        assert_eq!(Layout::new(u64::MAX, MAX_CHUNK_BYTES), Err(LayoutError::TooManyChunks { count }));
    }

    #[test]
    fn the_automatic_size_stays_in_its_range() {
        assert_eq!(auto_chunk_size(0), 64 << 10);
        assert_eq!(auto_chunk_size(64 << 20), 64 << 10);
        assert_eq!(auto_chunk_size((64 << 20) + 1), 128 << 10);
        assert_eq!(auto_chunk_size(1 << 30), 1 << 20);
        assert_eq!(auto_chunk_size(1 << 40), 4 << 20);
        assert_eq!(auto_chunk_size(u64::MAX), 4 << 20);
    }
}
