//! Files that can run code when a program loads them: pickles, archives that may hold pickles, and formats with code of their own.
//!
//! They are known by their first bytes and never by their name, and nothing in them is read: no look at a pickle could tell that it
//! is harmless. [`Scan`] compares the beginning of the file and counts its bytes.

use crate::report::Report;
use crate::scan::ClaimRule;
use crate::scan::ClaimSpelling::{Word, Yes};
use crate::scan::rule::{Verdicts, rules};
use crate::scan::{self, Claims, Header, Scanned};
use crate::shown::printable;

/// What a manifest claims of such a file.
pub(crate) const CLAIMS: [ClaimRule; 2] =
    [ClaimRule::required("artifact.executes_on_load", Yes), ClaimRule::required("other.container", Word)];

/// Bytes that are enough to know a container: the header of an array names the type of its elements.
pub(crate) const BEGINNING_BYTES: usize = 512;

rules! {
    "files that can run code"
    FileLength "other.file.length" "as many bytes as the file is said to have";
    Beginning "other.beginning" "the first bytes of such a file";
    Executes "other.executes" "nothing that runs when a program loads it";
}

/// Endings of the first name in a PyTorch archive.
const TORCH: [&[u8]; 5] = [b"/data.pkl", b"/data/0", b"/constants.pkl", b"/version", b"/.format_version"];

/// What such a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// A pickle of protocol 2 or later, as `torch.save` and joblib write.
    Pickle,
    /// A ZIP archive of a PyTorch model, TorchScript among them.
    Torch,
    /// A ZIP archive of a Keras model.
    Keras,
    /// A ZIP archive of NumPy arrays, which may be pickles.
    NumpyArchive,
    /// Any other ZIP archive.
    Zip,
    /// A NumPy array of Python objects.
    NumpyObjects,
    /// HDF5, in which Keras keeps code of layers.
    Hdf5,
}

impl Container {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pickle,
        Self::Torch,
        Self::Keras,
        Self::NumpyArchive,
        Self::Zip,
        Self::NumpyObjects,
        Self::Hdf5,
    ];

    /// The words that are accepted, for people.
    pub(crate) const ACCEPTED: &str = "`pkl`, `pt`, `keras`, `npz`, `zip`, `npy` or `h5`";

    /// The value of `other.container`, and the ending of the file's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pickle => "pkl",
            Self::Torch => "pt",
            Self::Keras => "keras",
            Self::NumpyArchive => "npz",
            Self::Zip => "zip",
            Self::NumpyObjects => "npy",
            Self::Hdf5 => "h5",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pickle => "Python pickle",
            Self::Torch => "PyTorch (pickle in ZIP)",
            Self::Keras => "Keras",
            Self::NumpyArchive => "NumPy archive",
            Self::Zip => "ZIP",
            Self::NumpyObjects => "NumPy object array",
            Self::Hdf5 => "HDF5",
        }
    }

    /// Knows it by the first [`BEGINNING_BYTES`] of a file.
    pub(crate) fn of_beginning(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x80, 2..=5, ..] => Some(Self::Pickle),
            [b'P', b'K', 3, 4, rest @ ..] => Some(Self::of_zip(rest)),
            [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            [0x93, b'N', b'U', b'M', b'P', b'Y', rest @ ..] => {
                let holds_objects = rest.windows(2).any(|pair| matches!(pair, b"|O" | b"'O"));
                holds_objects.then_some(Self::NumpyObjects)
            }
            _ => bytes.starts_with(b"\x89HDF\r\n\x1a\n").then_some(Self::Hdf5),
        }
    }

    /// By the name of the first file in the archive, whose header follows here behind its magic number.
    fn of_zip(header: &[u8]) -> Self {
        let length = header
            .get(22..24)
            .map_or(0, |bytes| bytes.iter().rev().fold(0, |all, byte| all << 8 | usize::from(*byte)));
        let name = header.get(26..).unwrap_or_default();
        let name = name.get(..length).unwrap_or(name);
        let ends = |ending: &[u8]| name.ends_with(ending);
        if ends(b".npy") {
            Self::NumpyArchive
        } else if name == b"metadata.json" || ends(b".weights.h5") {
            Self::Keras
        } else if TORCH.iter().any(|ending| name.ends_with(ending)) {
            Self::Torch
        } else {
            Self::Zip
        }
    }

    /// What a manifest claims of such a file.
    pub(crate) fn claims(self) -> Claims {
        Claims::from([
            ("artifact.executes_on_load", "yes".to_owned()),
            ("other.container", self.word().to_owned()),
        ])
    }
}

/// Looks at the beginning of a file that is pushed in order, in slices of any size.
#[derive(Debug)]
pub struct Scan {
    byte_count: u64,
    position: u64,
    beginning: Vec<u8>,
}

impl Scan {
    /// A scan of a file of `byte_count` bytes, as the caller says.
    pub fn new(byte_count: u64) -> Self {
        Self { byte_count, position: 0, beginning: Vec::new() }
    }

    fn is_begun(&self) -> bool {
        self.beginning.len() >= BEGINNING_BYTES || self.position >= self.byte_count
    }

    fn report(&self, container: Option<Container>) -> Report {
        let mut verdicts = Verdicts::new();
        if self.position != self.byte_count {
            verdicts.fail((Rule::FileLength, format!("{} bytes of {}", self.position, self.byte_count)));
        }
        match container {
            Some(container) => {
                verdicts.warn(Rule::Executes, format!("{}: it can run code", container.title()));
            }
            None => verdicts.fail((Rule::Beginning, printable(&self.beginning, 16).to_string())),
        }
        verdicts.report()
    }
}

impl scan::Scan for Scan {
    fn push(&mut self, bytes: &[u8]) {
        self.position = self.position.saturating_add(bytes.len() as u64);
        let room = BEGINNING_BYTES.saturating_sub(self.beginning.len());
        self.beginning.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn header(&self) -> Option<Header> {
        let container = Container::of_beginning(&self.beginning).filter(|_| self.is_begun())?;
        let summary = vec![("warning", "it can run code when a program loads it".to_owned())];
        Some(Header { summary, claims: container.claims(), ..Default::default() })
    }

    fn finish(self: Box<Self>) -> Scanned {
        let container = Container::of_beginning(&self.beginning);
        Scanned { report: self.report(container), header: self.header().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(first: &str) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(26, 0);
        bytes.extend((first.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(first.as_bytes());
        bytes.extend(b"and more");
        bytes
    }

    #[test]
    fn files_that_run_code_are_known_by_their_first_bytes() {
        let cases = [
            (b"\x80\x04\x95".to_vec(), Some(Container::Pickle)),
            (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9".to_vec(), Some(Container::Pickle)),
            (b"\x80\x06".to_vec(), None),
            (zip("archive/data.pkl"), Some(Container::Torch)),
            (zip("model/constants.pkl"), Some(Container::Torch)),
            (zip("VADr_v6/data/0"), Some(Container::Torch)),
            (zip("metadata.json"), Some(Container::Keras)),
            (zip("weights.npy"), Some(Container::NumpyArchive)),
            (zip("anything"), Some(Container::Zip)),
            (zip("a/data.pkl")[..20].to_vec(), Some(Container::Zip)),
            (b"PK\x05\x06".to_vec(), Some(Container::Zip)),
            (b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fort".to_vec(), Some(Container::NumpyObjects)),
            (b"\x93NUMPY\x01\0v\0{'descr': [('a', 'O')]".to_vec(), Some(Container::NumpyObjects)),
            (b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fort".to_vec(), None),
            (b"\x89HDF\r\n\x1a\n\0".to_vec(), Some(Container::Hdf5)),
            (b"GGUF".to_vec(), None),
            (Vec::new(), None),
        ];
        for (bytes, container) in cases {
            assert_eq!(Container::of_beginning(&bytes), container, "{}", bytes.escape_ascii());
        }
    }
}
