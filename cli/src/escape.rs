//! Text from outside, made harmless before it is printed.
//!
//! Two layers. A value that came from a file, a peer or the file system is shown through [`shown`] or
//! [`path`]: every character that a terminal or a reader could take for something else becomes a visible escape,
//! line ends included, and a long value is cut. Whatever a call site forgets is caught by the printer, which passes
//! everything through [`harmless`].

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::path::Path;

/// Characters of a foreign value that are shown before it is cut: two lines of a terminal.
const VALUE_CHARS: usize = 160;

/// Characters of a path that are shown: the longest path Linux takes, so in practice all of it.
const PATH_CHARS: usize = 4096;

/// Blank letters: Unicode calls them letters or symbols, readers see nothing.
const BLANK_LETTERS: [char; 5] = ['\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];

/// Displays a foreign text with escapes instead of control, format, bidi, zero-width, combining and blank characters,
/// cut after 160 characters with the full length told.
pub(crate) fn shown(text: &str) -> Shown<'_> {
    Shown { bytes: text.as_bytes(), limit: VALUE_CHARS }
}

/// Displays a path like `shown`: bytes that are not UTF-8 become `\xNN`, and in practice it is never cut, because people
/// copy paths.
pub(crate) fn path(path: &Path) -> Shown<'_> {
    os(path.as_os_str())
}

/// [`path`] for any text of the operating system.
pub(crate) fn os(text: &OsStr) -> Shown<'_> {
    Shown { bytes: text.as_encoded_bytes(), limit: PATH_CHARS }
}

/// A shell word for a command line that the user may paste: plain words as they are, others in single quotes.
/// A text that cannot be pasted safely (control characters and the like) is shown escaped, and then fails harmlessly.
pub(crate) fn shell_word(text: &OsStr) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:,=@%+[]".contains(&b);
    let shown = os(text).to_string();
    if !text.is_empty() && text.as_encoded_bytes().iter().all(|&b| plain(b)) {
        shown
    } else if shown.contains('\\') {
        format!("'{}'", shown.replace('\'', "?"))
    } else {
        format!("'{}'", shown.replace('\'', r"'\''"))
    }
}

/// A foreign text that is escaped when it is displayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    bytes: &'a [u8],
    limit: usize,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.limit;
        for piece in self.bytes.utf8_chunks() {
            for character in piece.valid().chars() {
                if left == 0 {
                    return write!(f, "... ({} bytes)", self.bytes.len());
                }
                left -= 1;
                match character {
                    '\\' => f.write_str("\\\\")?,
                    harmless if is_harmless(harmless) => f.write_char(harmless)?,
                    other => write!(f, "{}", other.escape_default())?,
                }
            }
            for byte in piece.invalid() {
                if left == 0 {
                    return write!(f, "... ({} bytes)", self.bytes.len());
                }
                left -= 1;
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
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

/// Whether a terminal shows the character as itself, in its place, and visibly.
fn is_harmless(character: char) -> bool {
    match character {
        ' '..='~' => true,
        _ if BLANK_LETTERS.contains(&character) => false,
        // The standard library keeps the Unicode tables: it escapes what is not printable (control, format, bidi,
        // zero-width, private, unassigned, odd spaces) and what joins onto the character before (combining).
        other => other.escape_debug().len() == 1,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    // Rows: D8
    #[test]
    fn nothing_that_steers_a_terminal_or_a_reader_comes_out() {
        let hostile = [
            "\0",
            "\u{1b}[31m",
            "\r",
            "\n",
            "\t",
            "\u{7}",
            "\u{8}",
            "\u{7f}",
            "\u{85}",
            "\u{9b}31m",
            "\u{ad}",
            "\u{a0}",
            "\u{300}",
            "\u{61c}",
            "\u{115f}",
            "\u{180e}",
            "\u{200b}",
            "\u{200d}",
            "\u{200e}",
            "\u{200f}",
            "\u{2028}",
            "\u{2029}",
            "\u{202a}",
            "\u{202e}",
            "\u{2060}",
            "\u{2066}",
            "\u{2069}",
            "\u{2800}",
            "\u{3000}",
            "\u{3164}",
            "\u{e000}",
            "\u{fe0f}",
            "\u{feff}",
            "\u{fff9}",
            "\u{ffa0}",
            "\u{e0041}",
            "\u{10ffff}",
        ];
        for text in hostile {
            let printed = shown(text).to_string();
            assert!(
                printed.is_ascii() && !printed.contains(char::is_control),
                "{text:?} came out as {printed:?}"
            );
            assert!(printed.starts_with('\\'), "{text:?} came out as {printed:?}");
            assert!(text == "\n" || harmless(text).is_ascii(), "{text:?}");
        }
        assert_eq!(shown("\u{1b}[2J\u{202e}x").to_string(), r"\u{1b}[2J\u{202e}x");
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
