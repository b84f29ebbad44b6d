//! The folders of this program's own few files: `MINIMODEL_HOME`, or else the XDG folders.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use minimodel_swarm::store::{SourceFile, others_may_write, step};

use crate::companion;
use crate::exit::Exit;
use crate::failure::Failure;

/// Environment variables that name the folders; an empty one counts as not set.
#[derive(Clone, Debug, Default)]
pub(crate) struct FolderVariables {
    /// `MINIMODEL_HOME`: one folder for everything, wins over the others.
    pub(crate) minimodel_home: Option<OsString>,
    /// `HOME`.
    pub(crate) home: Option<OsString>,
    /// `XDG_DATA_HOME`; relative ones are ignored, as the XDG text demands.
    pub(crate) xdg_data: Option<OsString>,
    /// `XDG_STATE_HOME`.
    pub(crate) xdg_state: Option<OsString>,
}

/// The two folders. `None`: neither `MINIMODEL_HOME` nor a home is known, which fails only verbs that need the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// `MINIMODEL_HOME`, the parent of the two others.
    home: Option<PathBuf>,
    data: Option<PathBuf>,
    state: Option<PathBuf>,
}

impl Folders {
    /// Finds the folders; nothing is created.
    pub(crate) fn resolve(variables: &FolderVariables) -> Self {
        if let Some(home) = path(&variables.minimodel_home) {
            let below = |name: &str| Some(home.join(name));
            return Self { data: below("data"), state: below("state"), home: Some(home) };
        }
        let home = path(&variables.home);
        let xdg = |variable: &Option<OsString>, default: &str| {
            let base = path(variable).filter(|base| base.is_absolute());
            base.or_else(|| home.as_ref().map(|home| home.join(default))).map(|base| base.join("minimodel"))
        };
        Self {
            home: None,
            data: xdg(&variables.xdg_data, ".local/share"),
            state: xdg(&variables.xdg_state, ".local/state"),
        }
    }

    /// The data folder, which holds the identity.
    pub(crate) fn data(&self) -> Result<&Path, Failure> {
        self.checked(self.data.as_deref().ok_or_else(|| no_home("data"))?)
    }

    /// The state folder, which holds the consent log.
    pub(crate) fn state(&self) -> Result<&Path, Failure> {
        self.checked(self.state.as_deref().ok_or_else(|| no_home("state"))?)
    }

    /// Refuses a folder in which another account could replace files: the keys, consents and records in it are trusted.
    fn checked<'a>(&self, folder: &'a Path) -> Result<&'a Path, Failure> {
        for ours in self.home.iter().map(PathBuf::as_path).chain([folder]) {
            minimodel_companion::check_folder(ours).map_err(companion::failure)?;
        }
        Ok(folder)
    }
}

/// Why other accounts can replace files in a folder that the user named; `None`: they cannot.
pub(crate) fn is_shared(folder: &Path) -> Option<String> {
    let metadata = folder.metadata().ok()?;
    let (mode, user) = (metadata.mode(), rustix::process::geteuid().as_raw());
    if metadata.uid() != user && metadata.uid() != 0 {
        return Some(format!("it belongs to user {}", metadata.uid()));
    }
    // In a sticky folder such as `/tmp` no account removes another's files. The user's primary group counts as the user's alone.
    let is_sticky = mode & 0o1000 != 0;
    (!is_sticky && others_may_write(mode, metadata.gid()))
        .then(|| format!("its mode is {:04o}", mode & 0o7777))
}

/// Reads a file of this program, at most `limit + 1` bytes; `None` if there is none. Only a plain file is opened.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    if let Err(error) = path.symlink_metadata() {
        let is_missing = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        return if is_missing { Ok(None) } else { Err(error) };
    }
    let file = SourceFile::open(path).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    file.reader().take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Creates a folder of this program and its parents, with mode 0700.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    step("mkdir", || DirBuilder::new().recursive(true).mode(0o700).create(folder))
}

fn path(variable: &Option<OsString>) -> Option<PathBuf> {
    variable.as_ref().filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn no_home(which: &str) -> Failure {
    Failure::new(
        Exit::Io,
        format!("the {which} folder of minimodel is not known"),
        "set MINIMODEL_HOME to a folder of your own: `export MINIMODEL_HOME=/path/to/folder`",
    )
    .because("neither MINIMODEL_HOME nor HOME is set")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> Option<OsString> {
        Some(value.into())
    }

    #[test]
    fn minimodel_home_wins_over_everything() {
        let variables = FolderVariables {
            minimodel_home: set("/m"),
            home: set("/h"),
            xdg_data: set("/x"),
            ..Default::default()
        };
        let folders = Folders::resolve(&variables);
        assert_eq!(folders.data().unwrap(), Path::new("/m/data"));
        assert_eq!(folders.state().unwrap(), Path::new("/m/state"));
    }

    #[test]
    fn xdg_folders_are_used_where_set_and_absolute() {
        let variables = FolderVariables {
            home: set("/h"),
            xdg_data: set("/x"),
            xdg_state: set("rel"),
            ..Default::default()
        };
        let folders = Folders::resolve(&variables);
        assert_eq!(folders.data().unwrap(), Path::new("/x/minimodel"));
        assert_eq!(folders.state().unwrap(), Path::new("/h/.local/state/minimodel"));
    }

    #[test]
    fn without_a_home_the_failure_names_the_variable() {
        let folders = Folders::resolve(&FolderVariables { minimodel_home: set(""), ..Default::default() });
        let failure = folders.data().unwrap_err();
        assert_eq!(failure.class, Exit::Io);
        assert!(failure.hint.contains("MINIMODEL_HOME"));
    }
}
