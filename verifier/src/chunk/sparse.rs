//! The part of a tree that was proven so far: what a leecher holds.

use super::proof::{ProofError, RangeProof, collect_siblings, leaf, node, proof_len};
use crate::digest::Digest;

/// Nodes of a page; one `u64` of bits marks those that are known.
const PAGE_NODES: u32 = 64;

/// A Merkle tree that holds only nodes which proofs have proven.
///
/// Invariant: whenever a node is known, its sibling is known, and so are all its ancestors and their siblings. So every
/// known chunk has its whole audit path, and a new proof is hashed only up to the first node already known; the rest of it
/// is compared. Memory grows with the known nodes, in pages of 64, up to two digests a chunk.
#[derive(Debug, Clone)]
pub struct SparseTree {
    root: Digest,
    count: u32,
    /// Level 0 holds the chunks or leaves; the root is not among the levels.
    levels: Vec<Vec<Option<Box<Page>>>>,
    known_chunks: u32,
}

#[derive(Debug, Clone)]
struct Page {
    known: u64,
    /// On level 0, one bit for each slot: it holds a chunk's own SHA-256 and not its leaf.
    chunks: u64,
    nodes: [Digest; PAGE_NODES as usize],
}

impl SparseTree {
    /// A tree of `count` chunks of which only the root is known.
    pub fn new(count: u32, root: Digest) -> Self {
        let (mut levels, mut width) = (Vec::new(), count);
        loop {
            levels.push(vec![None; width.div_ceil(PAGE_NODES) as usize]);
            width = width.div_ceil(2);
            if width <= 1 {
                break;
            }
        }
        Self { root, count, levels, known_chunks: 0 }
    }

    /// The root that all proofs are checked against.
    pub fn root(&self) -> &Digest {
        &self.root
    }

    /// Number of chunks of the whole artifact.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Number of chunks whose SHA-256 is known.
    pub fn known_count(&self) -> u32 {
        self.known_chunks
    }

    /// True when the SHA-256 of chunk `index` is known.
    pub fn is_known(&self, index: u32) -> bool {
        self.chunk_hash(index).is_some()
    }

    /// SHA-256 of chunk `index`, if a proof for it was inserted.
    pub fn chunk_hash(&self, index: u32) -> Option<&Digest> {
        let (page, slot) = self.page(0, index)?;
        (page.chunks >> slot & 1 == 1).then(|| page.nodes.get(slot)).flatten()
    }

    /// The audit path of chunk `index`, siblings from the leaf upward, when all its nodes are known: always for a
    /// known chunk.
    pub fn proof(&self, index: u32) -> Option<Vec<Digest>> {
        self.range_proof(index, 1)
    }

    /// The proof of the `n` chunks from `first` on, when all its nodes are known: always for known chunks.
    pub fn range_proof(&self, first: u32, n: u32) -> Option<Vec<Digest>> {
        collect_siblings(self.count, first, n, |level, place| self.node_at(level, place))
    }

    /// Adds one chunk's SHA-256 with its audit path; accepts exactly what [`super::verify_chunk`] accepts, and stores
    /// nothing of a refused proof.
    pub fn insert(&mut self, index: u32, chunk_hash: &Digest, proof: &[Digest]) -> Result<(), ProofError> {
        if index >= self.count {
            return Err(ProofError::Index { index, count: self.count });
        }
        let expected = proof_len(self.count, index);
        if proof.len() != expected {
            return Err(ProofError::Length { found: proof.len(), expected });
        }
        let fresh = self.meet(index, chunk_hash, proof)?;
        for (level, place, digest) in fresh {
            self.set_node(level, place, digest);
        }
        self.set_chunk(index, *chunk_hash);
        Ok(())
    }

    /// Adds the SHA-256 values of the chunks from `first` on with the proof of that range; accepts exactly what
    /// [`super::verify_range`] accepts, and stores nothing of a refused proof.
    pub fn insert_range(
        &mut self,
        first: u32,
        chunk_hashes: &[Digest],
        proof: &[Digest],
    ) -> Result<(), ProofError> {
        let mut seen = Vec::new();
        let claim = RangeProof { count: self.count, first, hashes: chunk_hashes, proof };
        claim.climb(&self.root, |level, first, nodes| seen.push((level, first, nodes.to_vec())))?;
        for (level, first, nodes) in seen {
            for (place, digest) in (first..).zip(nodes) {
                self.set_node(level, place, digest);
            }
        }
        for (index, chunk_hash) in (first..).zip(chunk_hashes) {
            self.set_chunk(index, *chunk_hash);
        }
        Ok(())
    }

    /// Checks an audit path: hashes up to the first node already known, and compares from there on. Returns the nodes of
    /// the path that are not known yet.
    fn meet(
        &self,
        index: u32,
        chunk_hash: &Digest,
        proof: &[Digest],
    ) -> Result<Vec<(usize, u32, Digest)>, ProofError> {
        let mut siblings = proof.iter();
        let mut fresh = Vec::new();
        let (mut place, mut width, mut level) = (index, self.count, 0);
        // `None` once the path has reached a known node: above it, siblings are compared with the tree's own.
        let mut current = Some(leaf(chunk_hash));
        while width > 1 {
            let beside = place ^ 1;
            let sibling = if beside < width { siblings.next() } else { None };
            if let (Some(digest), Some(known)) = (current, self.node_at(level, place)) {
                if digest != known {
                    return Err(ProofError::Root);
                }
                current = None;
            }
            if let Some(digest) = current {
                fresh.push((level, place, digest));
                fresh.extend(sibling.map(|sibling| (level, beside, *sibling)));
                current = Some(match sibling {
                    Some(left) if place % 2 == 1 => node(left, &digest),
                    Some(right) => node(&digest, right),
                    None => digest,
                });
            } else if sibling.copied() != self.node_at(level, beside) {
                return Err(ProofError::Root);
            }
            (place, width, level) = (place / 2, width.div_ceil(2), level + 1);
        }
        match current {
            Some(digest) if digest != self.root => Err(ProofError::Root),
            _ => Ok(fresh),
        }
    }

    fn page(&self, level: usize, place: u32) -> Option<(&Page, usize)> {
        let page = self.levels.get(level)?.get((place / PAGE_NODES) as usize)?.as_deref()?;
        Some((page, (place % PAGE_NODES) as usize))
    }

    fn node_at(&self, level: usize, place: u32) -> Option<Digest> {
        let (page, slot) = self.page(level, place)?;
        let digest = (page.known >> slot & 1 == 1).then(|| page.nodes.get(slot)).flatten()?;
        Some(if page.chunks >> slot & 1 == 1 { leaf(digest) } else { *digest })
    }

    fn set_node(&mut self, level: usize, place: u32, digest: Digest) {
        self.set(level, place, |page, slot| {
            if page.known >> slot & 1 == 0 {
                page.put(slot, digest);
            }
        });
    }

    fn set_chunk(&mut self, index: u32, chunk_hash: Digest) {
        if !self.is_known(index) {
            self.known_chunks += 1;
        }
        self.set(0, index, |page, slot| {
            page.put(slot, chunk_hash);
            page.chunks |= 1 << slot;
        });
    }

    fn set(&mut self, level: usize, place: u32, change: impl FnOnce(&mut Page, usize)) {
        let pages = self.levels.get_mut(level);
        if let Some(page) = pages.and_then(|pages| pages.get_mut((place / PAGE_NODES) as usize)) {
            let blank = || Box::new(Page { known: 0, chunks: 0, nodes: [[0; 32]; PAGE_NODES as usize] });
            change(page.get_or_insert_with(blank), (place % PAGE_NODES) as usize);
        }
    }
}

impl Page {
    fn put(&mut self, slot: usize, digest: Digest) {
        if let Some(node) = self.nodes.get_mut(slot) {
            *node = digest;
            self.known |= 1 << slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Tree;
    use crate::digest::sha256;

    fn pages(sparse: &SparseTree) -> usize {
        sparse.levels.iter().flatten().flatten().count()
    }

    #[test]
    fn memory_follows_what_is_known_and_ends_at_two_digests_a_chunk() {
        let count = 4096_u32;
        let tree = Tree::from_chunk_hashes((0..count).map(|i| sha256(&i.to_le_bytes())).collect());
        let mut sparse = SparseTree::new(count, *tree.root());
        assert_eq!(pages(&sparse), 0);
        sparse.insert(2000, tree.chunk_hash(2000).unwrap(), &tree.proof(2000).unwrap()).unwrap();
        // One page on each of the twelve levels below the root.
        assert_eq!(pages(&sparse), 12);
        for index in (0..count).rev() {
            sparse.insert(index, tree.chunk_hash(index).unwrap(), &tree.proof(index).unwrap()).unwrap();
        }
        assert_eq!(sparse.known_count(), count);
        // 64 pages of chunks, 32 + 16 + ... + 1 above them, and one each for the five levels below 64 nodes.
        assert_eq!(pages(&sparse), 64 + 63 + 5);
    }
}
