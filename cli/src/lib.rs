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
mod progress;
mod publisher;
mod report;
mod request;
mod run;
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
