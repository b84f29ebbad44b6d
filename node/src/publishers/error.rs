//! Errors of the record of known publishers.

use std::io;
use std::path::PathBuf;

use minimodel_verifier::manifest::KeyFault;

use super::key::PublisherKey;
use super::limits::{MAX_KEYS, MAX_PUBLISHERS};
use super::signer_verdict::SignerRefusal;
use crate::home::HomeError;
use crate::private::Exposed;

/// Why known publishers could not be read, changed, or compared with a manifest.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use minimodel::publishers::{PublisherError, Publishers};
///
/// // The list that the program shows is out of date: it is read again.
/// let known = Publishers::of(folder.path());
/// assert!(matches!(known.unpin("alice"), Err(PublisherError::Unknown(id)) if id == "alice"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// The file could not be read, or its lock not be taken.
    #[error("cannot {doing} the record of known publishers `{}`", path.display())]
    Io {
        /// `read` or `lock`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what this program wrote.
    #[error("the record of known publishers `{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// The file, or its folder, could not be written.
    #[error("`{}` could not be written", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state folder cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Another account owns the file or may write to it.
    #[error("the record of known publishers `{}` is not this user's alone", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// The foreign owner, or the mode.
        exposed: Exposed,
    },
    /// A manifest was refused for its signer.
    #[error(transparent)]
    Refused(#[from] SignerRefusal),
    /// Nothing is known under that id.
    #[error("no key of the publisher `{0}` is known")]
    Unknown(String),
    /// A publisher does not have that key.
    #[error("{key} is no known key of the publisher `{publisher}`")]
    UnknownKey {
        /// The publisher.
        publisher: String,
        /// The key.
        key: PublisherKey,
    },
    /// The publisher has several keys, and the caller named none.
    #[error("the publisher `{publisher}` has {count} known keys")]
    SeveralKeys {
        /// The publisher.
        publisher: String,
        /// How many.
        count: usize,
    },
    /// No manifest can be signed by that key.
    #[error("{key} cannot be the key of a publisher: {fault}")]
    BadKey {
        /// The key.
        key: PublisherKey,
        /// Why not.
        fault: KeyFault,
    },
    /// No manifest can carry that id.
    #[error("`{0}` is no publisher id")]
    BadId(String),
    /// There is no room for another publisher.
    #[error("{MAX_PUBLISHERS} publishers are known, and no more are kept")]
    TooMany,
    /// There is no room for another key of this publisher.
    #[error("{MAX_KEYS} keys of the publisher `{0}` are known, and no more are kept")]
    TooManyKeys(String),
}
