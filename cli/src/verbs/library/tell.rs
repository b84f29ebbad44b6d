//! Entries as people see them.

use minimodel_companion::api::types::{Entry, EntryState, Fits};
use minimodel_verifier::Manifest;

use crate::escape;
use crate::printer::{Line, Tone};
use crate::show;
use crate::size::{show_exact_size, show_size};

/// The heads of [`row`]'s columns.
const HEADS: [&str; 6] = ["NR", "NAME", "STATE", "SIZE", "FILE", "NOTES"];

/// The library as a table, one entry a line.
pub(super) fn table(entries: &[Entry]) -> Line {
    let rows: Vec<[String; 6]> =
        std::iter::once(HEADS.map(str::to_owned)).chain(entries.iter().map(row)).collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = Line::default();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let text = cells.collect::<Vec<_>>().join("  ");
        let gap = if number == 0 { "" } else { "\n" };
        let tone = if number == 0 { Tone::Strong } else { Tone::Plain };
        table = table.with(Tone::Plain, gap).with(tone, text.trim_end());
    }
    table
}

fn row(entry: &Entry) -> [String; 6] {
    let mut notes = Vec::new();
    notes.extend(entry.active.then_some("active".to_owned()));
    notes.extend(entry.pinned.then_some("pinned".to_owned()));
    notes.extend((!entry.fits.fits).then_some("does not fit this machine".to_owned()));
    notes.extend(entry.reason.as_deref().map(|reason| escape::shown(reason).to_string()));
    let file = match (&entry.path, entry.cached) {
        (None, _) => "none",
        (Some(_), true) => "cached",
        (Some(_), false) => "own",
    };
    [
        entry.id.to_string(),
        name(entry),
        state(entry.state).to_owned(),
        show_size(entry.byte_count),
        file.to_owned(),
        notes.join(", "),
    ]
}

/// `MODEL-ID@VERSION`.
pub(super) fn name(entry: &Entry) -> String {
    format!("{}@{}", escape::shown(&entry.model_id), escape::shown(&entry.model_version))
}

/// The state in the words of the interface.
pub(super) fn state(state: EntryState) -> &'static str {
    match state {
        EntryState::Available => "available",
        EntryState::Downloading => "downloading",
        EntryState::Ready => "ready",
        EntryState::Failed => "failed",
    }
}

/// Everything that is known of an entry, and what its manifest says.
pub(super) fn lines(entry: &Entry, manifest: &Manifest) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut say = |label: &str, value: String| lines.push((label.to_owned(), value));
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    say("number", entry.id.to_string());
    say("state", state(entry.state).to_owned());
    if let Some(reason) = &entry.reason {
        say("reason", escape::shown(reason).to_string());
    }
    if let Some(path) = &entry.path {
        say("file", escape::path(path.as_ref()).to_string());
        say("kept by", if entry.cached { "the library: it may be evicted" } else { "you" }.to_owned());
    }
    if let Some(receipt) = &entry.receipt {
        say("receipt", escape::path(receipt.as_ref()).to_string());
    }
    say("active", yes(entry.active));
    say("pinned", yes(entry.pinned));
    say("used", escape::shown(&entry.used_utc).to_string());
    say("added", escape::shown(&entry.added_utc).to_string());
    lines.extend(fits(&entry.fits));
    lines.extend(show::subject(manifest));
    lines
}

/// One line a requirement.
pub(super) fn fits(fits: &Fits) -> Vec<(String, String)> {
    if fits.checks.is_empty() {
        return vec![("fits".to_owned(), "yes: it requires nothing".to_owned())];
    }
    let is_unknown = fits.checks.iter().any(|check| check.outcome == "unknown");
    let verdict = match (fits.fits, is_unknown) {
        (false, _) => "no",
        (true, true) => "as far as can be told",
        (true, false) => "yes",
    };
    let checks = fits.checks.iter().map(|check| {
        let shown = |text: &str| escape::shown(text).to_string();
        let value =
            format!("{}: needs {}, has {}", shown(&check.outcome), shown(&check.needs), shown(&check.has));
        (format!("fits {}", shown(&check.name)), value)
    });
    std::iter::once(("fits".to_owned(), verdict.to_owned())).chain(checks).collect()
}

/// What is told of a file that goes.
pub(super) fn size(entry: &Entry) -> String {
    show_exact_size(entry.byte_count)
}
