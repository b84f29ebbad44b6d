//! Reads a record without its lock: for programs that show or check a part which another process may be writing.
//!
//! Nothing is written. What a record says is believed only after [`RecordView::check`] proved it against the manifest.
//! The bytes are those of `docs/store.md`, read by the same functions that [`Part`](super::Part) resumes with.

use std::collections::BTreeMap;
use std::io::{self, Read};

use minimodel_verifier::chunk::{Layout, ReadAt, hash_chunk, verify_chunk};
use minimodel_verifier::digest::hex;
use minimodel_verifier::{Digest, Manifest, Report};
use minimodel_wire::Bitfield;

use super::open::Opener;
use super::record::{BUFFER_BYTES, read_entries};
pub use super::state::MAGIC;
use super::state::{Blame, Entry, HEADER_BYTES, Header, HeaderFound, PeerKey, STATE_VERSION, Sizes};

/// The longest record that is read, in bytes; it has room for more than a million chunks.
pub const MAX_RECORD_BYTES: u64 = 1 << 30;

/// Content of a record, not proven.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordView {
    /// The swarm whose part it describes.
    pub swarm_id: Digest,
    /// The sizes of the artifact.
    pub sizes: Sizes,
    /// The last entry of each chunk, by index.
    pub chunks: BTreeMap<u32, RecordedChunk>,
    /// Processes that opened the part, oldest first.
    pub openers: Vec<Opener>,
    /// Peers that sent something wrong, oldest first.
    pub blames: Vec<Blame>,
    /// Bytes after the last good entry, as a crash leaves them.
    pub dropped_bytes: u64,
}

/// Entry of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedChunk {
    /// SHA-256 of the chunk.
    pub sha256: Digest,
    /// The peer that sent it; zeros where a rescan found it on this disk.
    pub supplier: PeerKey,
    /// Its path to the root.
    pub path: Vec<Digest>,
}

/// Why bytes are not a record that this program reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The system's error while reading.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The header is cut, changed, or of another kind of file.
    #[error("its header is damaged or not that of a record")]
    Damaged,
    /// The header is whole and of a version that this program does not know.
    #[error("it has version {found}, this program reads {expected}")]
    OtherVersion {
        /// Its version.
        found: u32,
        /// [`STATE_VERSION`].
        expected: u32,
    },
    /// It is longer than [`MAX_RECORD_BYTES`].
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// [`MAX_RECORD_BYTES`].
        limit: u64,
    },
}

/// Reads a record from its first byte on. As when a part is opened, the first bad entry ends it.
///
/// # Errors
///
/// The header cannot be used, the record is too long, or the system's error.
pub fn read(record: impl Read) -> Result<RecordView, InspectError> {
    let most = MAX_RECORD_BYTES + 1;
    let mut record = io::BufReader::with_capacity(BUFFER_BYTES, record.take(most));
    let Header { swarm_id, sizes } = read_header(&mut record)?;
    let mut view = RecordView {
        swarm_id,
        sizes,
        chunks: BTreeMap::new(),
        openers: Vec::new(),
        blames: Vec::new(),
        dropped_bytes: 0,
    };
    let good_bytes = read_entries(&mut record, |entry| view.take(entry))?;
    io::copy(&mut record, &mut io::sink())?;
    let all_bytes = most - record.get_ref().limit();
    if all_bytes > MAX_RECORD_BYTES {
        return Err(InspectError::TooLong { limit: MAX_RECORD_BYTES });
    }
    view.dropped_bytes = all_bytes.saturating_sub(HEADER_BYTES as u64 + good_bytes);
    Ok(view)
}

/// Reads only which chunks a record of this swarm lists, one entry in memory at a time. `None`: it is the record of another file.
///
/// # Errors
///
/// The header cannot be used, or the system's error.
pub fn read_have(
    record: impl Read,
    swarm_id: &Digest,
    chunk_count: u32,
) -> Result<Option<Bitfield>, InspectError> {
    let mut record = io::BufReader::with_capacity(BUFFER_BYTES, record.take(MAX_RECORD_BYTES));
    let header = read_header(&mut record)?;
    if (&header.swarm_id, header.sizes.chunk_count) != (swarm_id, chunk_count) {
        return Ok(None);
    }
    let mut have = Bitfield::new(chunk_count);
    read_entries(&mut record, |entry| {
        if let Entry::Chunk(chunk) = entry {
            have.set(chunk.index);
        }
    })?;
    Ok(Some(have))
}

fn read_header(record: &mut impl Read) -> Result<Header, InspectError> {
    let mut bytes = [0; HEADER_BYTES];
    match record.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(InspectError::Damaged),
        answer => answer?,
    }
    match Header::decode(&bytes) {
        HeaderFound::Ours(header) => Ok(header),
        HeaderFound::OtherVersion(found) => {
            Err(InspectError::OtherVersion { found, expected: STATE_VERSION })
        }
        HeaderFound::Damaged => Err(InspectError::Damaged),
    }
}

impl RecordView {
    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Chunk(chunk) => {
                let recorded =
                    RecordedChunk { sha256: chunk.sha256, supplier: chunk.supplier, path: chunk.path };
                self.chunks.insert(chunk.index, recorded);
            }
            Entry::Session(session) => {
                self.openers.push(Opener { pid: session.pid, now_unix: session.started_unix });
            }
            Entry::Blame(blame) => self.blames.push(blame),
        }
    }

    /// Number of recorded chunks of each supplier.
    pub fn suppliers(&self) -> BTreeMap<PeerKey, usize> {
        let mut suppliers = BTreeMap::new();
        for chunk in self.chunks.values() {
            *suppliers.entry(chunk.supplier).or_default() += 1;
        }
        suppliers
    }

    /// Checks every recorded chunk against the manifest's root and against the partial file, of which `bytes` are there.
    ///
    /// `seen` is called with the length of each chunk that was read; its error ends the check.
    ///
    /// # Errors
    ///
    /// The partial file cannot be read, or the error of `seen`.
    pub fn check<R: ReadAt + ?Sized>(
        &self,
        manifest: &Manifest,
        partial: &R,
        bytes: u64,
        mut seen: impl FnMut(u64) -> io::Result<()>,
    ) -> io::Result<Report> {
        let mut report = Report::new();
        report.equal("record.swarm_id", hex(&self.swarm_id), hex(manifest.swarm_id()));
        let sizes = |bytes: u64, size: u64, count: u64| format!("{bytes} bytes in {count} chunks of {size}");
        let Sizes { byte_count, chunk_size, chunk_count } = self.sizes;
        report.equal(
            "record.sizes",
            sizes(byte_count, chunk_size.into(), chunk_count.into()),
            sizes(manifest.byte_count(), manifest.chunk_size(), manifest.chunk_count()),
        );
        let layout = match Layout::new(manifest.byte_count(), manifest.chunk_size()) {
            Ok(layout) if report.ok() => layout,
            Ok(_) => return Ok(report),
            Err(error) => {
                report.fail("chunk.count", error.to_string(), manifest.chunk_count().to_string());
                return Ok(report);
            }
        };
        let (root, count) = (manifest.merkle_root(), layout.count());
        let unproven = self
            .chunks
            .iter()
            .filter(|(index, chunk)| verify_chunk(root, count, **index, &chunk.sha256, &chunk.path).is_err());
        name_chunks(
            &mut report,
            "chunk.proofs",
            &unproven.map(|(index, _)| *index).collect::<Vec<_>>(),
            self.chunks.len(),
        );
        if !report.ok() {
            return Ok(report);
        }
        let mut bad = Vec::new();
        for (&index, chunk) in &self.chunks {
            let len = layout.chunk_len(index).into();
            let is_there = layout.offset(index).saturating_add(len) <= bytes;
            if !is_there || hash_chunk(&layout, partial, index)? != chunk.sha256 {
                bad.push(index);
            }
            seen(len)?;
        }
        let good = self.chunks.len().saturating_sub(bad.len());
        name_chunks(&mut report, "chunk.data", &bad, self.chunks.len());
        if good == count as usize {
            report.pass("chunk.present", format!("{good} of {count}"));
        } else {
            report.warn("chunk.present", format!("{good} of {count}"), count.to_string());
        }
        Ok(report)
    }
}

/// Number of chunks that a message lists one by one.
const NAMED_CHUNKS: usize = 16;

fn name_chunks(report: &mut Report, name: &'static str, bad: &[u32], all: usize) {
    if bad.is_empty() {
        return report.pass(name, format!("{all} good"));
    }
    let named: Vec<String> = bad.iter().take(NAMED_CHUNKS).map(u32::to_string).collect();
    let more = if bad.len() > NAMED_CHUNKS { " ..." } else { "" };
    report.fail(name, format!("{} of {all} bad: {}{more}", bad.len(), named.join(" ")), "0 bad");
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::{Path, PathBuf};

    use minimodel_fixtures::{ManifestOptions, ManifestText, audit_path, chunk_hashes, manifest_artifact};

    use super::super::{Part, PartSpec, RealDisk};
    use super::*;

    const SUPPLIER: [u8; 32] = [9; 32];

    /// A part as the store leaves it, with its first chunk in place. The artifact is cut into two chunks.
    fn part() -> (tempfile::TempDir, Manifest, PathBuf) {
        let artifact = artifact();
        let text = ManifestText::of(&artifact, &ManifestOptions::default()).render();
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let layout = Layout::new(manifest.byte_count(), manifest.chunk_size()).unwrap();
        assert!(layout.count() >= 2);
        let folder = tempfile::tempdir().unwrap();
        let spec = PartSpec { swarm_id: *manifest.swarm_id(), layout, root: *manifest.merkle_root() };
        let opener = Opener { pid: 77, now_unix: 1_780_000_000 };
        let disk = RealDisk::open(folder.path()).unwrap();
        let (part, _) = Part::open(disk, &manifest.artifact_name(), spec, opener).unwrap();
        let proof = audit_path(&chunk_hashes(&artifact, manifest.chunk_size() as usize), 0);
        part.keep(0, &artifact[..layout.chunk_len(0) as usize], &proof, SUPPLIER).unwrap();
        let path = part.path();
        drop(part);
        (folder, manifest, path)
    }

    /// The artifact of the fixtures, padded with zeros to 20,000 bytes: its content does not matter here.
    fn artifact() -> Vec<u8> {
        let mut artifact = manifest_artifact();
        artifact.resize(20_000, 0);
        artifact
    }

    fn state_of(part: &Path) -> PathBuf {
        part.with_extension("part.state")
    }

    fn outcomes(record: &RecordView, manifest: &Manifest, part: &Path) -> Vec<(&'static str, &'static str)> {
        let file = File::open(part).unwrap();
        let bytes = file.metadata().unwrap().len();
        let report = record.check(manifest, &file, bytes, |_| Ok(())).unwrap();
        report.checks().iter().map(|check| (check.name, check.outcome.as_str())).collect()
    }

    #[test]
    fn what_the_store_writes_is_read() {
        let (_folder, manifest, part) = part();
        let record = read(File::open(state_of(&part)).unwrap()).unwrap();
        assert_eq!((record.swarm_id, record.sizes.byte_count), (*manifest.swarm_id(), manifest.byte_count()));
        assert_eq!(record.chunks.keys().copied().collect::<Vec<_>>(), [0]);
        assert_eq!(record.chunks[&0].supplier, SUPPLIER);
        assert_eq!(record.suppliers(), BTreeMap::from([(SUPPLIER, 1)]));
        assert_eq!(record.openers, [Opener { pid: 77, now_unix: 1_780_000_000 }]);
        assert_eq!((record.blames.len(), record.dropped_bytes), (0, 0));
        assert_eq!(
            outcomes(&record, &manifest, &part),
            [
                ("record.swarm_id", "pass"),
                ("record.sizes", "pass"),
                ("chunk.proofs", "pass"),
                ("chunk.data", "pass"),
                ("chunk.present", "warn")
            ]
        );
    }

    #[test]
    fn recorded_chunks_of_the_same_file_alone_are_told() {
        let (_folder, manifest, part) = part();
        let bytes = std::fs::read(state_of(&part)).unwrap();
        let count = u32::try_from(manifest.chunk_count()).unwrap();
        let have = read_have(&*bytes, manifest.swarm_id(), count).unwrap().unwrap();
        assert_eq!((have.count(), have.iter_ones().collect::<Vec<_>>()), (count, vec![0]));
        assert_eq!(read_have(&*bytes, &[1; 32], count).unwrap(), None);
        assert_eq!(read_have(&*bytes, manifest.swarm_id(), count + 1).unwrap(), None);
        assert!(matches!(read_have(&bytes[..9], manifest.swarm_id(), count), Err(InspectError::Damaged)));
    }

    #[test]
    fn a_changed_byte_is_found_and_the_chunk_named() {
        let (_folder, manifest, part) = part();
        let mut bytes = std::fs::read(&part).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&part, bytes).unwrap();
        let record = read(File::open(state_of(&part)).unwrap()).unwrap();
        let file = File::open(&part).unwrap();
        let report = record.check(&manifest, &file, manifest.byte_count(), |_| Ok(())).unwrap();
        assert!(!report.ok());
        assert_eq!(report.check("chunk.data").unwrap().found, "1 of 1 bad: 0");
    }

    // Rows: E3
    #[test]
    fn a_record_of_another_swarm_judges_nothing() {
        let (_folder, manifest, part) = part();
        let mut record = read(File::open(state_of(&part)).unwrap()).unwrap();
        record.swarm_id = [1; 32];
        assert_eq!(
            outcomes(&record, &manifest, &part),
            [("record.swarm_id", "fail"), ("record.sizes", "pass")]
        );
    }

    // Rows: E3
    #[test]
    fn a_torn_tail_is_dropped_and_a_damaged_header_is_an_error() {
        let (_folder, _, part) = part();
        let good = std::fs::read(state_of(&part)).unwrap();
        let torn = read(&good[..good.len() - 1]).unwrap();
        assert!(torn.chunks.is_empty() && torn.dropped_bytes > 0);
        for cut in [0, 7, 59, 67] {
            assert!(matches!(read(&good[..cut]), Err(InspectError::Damaged)));
        }
        let mut flipped = good;
        flipped[20] ^= 1;
        assert!(matches!(read(flipped.as_slice()), Err(InspectError::Damaged)));
    }

    // Rows: G6
    #[test]
    fn a_record_of_another_version_is_named() {
        let (_folder, _, part) = part();
        let mut bytes = std::fs::read(state_of(&part)).unwrap();
        bytes[8] = 2;
        let sum = minimodel_verifier::sha256(&bytes[..HEADER_BYTES - 8]);
        bytes[HEADER_BYTES - 8..HEADER_BYTES].copy_from_slice(&sum[..8]);
        assert_eq!(read(bytes.as_slice()).unwrap_err().to_string(), "it has version 2, this program reads 1");
    }
}
