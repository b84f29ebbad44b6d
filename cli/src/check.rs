//! The whole check of a file against its manifest, with progress and Ctrl-C: what `verify-artifact` and
//! `write-import-receipt` do, and what `seed` does before it serves.

use std::path::Path;

use minimodel_verifier::verify::{Depth, Verified, verify_artifact};
use minimodel_verifier::{Manifest, Report, manifest};

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report;
use crate::settings::Context;

/// Reads the file once and makes every check. Whether they passed is in the report; a failure here means that the
/// file could not be read, or that a signal came.
pub(crate) fn artifact(context: &Context, manifest: &Manifest, path: &Path) -> Result<Verified, Failure> {
    let input = input::open("artifact", path)?;
    let interrupt = Interrupt::listen()?;
    let progress = Progress::start(context, "verify", input.byte_count, false);
    let mut reader = interrupt.guard(progress.counter().count(&input.file));
    let verified = verify_artifact(manifest, &mut reader, Depth::Entering);
    interrupt.check()?;
    verified.map_err(|error| Failure::reading("artifact", path, &error))
}

/// The checks of the manifest, then those of the artifact.
pub(crate) fn whole_report(manifest: &Manifest, verified: &Verified) -> Report {
    let mut report = manifest::check(manifest.text().as_bytes());
    report.extend(verified.report.clone());
    report
}

/// The failure of an artifact that is not what its manifest says.
pub(crate) fn failure(path: &Path, report: &Report) -> Failure {
    let subject = format!("the artifact `{}`", escape::path(path));
    let hint = "this is not the file that the manifest names: fetch it again, or ask its publisher";
    report::failure(Exit::Verification, &subject, report, hint)
}
