//! A repair: fetches the wrong chunks of a file again, and only those.
//!
//! The file becomes a partial file under its own name with `.part`, without a record, so every chunk is checked against
//! leaf hashes that lead to the manifest's root. If most chunks are not good, or data follows the artifact's end, it may
//! be another file, and nothing is written unless the user agrees. Otherwise the wrong chunks are fetched as in any
//! transfer, and the whole file is checked before it gets its name back. A repair that has to stop gives the name back;
//! a repair that was killed goes on when it is started again.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use minimodel_swarm::store::{
    Disk as _, DiskFile as _, Open, OpenError, RealDisk, RealFile, RepairIf, Similarity, StoreError,
    put_orphan_record_aside,
};

use super::Run;
use super::end::{End, FetchedFile, RepairedFile};
use super::error::TransferError;
use super::fetch::{Transfer, open_part_in_place};
use super::plan::{FetchError, FetchPlan};
use super::target::{Target, TargetError};
use crate::event::Event;
use crate::identity::Identity;
use minimodel_verifier::Manifest;
use minimodel_verifier::artifact::ArtifactName;

/// Limit on the receipts of repairs of one file.
const MAX_RECEIPTS: u32 = 1_000;

/// Why a repair failed.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::transfer::{RepairError, repair_target};
///
/// let target = repair_target("model.gguf".as_ref(), &manifest, None);
/// let advice = match target {
///     Err(RepairError::Name { ending, .. }) => format!("rename the file: it must end in .{ending}"),
///     Err(RepairError::PartlyOther { .. }) => "ask the user whether the rest may be written over".to_owned(),
///     _ => String::new(),
/// };
/// assert_eq!(advice, "rename the file: it must end in .slm");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The name of the file does not end as those of its format, so that it cannot be repaired in its place.
    #[error("`{}` cannot be repaired in its place", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// How its name has to end, without the dot.
        ending: &'static str,
    },
    /// Every name for another receipt of a repair is taken.
    #[error("there are too many receipts at `{}`", path.display())]
    TooManyReceipts {
        /// The first of them.
        path: PathBuf,
    },
    /// The file could not be opened for writing.
    #[error("cannot write the file `{}`: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be made a partial file.
    #[error("cannot repair in `{}`: {source}", part.display())]
    Rename {
        /// The name that it was to have.
        part: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Most of the file is other data, or data follows the artifact's end. Nothing was written.
    #[error("`{}` may be another file", path.display())]
    PartlyOther {
        /// The file.
        path: PathBuf,
        /// How much of it is of this artifact.
        similarity: Similarity,
    },
    /// No chunk of the file is of this artifact. Nothing was written.
    #[error("no chunk of `{}` is of this artifact", path.display())]
    NothingGood {
        /// The file.
        path: PathBuf,
    },
    /// What any transfer needs.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The file cannot be repaired where it is.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The fetch of the wrong chunks.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The disk, or the files on it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Returns true if an earlier repair of the file was killed: there is no file of its name, but a partial file.
pub fn is_under_way(artifact: &Path) -> bool {
    let mut part = artifact.as_os_str().to_owned();
    part.push(".part");
    artifact.symlink_metadata().is_err() && Path::new(&part).symlink_metadata().is_ok()
}

/// The paths of a repair of `artifact`, whose receipt goes to `receipt`, or beside the file under a name of its own.
///
/// # Errors
///
/// The file cannot be repaired in its place, or the receipt cannot be written where it is to go.
pub fn target(artifact: &Path, manifest: &Manifest, receipt: Option<&Path>) -> Result<Target, RepairError> {
    let format = manifest.format();
    let no_place = || RepairError::Name { path: artifact.to_owned(), ending: format.ending() };
    let (folder, name) = place(artifact).filter(|(_, name)| name.format() == format).ok_or_else(no_place)?;
    let receipt = receipt.map_or_else(|| free_receipt(folder, &name), |path| Ok(path.to_owned()))?;
    let target = Target::named(folder, name, manifest, Some(&receipt))?;
    target.check_receipt_name()?;
    target.check_receipt_place()?;
    Ok(target)
}

/// Renames the file to a partial file, fetches its wrong chunks, and renames it back. `condition`: how much of the file must be
/// of this artifact. The plan's target is of [`target`].
///
/// # Errors
///
/// The failure that ended it; the file has its own name again, unless an event says otherwise.
pub fn run(run: &Run, plan: &FetchPlan, condition: RepairIf) -> Result<End<RepairedFile>, RepairError> {
    plan.consents.cover(plan.manifest.format()).map_err(FetchError::from)?;
    let target = &plan.target;
    let identity = Identity::load_or_create(&run.home, &*run.watcher).map_err(TransferError::from)?;
    let renamed = set_aside(run, target)?;
    let is_renamed = renamed.is_some();
    // Disk space is not checked: chunks are written over data that is there.
    let opened = open_part_in_place(target, condition);
    let (part, mut resumed) = opened.inspect_err(|_| {
        if let Some(file) = &renamed {
            tell_name(run, target, rename_back(target, file));
        }
    })?;
    // A repair that was killed may have recorded only some of the good chunks; leaf hashes find the rest.
    resumed.data_without_record = part.stat().is_ok_and(|stat| stat.byte_count > 0);
    let transfer = Transfer { run, plan, identity: &identity, part: &part, is_repair: true };
    let end = transfer.run(&resumed);
    if let Ok(End::Done(FetchedFile { imported, .. })) = end {
        let mut chunks = part.supplied_by_peers();
        // Sorted: these came in an earlier run.
        chunks.retain(|index| resumed.have.binary_search(index).is_err());
        let bytes = chunks.iter().map(|&index| u64::from(part.spec().layout.chunk_len(index))).sum();
        return Ok(End::Done(RepairedFile { imported, chunks, bytes }));
    }
    // A file that was a partial file before this run stays one.
    let (path, given_back) =
        if is_renamed { (target.artifact.clone(), part.give_back()) } else { (part.path(), Ok(())) };
    tell_name(run, target, given_back.map_err(|error| error.to_string()));
    match part.unlike() {
        Some(similarity) if similarity.good > 0 => Err(RepairError::PartlyOther { path, similarity }),
        Some(_) => Err(RepairError::NothingGood { path }),
        None => end.map(|_| End::Cancelled).map_err(RepairError::from),
    }
}

/// Tells if the file did not get its name back; the failure that ended the repair stays the cause.
fn tell_name(run: &Run, target: &Target, given_back: Result<(), String>) {
    if let Err(error) = given_back {
        run.tell(Event::NameNotGivenBack { part: target.folder.join(target.name.part()), error });
    }
}

/// Folder and name of a file to be repaired in place.
fn place(artifact: &Path) -> Option<(&Path, ArtifactName)> {
    let folder = artifact.parent()?;
    Some((if folder == Path::new("") { Path::new(".") } else { folder }, ArtifactName::of_path(artifact)?))
}

/// `STEM.slm.repair.receipt`, or the next free number; the receipt of the import is left alone.
fn free_receipt(folder: &Path, name: &ArtifactName) -> Result<PathBuf, RepairError> {
    let first = folder.join(name.file() + ".repair.receipt");
    let numbered =
        (2..MAX_RECEIPTS).map(|number| folder.join(format!("{}.repair.receipt.{number}", name.file())));
    let mut all = std::iter::once(first.clone()).chain(numbered);
    all.find(|path| path.symlink_metadata().is_err()).ok_or(RepairError::TooManyReceipts { path: first })
}

/// Renames the file to a partial file, replacing nothing, and returns it; `None` if there is no file. A symbolic link or a file with a
/// second name is refused, because writing to it would change something that the user did not name; so is a file that
/// cannot be written. A record left beside the file is of bytes that are elsewhere now, and is moved out of the way.
fn set_aside(run: &Run, target: &Target) -> Result<Option<RealFile>, RepairError> {
    let disk = RealDisk::open(&target.folder)?;
    let (name, part) = (target.name.file(), target.name.part());
    let file = match disk.open(&name, Open::Existing) {
        Ok(file) => file,
        Err(OpenError::Refused(found)) => {
            return Err(StoreError::Refused { path: disk.path(&name), found }.into());
        }
        Err(OpenError::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(OpenError::Io(source)) => {
            return Err(RepairError::Open { path: target.artifact.clone(), source });
        }
    };
    if let Some(path) = put_orphan_record_aside(&disk, &target.name, &target.spec)? {
        run.tell(Event::OldRecordAside { file: target.artifact.clone(), path });
    }
    let renamed = disk.rename_noreplace(&name, &part);
    renamed.map_err(|source| RepairError::Rename { part: disk.path(&part), source })?;
    Ok(Some(file))
}

/// Undoes [`set_aside`]. Another process may have put `file` aside meanwhile, and its own partial file in that place: then
/// nothing is renamed.
fn rename_back(target: &Target, file: &RealFile) -> Result<(), String> {
    let disk = RealDisk::open(&target.folder).map_err(|error| error.to_string())?;
    let both = file.stat().and_then(|ours| Ok((ours, disk.stat(&target.name.part())?)));
    match both.map_err(|error| error.to_string())? {
        (ours, Some(named)) if named.same_file(&ours) => {}
        _ => return Err(format!("another process moved it: see `{}`", target.name.found())),
    }
    let renamed = disk.rename_noreplace(&target.name.part(), &target.name.file());
    renamed.and_then(|()| disk.sync_dir()).map_err(|error| error.to_string())
}
