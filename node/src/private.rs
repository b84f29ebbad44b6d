//! Files and folders of this program: created for this user alone, read with a limit, and checked for owner and mode in one
//! place. Other accounts must not read this program's secrets, nor write the records that it trusts.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use minimodel_swarm::os::{self, FileKind, OpenWith as _, Owner, Stat};
use minimodel_swarm::store::{SourceFile, step};

/// What other accounts may do with a file or folder of this program.
///
/// ```
/// # use std::os::unix::fs::PermissionsExt as _;
/// # let file = tempfile::NamedTempFile::new()?;
/// # let path = file.path();
/// use minimodel::private::{Exposed, Others};
///
/// std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))?;
/// assert_eq!(Exposed::of_path(path, Others::Read)?, None);
/// assert_eq!(Exposed::of_path(path, Others::Nothing)?, Some(Exposed::Mode(0o644)));
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
    /// Returns what is wrong with the owner or mode of an open file, if anything.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn of_file(file: &File, others: Others) -> io::Result<Option<Self>> {
        Ok(Self::judge(&os::stat_file(file)?, others))
    }

    /// As [`Exposed::of_file`], of the file or folder to which a path leads.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn of_path(path: &Path, others: Others) -> io::Result<Option<Self>> {
        Ok(Self::judge(&os::stat_target(path)?, others))
    }

    /// As [`Exposed::of_file`], of a file or folder that was looked at already.
    pub(crate) fn judge(stat: &Stat, others: Others) -> Option<Self> {
        let is_open = match others {
            Others::Nothing => stat.rights.any_other_may_use(),
            Others::Read => stat.rights.any_other_may_write(),
            Others::ReadButOwnGroup => stat.rights.others_may_write(),
        };
        match stat.owner {
            Owner::User => is_open.then_some(Self::Mode(stat.rights.mode())),
            Owner::Root | Owner::Other => Some(Self::foreign(stat)),
        }
    }

    /// Returns why other accounts can replace files in a folder that the user named for files of their own, if they can.
    pub fn of_users_folder(folder: &Path) -> Option<Self> {
        let stat = os::stat_target(folder).ok()?;
        if stat.owner == Owner::Other {
            return Some(Self::foreign(&stat));
        }
        // In a sticky folder such as `/tmp` no account removes another's files. The user's primary group counts as the user's
        // alone.
        let is_open = !stat.rights.is_sticky() && stat.rights.others_may_write();
        is_open.then_some(Self::Mode(stat.rights.mode()))
    }

    fn foreign(stat: &Stat) -> Self {
        Self::Foreign { owner: stat.owner_account, user: os::user_account() }
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
    let stat = match os::stat_target(folder) {
        Ok(stat) if stat.kind == FileKind::Folder => stat,
        // Opening it later reports what is there instead, or why it cannot be read.
        Ok(_) | Err(_) => return Ok(()),
    };
    match Exposed::judge(&stat, Others::ReadButOwnGroup) {
        Some(exposed) => Err(ExposedFolder { path: folder.to_owned(), exposed }),
        None => Ok(()),
    }
}

/// Refuses a state file that another account owns or may write to: that account may have written its content.
///
/// # Errors
///
/// Which account or mode it is.
pub(crate) fn check_own(file: &File) -> io::Result<()> {
    let Some(exposed) = Exposed::of_file(file, Others::ReadButOwnGroup)? else { return Ok(()) };
    let what = match exposed {
        Exposed::Foreign { .. } => format!("{exposed}: look at it and move it away"),
        Exposed::Mode(mode) => {
            format!(
                "its mode {mode:04o} lets others write to it: look at it, then take that right from them or move it away"
            )
        }
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
}

/// Creates a folder of this program and its missing parents, for this user alone.
///
/// # Errors
///
/// The system's error.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    step("mkdir", || os::create_private_folder(folder))
}

/// Takes the lock of files of this program, and waits for the process that holds it. The lock goes with the file.
///
/// # Errors
///
/// A link or the like has its name, or the system's error.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).private().open_no_link(path)?;
    file.lock()?;
    Ok(file)
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
    use minimodel_swarm::os::Rights;

    use super::*;

    // Rows: H11
    #[test]
    fn owner_and_mode_are_judged_in_one_place_bit_by_bit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ours = os::stat_file(file.as_file()).unwrap();
        let own_group = rustix::process::getegid().as_raw();
        let judge =
            |group, mode, others| Exposed::judge(&Stat { rights: Rights::new(mode, group), ..ours }, others);
        for bit in (0..9).map(|bit| 1 << bit) {
            let mode = 0o100_000 | bit;
            let exposed = |is_exposed: bool| is_exposed.then_some(Exposed::Mode(bit));
            assert_eq!(judge(own_group, mode, Others::Nothing), exposed(bit & 0o077 != 0));
            assert_eq!(judge(own_group, mode, Others::Read), exposed(bit & 0o022 != 0));
            assert_eq!(judge(own_group, mode, Others::ReadButOwnGroup), exposed(bit == 0o002));
            assert_eq!(judge(own_group + 1, mode, Others::ReadButOwnGroup), exposed(bit & 0o022 != 0));
        }
        let (user, owner) = (os::user_account(), os::user_account() + 1);
        for (owner_is, others) in [Owner::Other, Owner::Root].into_iter().flat_map(|owner_is| {
            [Others::Nothing, Others::Read, Others::ReadButOwnGroup].map(|others| (owner_is, others))
        }) {
            let stat = Stat { owner: owner_is, owner_account: owner, ..ours };
            let foreign = Exposed::judge(&stat, others).unwrap();
            assert_eq!(foreign.to_string(), format!("it belongs to user {owner}, and this is user {user}"));
        }
    }
}
