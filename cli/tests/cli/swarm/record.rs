//! The record beside a partial file, read by the page `docs/store.md` alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HEADER: usize = 68;
const CHECKSUM: usize = 8;
const CHUNK: u8 = 1;

/// The chunks that a record names, up to an entry that a kill has cut off. None when there is no record.
pub(super) fn chunks(path: &Path) -> BTreeSet<u32> {
    let bytes = fs::read(path).unwrap_or_default();
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    let mut chunks = BTreeSet::new();
    while let [kind, low, high, after @ ..] = rest {
        let payload = usize::from(u16::from_le_bytes([*low, *high]));
        let Some(next) = after.get(payload + CHECKSUM..) else { break };
        let (entry, sum) = rest.split_at(3 + payload);
        assert_eq!(minimodel_verifier::sha256(entry)[..CHECKSUM], sum[..CHECKSUM]);
        if *kind == CHUNK {
            chunks.insert(u32::from_le_bytes(after[..4].try_into().unwrap()));
        }
        rest = next;
    }
    chunks
}
