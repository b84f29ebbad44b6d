//! Errors of the store, by who is to blame: the disk ([`StoreError`]), the supplier of a chunk ([`KeepError`]), or the
//! file that is served ([`SourceError`]).

use std::io;
use std::path::PathBuf;

use minimodel_verifier::Digest;
use minimodel_verifier::chunk::ProofError;
use minimodel_verifier::digest::hex;

use super::disk::{Disk, OpenError, Refusal};
use super::similarity::Similarity;
use super::state::Sizes;

/// A fault of the disk or of a file on it. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds this target, or is creating it just now.
    #[error("{} is in use by {}", .path.display(), .pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Busy {
        /// The state file that is locked.
        path: PathBuf,
        /// The holder, from its session entry; `None` when it has not written one.
        pid: Option<u32>,
    },
    /// No space, quota or allowed file size left. Nothing kept so far is lost; a later run resumes.
    #[error("no space on {}: need {needed} bytes, free {}", .path.display(), .free.map_or_else(|| "unknown".to_owned(), |free| format!("{free} bytes")))]
    NoSpace {
        /// The file that could not grow.
        path: PathBuf,
        /// Bytes still to be written to it.
        needed: u64,
        /// Free bytes, if the file system reports them. More than `needed` means a quota or a file size limit.
        free: Option<u64>,
    },
    /// The file system is mounted read-only.
    #[error("{} is on a read-only file system", .path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
    },
    /// No permission.
    #[error("no permission for {}", .path.display())]
    Permission {
        /// What was to be opened or changed.
        path: PathBuf,
    },
    /// The file or its directory is not there (any more).
    #[error("{} is not there", .path.display())]
    Vanished {
        /// The missing name.
        path: PathBuf,
    },
    /// The name belongs to something other than a plain file with one name (E9).
    #[error("refusing a {}: `{}`", .found.word(), .path.display())]
    Refused {
        /// The name.
        path: PathBuf,
        /// What was found there.
        found: Refusal,
    },
    /// The name no longer refers to the file that is held open (E10).
    #[error("{} was replaced by another file while in use", .path.display())]
    Replaced {
        /// The name.
        path: PathBuf,
    },
    /// The record belongs to another swarm id; it is left alone.
    #[error("{} belongs to swarm {}, not to {}", .path.display(), hex(.found), hex(.expected))]
    ForeignSwarm {
        /// The state file.
        path: PathBuf,
        /// The swarm id in it.
        found: Digest,
        /// The swarm id asked for.
        expected: Digest,
    },
    /// The record names the same swarm id but other sizes; it is left alone.
    #[error("{} is for {found}, not for {expected}", .path.display())]
    ForeignLayout {
        /// The state file.
        path: PathBuf,
        /// The sizes in it.
        found: Sizes,
        /// The sizes of the manifest.
        expected: Sizes,
    },
    /// The record was written by another version of its format; it is left alone.
    #[error("{} has record version {found}, this program reads version {expected}", .path.display())]
    ForeignVersion {
        /// The state file.
        path: PathBuf,
        /// The version in it.
        found: u32,
        /// The version that this program reads and writes.
        expected: u32,
    },
    /// The disk did not confirm a sync. Unsynced bytes may be lost, so the part takes no more chunks.
    #[error("disk error on {}: sync failed: {kind}", .path.display())]
    SyncFailed {
        /// The file.
        path: PathBuf,
        /// The kind of the system's error.
        kind: io::ErrorKind,
    },
    /// A file of this name is already there; it is never replaced.
    #[error("{} already exists", .path.display())]
    TargetExists {
        /// The file.
        path: PathBuf,
    },
    /// The file is not whole yet.
    #[error("{} still misses {missing} chunks", .path.display())]
    Incomplete {
        /// The partial file.
        path: PathBuf,
        /// Missing chunks.
        missing: u32,
    },
    /// Leaf hashes that the caller passed as proven do not lead to the root: the caller's mistake.
    #[error("leaf hashes for {} do not belong to its manifest: {reason}", .path.display())]
    ForeignLeaves {
        /// The partial file.
        path: PathBuf,
        /// Which rule failed.
        reason: ProofError,
    },
    /// The stem is not a single file name.
    #[error("{stem:?} cannot be a file name")]
    BadName {
        /// The stem.
        stem: String,
    },
    /// Most of a file that was to be repaired is not the artifact's; nothing was written.
    #[error("{} of {} chunks in {} are the artifact's", .similarity.good, .similarity.total, .path.display())]
    Unlike {
        /// The file.
        path: PathBuf,
        /// How much of it is the artifact's.
        similarity: Similarity,
    },
    /// Any other error of the system.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The verb: `open`, `read`, `write` ...
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

/// Why a chunk was not kept: its supplier's fault, or the disk's.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Bytes and proof do not match the chunk: the supplier is to blame. Nothing was written.
    #[error("chunk {index} with sha-256 {}: {reason}", hex(.got))]
    BadProof {
        /// The chunk.
        index: u32,
        /// SHA-256 of the bytes that came.
        got: Digest,
        /// Which rule failed.
        reason: NotProven,
    },
    /// The disk is to blame, not a peer.
    #[error(transparent)]
    Disk(#[from] StoreError),
}

/// Which rule a chunk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// The number of bytes is not the chunk's.
    #[error("{got} bytes, expected {expected}")]
    Length {
        /// Bytes of the chunk.
        expected: u32,
        /// Bytes that came.
        got: usize,
    },
    /// The index, the length of the path, or the path itself is wrong.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Why a chunk cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The index lies outside the artifact.
    #[error("no chunk {index} among {count}")]
    NoSuchChunk {
        /// The index.
        index: u32,
        /// Number of chunks.
        count: u32,
    },
    /// The chunk is not here (yet).
    #[error("chunk {index} is not here")]
    NotHave {
        /// The chunk.
        index: u32,
    },
    /// A chunk of a partial file no longer has the bytes that were proven. [`Part::discard`] has given it up: the
    /// caller must announce that, and it must be fetched again.
    ///
    /// [`Part::discard`]: super::Part::discard
    #[error("chunk {index} of {} was damaged on the disk", .path.display())]
    Rotten {
        /// The partial file.
        path: PathBuf,
        /// The chunk.
        index: u32,
    },
    /// The seeded file is no longer the artifact: stop the share (E14).
    #[error("source {} changed: {what}", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: Change,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] StoreError),
}

/// How a seeded file stopped being the artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Change {
    /// The length changed.
    #[error("it has {now} bytes, the artifact has {was}")]
    Length {
        /// Bytes of the artifact.
        was: u64,
        /// Bytes of the file now.
        now: u64,
    },
    /// A chunk has other bytes.
    #[error("chunk {index} has other bytes")]
    Content {
        /// The chunk.
        index: u32,
    },
}

impl StoreError {
    /// Maps the system's error for `name` to the variant that tells the user what to do. `needed`: bytes still to be
    /// written there.
    pub(super) fn of<D: Disk>(
        disk: &D,
        name: &str,
        doing: &'static str,
        needed: u64,
        error: io::Error,
    ) -> Self {
        let path = disk.path(name);
        match error.kind() {
            kind if is_no_space(kind) => Self::NoSpace { path, needed, free: disk.free_bytes().ok() },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::PermissionDenied => Self::Permission { path },
            io::ErrorKind::NotFound => Self::Vanished { path },
            io::ErrorKind::AlreadyExists => Self::TargetExists { path },
            _ => Self::Io { path, doing, source: error },
        }
    }

    /// Maps an error of `open` for `name`.
    pub(super) fn of_open<D: Disk>(disk: &D, name: &str, error: OpenError) -> Self {
        match error {
            OpenError::Refused(found) => Self::Refused { path: disk.path(name), found },
            OpenError::Io(error) => Self::of(disk, name, "open", 0, error),
        }
    }
}

/// ENOSPC, EDQUOT and EFBIG: the user makes room (or lifts a limit) and resumes.
pub(super) fn is_no_space(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
