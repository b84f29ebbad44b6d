//! `minimodel manifest`: creates, shows and signs manifests.

mod create;
mod propose;
mod show;
mod sign;

use crate::args::{ManifestAction, ManifestArgs};
use crate::failure::Failure;
use crate::settings::Context;

/// Runs the verb.
pub(crate) fn run(args: &ManifestArgs, context: &Context) -> Result<(), Failure> {
    match &args.action {
        ManifestAction::Create(args) => create::run(args, context),
        ManifestAction::Show(args) => show::run(args, context),
        ManifestAction::Sign(args) => sign::run(args, context),
    }
}
