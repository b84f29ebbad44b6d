//! The path of this program, for verbs that start it again or have the system start it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::failure::Failure;

/// The path of this program.
pub(crate) fn path() -> Result<PathBuf, Failure> {
    told_or_called(std::env::current_exe(), std::env::args_os().next()).map_err(|error| {
        let hint = "call it by its whole path, such as `/usr/bin/minimodel`";
        Failure::new(Exit::Unexpected, "cannot find this program", hint).because(error)
    })
}

/// The path that the system tells, or else the one that the program was called by, if it is whole: Linux tells nothing where
/// `proc` is not mounted, as in an empty root.
fn told_or_called(told: io::Result<PathBuf>, called: Option<OsString>) -> io::Result<PathBuf> {
    let whole = |path: &PathBuf| path.is_absolute() && path.is_file();
    told.or_else(|error| called.map(PathBuf::from).filter(whole).ok_or(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_system_s_word_a_whole_path_that_is_there_counts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let there = file.path().to_owned();
        let silent = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(told_or_called(silent(), Some(there.clone().into())).unwrap(), there);
        assert_eq!(told_or_called(Ok("/told".into()), Some(there.into())).unwrap(), PathBuf::from("/told"));
        for useless in [None, Some("minimodel".into()), Some("./minimodel".into()), Some("/no/such".into())] {
            assert_eq!(told_or_called(silent(), useless).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
