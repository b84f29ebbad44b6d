//! Verification of model files: the manifest, the formats of models, chunk proofs, the report and the receipt.
//!
//! This crate reads bytes that the caller passes and answers questions about them. It opens no socket, reads no clock and
//! starts no thread of its own (rayon spreads hashing over the cores). No number is trusted before it is proven to lie
//! inside the file.
//!
//! - [`manifest`]: the text that names bytes, publisher, license and evidence.
//! - [`artifact`]: what kind of file it is, and its names.
//! - [`gguf`], [`safetensors`]: two more formats, whose structure is checked.
//! - [`slm`]: the artifact format, checked while it streams past.
//! - [`chunk`]: `fixed-size-merkle-v0`, the tree over the chunks.
//! - [`report`]: named checks and their outcome; [`verify`]: manifest + artifact -> report.
//! - [`receipt`]: the record of an import that passed.
//! - [`pool`]: the threads that hash.
//! - [`shown`]: untrusted text, made harmless before it is printed.
//! - [`request`]: the JSON of `import-peer-request`, checked against a manifest.
//! - [`os`]: what differs by system.

pub mod artifact;
pub mod chunk;
pub mod digest;
pub mod gguf;
pub mod manifest;
pub mod onnx;
pub mod os;
pub mod other;
pub mod pool;
pub mod receipt;
pub mod report;
pub mod request;
pub mod safetensors;
pub mod scan;
pub mod sha;
pub mod shown;
pub mod slm;
pub mod verify;
mod word;

pub use digest::{Digest, sha256};
pub use manifest::{Manifest, ManifestError};
pub use report::{Check, Outcome, Report};
