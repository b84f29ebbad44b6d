//! The meaning of error numbers that std gives no kind.

use std::io;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_CANT_RESOLVE_FILENAME, ERROR_INVALID_FUNCTION,
    ERROR_INVALID_PARAMETER, ERROR_IO_DEVICE, ERROR_LOCK_VIOLATION, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_NOT_SUPPORTED, ERROR_SHARING_VIOLATION, ERROR_STOPPED_ON_SYMLINK, ERROR_TOO_MANY_OPEN_FILES,
};
use windows_sys::Win32::Networking::WinSock::WSAEMFILE;

/// A call that this file system does not know.
const UNSUPPORTED: [u32; 4] =
    [ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED, ERROR_INVALID_PARAMETER, ERROR_CALL_NOT_IMPLEMENTED];
/// Another program, such as a virus scanner, holds the file for a moment. The last of them is also a plain refusal.
const HELD: [u32; 3] = [ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_ACCESS_DENIED];
/// What is out, of this process or of the system.
const TOO_MANY_FILES: [u32; 3] =
    [ERROR_TOO_MANY_OPEN_FILES, ERROR_NO_SYSTEM_RESOURCES, WSAEMFILE.cast_unsigned()];

fn is_one_of(error: &io::Error, these: &[u32]) -> bool {
    error.raw_os_error().is_some_and(|number| these.contains(&number.cast_unsigned()))
}

fn of(number: u32) -> io::Error {
    io::Error::from_raw_os_error(number.cast_signed())
}

/// True if a link is where none is followed, or a path leads through links in a circle.
pub fn is_loop(error: &io::Error) -> bool {
    is_one_of(error, &[ERROR_STOPPED_ON_SYMLINK, ERROR_CANT_RESOLVE_FILENAME])
}

/// True if the file system does not offer what was asked of it, so that another way may succeed.
pub fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported || is_one_of(error, &UNSUPPORTED)
}

/// True if the process or the system has too many files open.
pub fn is_out_of_files(error: &io::Error) -> bool {
    is_one_of(error, &TOO_MANY_FILES)
}

/// The error of a disk that fails, for simulations of one.
pub fn device_error() -> io::Error {
    of(ERROR_IO_DEVICE)
}

/// The error of a link where none is followed, which this program makes itself: the system opens the link instead.
pub(super) fn link_error() -> io::Error {
    of(ERROR_STOPPED_ON_SYMLINK)
}

/// True if the same call may succeed in a moment.
pub(super) fn is_held(error: &io::Error) -> bool {
    is_one_of(error, &HELD)
}

/// True if a right is missing.
pub(super) fn is_denied(error: &io::Error) -> bool {
    is_one_of(error, &[ERROR_ACCESS_DENIED])
}
