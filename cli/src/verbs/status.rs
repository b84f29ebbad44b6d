//! `minimodel status`: shows shares and fetches, their peers and rates, and why no bytes move.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use minimodel::clock::now_utc;
use minimodel_companion::model::Status;
use serde::Serialize;

use crate::args::StatusArgs;
use crate::companion;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::os;
use crate::printer::{Line, Printer, Tone};
use crate::settings::Context;
use crate::status::{changes, page};
use crate::text;

/// Interval of the snapshots under `--watch`.
const EVERY: Duration = Duration::from_secs(1);

/// Interval at which a waiting `--watch` checks for a signal.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Size assumed of a terminal that does not report its own.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// The answer under `--json`. Nested, because a status and an event each have a `version`: of the program, and of the event.
#[derive(Serialize)]
struct StatusObject {
    status: Status,
}

/// Runs the verb.
pub(crate) fn run(args: &StatusArgs, context: &Context) -> Result<(), Failure> {
    if args.watch {
        return watch(context);
    }
    let status = read_status(context)?;
    let printer = &context.printer;
    if printer.is_json() {
        return printer.event("status", StatusObject { status });
    }
    let width = terminal().map_or(usize::MAX, |(width, _)| width);
    page(&status, width).into_iter().try_for_each(|line| printer.answer(line))
}

/// Finds the service anew for each snapshot: a companion may have started or ended since.
fn read_status(context: &Context) -> Result<Status, Failure> {
    companion::service(context)?.status().map_err(text::of_problem)
}

fn watch(context: &Context) -> Result<(), Failure> {
    let (interrupt, printer) = (Interrupt::listen()?, &context.printer);
    let (mut before, mut drawn): (Option<Status>, usize) = (None, 0);
    loop {
        match read_status(context) {
            Ok(status) => {
                if printer.is_json() {
                    printer.event("status", StatusObject { status: status.clone() })?;
                } else if let Some(size) = terminal() {
                    let lines = fitting(page(&status, size.0), size.1);
                    printer.answer_anew(drawn, &lines)?;
                    drawn = lines.len();
                } else {
                    tell(printer, before.as_ref(), &status)?;
                }
                before = Some(status);
            }
            // A companion that is starting or ending holds the state for a moment, so that it cannot be read.
            Err(failure) if failure.class == Exit::Busy && before.is_some() => {}
            Err(failure) => return Err(failure),
        }
        if printer.has_lost_stdout() || !waited(&interrupt) {
            return Ok(());
        }
    }
}

/// Prints a line for each change, with the time, if stdout is no terminal.
fn tell(printer: &Printer, before: Option<&Status>, status: &Status) -> Result<(), Failure> {
    let mut lines = changes(before, status);
    if before.is_none() && lines.is_empty() {
        lines.push("nothing is shared or fetched".to_owned());
    }
    let now = now_utc();
    lines.into_iter().try_for_each(|line| printer.answer(format!("{now} {line}")))
}

/// Cuts a snapshot to the height of the terminal: lines that have scrolled away cannot be drawn over.
fn fitting(mut lines: Vec<Line>, height: usize) -> Vec<Line> {
    let room = height.saturating_sub(1).max(1);
    if lines.len() > room {
        let more = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(Line::default().with(Tone::Plain, format!("+{more} lines")));
    }
    lines
}

/// Columns and lines of the terminal at stdout; `None` if stdout is no terminal.
fn terminal() -> Option<(usize, usize)> {
    let stdout = io::stdout();
    stdout.is_terminal().then(|| {
        let size = os::terminal_size(&stdout).unwrap_or_default();
        let or = |found: u16, usual: usize| if found == 0 { usual } else { usize::from(found) };
        (or(size.0, USUAL_SIZE.0), or(size.1, USUAL_SIZE.1))
    })
}

/// Waits until the next snapshot; false if a signal came, which is the ordinary end.
fn waited(interrupt: &Interrupt) -> bool {
    let mut left = EVERY;
    while !left.is_zero() {
        if interrupt.check().is_err() {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
        left = left.saturating_sub(LOOK_EVERY);
    }
    interrupt.check().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_taller_than_terminal_ends_with_count_of_missing_lines() {
        let lines = |count: usize| (0..count).map(|n| Line::from(n.to_string())).collect::<Vec<_>>();
        let shown = |count, height| -> Vec<String> {
            fitting(lines(count), height).iter().map(|line| line.render(false).trim().to_owned()).collect()
        };
        assert_eq!(shown(3, 4), ["0", "1", "2"]);
        assert_eq!(shown(5, 4), ["0", "1", "+3 lines"]);
        assert_eq!(shown(5, 1), ["+5 lines"]);
        assert_eq!(shown(5, 0), ["+5 lines"]);
    }
}
