//! Texts of the operating system as bytes. The other direction is [`OsStr::as_encoded_bytes`](std::ffi::OsStr::as_encoded_bytes).

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt as _;

/// Marks that a word of PowerShell may have without quotes, beside letters and digits.
pub const SHELL_PLAIN: &str = r"_-./:\=+";
/// A single quote within single quotes of PowerShell.
pub const SHELL_QUOTE: &str = r"''";
/// What a backslash of a path is shown as: as itself, since every path has some and no name can.
pub const PATH_BACKSLASH: &str = r"\";

/// The text of these bytes, which another text gave or a part of one. Names of this system are 16-bit units; half a pair among
/// them has three bytes, as a code point would. Whatever else is no UTF-8, such as a letter that was cut, becomes U+FFFD.
pub fn text_of_bytes(bytes: &[u8]) -> OsString {
    let mut units: Vec<u16> = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let good = match std::str::from_utf8(rest) {
            Ok(all) => all.len(),
            Err(error) => error.valid_up_to(),
        };
        let (text, after) = rest.split_at(good);
        units.extend(String::from_utf8_lossy(text).encode_utf16());
        rest = match after {
            [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, left @ ..] => {
                units.push(0xd000 | (u16::from(second & 0x3f) << 6) | u16::from(third & 0x3f));
                left
            }
            [_, left @ ..] => {
                units.push(0xfffd);
                left
            }
            [] => after,
        };
    }
    OsString::from_wide(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_as_bytes_and_a_cut_letter_is_marked() {
        for units in [&[0x61, 0xe9, 0x4e00][..], &[0xd800, 0x61], &[0xdfff], &[0xd83d, 0xde00], &[]] {
            let text = OsString::from_wide(units);
            assert_eq!(text_of_bytes(text.as_encoded_bytes()), text);
        }
        assert_eq!(text_of_bytes("a\u{e9}".as_bytes().split_at(2).0), "a\u{fffd}");
    }
}
