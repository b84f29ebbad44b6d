//! The paths of an artifact, and checks of what is already there, before any peer is dialed.

use std::cmp::Ordering;
use std::fs::Metadata;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use minimodel_swarm::driver::ChunkMap;
use minimodel_swarm::os::stat_target;
use minimodel_swarm::store::inspect::{self, InspectError};
use minimodel_swarm::store::{
    self, Disk as _, History, Open, PartSpec, Published, RealDisk, StoreError, files, step,
};
use minimodel_verifier::artifact::ArtifactName;
use minimodel_verifier::chunk::{Layout, LayoutError};
use minimodel_verifier::manifest::MAX_MANIFEST_BYTES;
use minimodel_verifier::{Manifest, Report};
use minimodel_wire::Bitfield;

use super::Run;
use super::output_file::{self, OutputError};
use crate::check::CheckError;
use crate::input;

/// Longest record that is read while a user waits.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// Why a file cannot be put where it was to go. Nothing was fetched, and what is there was left as it is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Error, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let fetch = Node::open(Home::at(folder.path()))?.fetch(manifest).into_folder(folder.path().join("models"));
/// # let agreed = RunConsent::given([Action::Fetch, Action::Import], "dialog");
/// use minimodel::transfer::{FetchError, TargetError};
///
/// // The user named a place for the receipt where the model will be: the program asks for another.
/// let fetch = fetch.receipt_at(folder.path().join("models/sample-model-1.0.0.slm"));
/// let end = fetch.start(&agreed)?.finish().await;
/// assert!(matches!(end, Err(Error::Fetch(FetchError::Target(TargetError::ReceiptName { .. })))));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The manifest cuts the file into chunks that no transfer can use.
    #[error("the manifest's chunks cannot be used: {0}")]
    Layout(#[from] LayoutError),
    /// The path of the folder, or one above it, is no folder.
    #[error("`{}` cannot be the folder for the model", path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder could not be created.
    #[error("cannot create the folder `{}`: {source}", path.display())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another file is at the file's place.
    #[error("another file is already at `{}`: {difference}", path.display())]
    Different {
        /// The path.
        path: PathBuf,
        /// How it differs from the artifact.
        difference: Difference,
    },
    /// Another receipt is at the receipt's place.
    #[error("another receipt is already at `{}`", path.display())]
    ReceiptTaken {
        /// The path.
        path: PathBuf,
    },
    /// The receipt was to have a name that is reserved for the model file, its manifest, its partial file and their like.
    #[error("the receipt cannot be `{}`", path.display())]
    ReceiptName {
        /// The path.
        path: PathBuf,
    },
    /// The receipt cannot be written where it was to go.
    #[error("the receipt cannot be written: {0}")]
    ReceiptPlace(OutputError),
    /// What is there could not be checked.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The disk, or the files on it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a file differs from the artifact.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Error, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("sample-model-1.0.0.slm"), "something else")?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let fetch = Node::open(Home::at(folder.path().join("home")))?.fetch(manifest).into_folder(folder.path());
/// # let fetch = fetch.start(&RunConsent::given([Action::Fetch, Action::Import], "dialog"))?;
/// use minimodel::transfer::{Difference, FetchError, TargetError};
///
/// let Err(Error::Fetch(FetchError::Target(error))) = fetch.finish().await else { panic!() };
/// let TargetError::Different { path, difference } = error else { panic!() };
/// assert!(matches!(difference, Difference::Length { found: 14, .. }));
/// println!("move `{}` away, or fetch into another folder: {difference}", path.display());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Its length.
    #[error("it has {found} bytes, the manifest says {expected}")]
    Length {
        /// Bytes of the file.
        found: u64,
        /// Bytes of the artifact.
        expected: u64,
    },
    /// A check of its content.
    #[error("{name}: {detail}")]
    Check {
        /// Name of the check.
        name: &'static str,
        /// What it found; text from outside.
        detail: String,
    },
}

/// The paths of one artifact in a folder.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use std::path::Path;
///
/// use minimodel::transfer::Target;
///
/// let target = Target::new(Path::new("models"), &manifest, None)?;
/// assert_eq!(target.artifact, Path::new("models/sample-model-1.0.0.slm"));
/// assert_eq!(target.receipt, Path::new("models/sample-model-1.0.0.slm.receipt"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder.
    pub folder: PathBuf,
    /// The names of the artifact's files.
    pub(super) name: ArtifactName,
    /// `STEM.slm`.
    pub artifact: PathBuf,
    /// `STEM.slm.receipt`, or where the user wants the receipt.
    pub receipt: PathBuf,
    /// Whether the receipt goes beside the file.
    pub(super) is_receipt_beside: bool,
    /// Swarm, chunk layout and root of the partial file.
    pub(super) spec: PartSpec,
}

/// The whole artifact, found in its place.
#[derive(Debug)]
pub(super) struct Existing {
    /// The file, with its record if an earlier run left one.
    pub(super) published: Published<RealDisk>,
    /// Content of that record.
    pub(super) history: History,
    /// The report of its full check, in which nothing failed.
    pub(super) checks: Report,
}

/// Another manifest of the same name beside the file.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let manifests = minimodel_fixtures::valid_manifests();
/// # let manifest = minimodel::Manifest::parse(manifests[0].text.as_bytes())?;
/// # std::fs::write(folder.path().join("sample-model-1.0.0.minimodel"), &manifests[1].text)?;
/// use std::cmp::Ordering;
///
/// use minimodel::transfer::{OtherManifest, Target};
///
/// let target = Target::new(folder.path(), &manifest, None)?;
/// let other: OtherManifest = target.other_manifest(&manifest).expect("another one is beside the file");
/// match other.age {
///     Ordering::Less => println!("you have a newer one, of {}", other.created_utc),
///     Ordering::Equal | Ordering::Greater => println!("you have another one, of {}", other.created_utc),
/// }
/// assert!(other.path.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherManifest {
    /// Its path.
    pub path: PathBuf,
    /// When it was made, as it says itself: digits and signs by the manifest's rules.
    pub created_utc: String,
    /// Whether it is older or newer than the manifest of the fetch.
    pub age: Ordering,
}

impl Target {
    /// The paths for a manifest in `folder`; `receipt`: where the receipt goes, if not beside the file.
    ///
    /// # Errors
    ///
    /// The manifest's chunks cannot be used.
    pub fn new(folder: &Path, manifest: &Manifest, receipt: Option<&Path>) -> Result<Self, TargetError> {
        Self::named(folder, manifest.artifact_name(), manifest, receipt)
    }

    /// The paths for a file to which the user has given another name.
    pub(super) fn named(
        folder: &Path,
        name: ArtifactName,
        manifest: &Manifest,
        receipt: Option<&Path>,
    ) -> Result<Self, TargetError> {
        Ok(Self {
            folder: folder.to_owned(),
            artifact: folder.join(name.file()),
            receipt: receipt.map_or_else(|| folder.join(name.receipt()), Path::to_owned),
            is_receipt_beside: receipt.is_none(),
            name,
            spec: PartSpec {
                swarm_id: *manifest.swarm_id(),
                layout: layout(manifest)?,
                root: *manifest.merkle_root(),
            },
        })
    }

    /// Returns the map of the chunks that the record beside the partial file lists, in this many cells, or fewer: none is here where
    /// there is no record that a fetch would go on with. It is read without its lock, and its chunks are not proven, as they are
    /// before a fetch goes on.
    ///
    /// # Errors
    ///
    /// The record is longer than 64 MiB ([`ErrorKind::FileTooLarge`]), which is not read in a moment; or the system's error.
    pub fn chunk_map(&self, cells: u32) -> io::Result<ChunkMap> {
        let layout = &self.spec.layout;
        let path = self.folder.join(self.name.state());
        let have = match input::open(&path) {
            Ok(record) if record.byte_count > MAX_RECORD_BYTES => return Err(ErrorKind::FileTooLarge.into()),
            Ok(record) => match inspect::read_have(record.file, &self.spec.swarm_id, layout.count()) {
                Ok(have) => have,
                Err(InspectError::Io(error)) => return Err(error),
                Err(_) => None,
            },
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(io::Error::other(error)),
        };
        let have = have.unwrap_or_else(|| Bitfield::new(layout.count()));
        Ok(ChunkMap::at_rest(&have, layout.chunk_size(), cells))
    }

    /// Opens the folder, and creates it first if it is not there.
    fn disk(&self) -> Result<RealDisk, TargetError> {
        step("mkdir", || std::fs::create_dir_all(&self.folder)).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                TargetError::NoFolder { path: self.folder.clone() }
            }
            _ => TargetError::CreateFolder { path: self.folder.clone(), source },
        })?;
        Ok(RealDisk::open(&self.folder)?)
    }

    /// [`disk`](Self::disk) for the partial file and its record. A link, folder or the like in the place of either is
    /// refused before the other file is made.
    pub(super) fn disk_for_part(&self) -> Result<RealDisk, TargetError> {
        let disk = self.disk()?;
        for name in [self.name.part(), self.name.state()] {
            // An error is left to the code that opens the file.
            let there = disk.stat(&name).ok().flatten();
            if let Some(found) = there.and_then(|there| there.refusal(Open::Existing)) {
                return Err(StoreError::Refused { path: disk.path(&name), found }.into());
            }
        }
        Ok(disk)
    }

    /// The error of opening the partial file. If there was no room even for the record, the room that it asks for is that
    /// of the rest of the file.
    pub(super) fn opening(&self, error: StoreError) -> StoreError {
        let StoreError::NoSpace { path, needed, free } = error else { return error };
        let there = stat_target(&self.folder.join(self.name.part())).map_or(0, |there| there.stored_bytes);
        let rest = self.spec.layout.byte_count().saturating_sub(there);
        StoreError::NoSpace { path, needed: needed.max(rest), free }
    }

    /// Checks the file at the artifact's place without changing it; `None` if there is none.
    pub(super) fn existing(&self, run: &Run, manifest: &Manifest) -> Result<Option<Existing>, TargetError> {
        if self.artifact.symlink_metadata().is_err() {
            return Ok(None);
        }
        let Some((published, history)) = Published::resume(self.disk()?, &self.name, &self.spec)? else {
            return Ok(None);
        };
        let source = published.source()?;
        if source.byte_count() != manifest.byte_count() {
            let (found, expected) = (source.byte_count(), manifest.byte_count());
            return Err(self.different(Difference::Length { found, expected }));
        }
        let checks = run.check(manifest, &self.artifact, &source)?.report;
        if let Some(check) = checks.failures().next() {
            return Err(self.different(Difference::Check { name: check.name, detail: check.detail() }));
        }
        drop(source);
        Ok(Some(Existing { published, history, checks }))
    }

    /// Refuses files in the place of the receipt or the manifest copy, before the transfer and not after it.
    pub(super) fn check_copies(&self) -> Result<(), TargetError> {
        if self.folder.symlink_metadata().is_err() {
            return Ok(());
        }
        store::check_copies(&self.disk()?, &self.name, self.is_receipt_beside).map_err(|error| match error {
            StoreError::TargetExists { path } => TargetError::ReceiptTaken { path },
            error => error.into(),
        })
    }

    /// Refuses a receipt path that is reserved for the artifact's own files, whether or not there is one.
    pub(super) fn check_receipt_name(&self) -> Result<(), TargetError> {
        let (folder, name) = (files::folder_of(&self.receipt), self.receipt.file_name());
        // A path that does not exist yet has no links in it.
        let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
        let is_own = name.is_some_and(|name| store::is_store_name(&self.name, &name.to_string_lossy()));
        if !is_own || real(folder) != real(&self.folder) {
            return Ok(());
        }
        Err(TargetError::ReceiptName { path: self.receipt.clone() })
    }

    /// Refuses a receipt path that is taken, or whose folder is missing or cannot be written to, before the transfer and
    /// not after it. The folder of the file itself may be missing: the fetch makes it.
    pub(super) fn check_receipt_place(&self) -> Result<(), TargetError> {
        let folder = files::folder_of(&self.receipt);
        let absolute = |path: &Path| std::path::absolute(path).ok();
        let will_be_made = folder.symlink_metadata().is_err()
            && absolute(&self.folder).zip(absolute(folder)).is_some_and(|(made, of)| made.starts_with(of));
        if will_be_made {
            return Ok(());
        }
        output_file::check_can_be_made(&self.receipt).map_err(TargetError::ReceiptPlace)
    }

    /// Another manifest of the same name beside the file: a manifest that was withdrawn may be offered again (D15).
    pub fn other_manifest(&self, manifest: &Manifest) -> Option<OtherManifest> {
        let path = self.folder.join(self.name.manifest());
        path.symlink_metadata().ok().filter(Metadata::is_file)?;
        let limit = MAX_MANIFEST_BYTES as u64;
        let mut text = Vec::new();
        input::open(&path).ok()?.file.take(limit.saturating_add(1)).read_to_end(&mut text).ok()?;
        let other = Manifest::parse(&text).ok().filter(|other| other.swarm_id() != manifest.swarm_id())?;
        // UTC times have one spelling; without the final letter they sort by time.
        let made = |manifest: &Manifest| manifest.created_utc().trim_end_matches('Z').to_owned();
        let age = made(manifest).cmp(&made(&other));
        Some(OtherManifest { path, created_utc: other.created_utc().to_owned(), age })
    }

    fn different(&self, difference: Difference) -> TargetError {
        TargetError::Different { path: self.artifact.clone(), difference }
    }
}

/// The chunk layout of a manifest.
///
/// # Errors
///
/// It is not one that a transfer can use.
pub fn layout(manifest: &Manifest) -> Result<Layout, LayoutError> {
    Layout::new(manifest.byte_count(), manifest.chunk_size())
}
