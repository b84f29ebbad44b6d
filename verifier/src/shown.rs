//! Untrusted text, made harmless before it is printed or recorded: every character that a terminal or a reader could take
//! for something else becomes a visible escape, line ends included, and a long text is cut.

use std::fmt::{self, Write as _};

/// Characters of a value that an error message shows before it cuts.
const SHOWN_CHARS: usize = 80;

/// A backslash that no escape can be mistaken for.
const DOUBLED: &str = r"\\";

/// Blank letters: Unicode calls them letters or symbols, readers see nothing.
const BLANK_LETTERS: [char; 5] = ['\u{115f}', '\u{1160}', '\u{2800}', '\u{3164}', '\u{ffa0}'];

/// Displays a text as printable ASCII, as error messages and receipts have it: a backslash doubled, everything else as an
/// escape (`\n`, `\u{202e}`); cut after 80 characters, with the full length added.
pub fn ascii(text: &str) -> Shown<'_> {
    Shown { bytes: text.as_bytes(), most: SHOWN_CHARS, keeps: is_plain, backslash: DOUBLED }
}

/// As [`ascii`], uncut.
pub fn escaped(text: &str) -> String {
    Shown { most: usize::MAX, ..ascii(text) }.to_string()
}

/// Displays a text, or bytes that may be none, for a terminal: letters of any language as they are, a backslash doubled,
/// control, format, bidi, zero-width, combining and blank characters as escapes, other bytes as `\xNN`; cut after `most`
/// characters, with the full length added.
pub fn printable(bytes: &[u8], most: usize) -> Shown<'_> {
    Shown { bytes, most, keeps: is_harmless, backslash: DOUBLED }
}

/// Returns true if a terminal shows the character as itself, in its place, and visibly.
pub fn is_harmless(character: char) -> bool {
    match character {
        ' '..='~' => true,
        _ if BLANK_LETTERS.contains(&character) => false,
        // The standard library keeps the Unicode tables: it escapes what is not printable (control, format, bidi,
        // zero-width, private, unassigned, odd spaces) and what joins onto the character before (combining).
        other => other.escape_debug().len() == 1,
    }
}

fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~')
}

/// An untrusted text that is escaped when it is displayed.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    bytes: &'a [u8],
    /// Characters that are shown before it is cut.
    most: usize,
    /// The characters that are shown as themselves.
    keeps: fn(char) -> bool,
    backslash: &'static str,
}

impl Shown<'_> {
    /// The same with another text for each backslash: a single one where it parts folders, as in a path of Windows.
    pub fn with_backslash(self, backslash: &'static str) -> Self {
        Self { backslash, ..self }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.most;
        for piece in self.bytes.utf8_chunks() {
            for character in piece.valid().chars() {
                if left == 0 {
                    return write!(f, "... ({} bytes)", self.bytes.len());
                }
                left -= 1;
                match character {
                    '\\' => f.write_str(self.backslash)?,
                    kept if (self.keeps)(kept) => f.write_char(kept)?,
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

#[cfg(test)]
mod tests {
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
            for printed in [ascii(text).to_string(), printable(text.as_bytes(), 9).to_string(), escaped(text)]
            {
                assert!(printed.starts_with('\\'), "{text:?} came out as {printed:?}");
                assert!(
                    printed.is_ascii() && !printed.contains(char::is_control),
                    "{text:?} came out as {printed:?}"
                );
            }
        }
        let steering = "a\u{1b}[31m\u{202e}\u{9b}\0\n\\";
        assert_eq!(ascii(steering).to_string(), r"a\u{1b}[31m\u{202e}\u{9b}\u{0}\n\\");
    }

    #[test]
    fn letters_of_any_language_are_kept_for_terminals_alone() {
        assert_eq!(printable("Käse, 模型".as_bytes(), 99).to_string(), "Käse, 模型");
        assert_eq!(ascii("é").to_string(), r"\u{e9}");
    }

    #[test]
    fn a_long_value_is_cut_and_its_length_told() {
        let long = "x".repeat(10_000);
        assert_eq!(ascii(&long).to_string(), format!("{}... (10000 bytes)", "x".repeat(80)));
        assert_eq!(printable(long.as_bytes(), 7).to_string(), "xxxxxxx... (10000 bytes)");
        assert_eq!(escaped(&long).len(), 10_000);
        assert_eq!(ascii(&"x".repeat(80)).to_string(), "x".repeat(80));
        assert_eq!(printable(b"\xff\xfe", 1).to_string(), r"\xff... (2 bytes)");
    }
}
