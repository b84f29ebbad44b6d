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

const AFTER_HELP: &str = "Try `minimodel demo`: it shows everything on this machine alone, in under a minute.
stdout carries the answer, stderr speaks to people. Exit codes, events and files: docs/cli.md.";

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
    /// Reads the words of a command line, the program first, and the environment.
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
    /// Answer with JSON objects on stdout, one a line
    #[arg(long, global = true, env = "MINIMODEL_JSON", hide_env_values = true)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,

    /// Say nothing on stderr but warnings, failures and questions
    #[arg(short, long, global = true, env = "MINIMODEL_QUIET", hide_env_values = true)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,

    /// Say more on stderr
    #[arg(short, long, global = true, env = "MINIMODEL_VERBOSE", hide_env_values = true)]
    #[arg(action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    pub(crate) verbose: bool,

    /// How progress is told
    #[arg(long, global = true, env = "MINIMODEL_PROGRESS", hide_env_values = true, value_name = "HOW")]
    #[arg(value_enum, default_value_t = ProgressChoice::Auto)]
    pub(crate) progress: ProgressChoice,

    /// When to use colours; NO_COLOR is heeded under `auto`
    #[arg(long, global = true, env = "MINIMODEL_COLOR", hide_env_values = true, value_name = "WHEN")]
    #[arg(value_enum, default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
}

/// `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    /// A bar on a terminal, a line every 10 s elsewhere, events under --json
    Auto,
    /// A line every 10 s
    Plain,
    /// JSON objects
    Json,
    /// Not at all
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

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show a whole transfer between peers on this machine alone
    Demo(DemoArgs),
    /// Fetch a model file from peers who offered it, and prove it
    Fetch(FetchArgs),
    /// Fetch a model file and serve it on, found by all members: for those who cannot reach each other
    Mirror(FetchArgs),
    /// Serve a model file to peers who hold its offer
    Seed(SeedArgs),
    /// Fetch what a MiniModel request file asks for
    ImportPeerRequest(ImportPeerRequestArgs),
    /// Create, show or sign a manifest
    Manifest(ManifestArgs),
    /// Check a manifest, its signature included
    VerifyManifest(VerifyManifestArgs),
    /// Check a model file against its manifest
    VerifyArtifact(VerifyArtifactArgs),
    /// Check the chunks that a partial or whole file holds, without any network
    VerifyChunks(VerifyChunksArgs),
    /// Check a local model file and write the receipt of its import
    WriteImportReceipt(WriteImportReceiptArgs),
    /// Write a valid sample .slm file
    Sample(SampleArgs),
    /// Agree to what the companion may do while you do not look, see what you agreed to, or take it back
    Consent(ConsentArgs),
    /// Let peers pass on that this machine has a model, or stop that
    Announce(AnnounceArgs),
    /// Keep models: list, add, check, remove, pin, prune and activate them
    Library(LibraryArgs),
    /// Show what is shared and fetched, by whom, how fast, and why not
    Status(StatusArgs),
    /// Pause, start, limit or forget a share or fetch of the companion
    Transfer(TransferArgs),
    /// Show or change rates, slots, budgets and their schedule, and what moved
    Limits(LimitsArgs),
    /// Look for what is wrong or slow
    Doctor(DoctorArgs),
    /// Open the companion's page in the browser, on this machine alone
    Open(OpenArgs),
    /// Run the companion: the service that keeps shares and fetches going
    Companion(CompanionArgs),
    /// Show who was banned and why, or take bans back
    Blame(BlameArgs),
    /// Show, forget or pin the keys under which publishers are known
    Publisher(PublisherArgs),
    /// Show or create the identity of this user
    Id(IdArgs),
    /// Say what an offer, manifest, .slm file, receipt or record is
    Inspect(InspectArgs),
    /// Print the completions of a shell
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
