//! The chunk list as a file: one line a chunk, `sha256:` and 64 uppercase hex digits, LF.

use std::fmt::Write as _;

use super::MAX_CHUNK_COUNT;
use crate::digest::{Digest, parse_tagged, tagged};

/// `sha256:`, 64 digits and a line feed.
const LINE_BYTES: usize = 72;

/// Why bytes are no chunk list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// A list names at least one chunk.
    #[error("the chunk list is empty")]
    Empty,
    /// Longer than [`MAX_CHUNK_COUNT`] lines.
    #[error("a chunk list of {bytes} bytes has more than 16777216 lines")]
    TooLong {
        /// Length of the list in bytes.
        bytes: usize,
    },
    /// Not `sha256:`, 64 uppercase hex digits and a line feed, and nothing else.
    #[error("line {line}: expected `sha256:`, 64 uppercase hex digits and a line feed")]
    Line {
        /// Number of the line, from 1.
        line: usize,
    },
}

/// Writes the list.
pub fn render(chunks: &[Digest]) -> String {
    let mut text = String::with_capacity(chunks.len().saturating_mul(LINE_BYTES));
    for chunk in chunks {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", tagged(chunk));
    }
    text
}

/// Reads what [`render`] writes, and no other spelling.
pub fn parse(bytes: &[u8]) -> Result<Vec<Digest>, ListError> {
    check_len(bytes.len())?;
    bytes
        .chunks(LINE_BYTES)
        .enumerate()
        .map(|(number, line)| digest_of(line).ok_or(ListError::Line { line: number + 1 }))
        .collect()
}

fn check_len(bytes: usize) -> Result<(), ListError> {
    match bytes.div_ceil(LINE_BYTES) {
        0 => Err(ListError::Empty),
        lines if lines > MAX_CHUNK_COUNT as usize => Err(ListError::TooLong { bytes }),
        _ => Ok(()),
    }
}

fn digest_of(line: &[u8]) -> Option<Digest> {
    parse_tagged(std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn a_list_reads_back() {
        let chunks = vec![sha256(b"a"), sha256(b"b"), sha256(b"c")];
        let text = render(&chunks);
        assert_eq!(text.len(), 3 * 72);
        assert!(
            text.starts_with("sha256:CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB\n")
        );
        assert_eq!(parse(text.as_bytes()), Ok(chunks));
    }

    #[test]
    fn a_list_has_at_most_as_many_lines_as_an_artifact_has_chunks() {
        let most = LINE_BYTES * MAX_CHUNK_COUNT as usize;
        assert_eq!(check_len(most), Ok(()));
        assert_eq!(check_len(most + 1), Err(ListError::TooLong { bytes: most + 1 }));
        assert_eq!(check_len(0), Err(ListError::Empty));
    }

    #[test]
    fn another_spelling_names_its_line() {
        let text = render(&[sha256(b"a"), sha256(b"b")]);
        assert_eq!(parse(b""), Err(ListError::Empty));
        assert_eq!(parse(&text.as_bytes()[..143]), Err(ListError::Line { line: 2 }));
        assert_eq!(parse(format!("{text}\n").as_bytes()), Err(ListError::Line { line: 3 }));
        assert_eq!(parse(text.replace('\n', "\r\n").as_bytes()), Err(ListError::Line { line: 1 }));
        assert_eq!(parse(text.to_lowercase().as_bytes()), Err(ListError::Line { line: 1 }));
        assert_eq!(parse(text.replacen('3', "\u{e9}", 1).as_bytes()), Err(ListError::Line { line: 1 }));
    }
}
