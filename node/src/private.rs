//! Files and folders of this program: created for this user alone, read with a limit, and checked for owner and mode in one
//! place. Other accounts must not read this program's secrets, nor write the records that it trusts.

use std::fmt;
use std::fs::{DirBuilder, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use minimodel_swarm::store::{SourceFile, others_may_write, step};

/// What other accounts may do with a file or folder of this program.
///
/// ```
/// # use std::os::unix::fs::PermissionsExt as _;
/// # let file = tempfile::NamedTempFile::new()?;
/// # let path = file.path();
/// use minimodel::private::{Exposed, Others};
///
/// std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))?;
/// assert_eq!(Exposed::look(&path.metadata()?, Others::Read), None);
/// assert_eq!(Exposed::look(&path.metadata()?, Others::Nothing), Some(Exposed::Mode(0o644)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nothing: it is a secret.
    Nothing,
    /// Read it.
    Read,
    /// Read it; the user's primary group may also write it, as folders are created where each user has a private group.
    ReadButOwnGroup,
}

/// Why a file or folder is not protected from other accounts.
///
/// ```
/// # use std::os::unix::fs::PermissionsExt as _;
/// # let folder = tempfile::tempdir()?;
/// # std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
/// use minimodel::private::Exposed;
///
/// let advice = match Exposed::of_users_folder(folder.path()) {
///     None => "",
///     Some(Exposed::Mode(_)) => "chmod go-w",
///     Some(Exposed::Foreign { .. }) => "another account owns it",
/// };
/// assert_eq!(advice, "chmod go-w");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposed {
    /// Another account owns it, and may change mode and content at any time. This user can only move it away, if the folder
    /// that holds it is theirs.
    Foreign {
        /// User id of the owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// Its mode, which gives other accounts more access than they may have.
    Mode(u32),
}

impl Exposed {
    /// Returns what is wrong with the owner or mode of a file or folder, if anything.
    pub fn look(metadata: &Metadata, others: Others) -> Option<Self> {
        Self::judge(
            rustix::process::geteuid().as_raw(),
            metadata.uid(),
            metadata.gid(),
            metadata.mode(),
            others,
        )
    }

    /// Returns why other accounts can replace files in a folder that the user named for files of their own, if they can.
    pub fn of_users_folder(folder: &Path) -> Option<Self> {
        let metadata = folder.metadata().ok()?;
        let (mode, user, owner) = (metadata.mode(), rustix::process::geteuid().as_raw(), metadata.uid());
        if owner != user && owner != 0 {
            return Some(Self::Foreign { owner, user });
        }
        // In a sticky folder such as `/tmp` no account removes another's files. The user's primary group counts as the user's
        // alone.
        let is_sticky = mode & 0o1000 != 0;
        (!is_sticky && others_may_write(mode, metadata.gid())).then_some(Self::Mode(mode & 0o7777))
    }

    fn judge(user: u32, owner: u32, group: u32, mode: u32, others: Others) -> Option<Self> {
        let mode = mode & 0o7777;
        let is_open = match others {
            Others::Nothing => mode & 0o077 != 0,
            Others::Read => mode & 0o022 != 0,
            Others::ReadButOwnGroup => others_may_write(mode, group),
        };
        if owner != user { Some(Self::Foreign { owner, user }) } else { is_open.then_some(Self::Mode(mode)) }
    }
}

/// A folder of this program in which another account could replace files.
///
/// ```
/// # use std::os::unix::fs::PermissionsExt as _;
/// # let folder = tempfile::tempdir()?;
/// # std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
/// use minimodel::private::{Exposed, ExposedFolder, check_folder};
///
/// let Err(ExposedFolder { path, exposed }) = check_folder(folder.path()) else { panic!() };
/// assert_eq!((path.as_path(), exposed), (folder.path(), Exposed::Mode(0o777)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the folder `{}` is not this user's alone to write to: {exposed}", path.display())]
pub struct ExposedFolder {
    /// The folder.
    pub path: PathBuf,
    /// The foreign owner, or the mode.
    pub exposed: Exposed,
}

/// Refuses a folder of this program in which another account could replace files: it belongs to another account, or others may
/// write to it. A folder that does not exist yet passes.
///
/// # Errors
///
/// Which folder it is, and its owner or mode.
pub fn check_folder(folder: &Path) -> Result<(), ExposedFolder> {
    let metadata = match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata,
        // Opening it later reports what is there instead, or why it cannot be read.
        Ok(_) | Err(_) => return Ok(()),
    };
    match Exposed::look(&metadata, Others::ReadButOwnGroup) {
        Some(exposed) => Err(ExposedFolder { path: folder.to_owned(), exposed }),
        None => Ok(()),
    }
}

/// Refuses a state file that another account owns or may write to: that account may have written its content.
///
/// # Errors
///
/// Which account or mode it is.
pub(crate) fn check_own(metadata: &Metadata) -> io::Result<()> {
    let Some(exposed) = Exposed::look(metadata, Others::ReadButOwnGroup) else { return Ok(()) };
    let what = match exposed {
        Exposed::Foreign { .. } => format!("{exposed}: look at it and move it away"),
        Exposed::Mode(mode) => {
            format!(
                "its mode {mode:04o} lets others write to it: look at it, then `chmod go-w` it or move it away"
            )
        }
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
}

/// Creates a folder of this program and its missing parents, with mode 0700.
///
/// # Errors
///
/// The system's error.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    step("mkdir", || DirBuilder::new().recursive(true).mode(0o700).create(folder))
}

/// Reads a file of this program, at most `limit + 1` bytes; `None` if there is none. Only a plain file is opened.
///
/// # Errors
///
/// It is no plain file, or the system's error.
pub fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    if let Err(error) = path.symlink_metadata() {
        return if is_missing(&error) { Ok(None) } else { Err(error) };
    }
    let file = SourceFile::open(path).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    file.reader().take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// True if the error says that there is no such file.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { owner, user } => write!(f, "it belongs to user {owner}, and this is user {user}"),
            Self::Mode(mode) => write!(f, "its mode is {mode:04o}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: H11
    #[test]
    fn owner_and_mode_are_judged_in_one_place_bit_by_bit() {
        let own_group = rustix::process::getegid().as_raw();
        let judge = |group, mode, others| Exposed::judge(7, 7, group, mode, others);
        for bit in (0..9).map(|bit| 1 << bit) {
            let mode = 0o100_000 | bit;
            let exposed = |is_exposed: bool| is_exposed.then_some(Exposed::Mode(bit));
            assert_eq!(judge(own_group, mode, Others::Nothing), exposed(bit & 0o077 != 0));
            assert_eq!(judge(own_group, mode, Others::Read), exposed(bit & 0o022 != 0));
            assert_eq!(judge(own_group, mode, Others::ReadButOwnGroup), exposed(bit == 0o002));
            assert_eq!(judge(own_group + 1, mode, Others::ReadButOwnGroup), exposed(bit & 0o022 != 0));
        }
        for others in [Others::Nothing, Others::Read, Others::ReadButOwnGroup] {
            let foreign = Exposed::judge(7, 8, own_group, 0o777, others).unwrap();
            assert_eq!(foreign.to_string(), "it belongs to user 8, and this is user 7");
        }
    }
}
