//! Errors of the record of known publishers.

use std::io;
use std::path::PathBuf;

use minimodel::clock::utc;
use minimodel::private::Exposed;
use minimodel_verifier::manifest::KeyFault;

use super::key::PublisherKey;
use super::signer_status::KeyRecord;
use super::signer_verdict::{RefusalReason, SignerRefusal};
use super::store::{MAX_KEYS, MAX_PUBLISHERS};
use crate::problem::{Problem, code};
use crate::shell;

/// Why known publishers could not be read, changed, or compared with a manifest.
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
    /// The file could not be written.
    #[error(transparent)]
    Write(Problem),
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

impl From<PublisherError> for Problem {
    fn from(error: PublisherError) -> Self {
        let told = error.to_string();
        match error {
            PublisherError::Refused(refusal) => Self::from(refusal),
            PublisherError::Write(problem) => problem,
            PublisherError::Io { path, source, .. } => {
                let hint = format!("see what it is and who may use it: `ls -l {}`", shell::word(&path));
                Self::new(code::IO, told, hint).because(source)
            }
            PublisherError::Damaged { path, line, what } => Self::new(
                code::INVALID,
                told,
                format!(
                    "put it back from a copy; if there is none, move it away (`mv {0} {0}.damaged`), and every \
                     publisher is new again",
                    shell::word(&path)
                ),
            )
            .because(format!("line {line}: {what}")),
            PublisherError::NotOurs { path, exposed } => {
                let word = shell::word(&path);
                let (cause, hint) = match exposed {
                    Exposed::Foreign { owner, user } => (
                        exposed.to_string(),
                        format!(
                            "only user {owner} or root can give it to you (`chown {user} {word}`); or move it away (`mv {word} \
                             {word}.foreign`), and every publisher is new again"
                        ),
                    ),
                    Exposed::Mode(mode) => (
                        format!("its mode {mode:04o} lets others write to it"),
                        format!("if its content is right, close it: `chmod 600 {word}`"),
                    ),
                };
                Self::new(code::IO, told, hint).because(cause)
            }
            PublisherError::Unknown(_) => {
                Self::new(code::NOT_FOUND, told, "see all: `minimodel publisher list`")
            }
            PublisherError::UnknownKey { publisher, .. } | PublisherError::SeveralKeys { publisher, .. } => {
                let hint = format!("name one of its keys: `minimodel publisher show {publisher}`");
                Self::new(code::USAGE, told, hint)
            }
            PublisherError::BadKey { .. } => {
                Self::new(code::USAGE, told, "ask the publisher for the key by a way that you trust")
            }
            PublisherError::BadId(_) => Self::new(
                code::USAGE,
                told,
                "write it as manifests do: lowercase letters, digits, `.`, `_` and `-`, the first a letter or digit",
            ),
            PublisherError::TooMany | PublisherError::TooManyKeys(_) => {
                Self::new(code::QUOTA, told, "forget what you do not need: `minimodel publisher forget ID [KEY]`")
            }
        }
    }
}

impl From<SignerRefusal> for Problem {
    fn from(refusal: SignerRefusal) -> Self {
        let (publisher, signer) = (&refusal.publisher, &refusal.signer);
        let (cause, hint) = match &refusal.reason {
            RefusalReason::Other(known) => (
                format!("known of `{publisher}`: {}", listed(known)),
                format!(
                    "ask the publisher by a way that you trust whether this is right; if it is, add \
                     `--accept-publisher-key {signer}`"
                ),
            ),
            RefusalReason::Pinned(pinned) => (
                format!("`{publisher}` is pinned to {pinned}, and no flag overrides a pin"),
                match signer.key() {
                    Some(key) => format!(
                        "if the publisher has another key now, pin that one: `minimodel publisher pin {publisher} {key}`"
                    ),
                    None => format!(
                        "ask the publisher for a signed manifest, or take the pin away: `minimodel publisher unpin \
                         {publisher}`"
                    ),
                },
            ),
            RefusalReason::Demanded(wanted) => (
                format!("--publisher-key demands {wanted}"),
                "ask the publisher which manifest is theirs, and under which key".to_owned(),
            ),
        };
        Self::new(code::MISMATCH, refusal.to_string(), hint).because(cause)
    }
}

/// Keys with the time at which each was first seen.
fn listed(known: &[KeyRecord]) -> String {
    let one = |key: &KeyRecord| format!("{} since {}", key.key, utc(key.first_seen_unix));
    known.iter().map(one).collect::<Vec<_>>().join(", ")
}
