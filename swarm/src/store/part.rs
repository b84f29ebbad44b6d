//! The partial file: proven chunks go in, and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use minimodel_verifier::chunk::Layout;
use minimodel_verifier::{Digest, sha256};

use super::buffers::Buffers;
use super::disk::{Disk, DiskFile as _};
use super::error::{KeepError, NotProven, StoreError, is_no_space};
use super::holdings::{FOUND_HERE, Holdings, Supplied};
use super::names::Names;
use super::record::Tail;
use super::similarity::{RepairIf, Similarity};
use super::state::{Blame, ChunkEntry, Entry, PeerKey};
use super::unsynced::Unsynced;

/// Blames kept in one record. Keys cost an attacker nothing, so the record must not grow with them.
pub const MAX_BLAMES: usize = 4096;

/// The artifact that a part is a part of, from the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSpec {
    /// SHA-256 of the canonical manifest.
    pub swarm_id: Digest,
    /// Byte count and chunk size.
    pub layout: Layout,
    /// Root of the chunk tree.
    pub root: Digest,
}

/// Outcome of keeping a proven chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Written and recorded.
    Stored,
    /// The chunk was here already; nothing was written.
    Already,
}

/// The partial file `STEM.slm.part` and its record, locked against other processes.
///
/// Every method takes `&self` and may be called from several threads at once. Invariant: a chunk that
/// [`has`](Self::has) admits was proven against the root before a byte of it was written, and its bytes were written
/// before its record. After a failed sync nothing more is written: what the disk holds is then unknown until the
/// next [`open`](Self::open) has hashed it again.
pub struct Part<D: Disk> {
    pub(super) disk: Arc<D>,
    pub(super) names: Names,
    pub(super) spec: PartSpec,
    pub(super) data: D::File,
    pub(super) unknown: UnknownData<D::File>,
    /// The record; holds the lock.
    pub(super) state: Arc<D::File>,
    pub(super) tail: Mutex<Tail>,
    pub(super) holdings: Mutex<Holdings>,
    /// Notified whenever a chunk is held or the prefix is aborted.
    pub(super) grown: Condvar,
    pub(super) prefix_aborted: AtomicBool,
    pub(super) trust: Trust,
    pub(super) blames: Mutex<Vec<Blame>>,
    pub(super) buffers: Buffers,
    unsynced: Unsynced,
}

/// Data that was under the part's name before and is not known to be the artifact's: what a rescan makes of it.
pub(super) struct UnknownData<F> {
    /// A file that was put aside: a rescan copies its good chunks.
    pub(super) aside: Option<SetAside<F>>,
    /// Set where the file is the user's own: a rescan decides by this condition whether it may be written to.
    pub(super) repair_if: Option<RepairIf>,
    /// What a rescan has found that did not permit the repair.
    pub(super) unlike: OnceLock<Similarity>,
}

/// A file that had the partial file's name, under its new name.
pub(super) struct SetAside<F> {
    pub(super) name: String,
    pub(super) file: F,
}

/// How far the bytes of recorded chunks are trusted.
#[derive(Debug, Default)]
pub(super) struct Trust {
    suspicious: AtomicBool,
    is_sealed: AtomicBool,
}

impl Trust {
    /// From now on each chunk is hashed before it is served.
    pub(super) fn suspect(&self) {
        self.suspicious.store(true, Ordering::Relaxed);
    }

    /// Whether each chunk is hashed before it is served.
    pub(super) fn is_suspicious(&self) -> bool {
        self.suspicious.load(Ordering::Relaxed)
    }

    /// The file is whole under its final name, where other programs may write to it.
    fn seal(&self) {
        self.suspect();
        self.is_sealed.store(true, Ordering::Relaxed);
    }

    /// Whether a chunk that went bad means a changed source.
    pub(super) fn is_sealed(&self) -> bool {
        self.is_sealed.load(Ordering::Relaxed)
    }
}

/// What opening has made ready for [`Part::new`].
pub(super) struct Opened<D: Disk> {
    pub(super) disk: Arc<D>,
    pub(super) names: Names,
    pub(super) spec: PartSpec,
    pub(super) data: D::File,
    pub(super) unknown: UnknownData<D::File>,
    pub(super) state: Arc<D::File>,
    pub(super) tail: Tail,
    pub(super) holdings: Holdings,
    pub(super) blames: Vec<Blame>,
}

impl<D: Disk> Part<D> {
    pub(super) fn new(opened: Opened<D>) -> Self {
        Self {
            disk: opened.disk,
            names: opened.names,
            spec: opened.spec,
            data: opened.data,
            unknown: opened.unknown,
            state: opened.state,
            tail: Mutex::new(opened.tail),
            holdings: Mutex::new(opened.holdings),
            grown: Condvar::new(),
            prefix_aborted: AtomicBool::new(false),
            trust: Trust::default(),
            blames: Mutex::new(opened.blames),
            buffers: Buffers::default(),
            unsynced: Unsynced::new(),
        }
    }

    /// The artifact that this is a part of.
    pub fn spec(&self) -> &PartSpec {
        &self.spec
    }

    /// Marks the file as whole under its final name, where other programs may write to it: from now on each chunk is
    /// hashed before it is served, and a chunk that went bad is not fetched again but means a changed source (E14).
    pub fn seal(&self) {
        self.trust.seal();
    }

    /// What a rescan has found in the user's own file, if that was too little to write to it: [`StoreError::Unlike`].
    pub fn unlike(&self) -> Option<Similarity> {
        self.unknown.unlike.get().copied()
    }

    /// Where the partial file is.
    pub fn path(&self) -> PathBuf {
        self.disk.path(&self.names.part)
    }

    /// Proves a chunk against the root, writes it at its place and records it. Nothing is written of a chunk that
    /// fails. Threads may keep different chunks at once.
    pub fn keep(
        &self,
        index: u32,
        data: &[u8],
        proof: &[Digest],
        supplier: PeerKey,
    ) -> Result<Kept, KeepError> {
        self.keep_hashed(index, data, sha256(data), proof, supplier)
    }

    /// Keeps a chunk like [`keep`](Self::keep), where the caller has computed `got`, the SHA-256 of `data`, already.
    /// Nothing but that computation may give `got`.
    pub fn keep_hashed(
        &self,
        index: u32,
        data: &[u8],
        got: Digest,
        proof: &[Digest],
        supplier: PeerKey,
    ) -> Result<Kept, KeepError> {
        let entry = ChunkEntry { index, sha256: got, supplier, path: proof.to_vec() };
        let expected = self.spec.layout.chunk_len(index);
        if index < self.spec.layout.count() && data.len() != expected as usize {
            let reason = NotProven::Length { expected, got: data.len() };
            return Err(KeepError::BadProof { index, got, reason });
        }
        {
            let mut holdings = self.holdings();
            if let Err(reason) = holdings.tree.insert(index, &got, &entry.path) {
                return Err(KeepError::BadProof { index, got, reason: reason.into() });
            }
            if holdings.has(index) {
                return Ok(Kept::Already);
            }
        }
        Ok(if self.write_held(entry, data)? { Kept::Stored } else { Kept::Already })
    }

    /// Writes a proven chunk at its place and records it; `false` when another thread was first.
    pub(super) fn write_held(&self, entry: ChunkEntry, data: &[u8]) -> Result<bool, StoreError> {
        self.check_sound()?;
        let written = self.data.write_all_at(data, self.spec.layout.offset(entry.index));
        written.map_err(|error| self.write_error(&self.names.part, error))?;
        self.unsynced.wrote(data.len() as u64);
        self.record_held(entry)
    }

    /// Records a chunk whose bytes are written; `false` when another thread was first: then that thread's entry stands,
    /// so that record and memory name the same supplier.
    pub(super) fn record_held(&self, entry: ChunkEntry) -> Result<bool, StoreError> {
        let (index, supplier) = (entry.index, entry.supplier);
        let mut tail = self.tail();
        if self.has(index) {
            return Ok(false);
        }
        self.append_to(&mut tail, &Entry::Chunk(entry))?;
        let is_new = self.holdings().hold(index, supplier);
        drop(tail);
        self.grown.notify_all();
        Ok(is_new)
    }

    fn append(&self, entry: &Entry) -> Result<(), StoreError> {
        self.append_to(&mut self.tail(), entry)
    }

    fn append_to(&self, tail: &mut Tail, entry: &Entry) -> Result<(), StoreError> {
        self.check_sound()?;
        tail.append(&*self.state, entry).map_err(|error| self.write_error(&self.names.state, error))?;
        // Also where no data was written: a rescan's find or a blame is lost with its entry.
        self.unsynced.wrote(1);
        Ok(())
    }

    /// Syncs when 64 MiB or two seconds are unsynced. `now` is any clock that never goes back; call it at least
    /// once a second. Blocks for as long as the disk does.
    pub fn sync_if_due(&self, now: Duration) -> Result<(), StoreError> {
        self.check_sound()?;
        self.unsynced.sync_if_due(now, || self.sync_files())
    }

    /// Whether something was written since the last sync.
    pub fn has_unsynced(&self) -> bool {
        self.unsynced.is_any()
    }

    /// Makes everything kept so far durable: first the data, then the record.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.unsynced.sync(|| self.sync_files())
    }

    fn sync_files(&self) -> Result<(), StoreError> {
        self.check_sound()?;
        self.unsynced.begin();
        let data = self.data.sync_data().map_err(|error| (&self.names.part, error));
        let both = data.and_then(|()| self.state.sync_data().map_err(|error| (&self.names.state, error)));
        both.map_err(|(name, error)| {
            // The system may have dropped the pages and called them clean. They are never synced again as if that
            // helped; forgetting them makes the next reader see what the disk really has.
            self.unsynced.fail(self.disk.path(name), error.kind());
            self.trust.suspect();
            self.data.forget_cache();
            self.state.forget_cache();
            self.sync_error()
        })
    }

    /// Refuses to go on after a failed sync.
    pub(super) fn check_sound(&self) -> Result<(), StoreError> {
        if self.unsynced.failure().is_some() { Err(self.sync_error()) } else { Ok(()) }
    }

    fn sync_error(&self) -> StoreError {
        let failure = self.unsynced.failure().map(|(path, kind)| (path.to_owned(), kind));
        let (path, kind) = failure.unwrap_or_else(|| (self.path(), io::ErrorKind::Other));
        if is_no_space(kind) {
            StoreError::NoSpace { path, needed: self.missing_bytes(), free: self.disk.free_bytes().ok() }
        } else {
            StoreError::SyncFailed { path, kind }
        }
    }

    pub(super) fn write_error(&self, name: &str, error: io::Error) -> StoreError {
        StoreError::of(&*self.disk, name, "write", self.missing_bytes(), error)
    }

    /// Checks, before anything is fetched, whether the rest fits on the disk: [`StoreError::NoSpace`] when not.
    pub fn check_space(&self) -> Result<(), StoreError> {
        let needed = self.missing_bytes();
        match self.disk.free_bytes() {
            Ok(free) if free < needed => {
                Err(StoreError::NoSpace { path: self.path(), needed, free: Some(free) })
            }
            // Where the file system does not answer, writing will show.
            _ => Ok(()),
        }
    }

    /// Whether the chunk is here, proven.
    pub fn has(&self, index: u32) -> bool {
        self.holdings().has(index)
    }

    /// The chunks that are here, in order.
    pub fn have(&self) -> Vec<u32> {
        self.holdings().held()
    }

    /// Bytes of the chunks that are not here.
    pub fn missing_bytes(&self) -> u64 {
        self.holdings().missing_bytes()
    }

    /// Whether every chunk is here.
    pub fn is_complete(&self) -> bool {
        self.holdings().missing_chunks() == 0
    }

    /// SHA-256 of a chunk, where a proof for it was seen.
    pub fn chunk_hash(&self, index: u32) -> Option<Digest> {
        self.holdings().tree.chunk_hash(index).copied()
    }

    /// The audit path of a chunk, where a proof for it was seen.
    pub fn proof(&self, index: u32) -> Option<Vec<Digest>> {
        self.holdings().tree.proof(index)
    }

    /// What each peer supplied of the chunks that are here.
    pub fn suppliers(&self) -> BTreeMap<PeerKey, Supplied> {
        let mut all = self.holdings().supplied();
        all.remove(&FOUND_HERE);
        all
    }

    /// The chunks that are here because a peer supplied them, in this session or an earlier one, in order.
    pub fn supplied_by_peers(&self) -> Vec<u32> {
        self.holdings().supplied_by_peers()
    }

    /// The chunks that were found on this disk without a record of who supplied them.
    pub fn found_here(&self) -> Supplied {
        self.holdings().supplied().remove(&FOUND_HERE).unwrap_or_default()
    }

    /// Records that `peer` sent bytes with SHA-256 `got` for a chunk, and that this is not the chunk. Beyond
    /// [`MAX_BLAMES`] nothing is recorded.
    pub fn record_blame(
        &self,
        peer: PeerKey,
        index: u32,
        got: Digest,
        at_unix: u64,
    ) -> Result<(), StoreError> {
        let expected = self.chunk_hash(index).unwrap_or(self.spec.root);
        let blame = Blame { peer, index, expected, got, at_unix };
        let mut blames = self.blames.lock().unwrap_or_else(PoisonError::into_inner);
        if blames.len() < MAX_BLAMES {
            self.append(&Entry::Blame(blame))?;
            blames.push(blame);
        }
        Ok(())
    }

    /// All recorded blames, oldest first.
    pub fn blames(&self) -> Vec<Blame> {
        self.blames.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lock order: this lock before [`holdings`](Self::holdings).
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn holdings(&self) -> MutexGuard<'_, Holdings> {
        // No holder can panic half-way through a change; a poisoned lock would only hide the first panic.
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Disk> std::fmt::Debug for Part<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("path", &self.path()).finish_non_exhaustive()
    }
}
