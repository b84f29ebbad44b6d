//! The manifest: the text that names bytes, publisher, license and evidence.
//!
//! A [`Manifest`] exists only when every rule of the format holds, the signature included; its claims about the artifact
//! are compared with the file elsewhere ([`crate::verify`]). Each broken rule is its own [`ManifestError`], which names the
//! line, the key and what is accepted.
//!
//! The modules, in the order in which a text passes them: `text` splits bytes into lines and fields, `keys` checks which
//! keys may and must be present, `read` turns values into typed claims, `signature` verifies the publisher's signature.
//! `draft` goes the other way, from claims to a text.
//!
//! Nothing here opens a file or follows a route, and no text from outside leaves an error unescaped.

mod build;
mod check;
mod claims;
mod document;
mod draft;
mod error;
mod explain;
mod keys;
mod limits;
mod read;
pub(crate) mod route;
mod schema;
mod signature;
mod spdx;
mod text;
pub(crate) mod value;

pub use check::CHECKS;
pub use claims::{
    Acquisition, ArtifactClaims, ChunkClaims, ChunkListClaims, Evidence, FormatClaims, RequiresClaims,
    SlmClaims, SourceClaims,
};
pub use document::Manifest;
pub use draft::ManifestDraft;
pub use error::{FieldAt, ManifestError};
pub use limits::{
    MAX_CHUNK_SIZE_BYTES, MAX_FIELDS, MAX_KEY_BYTES, MAX_MANIFEST_BYTES, MAX_VALUE_BYTES,
    MIN_CHUNK_SIZE_BYTES,
};
pub use read::check;
pub use route::RouteFault;
pub use schema::Schema;
pub use signature::{KeyFault, check_key};
pub use spdx::SpdxFault;
