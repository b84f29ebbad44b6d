//! Texts of the operating system as bytes. The other direction is [`OsStr::as_encoded_bytes`].

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

/// The text of these bytes, which another text gave or a part of one. Any bytes are a text here.
pub fn text_of_bytes(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}
