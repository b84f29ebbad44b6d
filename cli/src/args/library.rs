//! Arguments of `minimodel library`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::publisher::PublisherOptions;
use crate::size::parse_size;

/// Help of NAME, the same for each action.
const NAME_HELP: &str =
    "Entry: MODEL-ID, MODEL-ID@VERSION, its number, or the first 8 digits of its swarm id";

/// `minimodel library`.
#[derive(Debug, Args)]
pub(crate) struct LibraryArgs {
    #[command(subcommand)]
    pub(crate) action: LibraryAction,
}

/// Actions on the library.
#[derive(Debug, Subcommand)]
pub(crate) enum LibraryAction {
    /// List the models, one version per line
    List(LibraryListArgs),
    /// Show all details of an entry
    Show(EntryArgs),
    /// Add a manifest and, if you have it, its model file
    Add(LibraryAddArgs),
    /// Verify an entry's whole file again, and the signer of its manifest
    Verify(LibrarySignedArgs),
    /// Remove an entry; a file of your own stays on disk
    Remove(LibraryRemoveArgs),
    /// Protect an entry from eviction
    Pin(EntryArgs),
    /// Allow the eviction of an entry again
    Unpin(EntryArgs),
    /// Evict cached files, the least recently used first
    Prune(LibraryPruneArgs),
    /// Print the path of an entry's file; a MODEL-ID means its active version
    Path(EntryArgs),
    /// Make a version the active one; the symbolic link of its model then points to it
    Activate(LibrarySignedArgs),
    /// Activate the previously active version again
    Rollback(LibraryRollbackArgs),
    /// Check whether this machine meets a model's requirements
    Fits(LibraryFitsArgs),
}

/// `minimodel library list`.
#[derive(Debug, Args)]
pub(crate) struct LibraryListArgs {}

/// An action on one entry of the library.
#[derive(Debug, Args)]
pub(crate) struct EntryArgs {
    #[arg(value_name = "NAME", help = NAME_HELP)]
    pub(crate) name: String,
}

/// `minimodel library verify` and `activate`: an action on an entry that depends on the signer of its
/// manifest.
#[derive(Debug, Args)]
pub(crate) struct LibrarySignedArgs {
    #[arg(value_name = "NAME", help = NAME_HELP)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
}

/// `minimodel library add`.
#[derive(Debug, Args)]
pub(crate) struct LibraryAddArgs {
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Path of the model file; minimodel verifies all of it and does not move it
    #[arg(value_name = "FILE.slm")]
    pub(crate) artifact: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
}

/// `minimodel library remove`.
#[derive(Debug, Args)]
pub(crate) struct LibraryRemoveArgs {
    #[arg(value_name = "NAME", help = NAME_HELP)]
    pub(crate) name: String,
    /// Agree to delete the file if the library keeps it
    #[arg(long)]
    pub(crate) delete_cached: bool,
}

/// `minimodel library prune`.
#[derive(Debug, Args)]
pub(crate) struct LibraryPruneArgs {
    /// Evict until the cached files take up at most this much [default: the limit on the cache]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) keep: Option<u64>,
}

/// `minimodel library rollback`.
#[derive(Debug, Args)]
pub(crate) struct LibraryRollbackArgs {
    /// model.id of the model
    #[arg(value_name = "MODEL-ID")]
    pub(crate) model_id: String,
}

/// `minimodel library fits`.
#[derive(Debug, Args)]
pub(crate) struct LibraryFitsArgs {
    /// Path of a manifest, or the name of an entry
    #[arg(value_name = "MANIFEST-or-NAME")]
    pub(crate) thing: OsString,
}
