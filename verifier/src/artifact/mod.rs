//! What kind of file an artifact is, and the names of all files that belong to it.

mod name;

pub use name::ArtifactName;

use std::io::{self, Read};

use crate::other::{self, Container};
use crate::scan::{ClaimRule, Header, Scan};
use crate::{gguf, onnx, safetensors, slm};

/// The format of a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// SLM v1: [`slm`].
    Slm,
    /// GGUF, version 2 or 3: [`gguf`].
    Gguf,
    /// Safetensors: [`safetensors`].
    Safetensors,
    /// ONNX: [`onnx`].
    Onnx,
    /// A file that can run code when a program loads it: [`other`].
    Other(Container),
}

impl Format {
    /// All of them, each of which a manifest can name.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = Container::ALL.into_iter().map(Self::Other);
        [Self::Slm, Self::Gguf, Self::Safetensors, Self::Onnx].into_iter().chain(others)
    }

    /// The value of `artifact.kind`, with which the keys of its claims begin.
    pub fn word(self) -> &'static str {
        match self {
            Self::Slm => "slm",
            Self::Gguf => "gguf",
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
            Self::Other(_) => "other",
        }
    }

    /// The ending of the file's name, without a dot.
    pub fn ending(self) -> &'static str {
        if let Self::Other(container) = self { container.word() } else { self.word() }
    }

    /// The format's name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Slm => ".slm",
            Self::Gguf => "GGUF",
            Self::Safetensors => "safetensors",
            Self::Onnx => "ONNX",
            Self::Other(container) => container.title(),
        }
    }

    /// The format of files with this ending.
    pub fn from_ending(ending: &str) -> Option<Self> {
        Self::all().find(|format| format.ending() == ending)
    }

    /// The format that a manifest calls so, by `artifact.kind` and, for `other`, by `other.container`.
    pub fn from_words(kind: &str, container: Option<&str>) -> Option<Self> {
        let is_so = |format: &Self| match format {
            Self::Other(other) => container == Some(other.word()),
            _ => true,
        };
        Self::all().find(|format| format.word() == kind && is_so(format))
    }

    /// True if a program that loads such a file may run code that is in it.
    pub fn executes_on_load(self) -> bool {
        matches!(self, Self::Other(_))
    }

    /// The claims that a manifest of version 1 makes about the inside of such a file, in their order; those about a `.slm` file are
    /// of version 0 ([`SlmClaims`](crate::manifest::SlmClaims)).
    pub fn claims(self) -> &'static [ClaimRule] {
        match self {
            Self::Slm => &[],
            Self::Gguf => &gguf::CLAIMS,
            Self::Safetensors => &safetensors::CLAIMS,
            Self::Onnx => &onnx::CLAIMS,
            Self::Other(_) => &other::CLAIMS,
        }
    }

    /// Bytes that are enough to know a format.
    pub const BEGINNING_BYTES: u64 = other::BEGINNING_BYTES as u64;

    /// Knows a format by the first bytes of a file and never by its name.
    pub fn of_beginning(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&slm::MAGIC) {
            Some(Self::Slm)
        } else if bytes.starts_with(gguf::MAGIC) {
            Some(Self::Gguf)
        } else if safetensors::begins(bytes) {
            Some(Self::Safetensors)
        } else if onnx::begins(bytes) {
            Some(Self::Onnx)
        } else {
            Container::of_beginning(bytes).map(Self::Other)
        }
    }
}

/// A scan of a file of `byte_count` bytes, as the caller says; the scan compares this number with the file.
pub fn scan(format: Format, byte_count: u64) -> Box<dyn Scan> {
    match format {
        Format::Slm => Box::new(slm::Scan::new(byte_count)),
        Format::Gguf => Box::new(gguf::Scan::new(byte_count)),
        Format::Safetensors => Box::new(safetensors::Scan::new(byte_count)),
        Format::Onnx => Box::new(onnx::Scan::new(byte_count)),
        Format::Other(_) => Box::new(other::Scan::new(byte_count)),
    }
}

/// Reads a file of `byte_count` bytes from its beginning until its header was read, and returns what that says; `None` where the
/// header is not valid, and for formats that describe no model. No more than the longest header of any format is read.
///
/// # Errors
/// Those of reading.
pub fn read_header(format: Format, byte_count: u64, file: &mut impl Read) -> io::Result<Option<Header>> {
    if !matches!(format, Format::Gguf | Format::Safetensors) {
        return Ok(None);
    }
    let mut scan = scan(format, byte_count);
    // A scan may wait for twice the bytes that it needs.
    let mut file = file.take(2 * gguf::MAX_HEADER_BYTES);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = file.read(&mut block)?;
        scan.push(block.get(..read).unwrap_or_default());
        let header = scan.header();
        if header.is_some() || read == 0 {
            return Ok(header);
        }
    }
}

/// Bytes that [`read_header`] reads at a time.
const BLOCK_BYTES: usize = 1 << 18;
