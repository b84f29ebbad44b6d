//! The bytes of a record (`docs/checked.md`): reading them is bounded and never panics.

use std::path::PathBuf;

use minimodel_swarm::os::{Stat, text_of_bytes};
use minimodel_swarm::store::FileStat;
use minimodel_verifier::{Digest, sha256};

/// The first bytes of every record.
const MAGIC: &[u8; 8] = b"MMCHECK\n";
/// Version of the format.
pub(super) const FORMAT_VERSION: u32 = 1;
/// Length of all fields before the path.
const FIXED_BYTES: usize = 124;
/// The longest path that Linux takes.
const MAX_PATH_BYTES: usize = 4096;
/// Length of the SHA-256 at the end, over all bytes before it.
const CHECKSUM_BYTES: usize = 32;
/// Bytes that are sure to hold the head of a record, which names the file that was checked.
pub(super) const HEAD_BYTES: usize = FIXED_BYTES + MAX_PATH_BYTES;
/// Limit on the chunks of a recorded file: 64 MiB of hashes.
pub(super) const MAX_CHUNKS: u32 = 1 << 21;

/// How the bytes of the file were checked.
///
/// ```
/// use minimodel::checks::How;
///
/// let told = |how| match how {
///     How::Read => "read in full",
///     How::Fetched => "proven as it came",
/// };
/// assert_eq!(told(How::Fetched), "proven as it came");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Read from the first to the last by a full check.
    Read,
    /// Proven chunk by chunk on arrival, and by the whole-file check of the fetch.
    Fetched,
}

/// All fields of a record but the chunk hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Version of the checks that passed.
    pub(super) checks_version: u32,
    /// Swarm id of the manifest that the file was checked against.
    pub(super) swarm_id: Digest,
    /// Metadata of the file right after the check.
    pub(super) file: FileStamp,
    /// Time of the check, in seconds since 1970.
    pub(super) checked_unix: u64,
    /// How it was checked.
    pub(super) how: How,
    /// Path of the file, by which records of files that are gone are found.
    pub(super) path: PathBuf,
}

/// File metadata that must not have changed since the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp {
    pub(super) byte_count: u64,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) modified_ns: i128,
    pub(super) changed_ns: i128,
}

impl From<&FileStat> for FileStamp {
    fn from(stat: &FileStat) -> Self {
        let FileStat { byte_count, device, inode, modified_ns, changed_ns, .. } = *stat;
        Self { byte_count, device, inode, modified_ns, changed_ns }
    }
}

impl From<&Stat> for FileStamp {
    fn from(stat: &Stat) -> Self {
        Self {
            byte_count: stat.byte_count,
            device: stat.id.device,
            inode: stat.id.number,
            modified_ns: stat.modified_ns,
            changed_ns: stat.changed_ns,
        }
    }
}

impl FileStamp {
    /// Names the first field that differs, if any.
    pub(super) fn difference(&self, now: &Self) -> Option<&'static str> {
        [
            ("length", self.byte_count != now.byte_count),
            ("device", self.device != now.device),
            ("inode", self.inode != now.inode),
            ("modification time", self.modified_ns != now.modified_ns),
            ("change time", self.changed_ns != now.changed_ns),
        ]
        .into_iter()
        .find_map(|(what, differs)| differs.then_some(what))
    }
}

/// Why bytes are not a valid record.
///
/// ```
/// use minimodel::checks::{Damage, Miss};
///
/// // The share reads its file instead, and the new record takes the place of the damaged one.
/// let because = Miss::from(Damage::Checksum);
/// assert_eq!(because.to_string(), "the record of its last check is damaged: its checksum is wrong");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not begin as a record.
    #[error("it is no record of a check")]
    Magic,
    /// It is of another format version.
    #[error("it has format version {0}, this program reads version {FORMAT_VERSION}")]
    Version(u32),
    /// Its length is not what its fields say.
    #[error("it is cut short, or longer than it says")]
    Length,
    /// Its checksum is not that of its bytes.
    #[error("its checksum is wrong")]
    Checksum,
    /// A field holds a value that this program never writes.
    #[error("a field holds a value that none has")]
    Field,
}

/// Encodes a record. `None`: its path is longer than `MAX_PATH_BYTES`, or it has more chunks than `MAX_CHUNKS`.
pub(super) fn render(head: &Head, chunk_hashes: &[Digest]) -> Option<Vec<u8>> {
    let path = head.path.as_os_str().as_encoded_bytes();
    let path_bytes = u32::try_from(path.len()).ok().filter(|_| path.len() <= MAX_PATH_BYTES)?;
    let count = u32::try_from(chunk_hashes.len()).ok().filter(|count| *count <= MAX_CHUNKS)?;
    let mut bytes = Vec::with_capacity(FIXED_BYTES + path.len() + 32 * chunk_hashes.len() + CHECKSUM_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&head.checks_version.to_le_bytes());
    bytes.extend_from_slice(&head.swarm_id);
    bytes.extend_from_slice(&head.file.byte_count.to_le_bytes());
    bytes.extend_from_slice(&head.file.device.to_le_bytes());
    bytes.extend_from_slice(&head.file.inode.to_le_bytes());
    bytes.extend_from_slice(&head.file.modified_ns.to_le_bytes());
    bytes.extend_from_slice(&head.file.changed_ns.to_le_bytes());
    bytes.extend_from_slice(&head.checked_unix.to_le_bytes());
    let how: u32 = match head.how {
        How::Read => 1,
        How::Fetched => 2,
    };
    bytes.extend_from_slice(&how.to_le_bytes());
    bytes.extend_from_slice(&path_bytes.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(path);
    bytes.extend_from_slice(chunk_hashes.as_flattened());
    bytes.extend_from_slice(&sha256(&bytes));
    Some(bytes)
}

/// Upper bound on the length of a record of a file of `chunk_count` chunks, in bytes.
pub(super) fn longest(chunk_count: u32) -> u64 {
    (HEAD_BYTES + CHECKSUM_BYTES) as u64 + 32 * u64::from(chunk_count)
}

/// Parses a whole record and verifies its checksum.
pub(super) fn parse(bytes: &[u8]) -> Result<(Head, Vec<Digest>), Damage> {
    let (head, count, rest) = fixed(bytes)?;
    let (hashes, checksum) = rest.as_chunks::<32>();
    // The last piece is the checksum, which is as long as a hash.
    let (Some((sum, hashes)), true) = (hashes.split_last(), checksum.is_empty()) else {
        return Err(Damage::Length);
    };
    if hashes.len() != count as usize {
        return Err(Damage::Length);
    }
    let before = bytes.len().saturating_sub(CHECKSUM_BYTES);
    if bytes.get(..before).map(sha256).as_ref() != Some(sum) {
        return Err(Damage::Checksum);
    }
    Ok((head, hashes.to_vec()))
}

/// Parses the head of a record without verifying its checksum: enough to tidy the folder.
pub(super) fn parse_head(bytes: &[u8]) -> Result<Head, Damage> {
    fixed(bytes).map(|(head, _, _)| head)
}

/// The head, the number of chunks, and the bytes after the path.
fn fixed(bytes: &[u8]) -> Result<(Head, u32, &[u8]), Damage> {
    let mut fields = Fields(bytes);
    if fields.take::<8>()? != *MAGIC {
        return Err(Damage::Magic);
    }
    let version = fields.u32()?;
    if version != FORMAT_VERSION {
        return Err(Damage::Version(version));
    }
    let checks_version = fields.u32()?;
    let swarm_id = fields.take()?;
    let file = FileStamp {
        byte_count: fields.u64()?,
        device: fields.u64()?,
        inode: fields.u64()?,
        modified_ns: i128::from_le_bytes(fields.take()?),
        changed_ns: i128::from_le_bytes(fields.take()?),
    };
    let checked_unix = fields.u64()?;
    let how = match fields.u32()? {
        1 => How::Read,
        2 => How::Fetched,
        _ => return Err(Damage::Field),
    };
    let (path_bytes, count) = (fields.u32()? as usize, fields.u32()?);
    if path_bytes > MAX_PATH_BYTES {
        return Err(Damage::Field);
    }
    let (path, rest) = fields.0.split_at_checked(path_bytes).ok_or(Damage::Length)?;
    let path = PathBuf::from(text_of_bytes(path));
    Ok((Head { checks_version, swarm_id, file, checked_unix, how, path }, count, rest))
}

/// The bytes that are still to be parsed.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Damage::Length)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, Damage> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            checks_version: 1,
            swarm_id: [0xab; 32],
            file: FileStamp {
                byte_count: 40_000,
                device: 65_024,
                inode: 4_242,
                modified_ns: 1_780_000_000_123_456_789,
                changed_ns: 1_780_000_001_000_000_000,
            },
            checked_unix: 1_780_000_100,
            how: How::Read,
            path: "/models/a.slm".into(),
        }
    }

    fn hashes() -> Vec<Digest> {
        vec![[0x11; 32], [0x22; 32], [0x33; 32]]
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (head, hashes) in [
            (head(), hashes()),
            (Head { how: How::Fetched, path: "".into(), ..head() }, Vec::new()),
            (Head { path: "x".repeat(MAX_PATH_BYTES).into(), ..head() }, vec![[7; 32]; 1_000]),
        ] {
            let bytes = render(&head, &hashes).unwrap();
            assert!(bytes.len() as u64 <= longest(hashes.len() as u32));
            assert_eq!(parse_head(&bytes[..bytes.len().min(HEAD_BYTES)]).unwrap(), head);
            assert_eq!(parse(&bytes).unwrap(), (head, hashes));
        }
        let long = Head { path: "x".repeat(MAX_PATH_BYTES + 1).into(), ..head() };
        assert_eq!(render(&long, &hashes()), None);
        assert_eq!(render(&head(), &vec![[0; 32]; MAX_CHUNKS as usize + 1]), None);
    }

    /// The example in `docs/checked.md`.
    #[test]
    fn the_page_shows_these_bytes() {
        let page = include_str!("../../../docs/checked.md");
        let block = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
        let shown: String = block.split_whitespace().collect();
        assert_eq!(data_encoding::HEXLOWER.encode(&render(&head(), &hashes()).unwrap()), shown);
    }

    #[test]
    fn no_changed_byte_and_no_other_length_is_taken_for_the_record() {
        let bytes = render(&head(), &hashes()).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let damage = parse(&changed).unwrap_err();
                match at {
                    0..8 => assert_eq!(damage, Damage::Magic),
                    8..12 => assert!(matches!(damage, Damage::Version(_))),
                    _ => assert!(matches!(damage, Damage::Checksum | Damage::Field | Damage::Length)),
                }
            }
        }
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "{length}");
        }
        for more in 1..100 {
            assert!(parse(&[&bytes[..], &vec![0; more]].concat()).is_err(), "{more}");
        }
    }

    /// Records with a few bytes replaced and their end cut off, under a correct checksum: parsing never panics, and what
    /// it accepts encodes to the same bytes.
    #[test]
    fn hostile_bytes_are_read_without_panic_and_without_invention() {
        let bytes = render(&head(), &hashes()).unwrap();
        let mut random = xorshift(7);
        for _ in 0..20_000 {
            let mut changed = bytes.clone();
            for _ in 0..random() % 6 {
                let at = random() as usize % changed.len();
                changed[at] = random() as u8;
            }
            changed.truncate(changed.len() - (random() as usize % 3) * (random() as usize % 40));
            let end = changed.len().saturating_sub(CHECKSUM_BYTES);
            let sum = sha256(&changed[..end]);
            changed.truncate(end);
            changed.extend_from_slice(&sum);
            let _ = parse_head(&changed);
            if let Ok((head, hashes)) = parse(&changed) {
                assert_eq!(render(&head, &hashes).unwrap(), changed);
            }
        }
    }

    /// Pseudorandom numbers, the same in every run.
    fn xorshift(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 11
        }
    }

    #[test]
    fn each_difference_has_its_name() {
        let was = head().file;
        assert_eq!(was.difference(&was), None);
        assert_eq!(was.difference(&FileStamp { byte_count: 1, ..was }), Some("length"));
        assert_eq!(was.difference(&FileStamp { device: 1, ..was }), Some("device"));
        assert_eq!(was.difference(&FileStamp { inode: 1, ..was }), Some("inode"));
        assert_eq!(was.difference(&FileStamp { modified_ns: 1, ..was }), Some("modification time"));
        assert_eq!(was.difference(&FileStamp { changed_ns: 1, ..was }), Some("change time"));
    }
}
