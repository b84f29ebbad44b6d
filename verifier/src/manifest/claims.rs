//! The typed parts of what a manifest says.

use crate::Digest;

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
