//! Arguments of the verbs that need no network.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use minimodel_wire::PeerId;

use super::publisher::PublisherOptions;
use super::transfer::RepairOptions;
use super::value::{AcquisitionChoice, ChunkSizeArg, EvidenceArg};
use crate::size::parse_positive_size;

/// `minimodel sample`.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// File to write; it must not exist
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// Write this format [default: the ending of OUT, else slm]
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatChoice>,
    /// Use this published shape of .slm files [default: tinylm-16m]
    #[arg(long, value_enum, conflicts_with = "bytes")]
    pub(crate) profile: Option<ProfileChoice>,
    /// Aim for this size instead of a profile, as in 256MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_positive_size)]
    pub(crate) bytes: Option<u64>,
    /// Store the tensors in this number format [default: q4_0, and f32 for safetensors]
    #[arg(long, value_enum)]
    pub(crate) quantization: Option<QuantizationChoice>,
    /// Start from this seed; another seed gives another file of the same shape
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatChoice {
    /// SLM v1
    Slm,
    /// GGUF, version 3
    Gguf,
    /// Safetensors
    Safetensors,
}

/// `--profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileChoice {
    /// Reference shape: 4 layers, hidden 512, FFN 2048, 8 heads, vocabulary 260, context 512
    #[value(name = "tinylm-16m")]
    Tinylm16m,
}

/// `--quantization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QuantizationChoice {
    /// 32-bit floats
    #[value(name = "f32")]
    F32,
    /// 8-bit integers, one scale per row
    #[value(name = "q8_0")]
    Q8_0,
    /// 4-bit integers in blocks of 32
    #[value(name = "q4_0")]
    Q4_0,
}

/// `minimodel manifest`.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    #[command(subcommand)]
    pub(crate) action: ManifestAction,
}

/// Actions on a manifest.
#[derive(Debug, Subcommand)]
pub(crate) enum ManifestAction {
    /// Write the manifest of a model file
    Create(Box<ManifestCreateArgs>),
    /// Show the contents of a manifest
    Show(ManifestShowArgs),
    /// Sign a manifest with your identity
    Sign(ManifestSignArgs),
}

/// What a model file may say of itself.
#[derive(Debug, Args)]
pub(crate) struct SaidOptions {
    /// Set model.id: lowercase letters, digits, `.`, `_` and `-` [default: from the file]
    #[arg(long, value_name = "ID")]
    pub(crate) model_id: Option<String>,
    /// Set model.version [default: from the file, else 1]
    #[arg(long, value_name = "VERSION")]
    pub(crate) model_version: Option<String>,
    /// Set the location of the license: https://host/path or /path [default: from the file or --license-spdx]
    #[arg(long, value_name = "ROUTE")]
    pub(crate) license_route: Option<String>,
    /// Set the license as an SPDX expression [default: from the file]
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) license_spdx: Option<String>,
    /// Take nothing from the file: every default that comes from it must be given
    #[arg(long)]
    pub(crate) no_proposals: bool,
}

/// `minimodel manifest create`.
#[derive(Debug, Args)]
pub(crate) struct ManifestCreateArgs {
    /// Path of the model file
    #[arg(value_name = "FILE")]
    pub(crate) artifact: PathBuf,
    /// Set publisher.id: lowercase letters, digits, `.`, `_` and `-`
    #[arg(long, value_name = "ID")]
    pub(crate) publisher_id: String,
    /// Set the location of the model card (required for .slm)
    #[arg(long, value_name = "ROUTE")]
    pub(crate) model_card_route: Option<String>,
    #[command(flatten)]
    pub(crate) said: SaidOptions,
    /// Share a file that can run code when a program loads it; each user must accept that
    #[arg(long)]
    pub(crate) include_executable: bool,
    /// Add a piece of evidence (repeatable); without any, the manifest says `not-claimed`
    #[arg(long, value_name = "KIND=ROUTE[,sha256:HEX]")]
    pub(crate) evidence: Vec<EvidenceArg>,
    /// Set the location for takedown requests
    #[arg(long, value_name = "ROUTE")]
    pub(crate) takedown_route: Option<String>,
    /// Set how users may obtain the file
    #[arg(long, value_enum, default_value_t = AcquisitionChoice::UserLocalFile)]
    pub(crate) acquisition: AcquisitionChoice,
    /// Set the chunk size; `auto` picks 64KiB to 4MiB, so that a file has about 1,000 chunks
    #[arg(long, value_name = "auto|SIZE", default_value = "auto")]
    pub(crate) chunk_size: ChunkSizeArg,
    /// Also write the chunk list to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) chunk_list_out: Option<PathBuf>,
    /// Name the chunk list in the manifest, with this location and its SHA-256
    #[arg(long, value_name = "ROUTE")]
    pub(crate) chunk_list_route: Option<String>,
    /// Set manifest.created_utc, as in 2026-06-01T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) created_utc: Option<String>,
    /// Sign the manifest with your identity
    #[arg(long)]
    pub(crate) sign: bool,
    /// Write the manifest to this file; it must not exist
    #[arg(short, long, value_name = "FILE.minimodel")]
    pub(crate) out: PathBuf,
}

/// `minimodel manifest show`.
#[derive(Debug, Args)]
pub(crate) struct ManifestShowArgs {
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Print the canonical form; its SHA-256 is the swarm id
    #[arg(long, conflicts_with = "json")]
    pub(crate) canonical: bool,
}

/// `minimodel manifest sign`.
#[derive(Debug, Args)]
pub(crate) struct ManifestSignArgs {
    /// Path of the unsigned manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Write the signed manifest to this file; it must not exist
    #[arg(short, long, value_name = "FILE.minimodel")]
    pub(crate) out: PathBuf,
}

/// `minimodel verify-manifest`.
#[derive(Debug, Args)]
pub(crate) struct VerifyManifestArgs {
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
}

/// `minimodel verify-artifact`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArtifactArgs {
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Path of the model file
    #[arg(value_name = "FILE.slm")]
    pub(crate) artifact: PathBuf,
    #[command(flatten)]
    pub(crate) repair: RepairOptions,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
}

/// `minimodel verify-chunks`.
#[derive(Debug, Args)]
pub(crate) struct VerifyChunksArgs {
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Path of a partial file (NAME.slm.part) or a complete one
    #[arg(value_name = "PARTIAL")]
    pub(crate) partial: PathBuf,
    /// Use this chunk list, one `sha256:HEX` per line, instead of the record beside a partial file
    #[arg(long, value_name = "FILE")]
    pub(crate) chunk_list: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
}

/// `minimodel write-import-receipt`.
#[derive(Debug, Args)]
pub(crate) struct WriteImportReceiptArgs {
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Path of the model file
    #[arg(value_name = "FILE.slm")]
    pub(crate) artifact: PathBuf,
    /// Receipt to write; it must not exist
    #[arg(value_name = "RECEIPT")]
    pub(crate) receipt: PathBuf,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
}

/// `minimodel blame`.
#[derive(Debug, Args)]
pub(crate) struct BlameArgs {
    #[command(subcommand)]
    pub(crate) action: BlameAction,
}

/// Actions on bans.
#[derive(Debug, Subcommand)]
pub(crate) enum BlameAction {
    /// List the bans, one per line: peer, model, end and reason
    List(BlameListArgs),
    /// Show all details of a peer's bans
    Show(BlameShowArgs),
    /// Lift bans
    Clear(BlameClearArgs),
}

/// `minimodel blame list`.
#[derive(Debug, Args)]
pub(crate) struct BlameListArgs {}

/// `minimodel blame show`.
#[derive(Debug, Args)]
pub(crate) struct BlameShowArgs {
    /// Id of the peer, from `blame list`
    #[arg(value_name = "PEER")]
    pub(crate) peer: PeerId,
}

/// `minimodel blame clear`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["peer", "all"]))]
pub(crate) struct BlameClearArgs {
    /// Id of the peer, from `blame list`
    #[arg(value_name = "PEER")]
    pub(crate) peer: Option<PeerId>,
    /// Lift the bans of all peers
    #[arg(long)]
    pub(crate) all: bool,
}

/// `minimodel id`.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    #[command(subcommand)]
    pub(crate) action: IdAction,
}

/// Actions on the identity.
#[derive(Debug, Subcommand)]
pub(crate) enum IdAction {
    /// Print your peer id; the first use creates the identity
    Show(IdShowArgs),
    /// Create the identity; never replaces an existing one
    New(IdNewArgs),
}

/// `minimodel id show`.
#[derive(Debug, Args)]
pub(crate) struct IdShowArgs {}

/// `minimodel id new`.
#[derive(Debug, Args)]
pub(crate) struct IdNewArgs {}

/// `minimodel inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Path of a file, or the text of an offer (mm1...)
    #[arg(value_name = "THING")]
    pub(crate) thing: std::ffi::OsString,
}

/// `minimodel completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Name of the shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}
