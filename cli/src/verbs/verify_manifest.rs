//! `minimodel verify-manifest`: checks every rule of a manifest, its signature included, and whether its key is the known one.

use minimodel_verifier::{Manifest, Report, manifest};

use crate::args::VerifyManifestArgs;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::text;
use crate::{input, publisher, report};

/// Prints the report; exit 10 when a rule is broken, 6 when it is not signed by the known or demanded key.
pub(crate) fn run(args: &VerifyManifestArgs, context: &Context) -> Result<(), Failure> {
    let text = input::manifest_text(&args.manifest)?;
    let mut checks = manifest::check(&text);
    let Ok(manifest) = Manifest::parse(&text) else {
        report::answer(&context.printer, None, &checks)?;
        return Err(invalid(args, &checks));
    };
    let verdict = publisher::signer_verdict(context, &manifest)?;
    checks.extend(publisher::check(&verdict, &args.publisher));
    report::answer(&context.printer, Some(manifest.swarm_id()), &checks)?;
    publisher::refuse(&verdict, &args.publisher).map_err(Failure::answered)
}

fn invalid(args: &VerifyManifestArgs, checks: &Report) -> Failure {
    let subject = format!("the manifest `{}`", escape::path(&args.manifest));
    let hint = "correct what the cause names, or ask the publisher for a valid manifest";
    text::of_report(Exit::Invalid, &subject, checks, hint).answered()
}
