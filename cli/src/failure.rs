//! A failure, for people and for scripts: an exit class and three texts.

use std::error::Error;
use std::io;
use std::path::Path;

use minimodel_swarm::os::{is_loop, is_out_of_files, open_file_limit, rights_command};

use crate::escape;
use crate::exit::Exit;

/// A failure as it is shown: what failed (and for which object), why, and what to do next.
///
/// The code that makes a failure escapes texts from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) class: Exit,
    /// What failed, naming the object.
    pub(crate) error: String,
    /// Why, where more is known than `error` says.
    pub(crate) cause: Option<String>,
    /// The next step.
    pub(crate) hint: String,
    /// True if the answer on stdout reports the failure already, so that `--json` prints no second object.
    pub(crate) is_answered: bool,
}

impl Failure {
    /// A failure without a cause of its own.
    pub(crate) fn new(class: Exit, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { class, error: error.into(), cause: None, hint: hint.into(), is_answered: false }
    }

    /// Adds the cause.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over errors and texts that they are done with"
    )]
    pub(crate) fn because(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// Appends further text to the cause.
    pub(crate) fn besides(self, more: &str) -> Self {
        let cause = match self.cause {
            Some(cause) => format!("{cause}\n{more}"),
            None => more.to_owned(),
        };
        Self { cause: Some(cause), ..self }
    }

    /// Marks the failure as reported by the answer on stdout.
    pub(crate) fn answered(self) -> Self {
        Self { is_answered: true, ..self }
    }

    /// A failure that no input explains.
    pub(crate) fn unexpected(error: impl Into<String>, cause: &anyhow::Error) -> Self {
        Self::new(
            Exit::Unexpected,
            error,
            "run it again with -v; if it stays, please report it with the lines above",
        )
        .because(format!("{cause:#}"))
        .for_want_of_files(cause.as_ref())
    }

    /// Replaces class and hint if `cause` is that too many files are open: the user must raise that limit (F2).
    pub(crate) fn for_want_of_files(self, cause: &(dyn Error + 'static)) -> Self {
        if !is_want_of_files(cause) {
            return self;
        }
        let limit = open_file_limit().map_or_else(|| "no".to_owned(), |limit| limit.to_string());
        let hint = format!(
            "this process may have {limit} files open: raise that limit (`ulimit -n`) or end other programs, then run the \
             same command again"
        );
        Self { class: Exit::Io, hint, ..self }
    }

    /// An input that could not be opened or read.
    pub(crate) fn reading(what: &str, path: &Path, cause: &io::Error) -> Self {
        let shown = escape::path(path);
        if is_loop(cause) {
            let hint = format!("see where it leads: `ls -l {}`", shell(path));
            return Self::new(Exit::Io, format!("cannot read the {what} `{shown}`"), hint).because(CIRCLE);
        }
        let (class, hint) = match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                (Exit::NotFound, format!("check the path: `ls -l {}`", shell(path)))
            }
            io::ErrorKind::PermissionDenied => {
                (Exit::Io, format!("see who may read it: `{}`", rights_command(&shell(path))))
            }
            _ => (Exit::Io, "check the disk and the file, then run the same command again".to_owned()),
        };
        Self::new(class, format!("cannot read the {what} `{shown}`"), hint)
            .because(cause)
            .for_want_of_files(cause)
    }

    /// An output that could not be created or written.
    pub(crate) fn writing(what: &str, path: &Path, cause: &io::Error) -> Self {
        let shown = escape::path(path);
        if is_loop(cause) {
            let hint = format!("see where the links lead: `ls -ld {} {}`", folder(path), shell(path));
            return Self::new(Exit::Io, format!("cannot write the {what} `{shown}`"), hint).because(CIRCLE);
        }
        let (class, hint) = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (Exit::DiskFull, "make space on that disk, then run the same command again".to_owned())
            }
            io::ErrorKind::FileTooLarge => (
                Exit::DiskFull,
                "raise the limit on file sizes (`ulimit -f`), then run the same command again".to_owned(),
            ),
            io::ErrorKind::AlreadyExists => return Self::exists(what, path),
            io::ErrorKind::NotFound => {
                (Exit::Io, format!("make its folder first: `mkdir -p {}`", folder(path)))
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
                Exit::Io,
                format!("choose a folder that you may write to, or see `{}`", rights_command(&folder(path))),
            ),
            _ => (
                Exit::Io,
                format!("check the disk that holds {}, then run the same command again", folder(path)),
            ),
        };
        Self::new(class, format!("cannot write the {what} `{shown}`"), hint)
            .because(cause)
            .for_want_of_files(cause)
    }

    /// An output whose file exists already.
    pub(crate) fn exists(what: &str, path: &Path) -> Self {
        Self::new(
            Exit::Io,
            format!("the {what} `{}` is there already", escape::path(path)),
            "nothing is ever overwritten: choose another name, or move that file away",
        )
        .because("the file exists")
    }
}

/// Cause shown for too many symbolic links on a way.
const CIRCLE: &str = "a symbolic link on the way to it leads back to itself, or through too many others";

fn is_want_of_files(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(is_out_of_files)
        || cause.source().is_some_and(is_want_of_files)
}

/// The path as a word for a shell line in a hint.
fn shell(path: &Path) -> String {
    escape::shell_word(path.as_os_str())
}

/// The folder of a path as a word for a shell line.
fn folder(path: &Path) -> String {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => shell(parent),
        _ => ".".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_tells_a_missing_file_from_one_that_may_not_be_read() {
        let missing = Failure::reading("manifest", Path::new("/no/such"), &io::ErrorKind::NotFound.into());
        assert_eq!(missing.class, Exit::NotFound);
        assert!(missing.error.contains("manifest `/no/such`") && missing.hint.contains("ls -l /no/such"));
        let forbidden =
            Failure::reading("manifest", Path::new("/x"), &io::ErrorKind::PermissionDenied.into());
        assert_eq!(forbidden.class, Exit::Io);
    }

    // Rows: E6
    #[test]
    fn writing_tells_a_full_disk_from_the_rest() {
        let path = Path::new("out/a b.slm");
        let class = |kind: io::ErrorKind| Failure::writing("sample", path, &kind.into()).class;
        assert_eq!(class(io::ErrorKind::StorageFull), Exit::DiskFull);
        assert_eq!(class(io::ErrorKind::QuotaExceeded), Exit::DiskFull);
        assert_eq!(class(io::ErrorKind::AlreadyExists), Exit::Io);
        let missing = Failure::writing("sample", Path::new("a b/c"), &io::ErrorKind::NotFound.into());
        assert!(missing.hint.contains("mkdir -p 'a b'"), "{}", missing.hint);
        assert!(Failure::exists("sample", path).hint.contains("overwritten"));
    }

    // Rows: D8
    #[test]
    fn hostile_paths_are_escaped_in_every_text() {
        let failure = Failure::writing("x", Path::new("a\u{1b}[2J/b\n"), &io::ErrorKind::NotFound.into());
        for text in [&failure.error, &failure.hint] {
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
}
