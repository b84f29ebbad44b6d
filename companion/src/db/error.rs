//! Errors of the database, and what the user can do about them.

use std::io;
use std::path::{Path, PathBuf};

use minimodel_swarm::os::rights_command;

use super::Table;
use crate::problem::{Problem, code};
use crate::shell;

/// Error of the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Another process has it open.
    #[error("another process has the database {} open", .0.display())]
    Busy(PathBuf),
    /// It was written by another version of this program, most likely a newer one.
    #[error("the database is of version {found}, and this program knows version {known} only")]
    OtherVersion {
        /// Its version.
        found: u32,
        /// The version that this program knows.
        known: u32,
    },
    /// Its bytes are not those that were written: it is damaged.
    #[error("the database {} is damaged: {detail}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file cannot be opened or created.
    #[error("cannot {doing} {}: {source}", .path.display())]
    File {
        /// What was tried: `open`, `create`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A row cannot be parsed as its table's type.
    #[error("a row of the database cannot be read: {table:?} {key}: {source}")]
    Row {
        /// The table.
        table: Table,
        /// The key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// An error of the engine.
    #[error("the database failed: {0}")]
    Engine(#[from] redb::Error),
}

macro_rules! engine {
    ($($error:ty),*) => {
        $(impl From<$error> for DbError {
            fn from(error: $error) -> Self {
                Self::Engine(error.into())
            }
        })*
    };
}
engine!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);

impl DbError {
    /// Builds an error of the file itself.
    pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { doing, path: path.to_owned(), source }
    }

    /// Translates the engine's errors for damage and for a held lock; `path` is the file.
    pub(super) fn at(self, path: &Path) -> Self {
        let damaged = |detail: String| Self::Damaged { path: path.to_owned(), detail };
        match self {
            Self::Engine(redb::Error::DatabaseAlreadyOpen) => Self::Busy(path.to_owned()),
            Self::Engine(redb::Error::Corrupted(detail)) => damaged(detail),
            Self::Engine(redb::Error::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                damaged("it does not begin as a database does".to_owned())
            }
            Self::Engine(redb::Error::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                damaged("it is shorter than it says".to_owned())
            }
            Self::Engine(
                error @ (redb::Error::UpgradeRequired(_)
                | redb::Error::RepairAborted
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TableIsMultimap(_)
                | redb::Error::TypeDefinitionChanged { .. }),
            ) => damaged(error.to_string()),
            other => other,
        }
    }

    fn code(&self) -> u8 {
        let io = match self {
            Self::Busy(_) => return code::BUSY,
            Self::OtherVersion { .. } | Self::Damaged { .. } | Self::Row { .. } => return code::INVALID,
            Self::File { source, .. } => source,
            Self::Engine(redb::Error::Io(error)) => error,
            Self::Engine(redb::Error::PreviousIo) => return code::IO,
            Self::Engine(_) => return code::UNEXPECTED,
        };
        match io.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                code::DISK_FULL
            }
            _ => code::IO,
        }
    }
}

/// What is lost with the file, and what remains.
const LOST: &str = "it holds what the companion remembers: the list of the library, transfers, limits and counts. Model \
                    files, receipts, the identity and the consent log are not in it and stay";

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        let code = error.code();
        let what = "the companion's database cannot be used";
        let hint = match &error {
            DbError::Busy(_) => {
                "a companion of this home folder runs: see `minimodel companion status`, or end it with `minimodel \
                 companion stop`"
                    .to_owned()
            }
            DbError::OtherVersion { found, known } => {
                let age = if found > known { "a newer" } else { "an earlier" };
                format!("use {age} version of this program, one that knows version {found}; the file was left as it is")
            }
            DbError::Damaged { path, .. } => format!(
                "{LOST}. Move the file away (`mv {0} {0}.damaged`) and add your models again: `minimodel library add \
                 MANIFEST FILE.slm`",
                shell::word(path)
            ),
            DbError::Row { .. } => format!(
                "another program wrote to it, or a fault of this one; {LOST}. Move `companion.redb` away to begin anew, \
                 and please report the line above"
            ),
            DbError::File { .. } | DbError::Engine(_) if code == code::DISK_FULL => {
                "make space on the disk of the state folder, then run the same command again".to_owned()
            }
            DbError::Engine(redb::Error::PreviousIo) => {
                "the disk failed a moment ago: see that the disk of the state folder has room, `minimodel doctor`, then run the \
                 same command again; if it stays so, end the companion with `minimodel companion stop` and start it again"
                    .to_owned()
            }
            DbError::File { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                format!("see who may write there: `{}`", rights_command(&shell::word(folder)))
            }
            DbError::Engine(_) => "check the disk of the state folder, then run the same command again".to_owned(),
        };
        Self::new(code, what, hint).because(error)
    }
}
