//! Texts of the operating system as bytes. The other direction is [`OsStr::as_encoded_bytes`].

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// Marks that a word of a POSIX shell may have without quotes, beside letters and digits.
pub const SHELL_PLAIN: &str = r"_-./:,=@%+";
/// A single quote within single quotes of a POSIX shell.
pub const SHELL_QUOTE: &str = r"'\''";
/// What a backslash of a path is shown as: twice, since a name may have one and escapes begin with it.
pub const PATH_BACKSLASH: &str = r"\\";

/// The text of these bytes, which another text gave or a part of one. Any bytes are a text here.
pub fn text_of_bytes(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}
