//! `minimodel`: moves AI model files between people who agreed to it, and proves every byte.
//!
//! This crate is glue. Arguments ([`args`]) become resolved settings ([`settings`]); each verb is one file under
//! [`verbs`] and answers through the one [`printer`]; a [`failure`] carries its exit code ([`exit`]). What a manifest,
//! a chunk or a peer means is decided in the crates below.

mod args;
mod check;
mod companion;
mod consent;
mod escape;
mod exit;
mod failure;
mod follow;
mod input;
mod interrupt;
mod json;
mod offer_argument;
mod os;
mod output;
mod printer;
mod program;
mod progress;
mod publisher;
mod report;
mod request;
mod run;
mod service;
mod settings;
mod show;
mod size;
mod status;
mod stream;
mod text;
mod usage;
mod verbs;
mod watcher;

/// Runs the program with the arguments of this process.
pub fn main() -> std::process::ExitCode {
    run::run().into()
}

/// The command line as clap describes it: what man pages are made from.
pub fn command() -> clap::Command {
    <args::Cli as clap::CommandFactory>::command()
}

/// The unit of the companion that packages install for the users of a Linux machine, with the program at `program`.
pub fn companion_unit(program: &str) -> String {
    service::packaged_unit(program)
}
