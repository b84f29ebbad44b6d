//! `minimodel completions`: prints the completion script of a shell on stdout.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::failure::Failure;
use crate::settings::Context;

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs, context: &Context) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "minimodel", &mut script);
    context.printer.answer_bytes(&script)
}
