//! From the command line to the exit code.

use crate::args::{Cli, Verb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::{Context, Environment};
use crate::{usage, verbs};

/// Runs the process.
pub(crate) fn run() -> Exit {
    let environment = Environment::read();
    let (context, result) = match Cli::read(std::env::args_os()) {
        Ok(cli) => {
            let context = Context::new(&cli.global, &environment);
            let result = dispatch(cli.verb, &context);
            (context, result)
        }
        Err(error) => {
            let context = Context::new(&usage::global_flags(&environment), &environment);
            let result = usage::answer(&error, &context);
            (context, result)
        }
    };
    match result.and_then(|()| context.printer.flush_warnings()) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            context.printer.failure(&failure);
            failure.class
        }
    }
}

fn dispatch(verb: Verb, context: &Context) -> Result<(), Failure> {
    match verb {
        Verb::Demo(args) => verbs::demo::run(&args, context),
        Verb::Fetch(args) => verbs::fetch::run(args, context),
        Verb::Mirror(args) => verbs::mirror::run(args, context),
        Verb::Seed(args) => verbs::seed::run(&args, context),
        Verb::ImportPeerRequest(args) => verbs::import_peer_request::run(&args, context),
        Verb::Manifest(args) => verbs::manifest::run(&args, context),
        Verb::VerifyManifest(args) => verbs::verify_manifest::run(&args, context),
        Verb::VerifyArtifact(args) => verbs::verify_artifact::run(&args, context),
        Verb::VerifyChunks(args) => verbs::verify_chunks::run(&args, context),
        Verb::WriteImportReceipt(args) => verbs::write_import_receipt::run(&args, context),
        Verb::Sample(args) => verbs::sample::run(&args, context),
        Verb::Consent(args) => verbs::consent::run(&args, context),
        Verb::Announce(args) => verbs::announce::run(&args, context),
        Verb::Library(args) => verbs::library::run(&args, context),
        Verb::Status(args) => verbs::status::run(&args, context),
        Verb::Transfer(args) => verbs::transfer::run(&args, context),
        Verb::Limits(args) => verbs::limits::run(&args, context),
        Verb::Open(args) => verbs::open::run(&args, context),
        Verb::Doctor(args) => verbs::doctor::run(&args, context),
        Verb::Companion(args) => verbs::companion::run(&args, context),
        Verb::Blame(args) => verbs::blame::run(&args, context),
        Verb::Publisher(args) => verbs::publisher::run(&args, context),
        Verb::Id(args) => verbs::id::run(&args, context),
        Verb::Inspect(args) => verbs::inspect::run(&args, context),
        Verb::Completions(args) => verbs::completions::run(&args, context),
    }
}
