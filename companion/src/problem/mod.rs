//! The error of every call, as the terminal, `--json`, the local interface and its clients show it.

mod node;

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A failure with its next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{error}")]
pub struct Problem {
    /// The exit code of the command line that says the same; docs/cli.md has the table.
    pub code: u8,
    /// What failed, and for which object.
    pub error: String,
    /// Why, where more is known.
    pub cause: Option<String>,
    /// The next step.
    pub hint: String,
}

/// The codes that this crate itself gives; the numbers are those of docs/cli.md.
pub mod code {
    /// A fault of this program or its environment.
    pub const UNEXPECTED: u8 = 1;
    /// The request asks for something impossible.
    pub const USAGE: u8 = 2;
    /// Nothing is known by that name.
    pub const NOT_FOUND: u8 = 3;
    /// Bytes are not what their manifest says.
    pub const VERIFICATION: u8 = 4;
    /// Consent is missing or was refused.
    pub const CONSENT: u8 = 5;
    /// License, evidence or publisher's key are not those that were expected.
    pub const MISMATCH: u8 = 6;
    /// Stopped or stalled, resumable.
    pub const STOPPED: u8 = 7;
    /// The disk is full, or a storage limit would be exceeded.
    pub const DISK_FULL: u8 = 9;
    /// A manifest, an offer, a record or a request is not valid.
    pub const INVALID: u8 = 10;
    /// Another process or transfer holds the target.
    pub const BUSY: u8 = 11;
    /// A quota or rate rule was reached.
    pub const QUOTA: u8 = 12;
    /// File I/O or permission.
    pub const IO: u8 = 13;
}

impl Problem {
    /// A problem without a cause of its own.
    pub fn new(code: u8, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, error: error.into(), cause: None, hint: hint.into() }
    }

    /// Adds the cause.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers hand over errors that they are done with")]
    pub fn because(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }
}

/// The problem of a state file or folder that cannot be written.
pub(crate) fn writing(path: &Path, error: &io::Error) -> Problem {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    Problem::new(
        if full { code::DISK_FULL } else { code::IO },
        format!("cannot write {}", path.display()),
        if full { "make space on that disk" } else { "see who may write there: `ls -ld` of its folder" },
    )
    .because(error)
}
