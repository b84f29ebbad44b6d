//! The record of a partial file, with any bytes in it.

use std::sync::LazyLock;

use minimodel_swarm::store::{
    Disk as _, DiskFile as _, KeepError, Kept, MAX_BLAMES, MemDisk, Open, Opener, Part, PartSpec, StoreError,
};
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::{Digest, sha256};

use crate::source::Source;

static NAME: LazyLock<ArtifactName> = LazyLock::new(|| ArtifactName::new("fuzz-1", Format::Slm));
const PART: &str = "fuzz-1.slm.part";
const STATE: &str = "fuzz-1.slm.part.state";
const OPENER: Opener = Opener { pid: 42, now_unix: 1_700_000_000 };
const CHUNK: usize = 16 << 10;
/// Index of the last chunk, which is short and so the cheapest to store.
const LAST: u32 = 2;
const PEER: [u8; 32] = [7; 32];

struct Artifact {
    bytes: Vec<u8>,
    tree: Tree,
    spec: PartSpec,
}

static ARTIFACT: LazyLock<Artifact> = LazyLock::new(|| {
    let bytes: Vec<u8> = (0..2 * CHUNK + 100).map(|at| (at % 251) as u8).collect();
    let layout = Layout::new(bytes.len() as u64, CHUNK as u64).expect("a layout");
    let tree = Tree::from_chunk_hashes(bytes.chunks(CHUNK).map(sha256).collect());
    let spec = PartSpec { swarm_id: [9; 32], layout, root: *tree.root() };
    Artifact { bytes, tree, spec }
});

impl Artifact {
    fn chunk(&self, index: u32) -> &[u8] {
        self.bytes.chunks(CHUNK).nth(index as usize).unwrap_or_default()
    }

    fn proof(&self, index: u32) -> Vec<Digest> {
        self.tree.proof(index).unwrap_or_default()
    }
}

/// The first byte chooses what lies in the partial file and whether the record is any bytes or a header and entries.
///
/// # Panics
/// When a chunk whose bytes are missing counts as present, a foreign record is changed, or the part cannot be completed
/// afterwards.
pub fn state(data: &[u8]) {
    let mut source = Source::new(data);
    let setup = source.byte();
    let disk = MemDisk::new();
    put(&disk, PART, &partial(setup));
    let record = if setup & 0x80 == 0 { source.rest().to_vec() } else { entries(&mut source) };
    put(&disk, STATE, &record);
    let artifact = &*ARTIFACT;
    let (part, resumed) = match Part::open(disk.clone(), &NAME, artifact.spec, OPENER) {
        Ok(opened) => opened,
        Err(error) => return refused(&disk, &record, &error),
    };
    assert_eq!(part.have(), resumed.have);
    assert!(resumed.blames.len() <= MAX_BLAMES);
    let supplied: u32 = resumed.suppliers.values().chain([&resumed.found_here]).map(|some| some.chunks).sum();
    assert_eq!(supplied as usize, resumed.have.len());
    for &index in &resumed.have {
        assert_eq!(part.read_chunk(index).ok().as_deref(), Some(artifact.chunk(index)), "chunk {index}");
    }
    goes_on(&disk, &part, resumed.have);
}

/// The bytes of the partial file: each chunk or zeros, perhaps cut, perhaps with a wrong byte.
fn partial(setup: u8) -> Vec<u8> {
    let artifact = &*ARTIFACT;
    let mut bytes = vec![0; artifact.bytes.len()];
    for index in (0..=LAST).filter(|index| setup >> index & 1 == 1) {
        let start = index as usize * CHUNK;
        let chunk = artifact.chunk(index);
        bytes[start..start + chunk.len()].copy_from_slice(chunk);
    }
    if setup & 0x08 != 0 {
        bytes[CHUNK + 5] ^= 1;
    }
    if setup & 0x10 != 0 {
        bytes.truncate(2 * CHUNK + 50);
    }
    if setup & 0x60 == 0x60 {
        bytes.clear();
    }
    bytes
}

/// A record with correct checksums: a header, which may be foreign, and any entries, some of them damaged.
fn entries(source: &mut Source<'_>) -> Vec<u8> {
    let artifact = &*ARTIFACT;
    let layout = artifact.spec.layout;
    let mut record = b"MMSTATE\n".to_vec();
    let wrong = source.byte();
    record.extend(if wrong == 1 { 2_u32 } else { 1 }.to_le_bytes());
    record.extend(if wrong == 2 { [8; 32] } else { artifact.spec.swarm_id });
    record.extend((layout.byte_count() + u64::from(wrong == 3)).to_le_bytes());
    record.extend(layout.chunk_size().to_le_bytes());
    record.extend(layout.count().to_le_bytes());
    seal(&mut record, 0);
    while !source.is_empty() {
        let start = record.len();
        let (kind, payload) = entry(source);
        record.push(kind);
        record.extend((payload.len() as u16).to_le_bytes());
        record.extend(payload);
        seal(&mut record, start);
        match source.byte() {
            0xff => record.truncate(record.len() - 5),
            0xfe => record.extend([0; 100]),
            0xfd => record[start + 4] ^= 1,
            _ => {}
        }
    }
    record
}

/// The checksum of all bytes from `start` on.
fn seal(record: &mut Vec<u8>, start: usize) {
    let sum = sha256(&record[start..]);
    record.extend(&sum[..8]);
}

fn entry(source: &mut Source<'_>) -> (u8, Vec<u8>) {
    let artifact = &*ARTIFACT;
    let what = source.byte();
    let index = u32::from(source.byte()) % 5;
    let supplier = if what & 0x10 == 0 { PEER } else { [0; 32] };
    match what & 7 {
        // A valid chunk entry.
        0..=2 => {
            let hash = artifact.tree.chunk_hash(index).copied().unwrap_or([1; 32]);
            (1, [&index.to_le_bytes()[..], &hash, &supplier, artifact.proof(index).as_flattened()].concat())
        }
        // A chunk entry with a changed byte, cut or made longer.
        3 | 4 => {
            let hash = artifact.tree.chunk_hash(index % 3).copied().unwrap_or_default();
            let path = artifact.proof(source.byte().into());
            let mut bytes = [&index.to_le_bytes()[..], &hash, &supplier, path.as_flattened()].concat();
            let place = usize::from(source.byte()) % bytes.len();
            bytes[place] ^= source.byte();
            bytes.resize(68 + 32 * (source.below(27)), 3);
            (1, bytes)
        }
        5 => (2, source.array::<12>().to_vec()),
        6 => (3, [&[index as u8; 100][..], &source.array::<8>()].concat()),
        // Any entry at all.
        _ => (source.byte(), source.take(usize::from(what >> 3)).to_vec()),
    }
}

fn put(disk: &MemDisk, name: &str, bytes: &[u8]) {
    let file = disk.open(name, Open::New).expect("an empty disk");
    file.write_all_at(bytes, 0).expect("a disk without limits");
}

/// Checks that only a foreign record is refused, and that it is left unchanged.
fn refused(disk: &MemDisk, record: &[u8], error: &StoreError) {
    use StoreError::{ForeignLayout, ForeignSwarm, ForeignVersion};
    let is_foreign = matches!(error, ForeignLayout { .. } | ForeignSwarm { .. } | ForeignVersion { .. });
    assert!(is_foreign, "{error}");
    assert_eq!(disk.contents(STATE).as_deref(), Some(record));
}

/// Checks that the part accepts good chunks and no others, and that they survive a power loss.
fn goes_on(disk: &MemDisk, part: &Part<MemDisk>, mut have: Vec<u32>) {
    let artifact = &*ARTIFACT;
    let proof = artifact.proof(LAST);
    let had = part.has(LAST);
    let bad = part.keep(LAST, &[0; 100], &proof, PEER);
    assert!(matches!(bad, Err(KeepError::BadProof { .. })), "{bad:?}");
    assert_eq!(part.has(LAST), had);
    let kept = part.keep(LAST, artifact.chunk(LAST), &proof, PEER);
    assert_eq!(kept.ok(), Some(if had { Kept::Already } else { Kept::Stored }));
    if !had {
        have.push(LAST);
    }
    assert_eq!(part.have(), have);
    assert_eq!(part.sync().ok(), Some(()));
    let crashed = disk.crashed(minimodel_swarm::store::Crash::LoseUnsynced);
    let (again, resumed) = Part::open(crashed, &NAME, artifact.spec, OPENER).expect("it is ours");
    assert_eq!((resumed.have, resumed.damaged), (have, false), "after a power loss");
    assert!(again.read_chunk(LAST).is_ok());
}
