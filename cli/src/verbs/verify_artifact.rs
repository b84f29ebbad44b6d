//! `minimodel verify-artifact`: checks every byte of a file against its manifest; with `--repair`, fetches its wrong chunks.

use minimodel::check::whole_report;

use crate::args::VerifyArtifactArgs;
use crate::failure::Failure;
use crate::follow;
use crate::settings::Context;
use crate::text;
use crate::{check, escape, publisher, report};

/// Prints the report; exit 10 when the manifest is not valid, 6 when it is not signed by the known or demanded key (the
/// file is not read then), 4 when the file is not the artifact.
pub(crate) fn run(args: &VerifyArtifactArgs, context: &Context) -> Result<(), Failure> {
    let manifest = report::manifest_or_answer(&context.printer, &args.manifest)?;
    let verdict = report::accept_key_or_answer(context, &manifest, &args.publisher)?;
    if args.repair.repair && follow::is_under_way(&args.artifact) {
        return follow::repair(context, manifest, &args.artifact, &args.repair, &args.publisher);
    }
    let verified = check::artifact(context, &manifest, &args.artifact)?;
    let whole = whole_report(&manifest, &verified, publisher::check(&verdict, &args.publisher));
    if args.repair.repair && !whole.ok() {
        let failed = whole.failures().next().map_or("", |check| check.name);
        context.printer.note(format!("`{}` is not right ({failed})", escape::path(&args.artifact)));
        return follow::repair(context, manifest, &args.artifact, &args.repair, &args.publisher);
    }
    report::answer(&context.printer, Some(manifest.swarm_id()), &whole)?;
    if whole.ok() { Ok(()) } else { Err(text::not_the_artifact(&args.artifact, &whole).answered()) }
}
