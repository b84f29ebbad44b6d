//! Records of full checks, by which `seed` serves an unchanged file without reading it again.
//!
//! A record is a convenience and no proof. It is believed only where length, times, device, inode, manifest and version
//! of the checks are what they were; its chunk hashes must lead to the manifest's root; and every chunk of a file
//! that was not read is hashed before it is sent for the first time. So the worst that a false record does is to end a
//! share later than the check would have. Writing or reading one never fails a verb. `docs/checked.md` has the rules,
//! their reasons and the bytes.

mod folder;
mod record;
mod trust;

use std::fmt;
use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use minimodel_swarm::store::{FileStat, SourceFile, StoreError};
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::verify::CHECKS_VERSION;
use minimodel_verifier::{Digest, Manifest};

use self::record::Head;
pub use self::record::{Damage, How};
use crate::clock;
use crate::event::{Event, Watcher};
use crate::home::{Home, HomeError};

/// A file that need not be read again, because an earlier check still holds.
#[derive(Debug)]
pub(crate) struct Recalled {
    /// Merkle tree over its chunks; the root is the manifest's.
    pub(crate) tree: Tree,
    /// When it was checked, in seconds since 1970.
    pub(crate) checked_unix: u64,
    /// How it was checked.
    pub(crate) how: How,
}

/// Why no record of an earlier check applies, so that the file is read in full.
///
/// ```
/// use minimodel::checks::Miss;
///
/// /// Whether a user who shares the file again should be told why it is read.
/// fn is_news(why: &Miss) -> bool {
///     !matches!(why, Miss::Asked | Miss::None)
/// }
/// assert!(is_news(&Miss::Changed("length")) && !is_news(&Miss::None));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Miss {
    /// The user wants the file to be read.
    #[error("a full check was asked for")]
    Asked,
    /// There is no record.
    #[error("there is no record of an earlier check")]
    None,
    /// There is no state folder, or it cannot be used.
    #[error("no folder for records is known")]
    NoFolder,
    /// The record cannot be read.
    #[error("the record of its last check cannot be read: {0}")]
    Unreadable(io::Error),
    /// The record is damaged.
    #[error("the record of its last check is damaged: {0}")]
    Damaged(#[from] Damage),
    /// The record is of another file or manifest.
    #[error("the record of its last check is of another file or manifest")]
    Foreign,
    /// The record is of another version of the checks.
    #[error("its last check was made by another version of the checks")]
    OtherChecks,
    /// The file has changed in this respect.
    #[error("its {0} is another than at its last check")]
    Changed(&'static str),
    /// The file system may hide changes.
    #[error("its file system is not known to tell of every change")]
    Place,
}

/// Why a check is not recorded.
///
/// ```
/// use minimodel::checks::NotRecorded;
///
/// /// Whether another check some seconds later can be recorded.
/// fn helps_to_wait(why: &NotRecorded) -> bool {
///     matches!(why, NotRecorded::Changed | NotRecorded::Unsettled)
/// }
/// assert!(helps_to_wait(&NotRecorded::Unsettled) && !helps_to_wait(&NotRecorded::Place));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// There is no state folder, or it cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The file's metadata could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file changed while it was read.
    #[error("it changed while it was read")]
    Changed,
    /// The file had changed so shortly before it was read that a later change could go unnoticed.
    #[error("it had changed just before it was read")]
    Unsettled,
    /// The file system may hide changes.
    #[error("its file system is not known to tell of every change")]
    Place,
    /// The path is too long for a record, or the file has too many chunks.
    #[error("its record would be too long")]
    TooLong,
    /// The record could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The records of full checks in a user's state folder. Writing or reading one never fails; the watcher is told.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (home, path) = (minimodel::Home::at(folder.path()), folder.path().join("model.slm"));
/// # std::fs::write(&path, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let hashes = minimodel_fixtures::chunk_hashes(&minimodel_fixtures::manifest_artifact(), 16 * 1024);
/// use std::sync::Mutex;
///
/// use minimodel::checks::CheckRecords;
/// use minimodel::{Event, check, clock};
///
/// let (source, begun_ns) = (check::open(&path)?, clock::now_ns());
/// // The program reads the file, checks it, and has the hashes of its chunks.
/// let told = Mutex::new(Vec::new());
/// let watcher = |event: Event| told.lock().unwrap().push(event);
/// CheckRecords::of(&home, &watcher).remember(&manifest, &source, begun_ns, &hashes);
/// let told = told.lock().unwrap();
/// assert!(matches!(told[0], Event::CheckRecorded { .. } | Event::CheckNotRecorded { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct CheckRecords<'a> {
    home: &'a Home,
    watcher: &'a dyn Watcher,
}

impl<'a> CheckRecords<'a> {
    /// The records of this user; nothing is opened or created.
    pub fn of(home: &'a Home, watcher: &'a dyn Watcher) -> Self {
        Self { home, watcher }
    }

    /// Looks for a record that fits the file as it was opened.
    ///
    /// # Errors
    ///
    /// Why none does.
    pub(crate) fn recall(
        &self,
        manifest: &Manifest,
        layout: &Layout,
        source: &SourceFile,
    ) -> Result<Recalled, Miss> {
        let state = self.home.state().map_err(|_| Miss::NoFolder)?;
        let now = source.opened();
        let name = name(manifest, now);
        let bytes = folder::read(state, &name, record::longest(layout.count()))
            .map_err(Miss::Unreadable)?
            .ok_or(Miss::None)?;
        let (head, chunk_hashes) = record::parse(&bytes)?;
        if head.swarm_id != *manifest.swarm_id() {
            return Err(Miss::Foreign);
        }
        if head.checks_version != CHECKS_VERSION {
            return Err(Miss::OtherChecks);
        }
        if let Some(what) = head.file.difference(&now.into()) {
            return Err(Miss::Changed(what));
        }
        if !trust::is_known_place(source.path(), now) {
            return Err(Miss::Place);
        }
        if head.file.byte_count != layout.byte_count() || chunk_hashes.len() != layout.count() as usize {
            return Err(Miss::Foreign);
        }
        let tree = Tree::from_chunk_hashes(chunk_hashes);
        if tree.root() != manifest.merkle_root() {
            return Err(Miss::Foreign);
        }
        Ok(Recalled { tree, checked_unix: head.checked_unix, how: head.how })
    }

    /// Keeps a record of a file that was opened as `source`, read from `begun_ns` (nanoseconds since 1970) on, and passed
    /// every check.
    pub fn remember(
        &self,
        manifest: &Manifest,
        source: &SourceFile,
        begun_ns: i128,
        chunk_hashes: &[Digest],
    ) {
        let keep = || {
            let now = source.stat()?;
            if now != *source.opened() {
                return Err(NotRecorded::Changed);
            }
            if !trust::is_settled(&now, begun_ns) {
                return Err(NotRecorded::Unsettled);
            }
            self.write(manifest, source.path(), &now, How::Read, chunk_hashes)
        };
        self.tell(source.path(), keep());
    }

    /// Keeps a record of a file that a fetch has just renamed into its place; `stat` is the file's metadata there.
    ///
    /// The rename itself has just set the change time, so the file cannot be required to have settled. That no other program
    /// wrote to the file between its proof and its rename is an assumption of the receipt as well, and each chunk is hashed
    /// once more before it is sent.
    pub(crate) fn remember_fetched(
        &self,
        manifest: &Manifest,
        path: &Path,
        stat: &FileStat,
        chunk_hashes: &[Digest],
    ) {
        let keep = || self.write(manifest, &path.canonicalize()?, stat, How::Fetched, chunk_hashes);
        self.tell(path, keep());
    }

    /// Removes the record of a file, after the record turned out to be wrong.
    pub(crate) fn forget(&self, manifest: &Manifest, stat: &FileStat) {
        if let Ok(state) = self.home.state() {
            folder::remove(state, &name(manifest, stat));
        }
    }

    fn write(
        &self,
        manifest: &Manifest,
        path: &Path,
        stat: &FileStat,
        how: How,
        chunk_hashes: &[Digest],
    ) -> Result<(), NotRecorded> {
        let state = self.home.state()?;
        if !trust::is_known_place(path, stat) {
            return Err(NotRecorded::Place);
        }
        let head = Head {
            checks_version: CHECKS_VERSION,
            swarm_id: *manifest.swarm_id(),
            file: stat.into(),
            checked_unix: clock::now_unix(),
            how,
            path: path.to_owned(),
        };
        let bytes = record::render(&head, chunk_hashes).ok_or(NotRecorded::TooLong)?;
        Ok(folder::write(state, &name(manifest, stat), &bytes)?)
    }

    fn tell(&self, path: &Path, kept: Result<(), NotRecorded>) {
        let path = path.to_owned();
        self.watcher.tell(match kept {
            Ok(()) => Event::CheckRecorded { path },
            Err(why) => Event::CheckNotRecorded { path, why },
        });
    }
}

impl fmt::Debug for CheckRecords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CheckRecords").field(self.home).finish()
    }
}

/// Name of a record: one for each pair of manifest and file.
fn name(manifest: &Manifest, stat: &FileStat) -> String {
    format!("{}-{:x}-{:x}", HEXLOWER.encode(manifest.swarm_id()), stat.device, stat.inode)
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "full check",
            Self::Fetched => "fetch",
        })
    }
}
