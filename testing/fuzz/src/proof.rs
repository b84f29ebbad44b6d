//! Chunks and their proofs: a claim is accepted exactly when it is true.

use std::sync::LazyLock;

use minimodel_verifier::chunk::{SparseTree, Tree, leaf, node, verify_chunk, verify_range};
use minimodel_verifier::{Digest, sha256};

use crate::source::Source;

/// Chunks of the largest tree.
const MAX_COUNT: u32 = 64;

static TREES: LazyLock<Vec<Tree>> = LazyLock::new(|| {
    let hashes = |count| (0..count).map(|index| sha256(&chunk(index))).collect();
    (0..=MAX_COUNT).map(|count| Tree::from_chunk_hashes(hashes(count))).collect()
});

/// The bytes of a chunk: a few, different for each.
fn chunk(index: u32) -> Vec<u8> {
    format!("chunk {index}").into_bytes()
}

/// The first byte chooses: a claim that is changed, a range that is changed, claims that build on each other, or any
/// bytes as a proof.
///
/// # Panics
/// When a changed claim is accepted, an honest one is refused, or two verifiers disagree.
pub fn proof(data: &[u8]) {
    let mut source = Source::new(data);
    match source.byte() % 4 {
        0 => {
            let mut claim = Claim::honest(&mut source);
            while !source.is_empty() {
                claim.change(&mut source);
            }
            assert_eq!(claim.is_believed(), claim.is_true(), "{claim:?}");
        }
        1 => range(&mut source),
        2 => one_after_another(&mut source),
        _ => {
            let mut claim = Claim::honest(&mut source);
            claim.index = source.u32();
            claim.hash = source.array();
            claim.proof = source.rest().as_chunks().0.to_vec();
            assert_eq!(claim.is_believed(), claim.is_true(), "{claim:?}");
        }
    }
}

/// The claim that some bytes are one chunk of an artifact.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Chunks of the artifact, as the manifest says.
    chunks: u32,
    /// The chunk count that is given to the verifier.
    count: u32,
    index: u32,
    bytes: Vec<u8>,
    hash: Digest,
    proof: Vec<Digest>,
}

impl Claim {
    /// A true claim; the source decides the chunk and the number of chunks.
    pub fn honest(source: &mut Source<'_>) -> Self {
        let chunks = 1 + u32::from(source.byte()) % MAX_COUNT;
        Self::of(chunks, u32::from(source.byte()) % chunks)
    }

    fn of(chunks: u32, index: u32) -> Self {
        let proof = TREES[chunks as usize].proof(index).expect("it is in the tree");
        let bytes = chunk(index);
        Self { chunks, count: chunks, index, hash: sha256(&bytes), bytes, proof }
    }

    /// Makes one change that a lying peer or a bad path could make.
    pub fn change(&mut self, source: &mut Source<'_>) {
        let (what, a, b) = (source.byte() % 18, source.byte(), source.byte());
        let other = u32::from(a) % self.chunks;
        let len = self.proof.len();
        // Places in the proof; where the proof is empty, the change does nothing.
        let (at, to) = (usize::from(a) % len.max(1), usize::from(b) % len.max(1));
        match what {
            0 => self.bytes_changed(|bytes| flip(bytes, a, b)),
            1 => self.bytes_changed(|bytes| bytes.truncate(usize::from(a) % 8)),
            2 => self.bytes_changed(|bytes| bytes.push(a)),
            3 => self.proof.get_mut(at).into_iter().for_each(|digest| flip(digest, b, a >> 4)),
            4 if len > 0 => self.proof.swap(at, to),
            5 if len > 0 => drop(self.proof.remove(at)),
            6 if len > 0 => self.proof.insert(to, self.proof[at]),
            7 => self.proof.reverse(),
            8 => self.proof.push(*TREES[self.chunks as usize].root()),
            9 => self.index = if b < 200 { other } else { u32::MAX - u32::from(a) },
            10 => self.count = 1 + u32::from(a) % (MAX_COUNT + 8),
            11 => self.proof = Self::of(self.chunks, other).proof,
            12 => self.bytes_changed(|bytes| *bytes = chunk(other)),
            13 => self.lifted(1 + usize::from(a) % 6, true),
            14 => self.lifted(1 + usize::from(a) % 6, false),
            15 => self.proof.iter_mut().skip(at).take(1).for_each(|digest| *digest = leaf(&self.hash)),
            16 => self.inner_node_as_bytes(),
            17 if len > 0 => self.proof.rotate_left(at),
            _ => {}
        }
    }

    fn bytes_changed(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.bytes);
        self.hash = sha256(&self.bytes);
    }

    /// Claims the node `levels` above as a chunk, in the same tree or, with `is_lower`, in one that is as many levels
    /// lower.
    fn lifted(&mut self, levels: usize, is_lower: bool) {
        let (mut digest, mut width) = (leaf(&self.hash), self.count);
        for _ in 0..levels {
            let has_sibling = self.index ^ 1 < width;
            if has_sibling && !self.proof.is_empty() {
                let sibling = self.proof.remove(0);
                let is_right = self.index % 2 == 1;
                digest = if is_right { node(&sibling, &digest) } else { node(&digest, &sibling) };
            }
            (self.index, width) = (self.index / 2, width.div_ceil(2));
        }
        self.hash = digest;
        if is_lower {
            self.count = width.max(1);
        }
    }

    /// Sends the bytes that are hashed to the node above as a chunk.
    fn inner_node_as_bytes(&mut self) {
        let Some(sibling) = self.proof.first().copied() else { return };
        let own = leaf(&self.hash);
        let (left, right) = if self.index % 2 == 1 { (sibling, own) } else { (own, sibling) };
        self.proof.remove(0);
        self.index /= 2;
        self.bytes_changed(|bytes| *bytes = [&[1][..], &left, &right].concat());
    }

    /// Whether the claim is what the publisher meant. With a wrong count, a chunk is also true at a place whose path has
    /// the same shape as its own: a verifier cannot detect this, and takes its count from the manifest, as `docs/chunks.md`
    /// says.
    pub fn is_true(&self) -> bool {
        let tree = &TREES[self.chunks as usize];
        let Some(meant) = (0..self.chunks).find(|&index| tree.chunk_hash(index) == Some(&self.hash)) else {
            return false;
        };
        let is_its_place = if self.count == self.chunks {
            self.index == meant
        } else {
            self.index < self.count && sides(self.index, self.count) == sides(meant, self.chunks)
        };
        is_its_place && tree.proof(meant).as_ref() == Some(&self.proof)
    }

    /// Whether the verifier accepts the claim.
    pub fn is_believed(&self) -> bool {
        let root = TREES[self.chunks as usize].root();
        verify_chunk(root, self.count, self.index, &self.hash, &self.proof).is_ok()
    }
}

/// Flips one bit.
fn flip(bytes: &mut [u8], place: u8, bit: u8) {
    let place = usize::from(place) % bytes.len().max(1);
    bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
}

/// On which side each sibling stands, as RFC 6962 splits a tree: a second implementation, without levels.
fn sides(index: u32, count: u32) -> Vec<bool> {
    if count <= 1 {
        return Vec::new();
    }
    let left = count.next_power_of_two() / 2;
    let is_left = index < left;
    let mut sides = if is_left { sides(index, left) } else { sides(index - left, count - left) };
    sides.push(is_left);
    sides
}

fn range(source: &mut Source<'_>) {
    let chunks = 1 + u32::from(source.byte()) % MAX_COUNT;
    let tree = &TREES[chunks as usize];
    let first = u32::from(source.byte()) % chunks;
    let n = 1 + u32::from(source.byte()) % (chunks - first);
    let honest = |first: u32, n: u32| {
        let proof = tree.range_proof(first, n)?;
        Some((tree.chunk_hashes()[first as usize..][..n as usize].to_vec(), proof))
    };
    let (mut claimed, (mut hashes, mut proof)) = (first, honest(first, n).expect("it is in the tree"));
    while !source.is_empty() {
        let (what, a, b) = (source.byte() % 8, source.byte(), source.byte());
        let at = usize::from(a);
        match what {
            0 => hashes.iter_mut().skip(at % n as usize).take(1).for_each(|digest| flip(digest, b, a)),
            1 => proof.iter_mut().skip(at % 8).take(1).for_each(|digest| flip(digest, b, a)),
            2 => claimed = u32::from(a) % (chunks + 2),
            3 => drop(hashes.pop()),
            4 => hashes.push(tree.chunk_hashes()[at % chunks as usize]),
            5 => drop(proof.pop()),
            6 => proof.push(*tree.root()),
            _ => hashes.reverse(),
        }
    }
    let is_true = honest(claimed, hashes.len() as u32) == Some((hashes.clone(), proof.clone()));
    let verdict = verify_range(tree.root(), chunks, claimed, &hashes, &proof);
    assert_eq!(verdict.is_ok(), is_true, "{claimed} {} of {chunks}: {verdict:?}", hashes.len());
    let mut sparse = SparseTree::new(chunks, *tree.root());
    assert_eq!(sparse.insert_range(claimed, &hashes, &proof), verdict);
    assert_eq!(sparse.known_count() as usize, if is_true { hashes.len() } else { 0 });
}

/// Checks that a leecher's tree, which already knows some nodes, decides as `verify_chunk` does.
fn one_after_another(source: &mut Source<'_>) {
    let chunks = 1 + u32::from(source.byte()) % MAX_COUNT;
    let tree = &TREES[chunks as usize];
    let mut sparse = SparseTree::new(chunks, *tree.root());
    while !source.is_empty() {
        let mut claim = Claim::of(chunks, u32::from(source.byte()) % chunks);
        for _ in 0..source.below(4) {
            claim.change(source);
        }
        claim.count = chunks;
        let verdict = verify_chunk(tree.root(), chunks, claim.index, &claim.hash, &claim.proof);
        assert_eq!(verdict.is_ok(), claim.is_true(), "{claim:?}");
        assert_eq!(sparse.insert(claim.index, &claim.hash, &claim.proof), verdict, "{claim:?}");
    }
    for index in (0..chunks).filter(|&index| sparse.is_known(index)) {
        assert_eq!(
            (sparse.chunk_hash(index), sparse.proof(index)),
            (tree.chunk_hash(index), tree.proof(index))
        );
    }
}
