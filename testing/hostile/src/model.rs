//! The model of an attack: a manifest and, if the hostile side serves, its file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use minimodel_verifier::chunk::{Layout, Tree, proof_len};
use minimodel_verifier::{Digest, Manifest, sha256};
use minimodel_wire::{Bitfield, Consent, Hello, PROTOCOL_VERSION};

/// A manifest and its file.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) count: u32,
    file: Option<Arc<File>>,
}

#[derive(Debug)]
struct File {
    bytes: Vec<u8>,
    layout: Layout,
    tree: Tree,
}

impl Model {
    /// Reads the manifest, and the file if one is given. The file's hashes are not checked against the manifest.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or has another number of chunks, or an invalid manifest.
    pub fn read(manifest: &Path, artifact: Option<&Path>) -> Result<Self> {
        let text = std::fs::read(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        let manifest = Arc::new(Manifest::parse(&text).context("this is no manifest")?);
        let layout = Layout::new(manifest.byte_count(), manifest.chunk_size())?;
        let count = layout.count();
        let file = artifact.map(|path| {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let size = layout.chunk_size() as usize;
            let tree = Tree::from_chunk_hashes(bytes.chunks(size).map(sha256).collect());
            anyhow::ensure!(tree.count() == count, "{} is another file", path.display());
            Ok(Arc::new(File { bytes, layout, tree }))
        });
        Ok(Self { manifest, count, file: file.transpose()? })
    }

    pub(crate) fn hello(&self, consent: Consent) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            swarm_id: *self.manifest.swarm_id(),
            artifact_sha256: *self.manifest.artifact_sha256(),
            license_sha256: self.manifest.license_digest(),
            evidence_sha256: self.manifest.evidence_digest(),
            chunk_size: u32::try_from(self.manifest.chunk_size()).unwrap_or(u32::MAX),
            chunk_count: self.count,
            consent,
            software: "minimodel-hostile/1".to_owned(),
        }
    }

    /// The right chunk and its proof; `None` without a file.
    pub(crate) fn chunk(&self, index: u32) -> Option<(Vec<u8>, Vec<Digest>)> {
        let file = self.file.as_ref()?;
        let start = usize::try_from(file.layout.offset(index)).ok()?;
        let bytes = file.bytes.get(start..start + file.layout.chunk_len(index) as usize)?;
        Some((bytes.to_vec(), file.tree.proof(index)?))
    }

    /// Another chunk of the same length and proof length: only its index shows that it is not the requested one.
    pub(crate) fn alike(&self, index: u32) -> Option<u32> {
        let layout = &self.file.as_ref()?.layout;
        let shape = |index| (layout.chunk_len(index), proof_len(self.count, index));
        (0..self.count).find(|&other| other != index && shape(other) == shape(index))
    }

    /// The hashes of a range of chunks with their proof.
    pub(crate) fn leaves(&self, first: u32, count: u32) -> Option<(Vec<Digest>, Vec<Digest>)> {
        let tree = &self.file.as_ref()?.tree;
        let end = first.checked_add(count)?;
        let hashes = tree.chunk_hashes().get(first as usize..end as usize)?;
        Some((hashes.to_vec(), tree.range_proof(first, count)?))
    }

    pub(crate) fn all(&self) -> Bitfield {
        Bitfield::full(self.count)
    }

    pub(crate) fn none(&self) -> Bitfield {
        Bitfield::new(self.count)
    }
}
