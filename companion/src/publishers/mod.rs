//! Known publishers: under which key the manifests of a `publisher.id` are signed, as this user has met it.
//!
//! A signature proves that the holder of a key wrote a manifest, and nothing about whose key it is. So the first key of a
//! publisher is shown as new and kept when its user imports; another key, or none where there was one, is an alarm that
//! its user must accept by name. A pinned key is the only one that is ever accepted. `docs/publishers.md` has the rules.
//!
//! [`Standing::of`] decides and touches nothing; [`Publishers`] is the file.

mod error;
mod judged;
mod key;
mod standing;
mod store;
mod text;

pub use error::PublisherError;
pub use judged::{Judged, Refusal, Why};
pub use key::{KeySyntax, PublisherKey, Shown, ShownSyntax};
pub use standing::{How, Known, KnownKey, Publisher, Standing};
pub use store::{FILE_NAME, MAX_KEYS, MAX_PUBLISHERS, Publishers};

#[cfg(test)]
mod tests;
