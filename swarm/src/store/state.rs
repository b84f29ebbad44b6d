//! The bytes of the record `NAME.slm.part.state`: a header, then entries, each with its own checksum.
//!
//! `docs/store.md` shows the layout with the bytes that the test below checks. Numbers are little-endian. A checksum
//! is the first 8 bytes of SHA-256 over the bytes before it: it finds damage, it proves nothing. What a chunk entry
//! claims is believed only after its data was hashed again and its path led to the root.

use minimodel_verifier::chunk::Layout;
use minimodel_verifier::{Digest, sha256};

/// An Ed25519 public key: that of a chunk's supplier, or of a blamed peer.
pub type PeerKey = [u8; 32];

/// The version that this program reads and writes.
pub const STATE_VERSION: u32 = 1;
/// First bytes of every record, in every version.
pub const MAGIC: [u8; 8] = *b"MMSTATE\n";
/// Header bytes. Magic, version and the place of the checksum stay the same in every version.
pub(super) const HEADER_BYTES: usize = 68;
/// Kind (u8) and payload length (u16) before the payload.
pub(super) const ENTRY_HEAD_BYTES: usize = 3;
/// Checksum bytes after header and payload.
pub(super) const CHECKSUM_BYTES: usize = 8;
/// The longest path: 2^24 chunks are the most that a [`Layout`] has.
const MAX_PATH: usize = 24;
/// The longest entry, all parts counted.
pub(super) const MAX_ENTRY_BYTES: usize = ENTRY_HEAD_BYTES + 68 + MAX_PATH * 32 + CHECKSUM_BYTES;

/// The shortest entry of a chunk: one without a path.
pub(super) const MIN_CHUNK_ENTRY_BYTES: u64 = (ENTRY_HEAD_BYTES + 68 + CHECKSUM_BYTES) as u64;

const KIND_CHUNK: u8 = 1;
const KIND_SESSION: u8 = 2;
const KIND_BLAME: u8 = 3;

/// The sizes that a record is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the artifact.
    pub byte_count: u64,
    /// Bytes of a chunk.
    pub chunk_size: u32,
    /// Number of chunks.
    pub chunk_count: u32,
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { byte_count, chunk_size, chunk_count } = self;
        write!(f, "{byte_count} bytes in {chunk_count} chunks of {chunk_size}")
    }
}

/// The artifact that a record is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) swarm_id: Digest,
    pub(super) sizes: Sizes,
}

/// Result of decoding a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFound {
    Ours(Header),
    OtherVersion(u32),
    Damaged,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Chunk(ChunkEntry),
    Session(Session),
    Blame(Blame),
}

/// A chunk that was proven and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChunkEntry {
    pub(super) index: u32,
    pub(super) sha256: Digest,
    pub(super) supplier: PeerKey,
    pub(super) path: Vec<Digest>,
}

/// A process that opened the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) pid: u32,
    pub(super) started_unix: u64,
}

/// A peer that sent something provably wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Key of the peer.
    pub peer: PeerKey,
    /// The chunk.
    pub index: u32,
    /// SHA-256 that the chunk has, where it is known; otherwise the root that the proof should have led to.
    pub expected: Digest,
    /// SHA-256 of the bytes that the peer sent.
    pub got: Digest,
    /// When, in seconds since 1970.
    pub at_unix: u64,
}

impl Sizes {
    pub(super) fn of(layout: &Layout) -> Self {
        Self { byte_count: layout.byte_count(), chunk_size: layout.chunk_size(), chunk_count: layout.count() }
    }
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(STATE_VERSION.to_le_bytes());
        bytes.extend(self.swarm_id);
        bytes.extend(self.sizes.byte_count.to_le_bytes());
        bytes.extend(self.sizes.chunk_size.to_le_bytes());
        bytes.extend(self.sizes.chunk_count.to_le_bytes());
        bytes.extend(checksum(&bytes));
        bytes
    }

    /// Decodes a header. One whose checksum holds but whose version differs is another program's, not damaged.
    pub(super) fn decode(bytes: &[u8]) -> HeaderFound {
        let fields = bytes.split_at_checked(HEADER_BYTES - CHECKSUM_BYTES);
        let Some((fields, sum)) = fields.filter(|(fields, sum)| *sum == checksum(fields)) else {
            return HeaderFound::Damaged;
        };
        debug_assert_eq!(sum.len(), CHECKSUM_BYTES);
        let mut cursor = Cursor(fields);
        let header = (|| {
            (cursor.take::<8>()? == MAGIC).then_some(())?;
            let version = cursor.u32()?;
            if version != STATE_VERSION {
                return Some(HeaderFound::OtherVersion(version));
            }
            let swarm_id = cursor.take()?;
            let sizes =
                Sizes { byte_count: cursor.u64()?, chunk_size: cursor.u32()?, chunk_count: cursor.u32()? };
            Some(HeaderFound::Ours(Self { swarm_id, sizes }))
        })();
        header.unwrap_or(HeaderFound::Damaged)
    }
}

impl Entry {
    /// Appends the entry to `bytes`, checksum included.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        let mut payload = Vec::with_capacity(MAX_ENTRY_BYTES);
        let kind = match self {
            Self::Chunk(chunk) => {
                payload.extend(chunk.index.to_le_bytes());
                payload.extend(chunk.sha256);
                payload.extend(chunk.supplier);
                payload.extend(chunk.path.iter().flatten());
                KIND_CHUNK
            }
            Self::Session(session) => {
                payload.extend(session.pid.to_le_bytes());
                payload.extend(session.started_unix.to_le_bytes());
                KIND_SESSION
            }
            Self::Blame(blame) => {
                payload.extend(blame.peer);
                payload.extend(blame.index.to_le_bytes());
                payload.extend(blame.expected);
                payload.extend(blame.got);
                payload.extend(blame.at_unix.to_le_bytes());
                KIND_BLAME
            }
        };
        bytes.push(kind);
        // A path has at most MAX_PATH nodes, because a layout has at most 2^24 chunks.
        bytes.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(payload);
        let sum = checksum(bytes.get(start..).unwrap_or_default());
        bytes.extend(sum);
    }

    /// Payload bytes that follow an entry's head; `None` when no entry of this version begins so.
    pub(super) fn payload_len(head: [u8; ENTRY_HEAD_BYTES]) -> Option<usize> {
        let [kind, low, high] = head;
        let len = usize::from(u16::from_le_bytes([low, high]));
        let fits = match kind {
            KIND_CHUNK => len >= 68 && (len - 68).is_multiple_of(32) && len <= 68 + MAX_PATH * 32,
            KIND_SESSION => len == 12,
            KIND_BLAME => len == 108,
            _ => false,
        };
        fits.then_some(len)
    }

    /// Reads one whole entry: head, payload and checksum, nothing more.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        if sum != checksum(content) {
            return None;
        }
        let mut cursor = Cursor(content);
        let head = cursor.take()?;
        if Self::payload_len(head)? != cursor.0.len() {
            return None;
        }
        let [kind, _, _] = head;
        match kind {
            KIND_CHUNK => {
                let (index, sha256, supplier) = (cursor.u32()?, cursor.take()?, cursor.take()?);
                let (path, _) = cursor.0.as_chunks();
                Some(Self::Chunk(ChunkEntry { index, sha256, supplier, path: path.to_vec() }))
            }
            KIND_SESSION => Some(Self::Session(Session { pid: cursor.u32()?, started_unix: cursor.u64()? })),
            _ => Some(Self::Blame(Blame {
                peer: cursor.take()?,
                index: cursor.u32()?,
                expected: cursor.take()?,
                got: cursor.take()?,
                at_unix: cursor.u64()?,
            })),
        }
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = sha256(bytes);
    [a, b, c, d, e, f, g, h]
}

/// Reads fixed-size fields off the front; `None` when too little is left.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        let sizes = Sizes { byte_count: 40_000, chunk_size: 16_384, chunk_count: 3 };
        Header { swarm_id: [0xAB; 32], sizes }
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        bytes
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let path = prop::collection::vec(any::<Digest>(), 0..=MAX_PATH);
        prop_oneof![
            (any::<u32>(), any::<Digest>(), any::<PeerKey>(), path).prop_map(
                |(index, sha256, supplier, path)| {
                    Entry::Chunk(ChunkEntry { index, sha256, supplier, path })
                }
            ),
            (any::<u32>(), any::<u64>())
                .prop_map(|(pid, started_unix)| Entry::Session(Session { pid, started_unix })),
            (any::<PeerKey>(), any::<u32>(), any::<Digest>(), any::<Digest>(), any::<u64>()).prop_map(
                |(peer, index, expected, got, at_unix)| {
                    Entry::Blame(Blame { peer, index, expected, got, at_unix })
                }
            ),
        ]
    }

    #[test]
    fn the_bytes_in_the_documentation_are_the_bytes_written() {
        let page = include_str!("../../../docs/store.md");
        let hex = |bytes: &[u8]| {
            let lines = bytes.chunks(32);
            lines
                .map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<String>())
                .collect::<Vec<_>>()
                .join("\n")
        };
        let session = Entry::Session(Session { pid: 4242, started_unix: 1_780_000_000 });
        let chunk = ChunkEntry { index: 2, sha256: [0x11; 32], supplier: [0x22; 32], path: vec![[0x33; 32]] };
        let blame = Blame {
            peer: [0x44; 32],
            index: 1,
            expected: [0x55; 32],
            got: [0x66; 32],
            at_unix: 1_780_000_001,
        };
        for bytes in [
            header().encode(),
            encoded(&session),
            encoded(&Entry::Chunk(chunk)),
            encoded(&Entry::Blame(blame)),
        ] {
            let shown = hex(&bytes);
            assert!(page.contains(&shown), "docs/store.md does not show\n{shown}");
        }
    }

    // Rows: E3
    #[test]
    fn every_flipped_bit_of_a_header_is_found() {
        let good = header().encode();
        assert_eq!(good.len(), HEADER_BYTES);
        assert_eq!(Header::decode(&good), HeaderFound::Ours(header()));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad), HeaderFound::Damaged);
        }
        assert_eq!(Header::decode(&good[..HEADER_BYTES - 1]), HeaderFound::Damaged);
        assert_eq!(Header::decode(&[]), HeaderFound::Damaged);
    }

    // Rows: G6
    #[test]
    fn a_whole_header_of_another_version_is_named_as_such() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        let sum = checksum(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum);
        assert_eq!(Header::decode(&bytes), HeaderFound::OtherVersion(2));
    }

    proptest! {
        #[test]
        fn entries_read_back(entry in any_entry()) {
            let bytes = encoded(&entry);
            prop_assert!(bytes.len() <= MAX_ENTRY_BYTES);
            prop_assert_eq!(Entry::decode(&bytes), Some(entry));
        }

        // Rows: E3
        #[test]
        fn a_changed_entry_is_never_read(entry in any_entry(), bit in any::<prop::sample::Index>()) {
            let mut bytes = encoded(&entry);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Entry::decode(&bytes), None);
        }

        // Rows: E3
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Entry::decode(&bytes), Header::decode(&bytes));
        }
    }
}
