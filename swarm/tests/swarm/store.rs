//! The store by its public interface: what a process finds, whatever happened to the process before it.

mod bad_disk;
mod crash;
mod files;
mod keeping;
mod others;
mod record;
mod repairs;
mod seeding;
mod share;
mod states;
#[cfg(unix)]
mod unix;

use std::path::Path;
use std::sync::LazyLock;

use minimodel_swarm::store::{
    Disk, Kept, MemDisk, Opener, Part, PartSpec, PeerKey, RealDisk, Resumed, StoreError,
};
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::{Digest, sha256};

const CHUNK: u32 = 16 << 10;
static NAME: LazyLock<ArtifactName> = LazyLock::new(|| ArtifactName::new("tiny-1.0", Format::Slm));
const ANNA: PeerKey = [0xA1; 32];
const BERT: PeerKey = [0xB2; 32];
const OPENER: Opener = Opener { pid: 4242, now_unix: 1_780_000_000 };

/// Names on a disk, without what a crash may leave: a small file that had not got its name yet, and a partial file
/// without recorded chunks that the next run put aside.
fn names(disk: &MemDisk) -> Vec<String> {
    let is_left = |name: &String| {
        (name.starts_with('.') && name.ends_with(".new")) || name.starts_with("tiny-1.0.slm.part.found")
    };
    disk.names().into_iter().filter(|name| !is_left(name)).collect()
}

/// An artifact of so many bytes, and what its manifest would say of it.
struct Artifact {
    bytes: Vec<u8>,
    spec: PartSpec,
    tree: Tree,
}

impl Artifact {
    fn new(byte_count: usize) -> Self {
        let mut rng = fastrand::Rng::with_seed(byte_count as u64);
        Self::of((0..byte_count).map(|_| rng.u8(..)).collect())
    }

    fn of(bytes: Vec<u8>) -> Self {
        let layout = Layout::new(bytes.len() as u64, u64::from(CHUNK)).unwrap();
        let tree = Tree::from_chunk_hashes(bytes.chunks(CHUNK as usize).map(sha256).collect());
        let spec = PartSpec { swarm_id: sha256(&bytes[..10]), layout, root: *tree.root() };
        Self { bytes, spec, tree }
    }

    fn chunk(&self, index: u32) -> &[u8] {
        self.bytes.chunks(CHUNK as usize).nth(index as usize).unwrap()
    }

    fn proof(&self, index: u32) -> Vec<Digest> {
        self.tree.proof(index).unwrap()
    }

    fn open<D: Disk>(&self, disk: D) -> Result<(Part<D>, Resumed), StoreError> {
        Part::open(disk, &NAME, self.spec, OPENER)
    }

    /// Keeps a good chunk from Anna.
    fn keep<D: Disk>(&self, part: &Part<D>, index: u32) -> Result<Kept, StoreError> {
        part.keep(index, self.chunk(index), &self.proof(index), ANNA).map_err(|error| match error {
            minimodel_swarm::store::KeepError::Disk(error) => error,
            proof => panic!("a good chunk was refused: {proof}"),
        })
    }

    fn keep_missing<D: Disk>(&self, part: &Part<D>) -> Result<(), StoreError> {
        for index in 0..self.spec.layout.count() {
            if !part.has(index) {
                assert_eq!(self.keep(part, index)?, Kept::Stored);
            }
        }
        Ok(())
    }
}

fn real(directory: &Path) -> RealDisk {
    RealDisk::open(directory).unwrap()
}
