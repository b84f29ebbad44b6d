//! The typed parts of what a manifest says.

use crate::Digest;
use crate::artifact::Format;
use crate::scan::Claims;
use crate::slm::SlmFacts;

/// How the artifact may be obtained (`artifact.acquisition`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquisition {
    /// The user has the file already.
    UserLocalFile,
    /// The user downloads it elsewhere.
    UserExternalDownload,
    /// It comes from consenting peers.
    ConsentPeerTransfer,
}

impl Acquisition {
    /// All of them, in the order of the format page.
    pub const ALL: [Self; 3] = [Self::UserLocalFile, Self::UserExternalDownload, Self::ConsentPeerTransfer];

    /// The word that manifests and receipts use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserLocalFile => "user-local-file",
            Self::UserExternalDownload => "user-external-download",
            Self::ConsentPeerTransfer => "consent-peer-transfer",
        }
    }

    /// Reads [`as_str`](Self::as_str)'s spelling, and only that one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == word)
    }
}

/// The artifact's identity (`artifact.*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactClaims {
    /// `artifact.byte_count`: size of the file in bytes.
    pub byte_count: u64,
    /// `artifact.sha256`: SHA-256 of the whole file.
    pub sha256: Digest,
    /// `artifact.acquisition`.
    pub acquisition: Acquisition,
}

/// What the manifest claims about the inside of the file; compared with the file, never trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatClaims {
    /// Of a `.slm` file, in version 0: `slm.*`.
    Slm(SlmClaims),
    /// Of a file of any other format, in version 1: its [`Format::claims`].
    Listed(Format, Claims),
}

impl FormatClaims {
    /// Claims that keep every rule and are true of no file: what a draft holds until its file was read.
    pub fn placeholder(format: Format) -> Self {
        if format == Format::Slm {
            return Self::Slm(SlmClaims::placeholder());
        }
        if let Format::Other(container) = format {
            return Self::Listed(format, container.claims());
        }
        let required = format.claims().iter().filter(|rule| rule.is_required);
        Self::Listed(format, required.map(|rule| (rule.key, "0".to_owned())).collect())
    }

    /// The format of the file.
    pub fn format(&self) -> Format {
        match self {
            Self::Slm(_) => Format::Slm,
            Self::Listed(format, _) => *format,
        }
    }
}

/// What the manifest claims about the inside of the `.slm` file (`slm.*`); compared with the file, never trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlmClaims {
    /// `slm.checksum`: the header's rolling checksum.
    pub checksum: u64,
    /// `slm.tokenizer_checksum`: SHA-256 of the tokenizer section.
    pub tokenizer_sha256: Digest,
    /// `slm.tensor_layout_checksum`: SHA-256 of the tensor directory's bytes.
    pub layout_sha256: Digest,
    /// `slm.quantization`: `f32`, `q8_0`, `q4_0` or `mixed`.
    pub quantization: String,
    /// `slm.vocab_size`.
    pub vocab_size: u64,
    /// `slm.hidden_size`.
    pub hidden_size: u64,
    /// `slm.layer_count`.
    pub layer_count: u64,
    /// `slm.head_count`.
    pub head_count: u64,
    /// `slm.kv_head_count`.
    pub kv_head_count: u64,
    /// `slm.ffn_size`.
    pub ffn_size: u64,
    /// `slm.max_context`.
    pub max_context: u64,
    /// `slm.parameter_count`: elements of all tensors in the directory.
    pub parameter_count: u64,
}

impl SlmClaims {
    /// The plain numbers, by key.
    pub(crate) fn numbers(&self) -> [(&'static str, u64); 8] {
        [
            ("slm.vocab_size", self.vocab_size),
            ("slm.hidden_size", self.hidden_size),
            ("slm.layer_count", self.layer_count),
            ("slm.head_count", self.head_count),
            ("slm.kv_head_count", self.kv_head_count),
            ("slm.ffn_size", self.ffn_size),
            ("slm.max_context", self.max_context),
            ("slm.parameter_count", self.parameter_count),
        ]
    }

    fn placeholder() -> Self {
        Self {
            checksum: 1,
            tokenizer_sha256: [0; 32],
            layout_sha256: [0; 32],
            quantization: "f32".to_owned(),
            vocab_size: 1,
            hidden_size: 1,
            layer_count: 1,
            head_count: 1,
            kv_head_count: 1,
            ffn_size: 1,
            max_context: 1,
            parameter_count: 1,
        }
    }
}

impl From<&SlmFacts> for SlmClaims {
    fn from(facts: &SlmFacts) -> Self {
        let header = &facts.header;
        Self {
            checksum: facts.stored_checksum,
            tokenizer_sha256: facts.tokenizer_sha256,
            layout_sha256: facts.layout_sha256,
            quantization: facts.quantization.to_string(),
            vocab_size: header.vocab_size.into(),
            hidden_size: header.hidden_size.into(),
            layer_count: header.layer_count.into(),
            head_count: header.head_count.into(),
            kv_head_count: header.kv_head_count.into(),
            ffn_size: header.ffn_size.into(),
            max_context: header.max_context.into(),
            parameter_count: facts.parameter_count,
        }
    }
}

/// How the artifact is cut and proven (`chunk.*`); the scheme is always `fixed-size-merkle-v0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkClaims {
    /// `chunk.size` in bytes.
    pub size: u64,
    /// `chunk.count`.
    pub count: u64,
    /// `chunk.merkle_root`.
    pub merkle_root: Digest,
    /// `chunk.list_route` and `chunk.list_sha256`, if given.
    pub list: Option<ChunkListClaims>,
}

/// Where the chunk list can be found, and its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkListClaims {
    /// `chunk.list_route`.
    pub route: String,
    /// `chunk.list_sha256`: SHA-256 of the list file.
    pub sha256: Digest,
}

/// One piece of evidence (`evidence.N.*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// `evidence.N.kind`: a route-safe word.
    pub kind: String,
    /// `evidence.N.route`.
    pub route: String,
    /// `evidence.N.sha256`; `None` where the manifest says `none`.
    pub sha256: Option<Digest>,
}

/// Where the artifact was made from (`source.*`); each part is optional on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceClaims {
    /// `source.kind`.
    pub kind: Option<String>,
    /// `source.id`.
    pub id: Option<String>,
    /// `source.revision`.
    pub revision: Option<String>,
    /// `source.sha256`.
    pub sha256: Option<Digest>,
}

/// What running the model needs (`requires.*`); each part is optional on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequiresClaims {
    /// `requires.ram_mb`, megabytes.
    pub ram_mb: Option<u64>,
    /// `requires.vram_mb`, megabytes.
    pub vram_mb: Option<u64>,
    /// `requires.arch`: route-safe words; empty = not given.
    pub arch: Vec<String>,
}
