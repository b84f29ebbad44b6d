//! The verbs and the flags that all of them take.

use std::ffi::OsString;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use super::companion::{CompanionArgs, OpenArgs};
use super::consent::{AnnounceArgs, ConsentArgs};
use super::library::LibraryArgs;
use super::local::{
    BlameArgs, CompletionsArgs, IdArgs, InspectArgs, ManifestArgs, SampleArgs, VerifyArtifactArgs,
    VerifyChunksArgs, VerifyManifestArgs, WriteImportReceiptArgs,
};
use super::publisher::PublisherArgs;
use super::running::{DoctorArgs, LimitsArgs, StatusArgs, TransferArgs};
use super::transfer::{DemoArgs, FetchArgs, ImportPeerRequestArgs, SeedArgs};

const AFTER_HELP: &str =
    "Start with `minimodel demo`: a complete transfer on this machine only, in under a minute.
Answers go to stdout, messages for people to stderr. Exit codes, events and files: docs/cli.md.";

/// Move AI model files between people who agreed to it, and prove every byte.
#[derive(Debug, Parser)]
#[command(name = "minimodel", version, about, after_help = AFTER_HELP, max_term_width = 100)]
#[command(propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Cli {
    /// Parses a command line, which starts with the program's name, and the environment.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(words)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        // clap's own conflicts do not tell a flag from its variable.
        if cli.global.quiet && cli.global.verbose {
            match (matches.value_source("quiet"), matches.value_source("verbose")) {
                (Some(ValueSource::CommandLine), Some(ValueSource::EnvVariable)) => {
                    cli.global.verbose = false;
                }
                (Some(ValueSource::EnvVariable), Some(ValueSource::CommandLine)) => {
                    cli.global.quiet = false;
                }
                _ => {
                    let message = "the argument '--quiet' cannot be used with '--verbose'";
                    return Err(command.error(ErrorKind::ArgumentConflict, message));
                }
            }
        }
        Ok(cli)
    }
}

/// Flags of every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print JSON objects on stdout, one per line
    #[arg(long, global = true, env = "MINIMODEL_JSON", hide_env_values = true)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,

    /// Print only warnings, failures and questions on stderr
    #[arg(short, long, global = true, env = "MINIMODEL_QUIET", hide_env_values = true)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,

    /// Print more on stderr
    #[arg(short, long, global = true, env = "MINIMODEL_VERBOSE", hide_env_values = true)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) verbose: bool,

    /// Choose how to show progress
    #[arg(long, global = true, env = "MINIMODEL_PROGRESS", hide_env_values = true, value_name = "HOW")]
    #[arg(value_enum, default_value_t = ProgressChoice::Auto)]
    pub(crate) progress: ProgressChoice,

    /// Choose when to use colours; `auto` respects NO_COLOR
    #[arg(long, global = true, env = "MINIMODEL_COLOR", hide_env_values = true, value_name = "WHEN")]
    #[arg(value_enum, default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
}

/// `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    /// Bar on a terminal, a line every 10 s elsewhere, events under --json
    Auto,
    /// Line every 10 s
    Plain,
    /// JSON objects
    Json,
    /// No progress
    None,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a complete demo transfer between peers on this machine only
    Demo(DemoArgs),
    /// Download a model from peers and verify it
    Fetch(FetchArgs),
    /// Download a model and relay it to peers that cannot reach each other directly
    Mirror(FetchArgs),
    /// Share a model with peers that have its offer
    Seed(SeedArgs),
    /// Download the model that a MiniModel request file asks for
    ImportPeerRequest(ImportPeerRequestArgs),
    /// Create, show or sign a manifest
    Manifest(ManifestArgs),
    /// Verify a manifest and its signature
    VerifyManifest(VerifyManifestArgs),
    /// Verify a model file against its manifest
    VerifyArtifact(VerifyArtifactArgs),
    /// Verify the chunks of a partial or complete file offline
    VerifyChunks(VerifyChunksArgs),
    /// Verify a local model file and write its import receipt
    WriteImportReceipt(WriteImportReceiptArgs),
    /// Write a valid sample .slm file
    Sample(SampleArgs),
    /// Manage the daemon's permissions
    Consent(ConsentArgs),
    /// Let other peers tell the swarm that you have a model, or stop
    Announce(AnnounceArgs),
    /// Manage the library: list, add, verify, remove, pin, prune and activate models
    Library(LibraryArgs),
    /// Show uploads and downloads: peers, speed and what blocks them
    Status(StatusArgs),
    /// Pause, start, limit or remove an upload or download of the daemon
    Transfer(TransferArgs),
    /// Show or change rates, slots, budgets and their schedule; show past traffic
    Limits(LimitsArgs),
    /// Diagnose problems and slow transfers
    Doctor(DoctorArgs),
    /// Open the daemon's page in the browser, on this machine only
    Open(OpenArgs),
    /// Run or control the daemon, which keeps uploads and downloads going
    Companion(CompanionArgs),
    /// Show banned peers and the reasons, or lift bans
    Blame(BlameArgs),
    /// Show, forget or pin the known keys of publishers
    Publisher(PublisherArgs),
    /// Show or create your identity
    Id(IdArgs),
    /// Describe an offer, manifest, model file, receipt or record
    Inspect(InspectArgs),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_documentation_names_every_verb_flag_and_variable() {
        let page = include_str!("../../../docs/cli.md");
        let mut missing = Vec::new();
        let mut look = |what: String| {
            if !page.contains(&what) {
                missing.push(what);
            }
        };
        let mut commands = vec![(String::from("minimodel"), Cli::command())];
        while let Some((name, command)) = commands.pop() {
            look(format!("`{name}"));
            for argument in command.get_arguments() {
                argument.get_long().into_iter().for_each(|long| look(format!("--{long}")));
                argument.get_env().into_iter().for_each(|env| look(env.to_string_lossy().into_owned()));
            }
            let below =
                command.get_subcommands().map(|sub| (format!("{name} {}", sub.get_name()), sub.clone()));
            commands.extend(below);
        }
        assert_eq!(missing, Vec::<String>::new());
    }
}
