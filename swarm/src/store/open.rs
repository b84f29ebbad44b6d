//! Opening a part: the lock, the record, and the proof that what is recorded is really there.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use minimodel_verifier::Digest;
use minimodel_verifier::artifact::ArtifactName;
use minimodel_verifier::chunk::Layout;

use super::create::{create_locked, is_named, rename_aside, sync_dir};
use super::disk::{Disk, DiskFile, Open, OpenError};
use super::error::StoreError;
use super::holdings::{FOUND_HERE, Holdings, Supplied};
use super::names::Names;
use super::part::{MAX_BLAMES, Opened, Part, PartSpec, SetAside, UnknownData};
use super::record::{Tail, Walk, is_zero, walk};
use super::rehash::good_chunks;
use super::similarity::{RepairIf, other_chunks, unrecorded_data};
use super::state::{
    Blame, Entry, HEADER_BYTES, Header, HeaderFound, MIN_CHUNK_ENTRY_BYTES, PeerKey, STATE_VERSION, Session,
    Sizes,
};

/// A state file that keeps vanishing or being replaced is given up after this many tries.
const LOCK_TRIES: u32 = 8;
/// Chunks that a process may have written and not recorded when it is killed: one thread writes, a chunk at a time.
const UNRECORDED_BY_A_KILL: usize = 1;

/// The process that opens a part, and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opener {
    /// This process.
    pub pid: u32,
    /// Seconds since 1970.
    pub now_unix: u64,
}

/// What an earlier session left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Chunks that are here: recorded, hashed again just now, and proven.
    pub have: Vec<u32>,
    /// Chunks that were recorded and whose bytes are not there: they are simply missing.
    pub lost: u32,
    /// The record was damaged in more than its last entry; what it said after that place is not known.
    pub damaged: bool,
    /// Bytes of the record that could not be used. A few are the mark of a crash and no damage.
    pub dropped_bytes: u64,
    /// The file may hold good chunks that no record names: a rescan against leaf hashes is worthwhile.
    pub data_without_record: bool,
    /// What each peer supplied of `have`.
    pub suppliers: BTreeMap<PeerKey, Supplied>,
    /// Chunks of `have` that an earlier rescan found, whose supplier is not known.
    pub found_here: Supplied,
    /// Blames of earlier sessions, oldest first.
    pub blames: Vec<Blame>,
    /// The new path of a file that had the partial file's name and was not known to be this artifact's.
    pub put_aside: Option<PathBuf>,
}

/// Which existing file under the partial file's name is continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExistingFile {
    /// A file that is [kept](Data::is_kept), or one with nothing but zeros.
    Known,
    /// Any file, for a repair; one that is not kept must meet the condition first.
    Any(RepairIf),
}

/// The file that chunks go to.
struct Data<F> {
    file: F,
    /// The recorded chunks whose bytes are there.
    good: Vec<u32>,
    /// The record describes this file, as far as its bytes tell: at least one recorded chunk is good, no more of them
    /// hold other data than are good, and the file is not longer than the artifact. One good chunk alone proves little:
    /// other files may have it too.
    is_kept: bool,
    /// Bytes of the file before, or of the file that was put aside.
    byte_count: u64,
    aside: Option<SetAside<F>>,
}

/// What the record says of the file that it describes.
struct Claims<'r> {
    layout: &'r Layout,
    /// The recorded chunks with their hashes, in order.
    chunks: &'r [(u32, Digest)],
    /// More places than good chunks may hold other data by this: chunks whose entries a kill or damage took.
    may_be_unrecorded: usize,
}

/// The record as it was read.
pub(super) struct Recorded {
    pub(super) holdings: Holdings,
    /// The suppliers, by index, of all chunks whose path leads to the root; their bytes are not checked yet.
    pub(super) claimed: BTreeMap<u32, PeerKey>,
    /// Chunk entries whose path does not lead to the root.
    unproven: u32,
    pub(super) blames: Vec<Blame>,
    pub(super) walk: Walk,
}

impl<D: Disk> Part<D> {
    /// Opens the part of an artifact in a directory, or begins one, and locks it. Blocks while every recorded chunk is
    /// read, hashed on all cores, and proven against the root.
    ///
    /// Nothing that is in the way is replaced: a finished file is [`StoreError::TargetExists`], a record of another
    /// swarm or size is an error that names it, a damaged record is renamed aside. A file under the partial file's name
    /// of which no chunk is known to be the artifact's is renamed aside too: not a byte of it is written over, and a
    /// rescan copies its good chunks.
    pub fn open(
        disk: D,
        name: &ArtifactName,
        spec: PartSpec,
        opener: Opener,
    ) -> Result<(Self, Resumed), StoreError> {
        Self::open_as(disk, name, spec, opener, ExistingFile::Known)
    }

    /// Opens a part for a repair. Its file is the user's own: it is never put aside, and it is changed in place once a
    /// rescan has found as much of it to be the artifact's as `condition` demands. No chunk may be kept before that
    /// rescan. A file that an earlier repair wrote to is not judged again: its record names chunks of a peer, and most
    /// of the recorded chunks are there. Before a file with another name is moved here, call
    /// [`put_orphan_record_aside`](super::put_orphan_record_aside).
    pub fn open_in_place(
        disk: D,
        name: &ArtifactName,
        spec: PartSpec,
        opener: Opener,
        condition: RepairIf,
    ) -> Result<(Self, Resumed), StoreError> {
        Self::open_as(disk, name, spec, opener, ExistingFile::Any(condition))
    }

    fn open_as(
        disk: D,
        name: &ArtifactName,
        spec: PartSpec,
        opener: Opener,
        existing: ExistingFile,
    ) -> Result<(Self, Resumed), StoreError> {
        let names = Names::new(name)?;
        disk.check_writable().map_err(|error| StoreError::of(&disk, &names.part, "create", 0, error))?;
        refuse_target(&disk, &names)?;
        let (state, found) = lock_state(&disk, &names, &spec)?;
        // Again under the lock: its holder before may just have finished.
        refuse_target(&disk, &names)?;
        let recorded = read_record(&disk, &names, &spec, &state)?;
        let mut tail = Tail::new(recorded.walk.good_end, recorded.walk.dropped_bytes > 0);
        let session = Entry::Session(Session { pid: opener.pid, started_unix: opener.now_unix });
        tail.append(&state, &session)
            .map_err(|error| StoreError::of(&disk, &names.state, "write", 0, error))?;
        let Recorded { mut holdings, claimed, unproven, blames, walk } = recorded;
        let hash = |index| Some((index, *holdings.tree.chunk_hash(index)?));
        let candidates: Vec<_> = claimed.keys().copied().filter_map(hash).collect();
        let may_be_unrecorded = UNRECORDED_BY_A_KILL + (walk.dropped_bytes / MIN_CHUNK_ENTRY_BYTES) as usize;
        let claims = Claims { layout: &spec.layout, chunks: &candidates, may_be_unrecorded };
        let Data { file: data, good, is_kept, byte_count: data_bytes, aside } =
            open_data(&disk, &names, &claims, existing)?;
        // Both names must outlive a power loss, or the synced chunks are lost with them.
        sync_dir(&disk, &names.part)?;
        for index in good {
            if let Some(supplier) = claimed.get(&index) {
                holdings.hold(index, *supplier);
            }
        }
        let have = holdings.held();
        let mut suppliers = holdings.supplied();
        let found_here = suppliers.remove(&FOUND_HERE).unwrap_or_default();
        let repair_if = match existing {
            ExistingFile::Any(condition) if suppliers.is_empty() || !is_kept => Some(condition),
            _ => None,
        };
        let is_unrecorded = aside.is_some()
            || claimed.is_empty()
            || walk.dropped_bytes > 0
            || found == StateFound::DamagedHeader;
        let resumed = Resumed {
            lost: unproven + (claimed.len() - have.len()) as u32,
            damaged: walk.damaged || found == StateFound::DamagedHeader,
            dropped_bytes: walk.dropped_bytes,
            data_without_record: data_bytes > 0 && is_unrecorded,
            have,
            suppliers,
            found_here,
            blames: blames.clone(),
            put_aside: aside.as_ref().map(|aside| disk.path(&aside.name)),
        };
        let (disk, state) = (Arc::new(disk), Arc::new(state));
        let unknown = UnknownData { aside, repair_if, unlike: OnceLock::new() };
        Ok((Self::new(Opened { disk, names, spec, data, unknown, state, tail, holdings, blames }), resumed))
    }
}

/// Opens the partial file, or creates it; a file there that `existing` excludes is put aside first.
fn open_data<D: Disk>(
    disk: &D,
    names: &Names,
    claims: &Claims<'_>,
    existing: ExistingFile,
) -> Result<Data<D::File>, StoreError> {
    let Claims { layout, chunks, may_be_unrecorded } = *claims;
    let name = &names.part;
    let failed = |doing, error| StoreError::of(disk, name, doing, 0, error);
    let (mut aside, mut aside_bytes) = (None, 0);
    for _ in 0..LOCK_TRIES {
        match disk.open(name, Open::Existing) {
            Ok(file) => {
                let byte_count = file.stat().map_err(|error| failed("stat", error))?.byte_count;
                let good = good_chunks(layout, &file, chunks).map_err(|error| failed("read", error))?;
                let other =
                    other_chunks(layout, &file, chunks, &good).map_err(|error| failed("read", error))?;
                let is_short = byte_count <= layout.byte_count();
                let is_kept = is_short && !good.is_empty() && good.len() >= other;
                let unrecorded =
                    || unrecorded_data(layout, &file, chunks).map_err(|error| failed("read", error));
                let is_empty = || is_zero(&file, 0, byte_count).map_err(|error| failed("read", error));
                if matches!(existing, ExistingFile::Any(_))
                    || is_kept && other + unrecorded()? <= good.len() + may_be_unrecorded
                    || is_short && is_empty()?
                {
                    return Ok(Data { file, good, is_kept, byte_count: byte_count.max(aside_bytes), aside });
                }
                let free = rename_aside(disk, name, &names.found)?;
                if !is_named(disk, &free, &file)? {
                    return Err(StoreError::Replaced { path: disk.path(name) });
                }
                (aside, aside_bytes) = (Some(SetAside { name: free, file }), byte_count);
            }
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                match disk.open(name, Open::New) {
                    Ok(file) => {
                        let good = Vec::new();
                        return Ok(Data { file, good, is_kept: false, byte_count: aside_bytes, aside });
                    }
                    Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(StoreError::of_open(disk, name, error)),
                }
            }
            Err(error) => return Err(StoreError::of_open(disk, name, error)),
        }
    }
    Err(StoreError::Replaced { path: disk.path(name) })
}

fn refuse_target<D: Disk>(disk: &D, names: &Names) -> Result<(), StoreError> {
    match disk.stat(&names.target) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(StoreError::TargetExists { path: disk.path(&names.target) }),
        Err(error) => Err(StoreError::of(disk, &names.target, "stat", 0, error)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StateFound {
    Fresh,
    Earlier,
    DamagedHeader,
}

/// Opens or creates the state file and holds its lock; its header is this artifact's when this returns.
fn lock_state<D: Disk>(
    disk: &D,
    names: &Names,
    spec: &PartSpec,
) -> Result<(D::File, StateFound), StoreError> {
    let ours = Header { swarm_id: spec.swarm_id, sizes: Sizes::of(&spec.layout) };
    let mut found = StateFound::Fresh;
    for _ in 0..LOCK_TRIES {
        let Some(file) = lock_existing(disk, names)? else {
            match create_locked(disk, &names.state, &ours.encode())? {
                Some(file) => return Ok((file, found)),
                None => continue,
            }
        };
        if !is_named(disk, &names.state, &file)? {
            continue;
        }
        match check_header(disk, names, &ours, &file)? {
            true if found == StateFound::Fresh => return Ok((file, StateFound::Earlier)),
            true => return Ok((file, found)),
            // A damaged record is kept for the user to look at. The lock on it goes with `file`.
            false => {
                rename_aside(disk, &names.state, &format!("{}.damaged", names.state))?;
                found = StateFound::DamagedHeader;
            }
        }
    }
    Err(StoreError::Replaced { path: disk.path(&names.state) })
}

/// Locks the existing state file; `None` when there is none.
pub(super) fn lock_existing<D: Disk>(disk: &D, names: &Names) -> Result<Option<D::File>, StoreError> {
    let name = &names.state;
    if disk.stat(name).map_err(|error| StoreError::of(disk, name, "stat", 0, error))?.is_none() {
        return Ok(None);
    }
    let file = match disk.open(name, Open::Existing).map_err(|error| StoreError::of_open(disk, name, error)) {
        Err(StoreError::Vanished { .. }) => return Ok(None),
        answer => answer?,
    };
    if file.try_lock().map_err(|error| StoreError::of(disk, name, "lock", 0, error))? {
        return Ok(Some(file));
    }
    Err(StoreError::Busy { path: disk.path(name), pid: last_pid(&file) })
}

/// The process that opened last: the holder of the lock, once it has written its session entry.
fn last_pid<F: DiskFile>(state: &F) -> Option<u32> {
    let mut pid = None;
    let read = walk(state, |entry| {
        if let Entry::Session(session) = entry {
            pid = Some(session.pid);
        }
    });
    read.ok().and(pid)
}

/// Returns true if the header is this artifact's, false if it is damaged. A whole header of another swarm, size or
/// version is an error, and that record is left alone.
fn check_header<D: Disk>(
    disk: &D,
    names: &Names,
    ours: &Header,
    state: &D::File,
) -> Result<bool, StoreError> {
    let mut bytes = [0; HEADER_BYTES];
    match state.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        answer => answer.map_err(|error| StoreError::of(disk, &names.state, "read", 0, error))?,
    }
    let path = disk.path(&names.state);
    match Header::decode(&bytes) {
        HeaderFound::Damaged => Ok(false),
        HeaderFound::OtherVersion(found) => {
            Err(StoreError::ForeignVersion { path, found, expected: STATE_VERSION })
        }
        HeaderFound::Ours(header) if header.swarm_id != ours.swarm_id => {
            Err(StoreError::ForeignSwarm { path, found: header.swarm_id, expected: ours.swarm_id })
        }
        HeaderFound::Ours(header) if header.sizes != ours.sizes => {
            Err(StoreError::ForeignLayout { path, found: header.sizes, expected: ours.sizes })
        }
        HeaderFound::Ours(_) => Ok(true),
    }
}

/// Reads all entries. A chunk entry counts as a claim when its path leads to the root.
pub(super) fn read_record<D: Disk>(
    disk: &D,
    names: &Names,
    spec: &PartSpec,
    state: &D::File,
) -> Result<Recorded, StoreError> {
    let mut holdings = Holdings::new(spec.layout, spec.root);
    let (mut claimed, mut blames, mut unproven) = (BTreeMap::new(), Vec::new(), 0);
    let walk = walk(state, |entry| match entry {
        Entry::Chunk(chunk) => match holdings.tree.insert(chunk.index, &chunk.sha256, &chunk.path) {
            Ok(()) => {
                claimed.insert(chunk.index, chunk.supplier);
            }
            Err(_) => unproven += 1,
        },
        Entry::Blame(blame) if blames.len() < MAX_BLAMES => blames.push(blame),
        Entry::Blame(_) | Entry::Session(_) => {}
    })
    .map_err(|error| StoreError::of(disk, &names.state, "read", 0, error))?;
    Ok(Recorded { holdings, claimed, unproven, blames, walk })
}

/// Checks the header of a state file that is locked, as for opening; `false` when it is damaged.
pub(super) fn is_ours<D: Disk>(
    disk: &D,
    names: &Names,
    spec: &PartSpec,
    state: &D::File,
) -> Result<bool, StoreError> {
    check_header(disk, names, &Header { swarm_id: spec.swarm_id, sizes: Sizes::of(&spec.layout) }, state)
}
