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
    /// The file to write; it must not exist
    #[arg(value_name = "OUT.slm")]
    pub(crate) out: PathBuf,
    /// A published shape [default: tinylm-16m]
    #[arg(long, value_enum, conflicts_with = "bytes")]
    pub(crate) profile: Option<ProfileChoice>,
    /// About this size instead of a profile, as in 256MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_positive_size)]
    pub(crate) bytes: Option<u64>,
    /// How the tensors are stored
    #[arg(long, value_enum, default_value_t = QuantizationChoice::Q4_0)]
    pub(crate) quantization: QuantizationChoice,
    /// Another seed gives another file of the same shape
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// `--profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileChoice {
    /// The reference shape: 4 layers, hidden 512, FFN 2048, 8 heads, vocabulary 260, context 512
    #[value(name = "tinylm-16m")]
    Tinylm16m,
}

/// `--quantization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QuantizationChoice {
    /// 32-bit floats
    #[value(name = "f32")]
    F32,
    /// 8-bit integers, one scale a row
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

/// What to do with a manifest.
#[derive(Debug, Subcommand)]
pub(crate) enum ManifestAction {
    /// Write the manifest of a model file
    Create(Box<ManifestCreateArgs>),
    /// Show what a manifest says
    Show(ManifestShowArgs),
    /// Sign a manifest with the identity of this user
    Sign(ManifestSignArgs),
}

/// `minimodel manifest create`.
#[derive(Debug, Args)]
pub(crate) struct ManifestCreateArgs {
    /// The model file
    #[arg(value_name = "FILE.slm")]
    pub(crate) artifact: PathBuf,
    /// model.id: lowercase letters, digits, `.`, `_` and `-`
    #[arg(long, value_name = "ID")]
    pub(crate) model_id: String,
    /// model.version
    #[arg(long, value_name = "VERSION")]
    pub(crate) model_version: String,
    /// publisher.id: lowercase letters, digits, `.`, `_` and `-`
    #[arg(long, value_name = "ID")]
    pub(crate) publisher_id: String,
    /// Where the license can be read: https://host/path or /path
    #[arg(long, value_name = "ROUTE")]
    pub(crate) license_route: String,
    /// Where the model card can be read
    #[arg(long, value_name = "ROUTE")]
    pub(crate) model_card_route: String,
    /// The license as an SPDX expression
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) license_spdx: Option<String>,
    /// A piece of evidence; without any the manifest says `not-claimed`
    #[arg(long, value_name = "KIND=ROUTE[,sha256:HEX]")]
    pub(crate) evidence: Vec<EvidenceArg>,
    /// Where a takedown can be asked for
    #[arg(long, value_name = "ROUTE")]
    pub(crate) takedown_route: Option<String>,
    /// How the file may be obtained
    #[arg(long, value_enum, default_value_t = AcquisitionChoice::UserLocalFile)]
    pub(crate) acquisition: AcquisitionChoice,
    /// `auto` picks 64KiB to 4MiB, so that a file has about 1,000 chunks
    #[arg(long, value_name = "auto|SIZE", default_value = "auto")]
    pub(crate) chunk_size: ChunkSizeArg,
    /// Write the chunk list as well
    #[arg(long, value_name = "FILE")]
    pub(crate) chunk_list_out: Option<PathBuf>,
    /// Name the chunk list and its SHA-256 in the manifest, at this route
    #[arg(long, value_name = "ROUTE")]
    pub(crate) chunk_list_route: Option<String>,
    /// manifest.created_utc, as in 2026-06-01T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) created_utc: Option<String>,
    /// Sign it with the identity of this user
    #[arg(long)]
    pub(crate) sign: bool,
    /// The manifest to write; it must not exist
    #[arg(short, long, value_name = "FILE.minimodel")]
    pub(crate) out: PathBuf,
}

/// `minimodel manifest show`.
#[derive(Debug, Args)]
pub(crate) struct ManifestShowArgs {
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Print the canonical form, whose SHA-256 is the swarm id
    #[arg(long, conflicts_with = "json")]
    pub(crate) canonical: bool,
}

/// `minimodel manifest sign`.
#[derive(Debug, Args)]
pub(crate) struct ManifestSignArgs {
    /// The unsigned manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// The signed manifest to write; it must not exist
    #[arg(short, long, value_name = "FILE.minimodel")]
    pub(crate) out: PathBuf,
}

/// `minimodel verify-manifest`.
#[derive(Debug, Args)]
pub(crate) struct VerifyManifestArgs {
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
}

/// `minimodel verify-artifact`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArtifactArgs {
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// The model file
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
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// A partial file (NAME.slm.part) or a whole one
    #[arg(value_name = "PARTIAL")]
    pub(crate) partial: PathBuf,
    /// The chunk list, one `sha256:HEX` a line; without it the record beside a partial file is used
    #[arg(long, value_name = "FILE")]
    pub(crate) chunk_list: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
}

/// `minimodel write-import-receipt`.
#[derive(Debug, Args)]
pub(crate) struct WriteImportReceiptArgs {
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// The model file
    #[arg(value_name = "FILE.slm")]
    pub(crate) artifact: PathBuf,
    /// The receipt to write; it must not exist
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

/// What to do with the bans.
#[derive(Debug, Subcommand)]
pub(crate) enum BlameAction {
    /// List who was banned, for what, until when and why, one a line
    List(BlameListArgs),
    /// Show everything that is known of a peer's bans
    Show(BlameShowArgs),
    /// Take bans back
    Clear(BlameClearArgs),
}

/// `minimodel blame list`.
#[derive(Debug, Args)]
pub(crate) struct BlameListArgs {}

/// `minimodel blame show`.
#[derive(Debug, Args)]
pub(crate) struct BlameShowArgs {
    /// The peer id, as `blame list` prints it
    #[arg(value_name = "PEER")]
    pub(crate) peer: PeerId,
}

/// `minimodel blame clear`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["peer", "all"]))]
pub(crate) struct BlameClearArgs {
    /// The peer id, as `blame list` prints it
    #[arg(value_name = "PEER")]
    pub(crate) peer: Option<PeerId>,
    /// All peers
    #[arg(long)]
    pub(crate) all: bool,
}

/// `minimodel id`.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    #[command(subcommand)]
    pub(crate) action: IdAction,
}

/// What to do with the identity.
#[derive(Debug, Subcommand)]
pub(crate) enum IdAction {
    /// Print the peer id; the identity is created on first use
    Show(IdShowArgs),
    /// Create the identity; one that is there is never replaced
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
    /// A file, or the text of an offer (mm1...)
    #[arg(value_name = "THING")]
    pub(crate) thing: std::ffi::OsString,
}

/// `minimodel completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}
