//! A parser of the record beside a partial file, written from `docs/store.md` alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HEADER: usize = 68;
const CHECKSUM: usize = 8;
const CHUNK: u8 = 1;
const BLAME: u8 = 3;

/// Content of a record.
#[derive(Default)]
pub(super) struct Record {
    /// The recorded chunks.
    pub(super) chunks: BTreeSet<u32>,
    /// The chunks that a peer sent wrong, oldest first.
    pub(super) blames: Vec<u32>,
}

impl Record {
    /// Reads a record up to the first entry that is not whole. Empty when there is no record.
    pub(super) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_default();
        let mut rest = bytes.get(HEADER..).unwrap_or_default();
        let mut record = Self::default();
        while let [kind, low, high, after @ ..] = rest {
            let len = usize::from(u16::from_le_bytes([*low, *high]));
            let Some(next) = after.get(len + CHECKSUM..) else { break };
            let (entry, sum) = rest.split_at(3 + len);
            assert_eq!(minimodel_verifier::sha256(entry)[..CHECKSUM], sum[..CHECKSUM]);
            let index = |at: usize| u32::from_le_bytes(after[at..at + 4].try_into().unwrap());
            match *kind {
                CHUNK => assert!(record.chunks.insert(index(0)), "chunk {} twice", index(0)),
                BLAME => record.blames.push(index(32)),
                _ => {}
            }
            rest = next;
        }
        record
    }
}
