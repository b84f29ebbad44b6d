//! Library entries as text for people.

use minimodel::publishers::SignerStatus;
use minimodel_companion::model::{Entry, EntryState, Fits};
use minimodel_verifier::Manifest;

use crate::escape;
use crate::printer::{Line, Tone};
use crate::show;
use crate::size::{show_exact_size, show_size};

/// The heads of [`row`]'s columns.
const HEADS: [&str; 6] = ["NR", "NAME", "STATE", "SIZE", "FILE", "NOTES"];

/// The library as a table, one entry a line.
pub(super) fn table(entries: &[Entry]) -> Line {
    let mut lines = aligned(entries).into_iter();
    let head = Line::default().with(Tone::Strong, lines.next().unwrap_or_default());
    lines.fold(head, |table, line| table.with(Tone::Plain, format!("\n{line}")))
}

/// The table's lines, its head first.
fn aligned(entries: &[Entry]) -> Vec<String> {
    let rows: Vec<[String; 6]> =
        std::iter::once(HEADS.map(str::to_owned)).chain(entries.iter().map(row)).collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn row(entry: &Entry) -> [String; 6] {
    let mut notes = Vec::new();
    notes.extend(entry.active.then_some("active".to_owned()));
    notes.extend(entry.pinned.then_some("pinned".to_owned()));
    notes.extend((!entry.fits.fits).then_some("does not fit this machine".to_owned()));
    notes.extend(alarm(entry).map(str::to_owned));
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

/// What is wrong with the key that signed the entry's manifest, in a few words.
fn alarm(entry: &Entry) -> Option<&'static str> {
    match entry.publisher.as_ref()?.status {
        SignerStatus::New | SignerStatus::Known { .. } | SignerStatus::Unsigned => None,
        SignerStatus::Changed { .. } => Some("NOT THE KNOWN KEY"),
        SignerStatus::SignatureMissing { .. } => Some("SIGNATURE MISSING"),
        SignerStatus::PinMismatch { .. } => Some("NOT THE PINNED KEY"),
    }
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

/// All details of an entry, and the summary of its manifest.
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
    lines.extend(show::subject(manifest, entry.publisher.as_ref()));
    lines
}

/// Whether the model fits this machine, one line per requirement.
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

/// The size of an entry's file, for the question whether to delete it.
pub(super) fn size(entry: &Entry) -> String {
    show_exact_size(entry.byte_count)
}

#[cfg(test)]
mod tests {
    use minimodel_companion::model::FitCheck;

    use super::*;

    fn entry(id: u64, version: &str) -> Entry {
        Entry {
            id,
            model_id: "small".to_owned(),
            model_version: version.to_owned(),
            publisher_id: "lab".to_owned(),
            publisher: None,
            swarm_id: "0".repeat(64),
            byte_count: 2048,
            state: EntryState::Ready,
            reason: None,
            path: Some("/m/a.slm".to_owned()),
            receipt: None,
            cached: false,
            pinned: false,
            active: true,
            used_utc: String::new(),
            added_utc: String::new(),
            fits: Fits { fits: true, checks: Vec::new() },
        }
    }

    // Rows: D8
    #[test]
    fn the_table_is_aligned_and_shows_text_from_outside_escaped() {
        let failed = Entry {
            state: EntryState::Failed,
            reason: Some("a\u{1b}[2J\nb".to_owned()),
            cached: true,
            active: false,
            fits: Fits::default(),
            ..entry(10, "2.0")
        };
        let available =
            Entry { path: None, state: EntryState::Available, active: false, pinned: true, ..entry(2, "1") };
        assert_eq!(
            aligned(&[entry(1, "1"), available, failed]),
            [
                "NR  NAME       STATE      SIZE     FILE    NOTES",
                "1   small@1    ready      2.0 KiB  own     active",
                "2   small@1    available  2.0 KiB  none    pinned",
                r"10  small@2.0  failed     2.0 KiB  cached  does not fit this machine, a\u{1b}[2J\nb",
            ]
        );
    }

    #[test]
    fn what_fits_is_told_with_what_there_is_and_what_is_not_known() {
        let check = |name: &str, outcome: &str| FitCheck {
            name: name.to_owned(),
            needs: "64 MB".to_owned(),
            has: "unknown".to_owned(),
            outcome: outcome.to_owned(),
        };
        let told = |is: bool, checks: Vec<FitCheck>| {
            let lines = fits(&Fits { fits: is, checks });
            lines.into_iter().map(|(label, value)| format!("{label}: {value}")).collect::<Vec<_>>()
        };
        assert_eq!(told(true, Vec::new()), ["fits: yes: it requires nothing"]);
        let unknown = told(true, vec![check("vram", "unknown")]);
        assert_eq!(unknown, ["fits: as far as can be told", "fits vram: unknown: needs 64 MB, has unknown"]);
        assert_eq!(told(false, vec![check("ram", "fail"), check("vram", "unknown")])[0], "fits: no");
        assert_eq!(told(true, vec![check("ram", "pass")])[0], "fits: yes");
    }
}
