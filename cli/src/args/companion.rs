//! Arguments of the verbs around the companion.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::value::Label;

/// Whether a companion that runs takes the work over.
#[derive(Debug, Default, Args)]
pub(crate) struct HandingOptions {
    /// Do it in this process, even if a companion runs
    #[arg(long)]
    pub(crate) here: bool,
    /// Leave it to the companion and return at once
    #[arg(long, conflicts_with = "here")]
    pub(crate) detach: bool,
}

/// `minimodel companion`.
#[derive(Debug, Args)]
pub(crate) struct CompanionArgs {
    #[command(subcommand)]
    pub(crate) action: CompanionAction,
}

/// What to do with the companion.
#[derive(Debug, Subcommand)]
pub(crate) enum CompanionAction {
    /// Run it here until Ctrl-C
    Run(CompanionRunArgs),
    /// Start it in the background
    Start(CompanionRunArgs),
    /// End it in good order; what runs goes on with its next start
    Stop,
    /// Say whether it runs, and where
    Status,
    /// Show who uses its page in a browser, or end that
    Sessions(SessionsArgs),
    /// Folders in which its page may let you choose a file; none at first
    Folders(FoldersArgs),
    /// Let the system start it with each of your sessions; asks first
    Install(CompanionInstallArgs),
    /// Take back what install did; asks first
    Uninstall(ServiceOptions),
}

/// `minimodel companion run` and `start`.
#[derive(Debug, Args)]
pub(crate) struct CompanionRunArgs {
    /// The port of its interface on both loopback addresses; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, env = "MINIMODEL_PORT", hide_env_values = true)]
    pub(crate) port: u16,
    /// A name for it, which `status` and its page show
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<Label>,
    /// End in good order when stdin ends, for a program that starts this one with a pipe
    #[arg(long, hide = true)]
    pub(crate) end_with_stdin: bool,
    /// In a session of its own, so that it outlives the terminal
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
}

/// `minimodel open`.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// Print the address and a code to type instead of starting the browser
    #[arg(long)]
    pub(crate) print: bool,
}

/// `minimodel companion sessions`.
#[derive(Debug, Args)]
pub(crate) struct SessionsArgs {
    #[command(subcommand)]
    pub(crate) action: Option<SessionsAction>,
}

/// What to do with sessions of the page.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsAction {
    /// End a session, or all; the page in that browser then shows nothing more
    Revoke(RevokeSessionArgs),
}

/// `minimodel companion sessions revoke`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "all"]))]
pub(crate) struct RevokeSessionArgs {
    /// The number of the session
    #[arg(value_name = "NUMBER")]
    pub(crate) id: Option<u64>,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
}

/// `minimodel companion folders`.
#[derive(Debug, Args)]
pub(crate) struct FoldersArgs {
    #[command(subcommand)]
    pub(crate) action: Option<FoldersAction>,
}

/// What to do with the folders for choosing a file.
#[derive(Debug, Subcommand)]
pub(crate) enum FoldersAction {
    /// Allow a folder: names and lengths of the model files there and below are told
    Add(FolderArgs),
    /// Take that back
    Remove(FolderArgs),
    /// Say which are allowed
    List,
}

/// The folder to allow, or not any more.
#[derive(Debug, Args)]
pub(crate) struct FolderArgs {
    /// The folder
    #[arg(value_name = "PATH")]
    pub(crate) folder: PathBuf,
}

/// `minimodel companion install`.
#[derive(Debug, Args)]
pub(crate) struct CompanionInstallArgs {
    /// The port of its interface on both loopback addresses; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, env = "MINIMODEL_PORT", hide_env_values = true)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) options: ServiceOptions,
}

/// How the two verbs around the service go about it.
#[derive(Debug, Args)]
pub(crate) struct ServiceOptions {
    /// Agree to what it would write, remove and run, where no question can be asked
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Print the file and the commands, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
