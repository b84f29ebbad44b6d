//! Commands of service managers.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::escape;

/// Bytes from the end of what a failed command said.
const LAST_BYTES: usize = 1_024;

/// A command of a service manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The program: a path, or a name found on `PATH`.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
}

impl Step {
    pub(super) fn new<S: Into<String>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Self {
        Self { program: program.to_owned(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// Runs the command to its end; what it said if it fails.
    pub(crate) fn run(&self) -> Result<(), String> {
        let output = Command::new(&self.program).args(&self.arguments).stdin(Stdio::null()).output();
        let output =
            output.map_err(|error| format!("cannot run `{}`: {error}", escape::shown(&self.program)))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let last = said.get(said.len().saturating_sub(LAST_BYTES)..).unwrap_or_default();
        let said = escape::harmless(String::from_utf8_lossy(last).trim());
        Err(if said.is_empty() { output.status.to_string() } else { said })
    }

    /// The program and its arguments.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.program.as_str()).chain(self.arguments.iter().map(String::as_str))
    }

    /// The command as a line that can be pasted.
    pub(crate) fn shown(&self) -> String {
        self.words().map(|word| escape::shell_word(OsStr::new(word))).collect::<Vec<_>>().join(" ")
    }
}
