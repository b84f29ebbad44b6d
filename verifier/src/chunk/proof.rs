//! Audit paths: their exact length, and their check against the root.
//!
//! The tree is seen in levels. Level 0 holds the leaves; the level above pairs neighbours, and a last node without
//! a neighbour moves up unchanged. That is the tree of RFC 6962: no leaf is ever duplicated.

use crate::digest::{Digest, sha256};

/// Why a proof is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such chunk.
    #[error("chunk {index} of {count} does not exist")]
    Index {
        /// The index that was claimed.
        index: u32,
        /// How many chunks there are.
        count: u32,
    },
    /// An empty range, or a range that leaves the artifact.
    #[error("a range of {n} chunks from chunk {first} is empty or leaves the {count} chunks")]
    Range {
        /// The first index of the range.
        first: u32,
        /// How many chunks the range was said to have.
        n: usize,
        /// How many chunks there are.
        count: u32,
    },
    /// A wrong number of siblings: index and count determine it exactly.
    #[error("proof length {found}, expected {expected}")]
    Length {
        /// Siblings in the proof.
        found: usize,
        /// Siblings that the proof must have.
        expected: usize,
    },
    /// The path does not end at the root.
    #[error("the proof does not lead to the root")]
    Root,
}

/// The leaf of a chunk: SHA-256 of a zero byte and the chunk's own SHA-256.
pub fn leaf(chunk_sha256: &Digest) -> Digest {
    let mut input = [0; 33];
    input[1..].copy_from_slice(chunk_sha256);
    sha256(&input)
}

/// The node above two others: SHA-256 of a one byte, the left and the right one.
pub fn node(left: &Digest, right: &Digest) -> Digest {
    let mut input = [1; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    sha256(&input)
}

/// Exact number of siblings in the audit path of chunk `index` of `count`; 0 when there is no such chunk.
pub fn proof_len(count: u32, index: u32) -> usize {
    if index < count { range_siblings(count, index, index) } else { 0 }
}

/// Checks that the chunk with this SHA-256 is number `index` of the `count` chunks under `root`.
///
/// The place and the length of `proof` are checked before anything is hashed.
pub fn verify_chunk(
    root: &Digest,
    count: u32,
    index: u32,
    chunk_hash: &Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    if index >= count {
        return Err(ProofError::Index { index, count });
    }
    verify_range(root, count, index, std::slice::from_ref(chunk_hash), proof)
}

/// Exact number of siblings in the proof of the `n` chunks from `first` on; 0 when that range is empty or leaves
/// the `count` chunks.
pub fn range_proof_len(count: u32, first: u32, n: u32) -> usize {
    last_of(count, first, n).map_or(0, |last| range_siblings(count, first, last))
}

/// Checks that the chunks with these SHA-256 values are those from `first` on, of the `count` under `root`.
///
/// From the leaves upward, `proof` holds on each level first the node just left of the range, if the range does not
/// begin on an even place, then the node just right of it, if the range ends on an even place that has a neighbour.
/// The proof of one chunk is therefore its audit path.
pub fn verify_range(
    root: &Digest,
    count: u32,
    first: u32,
    hashes: &[Digest],
    proof: &[Digest],
) -> Result<(), ProofError> {
    RangeProof { count, first, hashes, proof }.climb(root, |_, _, _| ())
}

/// A claim that these chunks are those from `first` on, of `count`, with the nodes that should prove it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RangeProof<'a> {
    pub(super) count: u32,
    pub(super) first: u32,
    pub(super) hashes: &'a [Digest],
    pub(super) proof: &'a [Digest],
}

impl RangeProof<'_> {
    /// Computes the root from a range of chunks and compares it. `seen` is called for each level below the root with the
    /// level, the place of the first node, and the nodes of that level which the proof covers; they are proven only if this
    /// returns `Ok`.
    pub(super) fn climb(
        self,
        root: &Digest,
        mut seen: impl FnMut(usize, u32, &[Digest]),
    ) -> Result<(), ProofError> {
        let Self { count, first, hashes, proof } = self;
        let range_error = ProofError::Range { first, n: hashes.len(), count };
        let n = u32::try_from(hashes.len()).map_err(|_| range_error)?;
        let mut last = last_of(count, first, n).ok_or(range_error)?;
        let expected = range_siblings(count, first, last);
        if proof.len() != expected {
            return Err(ProofError::Length { found: proof.len(), expected });
        }
        let mut siblings = proof.iter();
        let mut nodes = Vec::with_capacity(hashes.len().saturating_add(2));
        let (mut first, mut width, mut level) = (first, count, 0);
        nodes.extend(hashes.iter().map(leaf));
        while width > 1 {
            if first % 2 == 1 {
                nodes.splice(0..0, siblings.next().copied());
            }
            first &= !1;
            if has_right_neighbour(last, width) {
                nodes.extend(siblings.next());
            }
            seen(level, first, &nodes);
            pair_up(&mut nodes);
            (first, last, width, level) = (first / 2, last / 2, width.div_ceil(2), level + 1);
        }
        if nodes.first() == Some(root) { Ok(()) } else { Err(ProofError::Root) }
    }
}

/// The proof of the `n` leaves from `first` on, whose nodes `node_at` finds by level and place; `None` when the range is
/// empty or leaves the tree, or a node is not known.
pub(super) fn collect_siblings(
    count: u32,
    first: u32,
    n: u32,
    node_at: impl Fn(usize, u32) -> Option<Digest>,
) -> Option<Vec<Digest>> {
    let mut last = last_of(count, first, n)?;
    let (mut first, mut width, mut level) = (first, count, 0);
    let mut proof = Vec::new();
    while width > 1 {
        if first % 2 == 1 {
            proof.push(node_at(level, first - 1)?);
        }
        if has_right_neighbour(last, width) {
            proof.push(node_at(level, last + 1)?);
        }
        (first, last, width, level) = (first / 2, last / 2, width.div_ceil(2), level + 1);
    }
    Some(proof)
}

/// Replaces a level by the one above it; a last node without neighbour moves up unchanged.
fn pair_up(nodes: &mut Vec<Digest>) {
    let above = nodes.len().div_ceil(2);
    for place in 0..above {
        let parent = match nodes.get(place * 2..) {
            Some([left, right, ..]) => node(left, right),
            Some([alone]) => *alone,
            _ => break,
        };
        if let Some(slot) = nodes.get_mut(place) {
            *slot = parent;
        }
    }
    nodes.truncate(above);
}

/// The last index of the range; `None` if the range is empty or leaves the tree.
fn last_of(count: u32, first: u32, n: u32) -> Option<u32> {
    let last = first.checked_add(n.checked_sub(1)?)?;
    (last < count).then_some(last)
}

/// Siblings that the range `first..=last` of `count` leaves needs; the caller has checked `first <= last < count`.
fn range_siblings(count: u32, mut first: u32, mut last: u32) -> usize {
    let (mut width, mut siblings) = (count, 0);
    while width > 1 {
        siblings += usize::from(first % 2 == 1);
        siblings += usize::from(has_right_neighbour(last, width));
        (first, last, width) = (first / 2, last / 2, width.div_ceil(2));
    }
    siblings
}

/// True when the range ends on the left place of a pair whose right place exists.
fn has_right_neighbour(last: u32, width: u32) -> bool {
    last.is_multiple_of(2) && last + 1 < width
}
