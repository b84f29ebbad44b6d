//! Arguments of `minimodel library`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::publisher::PublisherOptions;
use crate::size::parse_size;

/// What every NAME may be; the same words for each action.
const NAME_HELP: &str = "MODEL-ID, MODEL-ID@VERSION, the number, or the first 8 digits of the swarm id";

/// `minimodel library`.
#[derive(Debug, Args)]
pub(crate) struct LibraryArgs {
    #[command(subcommand)]
    pub(crate) action: LibraryAction,
}

/// What to do with the library.
#[derive(Debug, Subcommand)]
pub(crate) enum LibraryAction {
    /// List the models, one version a line
    List(LibraryListArgs),
    /// Show everything that is known of an entry
    Show(EntryArgs),
    /// Add a manifest, with the model file that you have of it
    Add(LibraryAddArgs),
    /// Check an entry's file in full again, and who signed its manifest
    Verify(LibrarySignedArgs),
    /// Forget an entry; a file of your own stays
    Remove(LibraryRemoveArgs),
    /// Keep an entry from eviction
    Pin(EntryArgs),
    /// Let an entry be evicted again
    Unpin(EntryArgs),
    /// Evict cached files, the least recently used first
    Prune(LibraryPruneArgs),
    /// Print the path of a file, of the active version for a MODEL-ID
    Path(EntryArgs),
    /// Make a version the active one: the link of its model leads to it
    Activate(LibrarySignedArgs),
    /// Make the version active that was before
    Rollback(LibraryRollbackArgs),
    /// Say whether this machine has what a model requires
    Fits(LibraryFitsArgs),
}

/// `minimodel library list`.
#[derive(Debug, Args)]
pub(crate) struct LibraryListArgs {}

/// An action on one entry.
#[derive(Debug, Args)]
pub(crate) struct EntryArgs {
    #[arg(value_name = "NAME", help = NAME_HELP)]
    pub(crate) name: String,
}

/// `minimodel library verify` and `activate`: an action on an entry that depends on who signed its manifest.
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
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// The model file; it is checked in full and stays where it is
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
    /// Agree that a file which the library keeps is deleted
    #[arg(long)]
    pub(crate) delete_cached: bool,
}

/// `minimodel library prune`.
#[derive(Debug, Args)]
pub(crate) struct LibraryPruneArgs {
    /// Evict until cached files hold this much at most [default: the limit on the cache]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) keep: Option<u64>,
}

/// `minimodel library rollback`.
#[derive(Debug, Args)]
pub(crate) struct LibraryRollbackArgs {
    /// model.id
    #[arg(value_name = "MODEL-ID")]
    pub(crate) model_id: String,
}

/// `minimodel library fits`.
#[derive(Debug, Args)]
pub(crate) struct LibraryFitsArgs {
    /// A manifest, or the name of an entry
    #[arg(value_name = "MANIFEST-or-NAME")]
    pub(crate) thing: OsString,
}
