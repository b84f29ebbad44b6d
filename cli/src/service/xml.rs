//! Text in XML files.

use std::fmt::Write as _;

/// The text as the content of an element, in ASCII, so that no reader can take its encoding for another.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            ' '..='~' => out.push(character),
            // Writing to a String cannot fail.
            other => drop(write!(out, "&#{};", u32::from(other))),
        }
    }
    out
}

/// Whether XML 1.0 has no way to write the character.
pub(super) fn is_unwritable(character: char) -> bool {
    matches!(character, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_other_alphabets_become_references() {
        assert_eq!(escaped("a b's \"<é&🦀>"), "a b's &quot;&lt;&#233;&amp;&#129408;&gt;");
    }
}
