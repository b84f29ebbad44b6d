//! The meaning of error numbers that std gives no kind.

use std::io;

use rustix::io::Errno;

/// A call that this file system does not know. On some systems two of these are one number.
const UNSUPPORTED: [Errno; 4] = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP];

/// Too many open files, of this process and of the whole system.
const TOO_MANY_FILES: [Errno; 2] = [Errno::MFILE, Errno::NFILE];

fn is_one_of(error: &io::Error, these: &[Errno]) -> bool {
    these.iter().any(|one| error.raw_os_error() == Some(one.raw_os_error()))
}

/// True if a link is where none is followed, or a path leads through links in a circle.
pub fn is_loop(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::LOOP])
}

/// True if the file system does not offer what was asked of it, so that another way may succeed.
pub fn is_unsupported(error: &io::Error) -> bool {
    is_one_of(error, &UNSUPPORTED)
}

/// True if the process or the system has too many files open.
pub fn is_out_of_files(error: &io::Error) -> bool {
    is_one_of(error, &TOO_MANY_FILES)
}

/// The error of a disk that fails, for simulations of one.
pub fn device_error() -> io::Error {
    Errno::IO.into()
}
