//! Failures for reports of checks that are not ok.

use std::path::Path;

use minimodel_verifier::Report;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;

/// The failure for a report that is not ok; it names the first check that failed.
pub(crate) fn of_report(class: Exit, subject: &str, report: &Report, hint: &str) -> Failure {
    let failed = report.failures().count();
    let cause = match report.failures().next() {
        Some(first) => format!("{}: {}", first.name, escape::shown(&first.detail())),
        None => "no check was made".to_owned(),
    };
    let count = if failed == 1 { "one check".to_owned() } else { format!("{failed} checks") };
    Failure::new(class, format!("{subject} failed {count}"), hint).because(cause)
}

/// The failure for an artifact that does not match its manifest.
pub(crate) fn not_the_artifact(path: &Path, report: &Report) -> Failure {
    let subject = format!("the artifact `{}`", escape::path(path));
    let hint = "this is not the file that the manifest names: fetch it again, or ask its publisher";
    of_report(Exit::Verification, &subject, report, hint)
}
