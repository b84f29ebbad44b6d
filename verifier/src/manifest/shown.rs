//! Text from outside, made harmless for an error message.

use std::fmt;

/// Characters of a foreign value that a message shows before it cuts.
const SHOWN_CHARS: usize = 80;

/// Prints untrusted text so that it cannot control a terminal: printable ASCII as it is, a backslash doubled, everything
/// else as an escape (`\n`, `\u{202e}`); cut after 80 characters, with the full length added.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().take(SHOWN_CHARS).try_for_each(|character| write_escaped(f, character))?;
        if self.0.chars().nth(SHOWN_CHARS).is_some() {
            write!(f, "... ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// The whole text in the same escaping as `Shown`, uncut.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        // Writing to a `String` cannot fail.
        let _ = write_escaped(&mut escaped, character);
    }
    escaped
}

fn write_escaped(out: &mut impl fmt::Write, character: char) -> fmt::Result {
    match character {
        '\\' => out.write_str("\\\\"),
        ' '..='~' => out.write_char(character),
        other => write!(out, "{}", other.escape_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: D8
    #[test]
    fn control_and_bidi_characters_never_come_out() {
        assert_eq!(
            Shown("a\u{1b}[31m\u{202e}\u{9b}\0\n\\é").to_string(),
            r"a\u{1b}[31m\u{202e}\u{9b}\u{0}\n\\\u{e9}"
        );
    }

    #[test]
    fn a_long_value_is_cut_and_its_length_told() {
        let text = Shown(&"x".repeat(10_000)).to_string();
        assert_eq!(text, format!("{}... (10000 bytes)", "x".repeat(80)));
        assert_eq!(escape(&"x".repeat(10_000)).len(), 10_000);
        assert_eq!(Shown(&"x".repeat(80)).to_string(), "x".repeat(80));
    }
}
