//! Prints grants and lines of the log for people and programs.

use minimodel::clock::utc;
use minimodel::consent::{Action, Grant, GrantState, LogEntry, LogVerdict};
use minimodel_companion::api::types;

use super::model::Names;
use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::show;
use crate::size::{show_exact_size, show_size};

/// A grant on one line, or event `grant`.
pub(super) fn line(printer: &Printer, names: &Names, grant: &Grant) -> Result<(), Failure> {
    if printer.is_json() {
        return printer.event("grant", types::Grant::from(grant.clone()));
    }
    let model = grant.model.as_deref().map_or_else(
        || "any model".to_owned(),
        |swarm| names.name(swarm).unwrap_or_else(|| format!("swarm {}", escape::shown(swarm))),
    );
    let peer = grant
        .peer
        .as_deref()
        .map_or_else(|| "any peer".to_owned(), |peer| format!("peer {}", escape::shown(peer)));
    let bytes = match grant.quota_bytes {
        Some(quota) => format!(", {} of {} used", show_size(grant.used_bytes), show_size(quota)),
        None => String::new(),
    };
    printer.answer(format!(
        "{}  {}  {}  {model}, {peer}, {}{bytes}",
        grant.id,
        grant.action.as_str(),
        state(grant.state),
        ends(grant)
    ))
}

/// Everything that is known of a grant, or event `grant`.
pub(super) fn show(printer: &Printer, names: &Names, grant: &Grant) -> Result<(), Failure> {
    if printer.is_json() {
        return printer.event("grant", types::Grant::from(grant.clone()));
    }
    let mut lines = Vec::new();
    let mut say = |label: &str, value: String| lines.push((label.to_owned(), value));
    say("grant", grant.id.to_string());
    say("action", grant.action.as_str().to_owned());
    say("state", state(grant.state).to_owned());
    match &grant.model {
        None => say("model", "any".to_owned()),
        Some(swarm) => {
            say("model", names.name(swarm).unwrap_or_else(|| "not known here".to_owned()));
            say("swarm", escape::shown(swarm).to_string());
        }
    }
    say(
        "peer",
        grant.peer.as_deref().map_or_else(|| "any".to_owned(), |peer| escape::shown(peer).to_string()),
    );
    say("ends", ends(grant));
    if matches!(grant.action, Action::Fetch | Action::Serve) {
        say("at most", grant.quota_bytes.map_or_else(|| "no limit of bytes".to_owned(), show_exact_size));
        say("used", show_exact_size(grant.used_bytes));
    }
    say("given", format!("{}, by {}", escape::shown(&grant.given_utc), escape::shown(&grant.by)));
    show::answer(printer, &lines)
}

/// A line of the log, or event `consent`.
pub(super) fn log_line(printer: &Printer, line: &LogEntry) -> Result<(), Failure> {
    if printer.is_json() {
        return printer.event("consent", types::LogEntry::from(line.clone()));
    }
    let (time, kind, text) = (escape::shown(&line.time_utc), escape::shown(&line.kind), whole(&line.text));
    printer.answer(format!("{}  {time}  {kind}  {text}", line.number))
}

/// Describes a log that was verified.
pub(super) fn verdict(verdict: &LogVerdict) -> String {
    let head = if verdict.head.is_empty() {
        String::new()
    } else {
        format!(", head {}", escape::shown(&verdict.head))
    };
    format!("ok: {} lines are chained{head}", verdict.entries)
}

/// Escapes a text of the log without cutting it: with a swarm id and a peer id it is longer than `escape::shown` permits.
fn whole(text: &str) -> String {
    let shown = text.chars().map(|character| escape::shown(character.encode_utf8(&mut [0; 4])).to_string());
    shown.collect()
}

fn state(state: GrantState) -> &'static str {
    match state {
        GrantState::Active => "active",
        GrantState::Expired => "expired",
        GrantState::Spent => "spent",
        GrantState::Revoked => "revoked",
    }
}

fn ends(grant: &Grant) -> String {
    match (grant.expires_unix, grant.state) {
        (Some(expires), GrantState::Expired) => format!("ended {}", utc(expires)),
        (Some(expires), _) => format!("until {}", utc(expires)),
        (None, GrantState::Revoked) => "taken back".to_owned(),
        (None, _) => "until it is taken back".to_owned(),
    }
}
