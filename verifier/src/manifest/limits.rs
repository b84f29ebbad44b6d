//! Every limit of a manifest, in one place. They come from the format page.

/// Largest manifest, in bytes. It is read whole into memory, also from a peer, and a person is meant to read
/// it; a real one has about 2 KiB. A last line without its line end counts as if it had one.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 128;

/// Longest value, in bytes, after the spaces at both ends are trimmed.
pub const MAX_VALUE_BYTES: usize = 2048;

/// Most fields in one manifest, the signature's two included.
pub const MAX_FIELDS: usize = 512;

/// Smallest `chunk.size`, in bytes: below it the proofs weigh more than they protect.
pub const MIN_CHUNK_SIZE_BYTES: u64 = 16 * 1024;

/// Largest `chunk.size`, in bytes: a chunk is held in memory until it is proven.
pub const MAX_CHUNK_SIZE_BYTES: u64 = 16 * 1024 * 1024;

/// Longest `model.version`.
pub(super) const MAX_VERSION_BYTES: usize = 64;

/// Longest DNS name (RFC 1035, 2.3.4).
pub(super) const MAX_HOST_BYTES: usize = 253;
/// Longest label of a DNS name (RFC 1035, 2.3.4).
pub(super) const MAX_HOST_LABEL_BYTES: usize = 63;
