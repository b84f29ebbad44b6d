//! A report of named checks as the answer: lines for people, or the one object of `--json`.

use data_encoding::HEXLOWER;
use minimodel::publishers::SignerVerdict;
use minimodel_verifier::{Check, Manifest, Outcome, Report, manifest};
use serde::Serialize;

use crate::args::PublisherOptions;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Line, Printer, Tone};
use crate::publisher;
use crate::settings::Context;

/// `{"ok":bool,"swarm_id":hex,"checks":[...]}`. `swarm_id` is null where the manifest is not valid or there is none.
#[derive(Serialize)]
struct ReportObject {
    ok: bool,
    swarm_id: Option<String>,
    checks: Vec<CheckObject>,
}

#[derive(Serialize)]
struct CheckObject {
    name: &'static str,
    outcome: &'static str,
    detail: String,
}

/// Prints the report on stdout.
pub(crate) fn answer(printer: &Printer, swarm_id: Option<&[u8; 32]>, report: &Report) -> Result<(), Failure> {
    if printer.is_json() {
        let checks = report.checks().iter().map(|check| CheckObject {
            name: check.name,
            outcome: check.outcome.as_str(),
            detail: check.detail(),
        });
        let swarm_id = swarm_id.map(|id| HEXLOWER.encode(id));
        return printer.object(&ReportObject { ok: report.ok(), swarm_id, checks: checks.collect() });
    }
    let width = report.checks().iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in report.checks() {
        printer.answer(check_line(check, width))?;
    }
    if let Some(id) = swarm_id {
        printer.answer(format!("swarm {}", HEXLOWER.encode(id)))?;
    }
    let count = |outcome| report.checks().iter().filter(|check| check.outcome == outcome).count();
    let tone = if report.ok() { Tone::Good } else { Tone::Bad };
    let verdict = if report.ok() { "ok" } else { "not ok" };
    let numbers = format!(
        ": {} passed, {} with a warning, {} failed",
        count(Outcome::Pass),
        count(Outcome::Warn),
        count(Outcome::Fail)
    );
    printer.answer(Line::default().with(tone, verdict).with(Tone::Plain, numbers))
}

fn check_line(check: &Check, width: usize) -> Line {
    let tone = match check.outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Warn => Tone::Warning,
        Outcome::Fail => Tone::Bad,
    };
    let detail = check.detail();
    let line = Line::default().with(tone, check.outcome.as_str());
    if detail.is_empty() {
        line.with(Tone::Plain, format!("  {}", check.name))
    } else {
        line.with(Tone::Plain, format!("  {:width$}  {}", check.name, escape::shown(&detail)))
    }
}

/// Reads a manifest. If it is not valid, prints its report as the answer and returns the failure.
pub(crate) fn manifest_or_answer(printer: &Printer, path: &std::path::Path) -> Result<Manifest, Failure> {
    let text = crate::input::manifest_text(path)?;
    let error = match Manifest::parse(&text) {
        Ok(manifest) => return Ok(manifest),
        Err(error) => error,
    };
    answer(printer, None, &manifest::check(&text))?;
    let error = Failure::new(
        Exit::Invalid,
        format!("the manifest `{}` is not valid", escape::path(path)),
        "correct what the cause names, or ask the publisher for a valid manifest",
    )
    .because(error);
    Err(error.answered())
}

/// Judges a manifest's key for a verb that asks no question. If the manifest is refused, prints its report as the answer
/// and returns the failure.
pub(crate) fn accept_key_or_answer(
    context: &Context,
    manifest: &Manifest,
    options: &PublisherOptions,
) -> Result<SignerVerdict, Failure> {
    let verdict = publisher::signer_verdict(context, manifest)?;
    if let Err(failure) = publisher::refuse(&verdict, options) {
        let mut checks = manifest::check(manifest.text().as_bytes());
        checks.extend(publisher::check(&verdict, options));
        answer(&context.printer, Some(manifest.swarm_id()), &checks)?;
        return Err(failure.answered());
    }
    Ok(verdict)
}
