//! What kind of file an artifact is, and the names of all files that belong to it.

mod name;

pub use name::ArtifactName;

use crate::scan::{ClaimRule, Scan};
use crate::{gguf, safetensors, slm};

/// The format of a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// SLM v1: [`slm`].
    Slm,
    /// GGUF, version 2 or 3: [`gguf`].
    Gguf,
    /// Safetensors: [`safetensors`].
    Safetensors,
}

impl Format {
    /// The formats that a manifest can name.
    pub const IN_MANIFESTS: [Self; 3] = [Self::Slm, Self::Gguf, Self::Safetensors];

    /// The value of `artifact.kind`, which is also the ending of the file's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Slm => "slm",
            Self::Gguf => "gguf",
            Self::Safetensors => "safetensors",
        }
    }

    /// The format's name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Slm => ".slm",
            Self::Gguf => "GGUF",
            Self::Safetensors => "safetensors",
        }
    }

    /// The format that a manifest calls so.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::IN_MANIFESTS.into_iter().find(|format| format.word() == word)
    }

    /// The claims that a manifest of version 1 makes about the inside of such a file, in their order; those about a `.slm` file are
    /// of version 0 ([`SlmClaims`](crate::manifest::SlmClaims)).
    pub fn claims(self) -> &'static [ClaimRule] {
        match self {
            Self::Slm => &[],
            Self::Gguf => &gguf::CLAIMS,
            Self::Safetensors => &safetensors::CLAIMS,
        }
    }

    /// Bytes that are enough to know a format.
    pub const BEGINNING_BYTES: u64 = 9;

    /// Knows a format by the first bytes of a file and never by its name.
    pub fn of_beginning(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&slm::MAGIC) {
            Some(Self::Slm)
        } else if bytes.starts_with(gguf::MAGIC) {
            Some(Self::Gguf)
        } else {
            safetensors::begins(bytes).then_some(Self::Safetensors)
        }
    }
}

/// A scan of a file of `byte_count` bytes, as the caller says; the scan compares this number with the file.
pub fn scan(format: Format, byte_count: u64) -> Box<dyn Scan> {
    match format {
        Format::Slm => Box::new(slm::Scan::new(byte_count)),
        Format::Gguf => Box::new(gguf::Scan::new(byte_count)),
        Format::Safetensors => Box::new(safetensors::Scan::new(byte_count)),
    }
}
