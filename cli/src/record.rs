//! Read-only view of the record beside a partial file, for `inspect` and `verify-chunks`, which must not take the lock
//! that a running `fetch` holds. The bytes are those of `docs/store.md`; a test reads what the store itself writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use minimodel_verifier::chunk::{Layout, hash_chunk, verify_chunk};
use minimodel_verifier::{Digest, Manifest, Report, sha256};

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;

/// First bytes of every record.
pub(crate) const MAGIC: &[u8] = b"MMSTATE\n";
const VERSION: u32 = 1;
const CHECKSUM_BYTES: usize = 8;

/// Longest record that is read; it has room for more than a million chunks.
const MAX_RECORD_BYTES: usize = 1 << 30;

/// Content of a record. None of it is believed before it is proven ([`check`]).
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) swarm_id: Digest,
    pub(crate) byte_count: u64,
    pub(crate) chunk_size: u32,
    pub(crate) chunk_count: u32,
    /// The last entry of each chunk.
    pub(crate) chunks: BTreeMap<u32, Recorded>,
    /// Processes that opened the file: process id and time, in seconds since 1970.
    pub(crate) sessions: Vec<(u32, u64)>,
    /// Peers that sent something wrong: key and chunk.
    pub(crate) blames: Vec<([u8; 32], u32)>,
    /// Bytes after the last good entry, as a crash leaves them.
    pub(crate) dropped_bytes: usize,
}

/// A chunk entry.
#[derive(Debug)]
pub(crate) struct Recorded {
    sha256: Digest,
    pub(crate) supplier: [u8; 32],
    path: Vec<Digest>,
}

/// Reads a record.
pub(crate) fn read(path: &Path) -> Result<Record, Failure> {
    let bytes = input::read_small("record", path, MAX_RECORD_BYTES)?;
    let parsed = if bytes.len() > MAX_RECORD_BYTES {
        Err(format!("it is longer than {MAX_RECORD_BYTES} bytes"))
    } else {
        parse(&bytes)
    };
    parsed.map_err(|cause| {
        Failure::new(
            Exit::Invalid,
            format!("the record `{}` cannot be used", escape::path(path)),
            "run the same fetch again: it looks at the partial file anew and keeps what is right",
        )
        .because(cause)
    })
}

fn parse(bytes: &[u8]) -> Result<Record, String> {
    let mut cursor = Cursor { rest: bytes };
    let damaged = || "its header is damaged or not that of a record".to_owned();
    let header = checked(&mut cursor, 60).ok_or_else(damaged)?;
    let mut fields = Cursor { rest: header.strip_prefix(MAGIC).ok_or_else(damaged)? };
    let version = fields.u32().ok_or_else(damaged)?;
    if version != VERSION {
        return Err(format!("it has version {version}, this program reads {VERSION}"));
    }
    let mut header = || Some((fields.array()?, fields.u64()?, fields.u32()?, fields.u32()?));
    let (swarm_id, byte_count, chunk_size, chunk_count) = header().ok_or_else(damaged)?;
    let mut record = Record {
        swarm_id,
        byte_count,
        chunk_size,
        chunk_count,
        chunks: BTreeMap::new(),
        sessions: Vec::new(),
        blames: Vec::new(),
        dropped_bytes: 0,
    };
    // The first bad entry ends the record, as in the store.
    let mut good = cursor.rest;
    while record.take_entry(&mut cursor).is_some() {
        good = cursor.rest;
    }
    record.dropped_bytes = good.len();
    Ok(record)
}

impl Record {
    fn take_entry(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let (_, lengths) = cursor.rest.split_first()?;
        let payload = u16::from_le_bytes(*lengths.first_chunk()?);
        let entry = checked(cursor, 3 + usize::from(payload))?;
        let (kind, payload) = entry.split_first()?;
        let mut fields = Cursor { rest: payload.get(2..)? };
        match kind {
            1 => {
                let (index, sha256, supplier) = (fields.u32()?, fields.array()?, fields.array()?);
                let (path, rest) = fields.rest.as_chunks();
                rest.is_empty().then_some(())?;
                self.chunks.insert(index, Recorded { sha256, supplier, path: path.to_vec() });
            }
            2 => self.sessions.push((fields.u32()?, fields.u64()?)),
            3 => self.blames.push((fields.array()?, fields.u32()?)),
            _ => return None,
        }
        Some(())
    }
}

/// Takes `len` bytes and the checksum after them; `None` if it does not match.
fn checked<'a>(cursor: &mut Cursor<'a>, len: usize) -> Option<&'a [u8]> {
    let (content, rest) = cursor.rest.split_at_checked(len)?;
    let (sum, rest) = rest.split_at_checked(CHECKSUM_BYTES)?;
    (sha256(content).get(..CHECKSUM_BYTES) == Some(sum)).then_some(())?;
    cursor.rest = rest;
    Some(content)
}

#[derive(Debug)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Checks every recorded chunk against the manifest's root and against the bytes of the partial file.
///
/// `seen` is called with the length of each chunk that was read; its error ends the check.
pub(crate) fn check(
    record: &Record,
    manifest: &Manifest,
    partial: &File,
    bytes: u64,
    mut seen: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<Report> {
    let mut report = Report::new();
    let hex = |id: &Digest| data_encoding::HEXLOWER.encode(id);
    report.equal("record.swarm_id", hex(&record.swarm_id), hex(manifest.swarm_id()));
    let sizes = |bytes: u64, size: u64, count: u64| format!("{bytes} bytes in {count} chunks of {size}");
    report.equal(
        "record.sizes",
        sizes(record.byte_count, record.chunk_size.into(), record.chunk_count.into()),
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
    let unproven = record
        .chunks
        .iter()
        .filter(|(index, chunk)| verify_chunk(root, count, **index, &chunk.sha256, &chunk.path).is_err());
    name_chunks(
        &mut report,
        "chunk.proofs",
        &unproven.map(|(index, _)| *index).collect::<Vec<_>>(),
        record.chunks.len(),
    );
    if !report.ok() {
        return Ok(report);
    }
    let mut bad = Vec::new();
    for (&index, chunk) in &record.chunks {
        let len = layout.chunk_len(index).into();
        let is_there = layout.offset(index).saturating_add(len) <= bytes;
        if !is_there || hash_chunk(&layout, partial, index)? != chunk.sha256 {
            bad.push(index);
        }
        seen(len)?;
    }
    let good = record.chunks.len().saturating_sub(bad.len());
    name_chunks(&mut report, "chunk.data", &bad, record.chunks.len());
    if good == count as usize {
        report.pass("chunk.present", format!("{good} of {count}"));
    } else {
        report.warn("chunk.present", format!("{good} of {count}"), count.to_string());
    }
    Ok(report)
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
    use minimodel_fixtures::{ManifestOptions, ManifestText, audit_path, chunk_hashes, manifest_artifact};
    use minimodel_swarm::store::{Opener, Part, PartSpec, RealDisk};

    use super::*;

    const SUPPLIER: [u8; 32] = [9; 32];

    /// A part as the store leaves it, with its first chunk in place. The artifact is cut into two chunks.
    fn part() -> (tempfile::TempDir, Manifest, std::path::PathBuf) {
        let artifact = artifact();
        let text = ManifestText::of(&artifact, &ManifestOptions::default()).render();
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let layout = Layout::new(manifest.byte_count(), manifest.chunk_size()).unwrap();
        assert!(layout.count() >= 2);
        let folder = tempfile::tempdir().unwrap();
        let spec = PartSpec { swarm_id: *manifest.swarm_id(), layout, root: *manifest.merkle_root() };
        let opener = Opener { pid: 77, now_unix: 1_780_000_000 };
        let disk = RealDisk::open(folder.path()).unwrap();
        let (part, _) = Part::open(disk, "name", spec, opener).unwrap();
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

    fn state_of(part: &Path) -> std::path::PathBuf {
        part.with_extension("part.state")
    }

    fn outcomes(record: &Record, manifest: &Manifest, part: &Path) -> Vec<(&'static str, &'static str)> {
        let file = File::open(part).unwrap();
        let bytes = file.metadata().unwrap().len();
        let report = check(record, manifest, &file, bytes, |_| Ok(())).unwrap();
        report.checks().iter().map(|check| (check.name, check.outcome.as_str())).collect()
    }

    #[test]
    fn what_the_store_writes_is_read() {
        let (_folder, manifest, part) = part();
        let record = read(&state_of(&part)).unwrap();
        assert_eq!((record.swarm_id, record.byte_count), (*manifest.swarm_id(), manifest.byte_count()));
        assert_eq!(record.chunks.keys().copied().collect::<Vec<_>>(), [0]);
        assert_eq!(record.chunks[&0].supplier, SUPPLIER);
        assert_eq!(record.sessions, [(77, 1_780_000_000)]);
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
    fn a_changed_byte_is_found_and_the_chunk_named() {
        let (_folder, manifest, part) = part();
        let mut bytes = std::fs::read(&part).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&part, bytes).unwrap();
        let record = read(&state_of(&part)).unwrap();
        let file = File::open(&part).unwrap();
        let report = check(&record, &manifest, &file, manifest.byte_count(), |_| Ok(())).unwrap();
        assert!(!report.ok());
        assert_eq!(report.check("chunk.data").unwrap().found, "1 of 1 bad: 0");
    }

    #[test]
    fn e3_a_record_of_another_swarm_judges_nothing() {
        let (_folder, manifest, part) = part();
        let mut record = read(&state_of(&part)).unwrap();
        record.swarm_id = [1; 32];
        assert_eq!(
            outcomes(&record, &manifest, &part),
            [("record.swarm_id", "fail"), ("record.sizes", "pass")]
        );
    }

    #[test]
    fn e3_a_torn_tail_is_dropped_and_a_damaged_header_is_an_error() {
        let (_folder, _, part) = part();
        let good = std::fs::read(state_of(&part)).unwrap();
        let torn = parse(&good[..good.len() - 1]).unwrap();
        assert!(torn.chunks.is_empty() && torn.dropped_bytes > 0);
        for cut in [0, 7, 59, 67] {
            assert!(parse(&good[..cut]).is_err());
        }
        let mut flipped = good;
        flipped[20] ^= 1;
        assert!(parse(&flipped).is_err());
    }
}
