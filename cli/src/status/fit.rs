//! Text within a number of columns of a terminal.

/// Upper bound on the columns of a character: scripts from U+1100 on have wide ones. A character without any was escaped before.
fn columns_of(character: char) -> usize {
    if character < '\u{1100}' || ('\u{2000}'..'\u{2e80}').contains(&character) { 1 } else { 2 }
}

/// Upper bound on the columns of the text.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// The text, cut to `width` columns; `…` marks the cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut kept = String::new();
    for character in text.chars() {
        match left.checked_sub(columns_of(character)) {
            Some(less) => left = less,
            None => break,
        }
        kept.push(character);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The text in exactly `width` columns, left-aligned.
pub(super) fn left(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let rest = width.saturating_sub(columns(&text));
    text + &" ".repeat(rest)
}

/// The text in exactly `width` columns, right-aligned.
pub(super) fn right(text: &str, width: usize) -> String {
    let text = cut(text, width);
    " ".repeat(width.saturating_sub(columns(&text))) + &text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_filled_by_columns_and_not_by_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("模型模型", 5), "模型…");
        assert_eq!(cut("模型", 2), "…");
        assert_eq!((cut("abc", 1), cut("abc", 0)), ("…".to_owned(), String::new()));
        assert_eq!((left("模", 4), right("ab", 4)), ("模  ".to_owned(), "  ab".to_owned()));
        for width in 0..9 {
            for text in ["", "a", "模型", "a模b型c", "ordinary text"] {
                assert!(columns(&cut(text, width)) <= width);
                assert_eq!(columns(&left(text, width)), width);
                assert_eq!(columns(&right(text, width)), width);
            }
        }
    }
}
