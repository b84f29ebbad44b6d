//! Arguments of the verbs that control the daemon.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::value::{DhtNode, Label};

/// Whether a running daemon takes over the work.
#[derive(Debug, Default, Args)]
pub(crate) struct HandingOptions {
    /// Run in this process, even if the daemon is running
    #[arg(long)]
    pub(crate) here: bool,
    /// Hand the work to the daemon and return at once
    #[arg(long, conflicts_with = "here")]
    pub(crate) detach: bool,
}

/// `minimodel companion`.
#[derive(Debug, Args)]
pub(crate) struct CompanionArgs {
    #[command(subcommand)]
    pub(crate) action: CompanionAction,
}

/// Actions on the daemon.
#[derive(Debug, Subcommand)]
pub(crate) enum CompanionAction {
    /// Run the daemon in the foreground until Ctrl-C
    Run(CompanionRunArgs),
    /// Start the daemon in the background
    Start(CompanionRunArgs),
    /// Stop the daemon cleanly; its transfers continue when it starts again
    Stop,
    /// Show whether the daemon is running, and its address
    Status,
    /// List the browsers that use the daemon's page, or end their sessions
    Sessions(SessionsArgs),
    /// Manage the folders in which the daemon's page may let you choose a file; none at first
    Folders(FoldersArgs),
    /// Make the system start the daemon with each of your sessions; asks first
    Install(CompanionInstallArgs),
    /// Undo `install`; asks first
    Uninstall(ServiceOptions),
}

/// `minimodel companion run` and `start`.
#[derive(Debug, Args)]
pub(crate) struct CompanionRunArgs {
    /// Serve the interface on this port of both loopback addresses; 0 picks a free port
    #[arg(long, value_name = "PORT", default_value_t = 0, env = "MINIMODEL_PORT", hide_env_values = true)]
    pub(crate) port: u16,
    /// Name the daemon; `status` and the daemon's page show the name
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<Label>,
    /// Query this DHT node first, instead of the public ones (repeatable; needs the dht permission)
    #[arg(long, value_name = "HOST:PORT", env = "MINIMODEL_DHT_NODES", hide_env_values = true)]
    #[arg(value_delimiter = ',')]
    pub(crate) dht_node: Vec<DhtNode>,
    /// Stop cleanly when stdin ends, for a program that starts this one with a pipe
    #[arg(long, hide = true)]
    pub(crate) end_with_stdin: bool,
    /// Run in a new session, so that the daemon outlives the terminal
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

/// Actions on the sessions of the daemon's page.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsAction {
    /// End a session, or all; the page in that browser then shows nothing more
    Revoke(RevokeSessionArgs),
}

/// `minimodel companion sessions revoke`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "all"]))]
pub(crate) struct RevokeSessionArgs {
    /// Number of the session, from `companion sessions`
    #[arg(value_name = "NUMBER")]
    pub(crate) id: Option<u64>,
    /// End all sessions
    #[arg(long)]
    pub(crate) all: bool,
}

/// `minimodel companion folders`.
#[derive(Debug, Args)]
pub(crate) struct FoldersArgs {
    #[command(subcommand)]
    pub(crate) action: Option<FoldersAction>,
}

/// Actions on the allowed folders.
#[derive(Debug, Subcommand)]
pub(crate) enum FoldersAction {
    /// Allow a folder; the page may show names and sizes of the model files in it and below
    Add(FolderArgs),
    /// Stop allowing a folder
    Remove(FolderArgs),
    /// List the allowed folders
    List,
}

/// The folder to allow, or to stop allowing.
#[derive(Debug, Args)]
pub(crate) struct FolderArgs {
    /// Path of the folder
    #[arg(value_name = "PATH")]
    pub(crate) folder: PathBuf,
}

/// `minimodel companion install`.
#[derive(Debug, Args)]
pub(crate) struct CompanionInstallArgs {
    /// Serve the interface on this port of both loopback addresses; 0 picks a free port
    #[arg(long, value_name = "PORT", default_value_t = 0, env = "MINIMODEL_PORT", hide_env_values = true)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) options: ServiceOptions,
}

/// Options of `install` and `uninstall`.
#[derive(Debug, Args)]
pub(crate) struct ServiceOptions {
    /// Agree in advance to the files it writes or removes and the commands it runs, where it cannot ask
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Print the file and the commands, but change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
