//! Known publishers: the keys under which this user has met signed manifests of a `publisher.id` (trust on first use).
//!
//! A signature proves that the holder of a key wrote a manifest, and nothing about whose key it is. So the first key of a
//! publisher is shown as new and recorded when the user imports; another key, or a missing signature where a key is known,
//! is an alarm, and the user must accept it by name. A pinned key is the only one that is ever accepted.
//! `docs/publishers.md` has the rules.
//!
//! [`SignerStatus::of`] is the decision, a pure function; [`Publishers`] is the file.

mod check;
mod error;
mod key;
mod limits;
mod signer_status;
mod signer_verdict;
mod store;
mod text;

pub use check::{CHECK, SignerDemand, listed};
pub use error::PublisherError;
pub use key::{KeySyntax, PublisherKey, Signer, SignerSyntax};
pub use limits::{MAX_KEYS, MAX_PUBLISHERS};
pub use signer_status::{KeyOrigin, KeyRecord, KnownPublishers, PublisherRecord, SignerStatus};
pub use signer_verdict::{RefusalReason, SignerRefusal, SignerVerdict};
pub use store::{FILE_NAME, Publishers};

#[cfg(test)]
mod tests;
