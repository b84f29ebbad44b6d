//! Small real artifacts with their manifests and Merkle trees, made once, for worlds with real stores.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_swarm::store::PartSpec;
use minimodel_verifier::chunk::{Layout, Tree, verify_chunk};
use minimodel_verifier::{Digest, Manifest, sha256};

/// Approximate file size and chunk size in bytes: from 3 chunks to 25.
const SIZES: [(u64, usize); 6] = [
    (48_000, 16 << 10),
    (70_000, 16 << 10),
    (100_000, 16 << 10),
    (200_000, 16 << 10),
    (300_000, 32 << 10),
    (400_000, 16 << 10),
];
/// Number of artifacts.
pub const ARTIFACTS: usize = SIZES.len();

pub(crate) struct Artifact {
    pub(crate) bytes: Bytes,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) tree: Arc<Tree>,
    pub(crate) spec: PartSpec,
}

/// A chunk in transit: its bytes and Merkle proof.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) bytes: Bytes,
    pub(crate) proof: Vec<Digest>,
}

/// The artifact with this number, identical in every run.
pub(crate) fn artifact(number: usize) -> &'static Artifact {
    static ALL: OnceLock<Vec<Artifact>> = OnceLock::new();
    &ALL.get_or_init(|| SIZES.iter().map(|&(bytes, chunk)| Artifact::new(bytes, chunk)).collect())
        [number % ARTIFACTS]
}

impl Artifact {
    fn new(about: u64, chunk_size: usize) -> Self {
        let shape = Shape::about(about, Quantization::Q4_0).expect("large enough");
        let bytes = Bytes::from(slm_vec(&shape, about));
        let options = ManifestOptions { chunk_size, ..ManifestOptions::default() };
        let text = ManifestText::of(&bytes, &options).render();
        let manifest = Arc::new(Manifest::parse(text.as_bytes()).expect("a good manifest"));
        let layout = Layout::new(bytes.len() as u64, chunk_size as u64).expect("a good layout");
        let tree = Arc::new(Tree::from_chunk_hashes(bytes.chunks(chunk_size).map(sha256).collect()));
        let spec = PartSpec { swarm_id: *manifest.swarm_id(), layout, root: *tree.root() };
        Self { bytes, manifest, tree, spec }
    }

    pub(crate) fn chunk(&self, index: u32) -> Bytes {
        let start = self.spec.layout.offset(index) as usize;
        self.bytes.slice(start..start + self.spec.layout.chunk_len(index) as usize)
    }

    pub(crate) fn payload(&self, index: u32) -> Payload {
        Payload { bytes: self.chunk(index), proof: self.tree.proof(index).expect("a chunk of this artifact") }
    }

    /// Expected verdict of the store on a chunk, computed without the store.
    pub(crate) fn is_good(&self, index: u32, payload: &Payload) -> bool {
        let (root, count) = (&self.spec.root, self.spec.layout.count());
        payload.bytes == self.chunk(index)
            && verify_chunk(root, count, index, &sha256(&payload.bytes), &payload.proof).is_ok()
    }
}
