//! `minimodel doctor`: lists faults and causes of slowness, and what to do about them.

use minimodel_companion::doctor::{FAIL, OK, WARN};
use minimodel_companion::model::Finding;
use serde::Serialize;

use crate::args::DoctorArgs;
use crate::companion;
use crate::escape::{self, Shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Line, Printer, Tone};
use crate::settings::Context;
use crate::text;

/// The last event under `--json`.
#[derive(Serialize)]
struct DoctorObject {
    ok: usize,
    warn: usize,
    fail: usize,
}

/// Runs the verb: exit 0 when nothing fails, warnings or not; else 1.
pub(crate) fn run(_: &DoctorArgs, context: &Context) -> Result<(), Failure> {
    let findings = companion::service(context)?.doctor().map_err(text::of_problem)?;
    let printer = &context.printer;
    findings.iter().try_for_each(|finding| tell(printer, finding))?;
    let count = |outcome: &str| findings.iter().filter(|finding| finding.outcome == outcome).count();
    let counts = DoctorObject { ok: count(OK), warn: count(WARN), fail: count(FAIL) };
    let failed = counts.fail;
    printer.event("doctor", counts)?;
    if failed == 0 {
        return Ok(());
    }
    let things = if failed == 1 { "1 thing does" } else { &format!("{failed} things do") };
    let hint = "do what their hints say, then run `minimodel doctor` again";
    Err(Failure::new(Exit::Unexpected, format!("{things} not work"), hint).answered())
}

fn tell(printer: &Printer, finding: &Finding) -> Result<(), Failure> {
    if printer.is_json() {
        return printer.event("finding", finding);
    }
    printer.answer(line(finding))
}

/// `warn  space  4.0 GiB free ...`, and the hint below it where something is to be done.
fn line(finding: &Finding) -> Line {
    let tone = match finding.outcome.as_str() {
        OK => Tone::Good,
        FAIL => Tone::Bad,
        _ => Tone::Warning,
    };
    let line = Line::default()
        .with(tone, format!("{:4}", escape::shown(&finding.outcome).to_string()))
        .with(Tone::Strong, format!("  {:14}", escape::shown(&finding.name).to_string()))
        .with(Tone::Plain, format!("  {}", whole(&finding.detail)));
    match &finding.hint {
        Some(hint) => line.with(Tone::Plain, format!("\n      {:14}  -> {}", "", whole(hint))),
        None => line,
    }
}

/// Findings hold paths and several sentences, so they are escaped and practically never cut.
fn whole(text: &str) -> Shown<'_> {
    escape::os(text.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: D8
    #[test]
    fn doctor_line_shows_hint_below_and_escapes_control_characters() {
        let mut finding = Finding {
            name: "transfer 3".into(),
            outcome: "warn".into(),
            detail: "fetch of \u{1b}[2Jm\n 1; 72 % of the time".into(),
            hint: Some("raise it".into()),
        };
        assert_eq!(
            line(&finding).render(false),
            "warn  transfer 3      fetch of \\u{1b}[2Jm\\n 1; 72 % of the time\n                      -> raise it\n"
        );
        finding.hint = None;
        finding.outcome = "fail".into();
        assert!(line(&finding).render(true).starts_with("\u{1b}[1;31mfail\u{1b}[0m"));
    }
}
