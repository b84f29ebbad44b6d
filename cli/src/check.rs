//! The full check of a file against its manifest, with progress and Ctrl-C: what `verify-artifact` and
//! `write-import-receipt` do, and what `seed` does before it serves.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use minimodel::check::FullCheck;
use minimodel::{Event, Watcher};
use minimodel_swarm::store::SourceFile;
use minimodel_verifier::Manifest;
use minimodel_verifier::verify::Verified;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::settings::Context;
use crate::text;

/// Opens a file that the user named; `what` names it in failures.
pub(crate) fn open(what: &str, path: &Path) -> Result<SourceFile, Failure> {
    minimodel::check::open(path).map_err(|error| text::check(what, error))
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
    let progress = Progress::start(context, labels.label, source.byte_count(), labels.has_events);
    let counter = progress.counter();
    // What is told besides the progress is printed once the bar is gone.
    let later = Mutex::new(Vec::new());
    let watcher = |event| match event {
        Event::CheckProgress { read_bytes, .. } => counter.set(read_bytes),
        other => later.lock().unwrap_or_else(PoisonError::into_inner).push(other),
    };
    let is_stopped = || interrupt.check().is_err();
    let check = FullCheck { home: &context.home, watcher: &watcher, is_stopped: &is_stopped };
    let verified = check.run(manifest, path, source);
    drop(progress);
    interrupt.check()?;
    for event in later.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Watcher::tell(&*context.printer, event);
    }
    verified.map_err(|error| text::check(labels.what, error))
}

/// The whole check of a local file, for a verb that answers with its report.
pub(crate) fn artifact(context: &Context, manifest: &Manifest, path: &Path) -> Result<Verified, Failure> {
    let source = open("artifact", path)?;
    let labels = CheckLabels { what: "artifact", label: "verify", has_events: false };
    full(context, manifest, path, &source, &labels)
}
