//! Words for a transfer's kind, state and cause. Everything from outside is escaped here.

use std::time::Duration;

use minimodel::consent::Action;
use minimodel_companion::doctor;
use minimodel_companion::model::{Cause, Kind, State, Transfer};

use crate::escape;
use crate::size::show_duration;

/// `share` or `fetch`.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Share => "share",
        Kind::Fetch => "fetch",
    }
}

/// One word for the state.
pub(crate) fn state(state: State) -> &'static str {
    match state {
        State::Asking => "asking",
        State::Waiting => "waiting",
        State::Preparing => "preparing",
        State::Running => "running",
        State::Paused => "paused",
        State::Done => "done",
        State::Failed => "failed",
    }
}

/// The model's id and version.
pub(crate) fn about(transfer: &Transfer) -> String {
    if transfer.model_id.is_empty() {
        return "(not known yet)".to_owned();
    }
    format!("{} {}", escape::shown(&transfer.model_id), escape::shown(&transfer.model_version))
}

/// Lines below a transfer's own: why it is in its state, and what the user can do about it, if anything.
pub(super) fn why(transfer: &Transfer) -> Vec<String> {
    let id = transfer.id;
    let cause = transfer.cause.map(|cause| doctor::words_of(transfer.kind, cause));
    match transfer.state {
        State::Asking => {
            let list = |actions: &[Action]| {
                let words: Vec<&str> = actions.iter().copied().map(Action::as_str).collect();
                words.join(", ")
            };
            let question = transfer.question.as_ref();
            let needs = question.map(|question| list(&question.needs)).filter(|list| !list.is_empty());
            vec![needs.map_or_else(
                || "asks for your consent".to_owned(),
                |needs| format!("asks for your consent to {needs}"),
            )]
        }
        State::Waiting => {
            let mut lines = vec![cause.map_or_else(|| "waits".to_owned(), |cause| format!("waits: {cause}"))];
            if let Some(problem) = &transfer.problem {
                lines.push(format!("problem: {}", escape::shown(&problem.error)));
                lines.extend(problem.cause.iter().map(|cause| format!("cause: {}", escape::shown(cause))));
                lines.push(match transfer.cause {
                    // The consent log is damaged: trying again does not help.
                    Some(Cause::ConsentMissing) => format!("hint: {}", escape::shown(&problem.hint)),
                    _ => format!("it tries again by itself; at once: `minimodel transfer start {id}`"),
                });
            }
            lines
        }
        State::Preparing => {
            let what = match (transfer.kind, transfer.cause) {
                (Kind::Share, _) => "the file is being checked",
                (Kind::Fetch, Some(Cause::NoSource)) => "the manifest is being asked for",
                (Kind::Fetch, _) => "what is here is being checked",
            };
            vec![what.to_owned()]
        }
        State::Running => {
            let idle = cause.map(|cause| format!("nothing moves: {cause}"));
            let reach = transfer.reach.iter().flat_map(doctor::reach_lines);
            let reach = reach.map(|line| escape::shown(&line).to_string());
            idle.into_iter().chain(left(transfer)).chain(reach).collect()
        }
        State::Paused => vec![format!("paused until `minimodel transfer start {id}`")],
        State::Done => vec![format!("checked and in place: {}", escape::path(transfer.path.as_ref()))],
        State::Failed => {
            let Some(problem) = &transfer.problem else {
                return vec![format!("failed; try again: `minimodel transfer start {id}`")];
            };
            let mut lines = vec![format!("failed: {}", escape::shown(&problem.error))];
            lines.extend(problem.cause.iter().map(|cause| format!("cause: {}", escape::shown(cause))));
            lines.push(format!("hint: {}", escape::shown(&problem.hint)));
            lines
        }
    }
}

/// When a running fetch has every byte, or which chunks stand against knowing that. Where no peer is connected, the cause says so.
fn left(transfer: &Transfer) -> Option<String> {
    let left = transfer.eta_seconds.filter(|_| transfer.have_bytes < transfer.total_bytes);
    let left = left.map(|seconds| format!("{} left", show_duration(Duration::from_secs(seconds))));
    let missing = transfer.missing_unheld.filter(|_| !transfer.peers.is_empty());
    left.or_else(|| unheld(missing?))
}

/// `7 chunks that no connected peer has`; `None` for none.
pub(crate) fn unheld(chunks: u64) -> Option<String> {
    match chunks {
        0 => None,
        1 => Some("1 chunk that no connected peer has".to_owned()),
        more => Some(format!("{more} chunks that no connected peer has")),
    }
}

/// `25 %` of a fetch, rounded down so that an incomplete file never shows 100 %; the size of a share.
pub(super) fn here(transfer: &Transfer) -> String {
    let (have, total) = (transfer.have_bytes, transfer.total_bytes);
    match transfer.kind {
        Kind::Share => crate::size::show_size(total),
        Kind::Fetch if total == 0 => "-".to_owned(),
        Kind::Fetch => format!("{} %", u128::from(have.min(total)) * 100 / u128::from(total)),
    }
}
