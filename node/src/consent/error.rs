//! Errors of the consent log.

use std::io;
use std::path::PathBuf;

use super::check::NotAGrant;
use super::model::LogVerdict;
use crate::home::HomeError;

/// Why a consent could not be read or recorded; nothing may be done with it then.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// use minimodel::clock::now_unix;
/// use minimodel::consent::{ConsentBook, ConsentError};
///
/// // The list that the program shows is out of date: it is read again.
/// let mut book = ConsentBook::open(home.state()?, home.data()?)?;
/// assert!(matches!(book.revoke(7, "dialog", now_unix()), Err(ConsentError::Unknown(7))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// A disk error.
    #[error("cannot {doing} the consent log `{}`: {source}", path.display())]
    Io {
        /// `read`, `write` or `lock`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder of the log cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The log is damaged; nothing is granted.
    #[error("the consent log `{}` is damaged", path.display())]
    Damaged {
        /// The log.
        path: PathBuf,
        /// How far the log is valid, and what is wrong.
        verdict: LogVerdict,
    },
    /// The log is full; nothing was written. Some room is reserved for revocations.
    #[error("the consent log `{}` is full: it may have {most} bytes", path.display())]
    Full {
        /// The log.
        path: PathBuf,
        /// Longest log for this kind of line, in bytes.
        most: u64,
    },
    /// The grant is invalid.
    #[error("this cannot be granted: {0}")]
    NotAGrant(#[from] NotAGrant),
    /// No grant has this number.
    #[error("there is no grant {0}")]
    Unknown(u64),
}
