//! Findings about present limits, and about slow or idle transfers.

use jiff::Timestamp;

use super::cause::{advice, is_in_order, told, words_of};
use super::facts::Facts;
use super::units::{limit, percent, size};
use super::{FAIL, OK, WARN, finding, ok, warn};
use crate::limits::schedule;
use crate::model::{Cause, Finding, Kind, State, Status, Transfer};

/// Most causes shown per transfer, the longest first.
const TOLD: usize = 3;

/// Fraction of the run from which a standstill is worth a warning.
const NOTABLE: f64 = 0.1;

pub(super) fn limits(facts: &Facts) -> Finding {
    const NAME: &str = "limits";
    let status = &facts.status;
    let (limits, now) = (&status.limits, status.now);
    let rates = if now.paused {
        "the schedule pauses everything at this hour".to_owned()
    } else {
        format!("now up {}, down {}", limit(now.up), limit(now.down))
    };
    let until = facts.next_change_unix.and_then(|at| Timestamp::from_second(i64::try_from(at).ok()?).ok());
    let until = until.map_or_else(String::new, |at| format!(", until {at}"));
    let mut more = String::new();
    if let Some(slots) = limits.slots {
        more += &format!("; {slots} peers served at once");
    }
    if let Some(bytes) = limits.peer_day_bytes {
        more += &format!("; {} a peer and day", size(bytes));
    }
    let detail = format!("{rates}{until}{more}");
    let idle = (0..limits.schedule.len()).find(|&number| !schedule::is_ever_first(limits, number));
    match idle.and_then(|number| limits.schedule.get(number)) {
        None => ok(NAME, detail),
        Some(window) => warn(
            NAME,
            format!("{detail}; the window {}-{} never holds: others come before it", window.from, window.to),
            "the first window that holds counts: `minimodel limits schedule clear`, then add the windows in another order",
        ),
    }
}

/// Returns a transfer's state, and why it is slow or idle if it is.
pub(super) fn transfer(transfer: &Transfer, status: &Status) -> Finding {
    let name = format!("transfer {}", transfer.id);
    let what = match transfer.kind {
        Kind::Share => "share",
        Kind::Fetch => "fetch",
    };
    let model = if transfer.model_id.is_empty() {
        "a model that is not known yet".to_owned()
    } else {
        format!("{} {}", transfer.model_id, transfer.model_version)
    };
    let whole = format!("{what} of {model}");
    let id = transfer.id;
    let because = |cause: Option<Cause>| {
        cause.map_or_else(String::new, |cause| format!(": {}", words_of(transfer.kind, cause)))
    };
    let hint = |cause: Option<Cause>| cause.map(|cause| advice(cause, transfer, status));
    match transfer.state {
        State::Failed => {
            let problem = transfer.problem.as_ref();
            let why = problem.map_or("for no known reason", |problem| problem.error.as_str());
            let cause = problem.and_then(|problem| problem.cause.as_deref());
            let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
            let hint = problem.map(|problem| problem.hint.clone()).filter(|hint| !hint.is_empty());
            let again = || format!("try again: `minimodel transfer start {id}`");
            finding(&name, FAIL, format!("{whole} failed: {why}{cause}"), Some(hint.unwrap_or_else(again)))
        }
        State::Asking => {
            let missing = Some(Cause::ConsentMissing);
            finding(&name, WARN, format!("{whole} asks for consent, and does nothing before"), hint(missing))
        }
        State::Waiting => {
            let outcome = if transfer.cause.is_some_and(is_in_order) { OK } else { WARN };
            let why = transfer.problem.as_ref().map_or_else(String::new, |problem| {
                let cause = problem.cause.as_ref().map_or_else(String::new, |cause| format!(" ({cause})"));
                format!("; {}{cause}", problem.error)
            });
            let detail = format!("{whole} waits{}{why}", because(transfer.cause));
            finding(&name, outcome, detail, share_hint(transfer).or_else(|| hint(transfer.cause)))
        }
        State::Paused => {
            finding(&name, OK, format!("{whole} is paused by its user"), hint(Some(Cause::Paused)))
        }
        State::Done => ok(&name, format!("{whole} is done")),
        State::Preparing => ok(&name, format!("{whole} is being prepared")),
        State::Running => running(&name, &whole, transfer, status),
    }
}

/// Returns the advice for a share whose file or address is out of reach: the hint of its own error, if it has one.
fn share_hint(transfer: &Transfer) -> Option<String> {
    let is_held = matches!(transfer.cause, Some(Cause::Disk | Cause::Address));
    let problem = transfer.problem.as_ref().filter(|_| is_held && transfer.kind == Kind::Share)?;
    let again =
        format!("it is tried again by itself, and at once by `minimodel transfer start {}`", transfer.id);
    Some(if problem.hint.is_empty() { again } else { format!("{}; {again}", problem.hint) })
}

fn running(name: &str, whole: &str, transfer: &Transfer, status: &Status) -> Finding {
    let mut idle: Vec<(Cause, f64)> =
        transfer.idle_seconds.iter().map(|(&cause, &seconds)| (cause, seconds)).collect();
    idle.retain(|(_, seconds)| *seconds > 0.0);
    idle.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let idle_in_all: f64 = idle.iter().map(|(_, seconds)| seconds).sum();
    // A run that was not timed is at least as long as its standstills.
    let run = transfer.run_seconds.max(idle_in_all);
    let mut detail = format!("{whole} runs, {}", numbers(transfer));
    if let Some(cause) = transfer.cause {
        detail += &format!("; nothing moves now: {}", words_of(transfer.kind, cause));
    }
    for &(cause, seconds) in idle.iter().take(TOLD) {
        detail += &format!("; {} of the time {}", percent(seconds, run), told(cause, transfer, status));
    }
    let is_notable = |&&(cause, seconds): &&(Cause, f64)| !is_in_order(cause) && seconds >= run * NOTABLE;
    let worst = idle.iter().find(is_notable).map(|&(cause, _)| cause);
    let stuck = transfer.cause.filter(|&cause| !is_in_order(cause));
    let to_mend = worst.or(stuck);
    let outcome = if to_mend.is_some() { WARN } else { OK };
    let tell = to_mend.or_else(|| idle.first().map(|&(cause, _)| cause)).or(transfer.cause);
    finding(name, outcome, detail, tell.map(|cause| advice(cause, transfer, status)))
}

fn numbers(transfer: &Transfer) -> String {
    let peers = transfer.peers.len();
    let peers = if peers == 1 { "1 peer".to_owned() } else { format!("{peers} peers") };
    let up = format!("{}/s out", size(transfer.up_rate));
    match transfer.kind {
        Kind::Share => format!("{peers}, {up}"),
        Kind::Fetch => {
            let whole = size(transfer.total_bytes);
            format!(
                "{} of {whole} here, {peers}, {}/s in, {up}",
                size(transfer.have_bytes),
                size(transfer.down_rate)
            )
        }
    }
}
