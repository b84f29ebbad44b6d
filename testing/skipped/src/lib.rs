//! What a test does not do: all of it, on a machine without root, a tool or a device, which it must say; or the whole of a
//! long walk, outside of a soak.
//!
//! ```
//! fn a_full_disk_is_an_error() {
//!     if !minimodel_skipped::is_root("a full disk") {
//!         return;
//!     }
//!     // Mounts a small file system and fills it.
//! }
//! # a_full_disk_is_an_error();
//! ```

use std::env::VarError;
use std::fmt::Display;
use std::io::{self, Write as _};

/// The variable under which a test that cannot test anything fails.
const STRICT: &str = "MINIMODEL_CI_STRICT";

/// The variable under which long walks are walked to their end.
const SOAK: &str = "MINIMODEL_SOAK";

/// How much of a long walk a test does: `all` if the variable `MINIMODEL_SOAK` is set and not empty, as `.ci/soak` sets it,
/// otherwise `part`.
pub fn walk<T>(all: T, part: T) -> T {
    if is_set(std::env::var(SOAK)) { all } else { part }
}

/// Says on stderr that `what` is not tested on this machine; fails if the variable `MINIMODEL_CI_STRICT` is set and not empty.
///
/// # Panics
///
/// If that variable is set and not empty.
#[track_caller]
pub fn skipped(what: impl Display) {
    let said = format!("SKIPPED: {what}\n");
    // Written past the capture of the test harness, so that it is seen although the test passes. A closed stderr has no reader.
    let _ = io::stderr().write_all(said.as_bytes());
    assert!(!is_set(std::env::var(STRICT)), "{said}with {STRICT} set, every test must run");
}

/// Returns true if this process is root; otherwise says that `what` is not tested, as [`skipped`].
///
/// # Panics
///
/// As [`skipped`].
#[cfg(unix)]
#[track_caller]
pub fn is_root(what: impl Display) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped(format_args!("{what} (root may)"));
    }
    is_root
}

fn is_set(variable: Result<String, VarError>) -> bool {
    variable.map_or_else(|error| error != VarError::NotPresent, |value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_variable_that_is_not_empty_counts_as_set() {
        assert!(is_set(Ok("1".to_owned())) && is_set(Err(VarError::NotUnicode("\u{e9}".into()))));
        assert!(!is_set(Ok(String::new())) && !is_set(Err(VarError::NotPresent)));
    }
}
