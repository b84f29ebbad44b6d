//! The paths of an artifact, and checks of what is already there, before any peer is dialed.

use std::cmp::Ordering;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use minimodel_swarm::store::{
    self, Disk as _, History, Open, PartSpec, Published, RealDisk, StoreError, files, step,
};
use minimodel_verifier::chunk::Layout;
use minimodel_verifier::{Manifest, Report};

use super::ending;
use crate::check::{self, CheckLabels};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::settings::Context;

/// The unit of `st_blocks`, whatever the block size of the file system.
const BLOCK_BYTES: u64 = 512;

/// The paths of one artifact in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// `<model.id>-<model.version>`.
    pub(crate) stem: String,
    /// `STEM.slm`.
    pub(crate) artifact: PathBuf,
    /// `STEM.slm.receipt`, or where `--receipt` puts it.
    pub(crate) receipt: PathBuf,
    /// Swarm, chunk layout and root of the partial file.
    pub(crate) spec: PartSpec,
}

/// The whole artifact, found in its place.
#[derive(Debug)]
pub(crate) struct Existing {
    /// The file, with its record if an earlier run left one.
    pub(crate) published: Published<RealDisk>,
    /// Content of that record.
    pub(crate) history: History,
    /// The report of its full check, in which nothing failed.
    pub(crate) checks: Report,
}

impl Target {
    /// The paths for a manifest in `folder`.
    pub(crate) fn new(folder: &Path, manifest: &Manifest, receipt: Option<&Path>) -> Result<Self, Failure> {
        Self::named(folder, manifest.file_stem(), manifest, receipt)
    }

    /// The paths for a file to which the user has given another name.
    pub(super) fn named(
        folder: &Path,
        stem: String,
        manifest: &Manifest,
        receipt: Option<&Path>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            folder: folder.to_owned(),
            artifact: folder.join(format!("{stem}.slm")),
            receipt: receipt.map_or_else(|| folder.join(format!("{stem}.slm.receipt")), Path::to_owned),
            stem,
            spec: PartSpec {
                swarm_id: *manifest.swarm_id(),
                layout: layout(manifest)?,
                root: *manifest.merkle_root(),
            },
        })
    }

    /// Opens the folder, and creates it first if it is not there.
    pub(crate) fn disk(&self) -> Result<RealDisk, Failure> {
        step("mkdir", || std::fs::create_dir_all(&self.folder)).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => self.no_folder(),
            _ => Failure::writing("folder", &self.folder, &error),
        })?;
        RealDisk::open(&self.folder).map_err(|error| ending::store(&error))
    }

    /// [`disk`](Self::disk) for the partial file and its record. A link, folder or the like in the place of either is
    /// refused before the other file is made.
    pub(crate) fn disk_for_part(&self) -> Result<RealDisk, Failure> {
        let disk = self.disk()?;
        for name in [self.part_name(), format!("{}.state", self.part_name())] {
            // An error is left to the code that opens the file.
            let there = disk.stat(&name).ok().flatten();
            if let Some(found) = there.and_then(|there| there.refusal(Open::Existing)) {
                return Err(ending::store(&StoreError::Refused { path: disk.path(&name), found }));
            }
        }
        Ok(disk)
    }

    /// The failure for an error of opening the partial file. If there was no room even for the record, the room that it
    /// asks for is that of the rest of the file.
    pub(crate) fn opening(&self, error: StoreError) -> Failure {
        let StoreError::NoSpace { path, needed, free } = error else { return ending::store(&error) };
        let there =
            self.folder.join(self.part_name()).metadata().map_or(0, |there| there.blocks() * BLOCK_BYTES);
        let rest = self.spec.layout.byte_count().saturating_sub(there);
        ending::store(&StoreError::NoSpace { path, needed: needed.max(rest), free })
    }

    /// `STEM.slm.part`.
    pub(super) fn part_name(&self) -> String {
        format!("{}.slm.part", self.stem)
    }

    /// Checks the file at the artifact's place without changing it; `None` if there is none.
    pub(crate) fn existing(
        &self,
        context: &Context,
        manifest: &Manifest,
    ) -> Result<Option<Existing>, Failure> {
        if self.artifact.symlink_metadata().is_err() {
            return Ok(None);
        }
        let failed = |error| ending::store(&error);
        let Some((published, history)) =
            Published::resume(self.disk()?, &self.stem, &self.spec).map_err(failed)?
        else {
            return Ok(None);
        };
        let source = published.source().map_err(failed)?;
        if source.byte_count() != manifest.byte_count() {
            let (found, expected) = (source.byte_count(), manifest.byte_count());
            return Err(self.different(&format!("it has {found} bytes, the manifest says {expected}")));
        }
        let labels = CheckLabels { what: "model file", label: "check what is there", has_events: true };
        let checks = check::full(context, manifest, &self.artifact, &source, &labels)?.report;
        if let Some(check) = checks.failures().next() {
            return Err(self.different(&format!("{}: {}", check.name, escape::shown(&check.detail()))));
        }
        drop(source);
        Ok(Some(Existing { published, history, checks }))
    }

    /// Refuses files in the place of the receipt or the manifest copy, before the transfer and not after it.
    /// `with_receipt`: the receipt goes beside the file.
    pub(crate) fn check_copies(&self, with_receipt: bool) -> Result<(), Failure> {
        if self.folder.symlink_metadata().is_err() {
            return Ok(());
        }
        store::check_copies(&self.disk()?, &self.stem, with_receipt).map_err(|error| match &error {
            StoreError::TargetExists { path } => Failure::new(
                Exit::Io,
                format!("another receipt is already at `{}` and was left as it is", escape::path(path)),
                format!(
                    "nothing was fetched; look at it (`cat {}`) and move it away, then run the same command again, or name \
                     another place with --receipt FILE",
                    escape::shell_word(path.as_os_str())
                ),
            ),
            _ => ending::store(&error),
        })
    }

    /// Refuses a receipt path that is reserved for the artifact's own files, whether or not there is one.
    pub(super) fn check_receipt_name(&self) -> Result<(), Failure> {
        let (folder, name) = (files::folder_of(&self.receipt), self.receipt.file_name());
        // A path that does not exist yet has no links in it.
        let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
        let is_own = name.is_some_and(|name| store::is_store_name(&self.stem, &name.to_string_lossy()));
        if !is_own || real(folder) != real(&self.folder) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Usage,
            format!("the receipt cannot be `{}`", escape::path(&self.receipt)),
            "nothing was fetched; name another place with --receipt FILE, or leave it out: then it is beside the file",
        )
        .because("the model file, its manifest, its partial file and their like have that name"))
    }

    /// Refuses a receipt path that is taken, or whose folder is missing or cannot be written to, before the transfer and
    /// not after it. The folder of the file itself may be missing: the fetch makes it.
    pub(super) fn check_receipt_place(&self) -> Result<(), Failure> {
        let folder = files::folder_of(&self.receipt);
        let absolute = |path: &Path| std::path::absolute(path).ok();
        let will_be_made = folder.symlink_metadata().is_err()
            && absolute(&self.folder).zip(absolute(folder)).is_some_and(|(made, of)| made.starts_with(of));
        if will_be_made { Ok(()) } else { output::check_can_be_made("receipt", &self.receipt) }
    }

    /// Describes another manifest of the same name beside the file, and which of the two is older: a manifest that was
    /// withdrawn may be offered again (D15).
    pub(crate) fn other_manifest(&self, manifest: &Manifest) -> Option<String> {
        let path = self.folder.join(format!("{}.minimodel", self.stem));
        path.symlink_metadata().ok().filter(Metadata::is_file)?;
        let other = input::manifest(&path).ok().filter(|other| other.swarm_id() != manifest.swarm_id())?;
        // UTC times have one spelling; without the final letter they sort by time.
        let made = |manifest: &Manifest| manifest.created_utc().trim_end_matches('Z').to_owned();
        let which = match made(manifest).cmp(&made(&other)) {
            Ordering::Less => "older",
            Ordering::Equal => "as old",
            Ordering::Greater => "newer",
        };
        // Both times are digits and signs by the manifest's rules, and need no escape.
        let (shown, theirs, ours) = (escape::path(&path), other.created_utc(), manifest.created_utc());
        Some(format!(
            "`{shown}` is another manifest of this name, made {theirs}; this one, made {ours}, is {which}"
        ))
    }

    /// The failure when the path of the folder, or one above it, is not a folder.
    fn no_folder(&self) -> Failure {
        let shown = escape::path(&self.folder);
        let hint = "name a folder with --out, one that is there or that can be made; what is there was left as it is";
        Failure::new(Exit::Io, format!("`{shown}` cannot be the folder for the model"), hint)
            .because("it, or what stands above it, is no folder")
    }

    fn different(&self, cause: &str) -> Failure {
        Failure::new(
            Exit::Io,
            format!("another file is already at `{}`", escape::path(&self.artifact)),
            "it was left as it is: move it away, or choose another folder with --out",
        )
        .because(cause)
    }
}

/// The chunk layout of a manifest.
pub(crate) fn layout(manifest: &Manifest) -> Result<Layout, Failure> {
    Layout::new(manifest.byte_count(), manifest.chunk_size()).map_err(|error| {
        let hint = "ask the publisher for a manifest with larger chunks";
        Failure::new(Exit::Invalid, "the manifest's chunks cannot be used", hint).because(error)
    })
}
