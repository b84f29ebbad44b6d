//! Reads of a file at an offset: the one thing that this crate asks of a system and that std names differently on each.

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::unix::fs::FileExt as _;
#[cfg(windows)]
use std::os::windows::fs::FileExt as _;

/// Reads at `offset`; fewer bytes than asked are possible, 0 is the end of the file.
///
/// # Errors
///
/// The system's error.
#[cfg(unix)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buffer, offset)
}

/// Fills `buffer` from `offset` on.
///
/// # Errors
///
/// [`io::ErrorKind::UnexpectedEof`] when the file ends before that, or the system's error.
#[cfg(unix)]
pub fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
}

/// As on Unix, but the position of the file is moved: a file that is read so is not read on from its position as well.
///
/// # Errors
///
/// The system's error.
#[cfg(windows)]
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}

/// As on Unix.
///
/// # Errors
///
/// [`io::ErrorKind::UnexpectedEof`] when the file ends before that, or the system's error.
#[cfg(windows)]
pub fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = buffer.get_mut(count..).unwrap_or_default();
                offset = offset.saturating_add(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
