//! `minimodel verify-artifact`: is this file, byte by byte, what the manifest says?

use crate::args::VerifyArtifactArgs;
use crate::failure::Failure;
use crate::settings::Context;
use crate::{check, report};

/// Reports; exit 10 when the manifest is not valid, 4 when the file is not the artifact.
pub(crate) fn run(args: &VerifyArtifactArgs, context: &Context) -> Result<(), Failure> {
    let manifest = report::manifest_or_answer(&context.printer, &args.manifest)?;
    let verified = check::artifact(context, &manifest, &args.artifact)?;
    let whole = check::whole_report(&manifest, &verified);
    report::answer(&context.printer, Some(manifest.swarm_id()), &whole)?;
    if whole.ok() { Ok(()) } else { Err(check::failure(&args.artifact, &whole).answered()) }
}
