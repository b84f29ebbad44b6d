//! The full check of a file against its manifest, with progress and Ctrl-C: what `verify-artifact` and
//! `write-import-receipt` do, and what `seed` does before it serves.

use std::path::Path;

use minimodel::clock;
use minimodel_swarm::store::SourceFile;
use minimodel_verifier::verify::{Verified, verify_artifact};
use minimodel_verifier::{Manifest, Report, manifest};

use crate::checked;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report;
use crate::settings::Context;
use crate::transfer::ending;

/// Opens a file that the user named; `what` names it in failures. A symbolic link is accepted: it is resolved once, and
/// its target is read through the returned handle alone.
pub(crate) fn open(what: &str, path: &Path) -> Result<SourceFile, Failure> {
    // Opened first because its errors about folders, pipes and devices are clearer.
    drop(input::open(what, path)?);
    let real = path.canonicalize().map_err(|error| Failure::reading(what, path, &error))?;
    SourceFile::open(&real).map_err(|error| ending::store(&error))
}

/// How the progress and failures of a full check are worded.
pub(crate) struct CheckLabels {
    /// The file in failures: `artifact`, `model file`.
    pub(crate) what: &'static str,
    /// Label of the progress.
    pub(crate) label: &'static str,
    /// True if the verb answers with a stream of events.
    pub(crate) has_events: bool,
}

/// Reads the file once and runs every check; a file that passes all of them gets a record. The report says which checks
/// passed; a failure means that the file could not be read, or that a signal came.
pub(crate) fn full(
    context: &Context,
    manifest: &Manifest,
    path: &Path,
    source: &SourceFile,
    labels: &CheckLabels,
) -> Result<Verified, Failure> {
    let interrupt = Interrupt::listen()?;
    let begun_ns = clock::now_ns();
    let progress = Progress::start(context, labels.label, source.byte_count(), labels.has_events);
    let mut reader = interrupt.guard(progress.counter().count(source.reader()));
    let verified = verify_artifact(manifest, &mut reader);
    drop(reader);
    drop(progress);
    interrupt.check()?;
    let verified = verified.map_err(|error| Failure::reading(labels.what, path, &error))?;
    if let (Some(tree), true) = (&verified.tree, verified.report.ok()) {
        checked::remember(context, manifest, source, begun_ns, tree.chunk_hashes());
    }
    Ok(verified)
}

/// The whole check of a local file, for a verb that answers with its report.
pub(crate) fn artifact(context: &Context, manifest: &Manifest, path: &Path) -> Result<Verified, Failure> {
    let source = open("artifact", path)?;
    let labels = CheckLabels { what: "artifact", label: "verify", has_events: false };
    full(context, manifest, path, &source, &labels)
}

/// The checks of the manifest, that of its publisher's key, then those of the artifact.
pub(crate) fn whole_report(manifest: &Manifest, verified: &Verified, publisher: Report) -> Report {
    let mut report = manifest::check(manifest.text().as_bytes());
    report.extend(publisher);
    report.extend(verified.report.clone());
    report
}

/// The failure for an artifact that does not match its manifest.
pub(crate) fn failure(path: &Path, report: &Report) -> Failure {
    let subject = format!("the artifact `{}`", escape::path(path));
    let hint = "this is not the file that the manifest names: fetch it again, or ask its publisher";
    report::failure(Exit::Verification, &subject, report, hint)
}
