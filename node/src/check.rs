//! The full check of a file against its manifest.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use minimodel_swarm::store::{SourceFile, StoreError};
use minimodel_verifier::verify::{Verified, verify_artifact};
use minimodel_verifier::{Manifest, Report, manifest};

use crate::checks::CheckRecords;
use crate::clock;
use crate::event::{Event, Watcher};
use crate::home::Home;
use crate::input::{self, OpenError};

/// Why a file could not be checked. A file that fails its checks is no error: the report says so.
///
/// ```
/// use minimodel::check::{self, CheckError};
///
/// // The program asks its user for another path.
/// let opened = check::open("no/such/model.slm".as_ref());
/// assert!(matches!(opened, Err(CheckError::Open { source, .. }) if source.is_missing()));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The file was not opened.
    #[error("`{}` was not opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The store refused the file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be read.
    #[error("`{}` could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The caller stopped the check.
    #[error("the check was stopped")]
    Stopped,
}

/// Opens a file that the user named. A symbolic link is accepted: it is resolved once, and its target is read through the
/// returned handle alone.
///
/// # Errors
///
/// It cannot be opened, or is no ordinary file.
pub fn open(path: &Path) -> Result<SourceFile, CheckError> {
    let failed = |source| CheckError::Open { path: path.to_owned(), source };
    // Opened first because its errors about folders, pipes and devices are clearer.
    drop(input::open(path).map_err(failed)?);
    let real = path.canonicalize().map_err(|error| failed(error.into()))?;
    Ok(SourceFile::open(&real)?)
}

/// A full check, which reads the file once and runs every check.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let (home, path) = (minimodel::Home::at(folder.path()), folder.path().join("model.slm"));
/// # std::fs::write(&path, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::check::{self, FullCheck};
///
/// let source = check::open(&path)?;
/// let check = FullCheck { home: &home, watcher: &(), is_stopped: &|| false };
/// let verified = check.run(&manifest, &path, &source)?;
/// assert!(verified.report.ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct FullCheck<'a> {
    /// Where the record of a file that passes is kept.
    pub home: &'a Home,
    /// Is told how far the check has come, and whether the file got a record.
    pub watcher: &'a dyn Watcher,
    /// Returns true once the check must stop; asked before each read.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
}

impl FullCheck<'_> {
    /// Checks a file that was opened with [`open`]; `path` is its name in errors. The report says which checks passed; a file
    /// that passes all of them gets a record.
    ///
    /// # Errors
    ///
    /// The file could not be read, or the check was stopped.
    pub fn run(&self, manifest: &Manifest, path: &Path, source: &SourceFile) -> Result<Verified, CheckError> {
        let begun_ns = clock::now_ns();
        let total_bytes = source.byte_count();
        let mut reader = Watched { check: self, inner: source.reader(), read_bytes: 0, total_bytes };
        let verified = verify_artifact(manifest, &mut reader);
        if (self.is_stopped)() {
            return Err(CheckError::Stopped);
        }
        let failed = |source| CheckError::Read { path: path.to_owned(), source };
        let verified = verified.map_err(failed)?;
        if let (Some(tree), true) = (&verified.tree, verified.report.ok()) {
            let records = CheckRecords::of(self.home, self.watcher);
            records.remember(manifest, source, begun_ns, tree.chunk_hashes());
        }
        Ok(verified)
    }
}

impl fmt::Debug for FullCheck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FullCheck").field("home", self.home).finish_non_exhaustive()
    }
}

/// A reader that tells how much it has read, and fails once the check is stopped.
struct Watched<'a, R> {
    check: &'a FullCheck<'a>,
    inner: R,
    read_bytes: u64,
    total_bytes: u64,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.check.is_stopped)() {
            // Not ErrorKind::Interrupted, which readers are meant to try again.
            return Err(io::Error::other(CheckError::Stopped));
        }
        let read = self.inner.read(buffer)?;
        self.read_bytes = self.read_bytes.saturating_add(read as u64);
        let (read_bytes, total_bytes) = (self.read_bytes, self.total_bytes);
        self.check.watcher.tell(Event::CheckProgress { read_bytes, total_bytes });
        Ok(read)
    }
}

/// The checks of the manifest, that of its publisher's key, then those of the file.
pub fn whole_report(manifest: &Manifest, verified: &Verified, publisher: Report) -> Report {
    let mut report = manifest::check(manifest.text().as_bytes());
    report.extend(publisher);
    report.extend(verified.report.clone());
    report
}
