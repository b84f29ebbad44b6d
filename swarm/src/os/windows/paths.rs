//! Paths and names as calls of the system take them, and calls that are tried again.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf, Prefix};
use std::time::Duration;

use super::errors::is_held;
use super::names;

/// How often a call is tried again while another program, such as a virus scanner, holds the file.
const TRIES: u32 = 8;
/// The wait before the first of these; each next one is twice as long, a quarter of a second in all.
const FIRST_WAIT: Duration = Duration::from_millis(2);

/// Refuses a name under which the system would make something else than a file of this name.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] with the reason.
pub(super) fn check_name(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match names::fault(&name) {
        Some(why) => Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
        None => Ok(()),
    }
}

/// The path as calls of the system take it: whole, and not bound to 260 letters. The last name was checked.
pub(super) fn whole(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let Some(Component::Prefix(prefix)) = path.components().next() else { return Ok(path) };
    let mut whole = OsString::from(r"\\?\");
    match prefix.kind() {
        Prefix::Disk(_) => whole.push(prefix.as_os_str()),
        Prefix::UNC(server, share) => {
            for part in [OsStr::new(r"UNC\"), server, OsStr::new(r"\"), share] {
                whole.push(part);
            }
        }
        // Whole already, or no file on a disk.
        _ => return Ok(path),
    }
    for name in path.components().filter(|part| matches!(part, Component::Normal(_))) {
        whole.push(r"\");
        whole.push(name.as_os_str());
    }
    Ok(whole.into())
}

/// The folder of a path, `.` where it names none.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Calls again, for a quarter of a second at most, while another program holds the file.
pub(super) fn retried<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut wait = FIRST_WAIT;
    for _ in 1..TRIES {
        match call() {
            Err(error) if is_held(&error) => std::thread::sleep(wait),
            answer => return answer,
        }
        wait *= 2;
    }
    call()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_whole_whatever_it_begins_with() {
        assert_eq!(whole(Path::new(r"\\server\share\a")).unwrap(), Path::new(r"\\?\UNC\server\share\a"));
        assert_eq!(whole(Path::new(r"\\?\C:\a")).unwrap(), Path::new(r"\\?\C:\a"));
        assert!(whole(Path::new("a")).unwrap().to_string_lossy().starts_with(r"\\?\"));
        assert_eq!(
            (folder_of(Path::new("a")), folder_of(Path::new(r"b\a"))),
            (Path::new("."), Path::new("b"))
        );
    }

    #[test]
    fn a_call_is_tried_again_only_while_the_file_is_held() {
        let tries = std::cell::Cell::new(0);
        let call = |error: i32| {
            tries.set(0);
            retried(|| {
                tries.set(tries.get() + 1);
                if tries.get() < 3 { Err(io::Error::from_raw_os_error(error)) } else { Ok(()) }
            })
        };
        // ERROR_SHARING_VIOLATION, ERROR_FILE_NOT_FOUND.
        assert!(call(32).is_ok());
        assert!(call(2).is_err() && tries.get() == 1);
    }
}
