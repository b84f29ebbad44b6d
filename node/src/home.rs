//! The folders of a user: where this program keeps its own few files.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::private::{self, ExposedFolder};

/// The data folder, which holds the identity, and the state folder, which holds consents, bans and records. Nothing is created
/// before it is needed.
///
/// ```
/// use std::path::Path;
///
/// use minimodel::Home;
///
/// let home = Home::at("/home/alice/.minimodel");
/// assert_eq!(home.data()?, Path::new("/home/alice/.minimodel/data"));
/// assert_eq!(home.state()?, Path::new("/home/alice/.minimodel/state"));
/// # Ok::<(), minimodel::HomeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Parent of the two others, if they were named by it.
    whole: Option<PathBuf>,
    data: Option<PathBuf>,
    state: Option<PathBuf>,
}

/// One of the two folders.
///
/// ```
/// use minimodel::{Home, HomeError, HomeFolder};
///
/// // The program knows where keys are, and nothing else.
/// let home = Home::of(Some("/home/alice/keys".into()), None);
/// assert!(home.data().is_ok());
/// assert!(matches!(home.state(), Err(HomeError::Unknown(HomeFolder::State))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomeFolder {
    /// Holds the identity.
    Data,
    /// Holds consents, bans and records.
    State,
}

/// Why a folder of the user cannot be used.
///
/// ```
/// # use std::os::unix::fs::PermissionsExt as _;
/// # let folder = tempfile::tempdir()?;
/// # std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777))?;
/// use minimodel::{Error, Home, HomeError, Node};
///
/// // Any account may write to this folder: its user has to change the mode, or name another.
/// let opened = Node::open(Home::at(folder.path()));
/// assert!(matches!(opened, Err(Error::Home(HomeError::Exposed(of))) if of.path == folder.path()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No folder was named.
    #[error("the {0} folder is not known")]
    Unknown(HomeFolder),
    /// Another account could replace files in it: the keys, consents and records in it could not be trusted.
    #[error(transparent)]
    Exposed(#[from] ExposedFolder),
}

impl Home {
    /// The folders `data` and `state` below `folder`.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let whole = folder.into();
        Self { data: Some(whole.join("data")), state: Some(whole.join("state")), whole: Some(whole) }
    }

    /// Two folders of their own. `None`: the folder is not known, which fails only work that needs it.
    pub fn of(data: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        Self { whole: None, data, state }
    }

    /// The data folder.
    ///
    /// # Errors
    ///
    /// The folder is not known, or another account could replace files in it.
    pub fn data(&self) -> Result<&Path, HomeError> {
        self.checked(self.data.as_deref().ok_or(HomeError::Unknown(HomeFolder::Data))?)
    }

    /// The state folder.
    ///
    /// # Errors
    ///
    /// As [`Self::data`].
    pub fn state(&self) -> Result<&Path, HomeError> {
        self.checked(self.state.as_deref().ok_or(HomeError::Unknown(HomeFolder::State))?)
    }

    fn checked<'a>(&self, folder: &'a Path) -> Result<&'a Path, HomeError> {
        for ours in self.whole.iter().map(PathBuf::as_path).chain([folder]) {
            private::check_folder(ours)?;
        }
        Ok(folder)
    }
}

impl fmt::Display for HomeFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::State => "state",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_is_not_known_is_named() {
        let home = Home::of(None, Some("/s".into()));
        assert!(matches!(home.data(), Err(HomeError::Unknown(HomeFolder::Data))));
        assert_eq!(home.state().unwrap(), Path::new("/s"));
        let home = Home::at("/m");
        assert_eq!(
            (home.data().unwrap(), home.state().unwrap()),
            (Path::new("/m/data"), Path::new("/m/state"))
        );
    }

    // Rows: H11
    #[test]
    fn a_folder_that_others_may_write_to_is_refused_with_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        fs::create_dir(folder.path().join("data")).unwrap();
        for open in [folder.path().to_owned(), folder.path().join("data")] {
            home.data().unwrap();
            fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
            let Err(HomeError::Exposed(exposed)) = home.data() else { panic!("not refused") };
            assert_eq!(exposed.path, open);
            fs::set_permissions(&open, Permissions::from_mode(0o700)).unwrap();
        }
    }
}
