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
use minimodel::clock;
use minimodel_swarm::store::{FileStat, SourceFile};
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::verify::CHECKS_VERSION;
use minimodel_verifier::{Digest, Manifest};

pub(crate) use self::record::How;
use self::record::{Damage, Head};
use crate::escape;
use crate::failure::Failure;
use crate::settings::Context;

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
#[derive(Debug, thiserror::Error)]
pub(crate) enum Miss {
    #[error("it was asked for with --recheck")]
    Asked,
    #[error("there is no record of an earlier check")]
    None,
    #[error("no folder for records is known: neither MINIMODEL_HOME nor HOME is set")]
    NoFolder,
    #[error("the record of its last check cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("the record of its last check is damaged: {0}")]
    Damaged(#[from] Damage),
    #[error("the record of its last check is of another file or manifest")]
    Foreign,
    #[error("its last check was made by another version of the checks")]
    OtherChecks,
    #[error("its {0} is another than at its last check")]
    Changed(&'static str),
    #[error("its file system is not known to tell of every change")]
    Place,
}

/// Looks for a record that fits the file as it was opened.
pub(crate) fn recall(
    context: &Context,
    manifest: &Manifest,
    layout: &Layout,
    source: &SourceFile,
) -> Result<Recalled, Miss> {
    let state = context.home.state().map_err(|_| Miss::NoFolder)?;
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

/// Keeps a record of a file that was opened as `source`, read from `begun_ns` on, and passed every check.
pub(crate) fn remember(
    context: &Context,
    manifest: &Manifest,
    source: &SourceFile,
    begun_ns: i128,
    chunk_hashes: &[Digest],
) {
    let keep = || {
        let now = source.stat().map_err(|error| error.to_string())?;
        if now != *source.opened() {
            return Err("it changed while it was read".to_owned());
        }
        if !trust::is_settled(&now, begun_ns) {
            return Err("it had changed just before it was read".to_owned());
        }
        write(context, manifest, source.path(), &now, How::Read, chunk_hashes)
    };
    tell(context, source.path(), keep());
}

/// Keeps a record of a file that a fetch has just renamed into its place; `stat` is the file's metadata there.
///
/// The rename itself has just set the change time, so the file cannot be required to have settled. That no other program
/// wrote to the file between its proof and its rename is an assumption of the receipt as well, and each chunk is hashed
/// once more before it is sent.
pub(crate) fn remember_fetched(
    context: &Context,
    manifest: &Manifest,
    path: &Path,
    stat: &FileStat,
    chunk_hashes: &[Digest],
) {
    let keep = || {
        let path = path.canonicalize().map_err(|error| error.to_string())?;
        write(context, manifest, &path, stat, How::Fetched, chunk_hashes)
    };
    tell(context, path, keep());
}

/// Removes the record of a file, after the record turned out to be wrong.
pub(crate) fn forget(context: &Context, manifest: &Manifest, stat: &FileStat) {
    if let Ok(state) = context.home.state() {
        folder::remove(state, &name(manifest, stat));
    }
}

fn write(
    context: &Context,
    manifest: &Manifest,
    path: &Path,
    stat: &FileStat,
    how: How,
    chunk_hashes: &[Digest],
) -> Result<(), String> {
    let state = context.home.state().map_err(|error| Failure::from(error).error)?;
    if !trust::is_known_place(path, stat) {
        return Err(Miss::Place.to_string());
    }
    let head = Head {
        checks_version: CHECKS_VERSION,
        swarm_id: *manifest.swarm_id(),
        file: stat.into(),
        checked_unix: clock::now_unix(),
        how,
        path: path.to_owned(),
    };
    let bytes = record::render(&head, chunk_hashes).ok_or("its record would be too long")?;
    folder::write(state, &name(manifest, stat), &bytes).map_err(|error| error.to_string())
}

fn tell(context: &Context, path: &Path, kept: Result<(), String>) {
    let shown = escape::path(path);
    context.printer.detail(match kept {
        Ok(()) => format!("the check of `{shown}` is recorded"),
        Err(why) => format!("the check of `{shown}` is not recorded: {}", escape::shown(&why)),
    });
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
