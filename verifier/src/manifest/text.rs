//! Splitting of bytes into fields, and the rules of the text that do not depend on the keys.

use std::collections::BTreeMap;

use super::error::{FieldAt, ManifestError};
use super::limits::{MAX_FIELDS, MAX_KEY_BYTES, MAX_MANIFEST_BYTES, MAX_VALUE_BYTES};

const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// One `key=value` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    /// 1-based.
    pub(super) line: usize,
    pub(super) key: &'a str,
    /// Trimmed.
    pub(super) value: &'a str,
}

impl Field<'_> {
    /// The owned form that errors carry.
    pub(super) fn at(&self) -> FieldAt {
        FieldAt { line: self.line, key: self.key.to_owned(), value: self.value.to_owned() }
    }
}

/// Line and key of the field that is present, and the key of the missing one.
pub(super) type Half = (usize, &'static str, &'static str);

/// The fields of a text: keys well-formed and unique, values printable ASCII, all within the limits.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    by_key: BTreeMap<&'a str, Field<'a>>,
}

impl<'a> Fields<'a> {
    /// The field called `key`, or [`ManifestError::MissingKey`].
    pub(super) fn required(&self, key: &'static str) -> Result<Field<'a>, ManifestError> {
        self.optional(key).ok_or(ManifestError::MissingKey { key })
    }

    /// The field called `key`, if it is there.
    pub(super) fn optional(&self, key: &str) -> Option<Field<'a>> {
        self.by_key.get(key).copied()
    }

    /// Two optional fields of which both or neither must be present.
    pub(super) fn pair(&self, keys: [&'static str; 2]) -> Result<Option<[Field<'a>; 2]>, Half> {
        let [first, second] = keys;
        match (self.optional(first), self.optional(second)) {
            (Some(one), Some(other)) => Ok(Some([one, other])),
            (None, None) => Ok(None),
            (Some(one), None) => Err((one.line, first, second)),
            (None, Some(other)) => Err((other.line, second, first)),
        }
    }

    /// Number of fields.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// All fields, sorted bytewise by key: the order of the canonical form.
    pub(super) fn in_key_order(&self) -> impl Iterator<Item = Field<'a>> {
        self.by_key.values().copied()
    }

    /// All fields as they stand in the text, so that an error names the first line at fault.
    pub(super) fn in_line_order(&self) -> Vec<Field<'a>> {
        let mut fields: Vec<_> = self.in_key_order().collect();
        fields.sort_by_key(|field| field.line);
        fields
    }
}

/// The size rule. A missing last line end counts, so that the canonical form never outgrows the cap.
pub(super) fn check_size(text: &[u8]) -> Result<usize, ManifestError> {
    let last_line_end = usize::from(!text.is_empty() && !text.ends_with(b"\n"));
    let bytes = text.len().saturating_add(last_line_end);
    if bytes > MAX_MANIFEST_BYTES { Err(ManifestError::TooLarge { bytes }) } else { Ok(bytes) }
}

/// Splits a text that passed [`check_size`].
pub(super) fn fields(text: &[u8]) -> Result<Fields<'_>, ManifestError> {
    let text = check_bytes(text)?;
    let mut by_key = BTreeMap::new();
    let mut first_comment = None;
    for (line, content) in (1..).zip(text.split('\n')) {
        let content = content.strip_suffix('\r').unwrap_or(content);
        if content.starts_with('#') {
            first_comment = first_comment.or(Some(line));
        } else if !content.is_empty() {
            let field = split(line, content)?;
            if by_key.len() == MAX_FIELDS {
                return Err(ManifestError::TooManyFields { line });
            }
            if let Some(first) = by_key.insert(field.key, field) {
                let (key, first_line) = (field.key.to_owned(), first.line);
                return Err(ManifestError::DuplicateKey { line, key, first_line });
            }
        }
    }
    let is_signed = by_key.keys().any(|key| key.starts_with("signature."));
    match first_comment {
        Some(line) if is_signed => Err(ManifestError::CommentInSigned { line }),
        _ => Ok(Fields { by_key }),
    }
}

/// Checks that the text, comments included, is printable ASCII and line ends.
fn check_bytes(text: &[u8]) -> Result<&str, ManifestError> {
    if text.starts_with(BYTE_ORDER_MARK) {
        return Err(ManifestError::ByteOrderMark);
    }
    let (mut line, mut column) = (1, 1);
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b'\n' => (line, column) = (line + 1, 0),
            b'\r' if text.get(index + 1) == Some(&b'\n') => {}
            b'\r' => return Err(ManifestError::LoneCarriageReturn { line, column }),
            0x20..=0x7E => {}
            _ => return Err(ManifestError::ForbiddenByte { line, column, byte }),
        }
        column += 1;
    }
    #[expect(clippy::expect_used, reason = "the loop above let only ASCII through, and that is UTF-8")]
    let text = std::str::from_utf8(text).expect("ASCII");
    Ok(text)
}

/// Dotted words of `[a-z0-9][a-z0-9_]*`.
pub(super) fn is_key(key: &str) -> bool {
    key.split('.').all(|word| {
        !word.is_empty()
            && !word.starts_with('_')
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    })
}

/// Splits one line at its first `=`.
fn split(line: usize, content: &str) -> Result<Field<'_>, ManifestError> {
    let Some((key, value)) = content.split_once('=') else {
        return Err(ManifestError::NoEquals { line, text: content.to_owned() });
    };
    if key.len() > MAX_KEY_BYTES {
        return Err(ManifestError::KeyTooLong { line, key: key.to_owned() });
    }
    if !is_key(key) {
        return Err(ManifestError::KeySpelling { line, key: key.to_owned() });
    }
    let value = value.trim_matches(' ');
    if value.len() > MAX_VALUE_BYTES {
        return Err(ManifestError::ValueTooLong { line, key: key.to_owned(), bytes: value.len() });
    }
    Ok(Field { line, key, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_lowercase_dotted_words() {
        for good in ["a", "x.0", "model_card.route", "x.a_", "x.9lives"] {
            assert!(is_key(good), "{good}");
        }
        for bad in
            ["", ".", "a.", ".a", "a..b", "A", "x.B", "_a", "x._a", "a-b", "a b", " a", "a ", "#a", "é"]
        {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
