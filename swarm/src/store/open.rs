//! Opening a part: the lock, the record, and the proof that what is recorded is really there.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::create::{create_locked, is_named, rename_aside, sync_dir};
use super::disk::{Disk, DiskFile, Open};
use super::error::{Sizes, StoreError};
use super::holdings::{FOUND_HERE, Holdings, Supplied};
use super::names::Names;
use super::part::{MAX_BLAMES, Opened, Part, PartSpec};
use super::record::{Tail, Walk, walk};
use super::rehash::good_chunks;
use super::state::{Blame, Entry, HEADER_BYTES, Header, HeaderFound, PeerKey, STATE_VERSION, Session};

/// A state file that keeps vanishing or being replaced is given up after this many tries.
const LOCK_TRIES: u32 = 8;

/// Who opens, and when.
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
    /// Chunks of `have` that an earlier rescan found, supplied by nobody we know.
    pub found_here: Supplied,
    /// Blames of earlier sessions, oldest first.
    pub blames: Vec<Blame>,
}

/// The record as it was read.
pub(super) struct Recorded {
    pub(super) holdings: Holdings,
    /// Index to supplier of every chunk whose path leads to the root; nothing is said of its bytes.
    pub(super) claimed: BTreeMap<u32, PeerKey>,
    /// Chunk entries whose path does not lead to the root.
    unproven: u32,
    pub(super) blames: Vec<Blame>,
    pub(super) walk: Walk,
}

impl<D: Disk> Part<D> {
    /// Opens the part of `stem` in a directory, or begins one, and locks it. Blocks while every recorded chunk is
    /// read, hashed on all cores, and proven against the root.
    ///
    /// Nothing that is in the way is replaced: a finished file is [`StoreError::TargetExists`], a record of another
    /// swarm or size is named, a damaged record is renamed aside.
    pub fn open(disk: D, stem: &str, spec: PartSpec, opener: Opener) -> Result<(Self, Resumed), StoreError> {
        let names = Names::new(stem)?;
        disk.check_writable().map_err(|error| StoreError::of(&disk, &names.part, "create", 0, error))?;
        refuse_target(&disk, &names)?;
        let (state, found) = lock_state(&disk, &names, &spec)?;
        // Again under the lock: the holder before us may just have finished.
        refuse_target(&disk, &names)?;
        let recorded = read_record(&disk, &names, &spec, &state)?;
        let mut tail = Tail::new(recorded.walk.good_end, recorded.walk.dropped_bytes > 0);
        let session = Entry::Session(Session { pid: opener.pid, started_unix: opener.now_unix });
        tail.append(&state, &session)
            .map_err(|error| StoreError::of(&disk, &names.state, "write", 0, error))?;
        let data = disk
            .open(&names.part, Open::Create)
            .map_err(|error| StoreError::of_open(&disk, &names.part, error))?;
        // Both names must outlive a power loss, or the synced chunks are lost with them.
        sync_dir(&disk, &names.part)?;
        let data_bytes =
            data.stat().map_err(|error| StoreError::of(&disk, &names.part, "stat", 0, error))?.byte_count;

        let Recorded { mut holdings, claimed, unproven, blames, walk } = recorded;
        let hash = |index| Some((index, *holdings.tree.chunk_hash(index)?));
        let candidates: Vec<_> = claimed.keys().copied().filter_map(hash).collect();
        let good = good_chunks(&spec.layout, &data, &candidates)
            .map_err(|error| StoreError::of(&disk, &names.part, "read", 0, error))?;
        for index in good {
            if let Some(supplier) = claimed.get(&index) {
                holdings.hold(index, *supplier);
            }
        }
        let have = holdings.held();
        let mut suppliers = holdings.supplied();
        let found_here = suppliers.remove(&FOUND_HERE).unwrap_or_default();
        let is_unrecorded =
            claimed.is_empty() || walk.dropped_bytes > 0 || found == StateFound::DamagedHeader;
        let resumed = Resumed {
            lost: unproven + (claimed.len() - have.len()) as u32,
            damaged: walk.damaged || found == StateFound::DamagedHeader,
            dropped_bytes: walk.dropped_bytes,
            data_without_record: data_bytes > 0 && is_unrecorded,
            have,
            suppliers,
            found_here,
            blames: blames.clone(),
        };
        let (disk, state) = (Arc::new(disk), Arc::new(state));
        Ok((Self::new(Opened { disk, names, spec, data, state, tail, holdings, blames }), resumed))
    }
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

/// Opens or creates the state file and holds its lock; its header is ours when this returns.
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
            // Kept for whoever wants to look at it. The lock on it goes with `file`.
            false => {
                rename_aside(disk, &names.state, &format!("{}.damaged", names.state))?;
                found = StateFound::DamagedHeader;
            }
        }
    }
    Err(StoreError::Replaced { path: disk.path(&names.state) })
}

/// Locks the state file that is there; `None` when there is none.
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

/// `true`: ours. `false`: damaged. Anything else that is whole belongs to somebody and is left alone.
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
