//! Text from outside, made harmless before it is printed.
//!
//! Two layers. A value that came from a file, a peer or the file system is shown through [`shown`] or
//! [`path`], which escape as `minimodel_verifier::shown` says. Whatever a call site forgets is caught by the printer, which
//! passes everything through [`harmless`].

use std::ffi::OsStr;
use std::path::Path;

use minimodel_swarm::os::{PATH_BACKSLASH, SHELL_PLAIN, SHELL_QUOTE};
pub(crate) use minimodel_verifier::shown::Shown;
use minimodel_verifier::shown::{is_harmless, printable};

/// Characters of a foreign value that are shown before it is cut: two lines of a terminal.
const VALUE_CHARS: usize = 160;

/// Characters of a path that are shown: the longest path Linux takes, so in practice all of it.
const PATH_CHARS: usize = 4096;

/// Displays a foreign text with escapes instead of control, format, bidi, zero-width, combining and blank characters,
/// cut after 160 characters with the full length told.
pub(crate) fn shown(text: &str) -> Shown<'_> {
    printable(text.as_bytes(), VALUE_CHARS)
}

/// Displays a path like `shown`: bytes that are not UTF-8 become `\xNN`, and in practice it is never cut, because people
/// copy paths.
pub(crate) fn path(path: &Path) -> Shown<'_> {
    os(path.as_os_str())
}

/// [`path`] for any text of the operating system.
pub(crate) fn os(text: &OsStr) -> Shown<'_> {
    printable(text.as_encoded_bytes(), PATH_CHARS).with_backslash(PATH_BACKSLASH)
}

/// A shell word for a command line that the user may paste: plain words as they are, others in single quotes.
/// A text that cannot be pasted safely (control characters and the like) is shown escaped, and then fails harmlessly.
pub(crate) fn shell_word(text: &OsStr) -> String {
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || SHELL_PLAIN.as_bytes().contains(&b) || b"[]".contains(&b);
    let shown = os(text).to_string();
    if !text.is_empty() && text.as_encoded_bytes().iter().all(|&b| plain(b)) {
        shown
    } else if shown != text.to_string_lossy() {
        format!("'{}'", shown.replace('\'', "?"))
    } else {
        format!("'{}'", shown.replace('\'', SHELL_QUOTE))
    }
}

/// The printer's own layer: everything but line ends and harmless characters becomes an escape. Backslashes stay, as
/// values were escaped before.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || is_harmless(character) {
            out.push(character);
        } else {
            out.extend(character.escape_default());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    // Rows: D8
    #[test]
    fn what_steers_a_terminal_is_escaped_by_both_layers() {
        assert_eq!(shown("\u{1b}[2J\u{202e}x").to_string(), r"\u{1b}[2J\u{202e}x");
        assert_eq!(harmless("\u{1b}[2J\u{202e}x\r\n"), "\\u{1b}[2J\\u{202e}x\\r\n");
    }

    #[test]
    fn plain_text_stays_readable_and_backslashes_are_escaped() {
        assert_eq!(shown("Käse, 模型 \"x\" 'y'").to_string(), "Käse, 模型 \"x\" 'y'");
        assert_eq!(shown(r"\u{1b}").to_string(), r"\\u{1b}");
        assert_eq!(harmless("a\\nb\nc\td"), "a\\nb\nc\\td");
    }

    #[test]
    fn a_long_value_is_cut_and_its_length_told() {
        assert_eq!(shown(&"x".repeat(10_000)).to_string(), format!("{}... (10000 bytes)", "x".repeat(160)));
        assert_eq!(shown(&"x".repeat(160)).to_string(), "x".repeat(160));
    }

    // Rows: D8
    #[test]
    fn bytes_that_are_no_text_are_shown_as_bytes() {
        assert_eq!(os(OsStr::from_bytes(b"a\xff\x1b")).to_string(), r"a\xff\u{1b}");
        assert_eq!(path(Path::new(OsStr::from_bytes(b"/tmp/\xc3\x28"))).to_string(), r"/tmp/\xc3(");
    }

    #[test]
    fn shell_words_survive_pasting() {
        assert_eq!(shell_word(OsStr::new("/tmp/a-1.slm")), "/tmp/a-1.slm");
        assert_eq!(shell_word(OsStr::new("my file")), "'my file'");
        assert_eq!(shell_word(OsStr::new("it's; rm -rf $HOME")), r"'it'\''s; rm -rf $HOME'");
        assert_eq!(shell_word(OsStr::new("")), "''");
        assert_eq!(shell_word(OsStr::new("a\n'b")), r"'a\n?b'");
    }
}
