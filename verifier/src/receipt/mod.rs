//! The import receipt: the user's own proof that every check passed, and which peers supplied the bytes.
//!
//! A [`Receipt`] is made from a manifest and an [`ImportRecord`] and exists only for a finished import: at least one check
//! and none that failed, at least one consent, and no text that a line could not hold. This module renders and reads the
//! text; the caller writes it atomically and never over an existing file.

mod error;
mod parse;
mod record;
mod render;

pub use error::ReceiptError;
pub use record::{Consent, ConsentAction, ImportRecord, PeerSupply, Receipt, RecordedCheck, Subject};

/// Largest receipt, in bytes. One of a local file has about 3 KiB, and each peer adds about 150 bytes, so this
/// is room for more than 100,000 peers.
pub const MAX_RECEIPT_BYTES: usize = 16 * 1024 * 1024;
