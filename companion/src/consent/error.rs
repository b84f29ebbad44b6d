//! Errors of the consent log.

use std::io;
use std::path::PathBuf;

use super::check::NotAGrant;
use crate::api::types::LogVerdict;
use crate::problem::{Problem, code};

/// Why a consent could not be read or recorded; nothing may be done with it then.
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

impl From<ConsentError> for Problem {
    fn from(error: ConsentError) -> Self {
        let told = error.to_string();
        match error {
            ConsentError::Io { doing, path, source } => {
                let told = format!("cannot {doing} the consent log `{}`", path.display());
                let is_full = matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
                );
                let problem = if is_full {
                    Self::new(
                        code::DISK_FULL,
                        told,
                        "make space on that disk, then run the same command again",
                    )
                } else {
                    let hint = "nothing is done without its consent on record: see who may write to the state folder \
                                (`minimodel doctor`), then run the same command again";
                    Self::new(code::IO, told, hint)
                };
                problem.because(source)
            }
            ConsentError::Damaged { verdict, .. } => {
                let hint = "nothing is granted while it is: see `minimodel consent log --verify`";
                Self::new(code::INVALID, told, hint).because(verdict.fault.unwrap_or_default())
            }
            ConsentError::Full { .. } => {
                let hint = "consents can still be taken back for a while; to begin a new log, end the companion, move `consent.log` \
                            and `consent.head` of the state folder away together, and run `minimodel consent restore`: all grants \
                            end";
                Self::new(code::DISK_FULL, told, hint)
            }
            ConsentError::NotAGrant(why) => Self::new(code::USAGE, told, why.hint()),
            ConsentError::Unknown(_) => {
                Self::new(code::NOT_FOUND, told, "see all grants: `minimodel consent list --all`")
            }
        }
    }
}
