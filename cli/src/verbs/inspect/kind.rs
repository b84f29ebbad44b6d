//! Recognizes a file by its first bytes and never by its name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use minimodel_swarm::store::inspect::MAGIC;
use minimodel_verifier::artifact::Format;

/// Bytes that are read to recognize a file: enough for its first line that is neither empty nor a comment.
const LOOK_BYTES: u64 = 4096;

/// Kinds of files that are recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A model file.
    Model(Format),
    /// A manifest, valid or not.
    Manifest,
    /// An import receipt.
    Receipt,
    /// The text of an offer.
    Offer,
    /// A chunk list.
    ChunkList,
    /// A request of `import-peer-request`.
    Request,
    /// An identity; its secret is not shown.
    Identity,
    /// The record beside a partial file.
    Record,
    /// None of them.
    Unknown,
}

/// Recognizes a file by its beginning, where it stands when this returns.
pub(super) fn of(mut file: &File) -> io::Result<Kind> {
    let mut head = Vec::new();
    file.rewind()?;
    file.take(LOOK_BYTES).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(of_bytes(&head))
}

fn of_bytes(head: &[u8]) -> Kind {
    if let Some(format) = Format::of_beginning(head) {
        return Kind::Model(format);
    }
    if head.starts_with(&MAGIC) {
        return Kind::Record;
    }
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    let is_manifest_line = |line: &[u8]| {
        [
            &b"manifest."[..],
            b"model.",
            b"artifact.",
            b"publisher.",
            b"chunk.",
            b"evidence.",
            b"license.",
            b"slm.",
        ]
        .iter()
        .any(|prefix| line.starts_with(prefix))
    };
    match first {
        line if line.starts_with(b"mm1") || line.starts_with(b"minimodel:?") => Kind::Offer,
        line if line.starts_with(b"sha256:") => Kind::ChunkList,
        line if line.starts_with(b"receipt.") => Kind::Receipt,
        line if line.starts_with(b"minimodel-identity ") => Kind::Identity,
        line if line.starts_with(b"{") => Kind::Request,
        line if is_manifest_line(line) || head.split(|byte| *byte == b'\n').any(is_manifest_line) => {
            Kind::Manifest
        }
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_read_from_its_beginning_after_it_was_recognized() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"SLM1 and more").unwrap();
        assert_eq!(of(&file).unwrap(), Kind::Model(Format::Slm));
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "SLM1 and more");
    }

    #[test]
    fn a_thing_is_known_by_its_first_line() {
        let cases: [(&[u8], Kind); 18] = [
            (b"SLM1\x01\0\0\0", Kind::Model(Format::Slm)),
            (b"GGUF\x03\0\0\0", Kind::Model(Format::Gguf)),
            (b"\x10\0\0\0\0\0\0\0{\"a\"", Kind::Model(Format::Safetensors)),
            (b"artifact.kind=slm\n", Kind::Manifest),
            (b"# note\n\n model.id=x", Kind::Manifest),
            (b"x.note=hello\nmanifest.version=0\n", Kind::Manifest),
            (b"receipt.version=0\n", Kind::Receipt),
            (b"mm1abc\n", Kind::Offer),
            (b"minimodel:?s=0\n", Kind::Offer),
            (b"sha256:AB\n", Kind::ChunkList),
            (b"  { \"request_version\": 0 }", Kind::Request),
            (b"minimodel-identity 1\nseed ", Kind::Identity),
            (b"MMSTATE\n\x01\0\0\0", Kind::Record),
            (b"", Kind::Unknown),
            (b"hello", Kind::Unknown),
            (b"slm1", Kind::Unknown),
            (b"\x1b[2J", Kind::Unknown),
            (b"\n\n\n", Kind::Unknown),
        ];
        for (bytes, kind) in cases {
            assert_eq!(of_bytes(bytes), kind, "{}", bytes.escape_ascii());
        }
    }
}
