//! `minimodel verify-manifest`: every rule of a manifest, its signature included.

use minimodel_verifier::{Manifest, manifest};

use crate::args::VerifyManifestArgs;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::{input, report};

/// Reports; exit 10 when a rule is broken.
pub(crate) fn run(args: &VerifyManifestArgs, context: &Context) -> Result<(), Failure> {
    let text = input::manifest_text(&args.manifest)?;
    let checks = manifest::check(&text);
    let swarm_id = Manifest::parse(&text).ok().map(|manifest| *manifest.swarm_id());
    report::answer(&context.printer, swarm_id.as_ref(), &checks)?;
    if checks.ok() {
        return Ok(());
    }
    let subject = format!("the manifest `{}`", escape::path(&args.manifest));
    let hint = "correct what the cause names, or ask the publisher for a valid manifest";
    Err(report::failure(Exit::Invalid, &subject, &checks, hint).answered())
}
