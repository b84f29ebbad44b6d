//! Resolves a NAME of the library, as a pure function: entries in, an entry or the reason out.

use minimodel_companion::model::Entry;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;

/// Fewest digits of a swarm id that are a name; with fewer, it is luck whether they name one model alone.
const SWARM_DIGITS: usize = 8;

/// Number of candidates that a refusal lists.
const CANDIDATES_SHOWN: usize = 8;

/// The one entry that `name` fits; an error if it fits none or several.
pub(super) fn resolve<'a>(entries: &'a [Entry], name: &str) -> Result<&'a Entry, Failure> {
    let found: Vec<&Entry> = entries.iter().filter(|entry| is_named(entry, name)).collect();
    match found.as_slice() {
        [] => Err(unknown(name)),
        [entry] => Ok(entry),
        several => Err(ambiguous(name, several)),
    }
}

/// Like `resolve`, but a model id alone names its active version, for programs that follow it by its path.
pub(super) fn resolve_active<'a>(entries: &'a [Entry], name: &str) -> Result<&'a Entry, Failure> {
    let mut active = entries.iter().filter(|entry| entry.active && entry.model_id == name);
    match active.next() {
        Some(entry) => Ok(entry),
        None => resolve(entries, name),
    }
}

fn is_named(entry: &Entry, name: &str) -> bool {
    let is_versioned = || name.split_once('@') == Some((&entry.model_id, &entry.model_version));
    let is_number = || name.parse() == Ok(entry.id) && name == entry.id.to_string();
    let is_swarm = || name.len() >= SWARM_DIGITS && entry.swarm_id.starts_with(name);
    entry.model_id == name || is_versioned() || is_number() || is_swarm()
}

/// Describes an entry among others: number, name, publisher, digits of its swarm id.
fn told(entry: &Entry) -> String {
    format!(
        "{}: {}@{} by {}, swarm {}",
        entry.id,
        escape::shown(&entry.model_id),
        escape::shown(&entry.model_version),
        escape::shown(&entry.publisher_id),
        escape::shown(entry.swarm_id.get(..16).unwrap_or(&entry.swarm_id)),
    )
}

fn unknown(name: &str) -> Failure {
    let error = format!("the library has no entry `{}`", escape::shown(name));
    let failure = Failure::new(Exit::NotFound, error, "see what there is: `minimodel library list`");
    let is_short =
        name.len() < SWARM_DIGITS && !name.is_empty() && name.chars().all(|c| c.is_ascii_hexdigit());
    if is_short {
        failure.because(format!("a swarm id is named by its first {SWARM_DIGITS} digits or more"))
    } else {
        failure
    }
}

fn ambiguous(name: &str, found: &[&Entry]) -> Failure {
    let mut candidates: Vec<String> = found.iter().take(CANDIDATES_SHOWN).map(|entry| told(entry)).collect();
    if let Some(more @ 1..) = found.len().checked_sub(CANDIDATES_SHOWN) {
        candidates.push(format!("and {more} more"));
    }
    let error = format!("`{}` names {} entries of the library", escape::shown(name), found.len());
    let hint = "say which: MODEL-ID@VERSION, the number, or the first digits of the swarm id";
    Failure::new(Exit::Usage, error, hint).because(candidates.join("\n"))
}

#[cfg(test)]
mod tests {
    use minimodel_companion::model::{EntryState, Fits};

    use super::*;

    fn entry(id: u64, model: &str, version: &str, swarm: &str, active: bool) -> Entry {
        Entry {
            id,
            model_id: model.to_owned(),
            model_version: version.to_owned(),
            publisher_id: format!("lab-{id}"),
            publisher: None,
            swarm_id: format!("{swarm:0<64}"),
            byte_count: 1,
            state: EntryState::Ready,
            reason: None,
            path: None,
            receipt: None,
            cached: false,
            pinned: false,
            active,
            used_utc: String::new(),
            added_utc: String::new(),
            fits: Fits::default(),
        }
    }

    fn library() -> Vec<Entry> {
        vec![
            entry(1, "small", "1", "aaaaaaaa1", false),
            entry(2, "small", "2", "aaaaaaaa2", true),
            entry(3, "large", "1", "12345678", false),
            entry(4, "shared", "1", "bb1", false),
            entry(5, "shared", "1", "bb2", false),
            entry(6, "3", "1", "cc", false),
        ]
    }

    fn id(name: &str) -> Result<u64, Exit> {
        resolve(&library(), name).map(|entry| entry.id).map_err(|failure| failure.class)
    }

    #[test]
    fn library_name_may_be_model_version_number_or_swarm_id_prefix() {
        assert_eq!(id("large"), Ok(3));
        assert_eq!(id("small@1"), Ok(1));
        assert_eq!(id("small@2"), Ok(2));
        assert_eq!(id("4"), Ok(4));
        assert_eq!(id("aaaaaaaa2"), Ok(2));
        assert_eq!(id("12345678"), Ok(3));
        assert_eq!(id(&library()[4].swarm_id), Ok(5));
        assert_eq!(id("3@1"), Ok(6));
    }

    #[test]
    fn what_names_nothing_is_not_found() {
        for name in
            ["", "smal", "small@3", "large@", "7", "04", "+4", "1234567", "AAAAAAAA1", "large@1@1", "bb1"]
        {
            assert_eq!(id(name), Err(Exit::NotFound), "{name:?}");
        }
        let short = resolve(&library(), "bb1").unwrap_err();
        assert!(short.cause.unwrap().contains("first 8 digits"));
        assert!(resolve(&[], "x\u{1b}[2J").unwrap_err().error.contains("\\u{1b}"));
    }

    #[test]
    fn a_name_of_several_entries_is_refused_with_all_of_them() {
        for (name, candidates) in [
            ("small", vec!["1: small@1 by lab-1, swarm aaaaaaaa1000000", "2: small@2"]),
            ("shared@1", vec!["4: shared@1 by lab-4", "5: shared@1 by lab-5"]),
            ("aaaaaaaa", vec!["1: small@1", "2: small@2"]),
            // The number of one entry is the model id of another.
            ("3", vec!["3: large@1", "6: 3@1"]),
        ] {
            let failure = resolve(&library(), name).unwrap_err();
            assert_eq!(failure.class, Exit::Usage);
            let cause = failure.cause.unwrap();
            assert!(candidates.iter().all(|candidate| cause.contains(candidate)), "{name}: {cause}");
            assert_eq!(cause.lines().count(), candidates.len());
        }
    }

    #[test]
    fn model_name_alone_resolves_to_active_version_for_a_path() {
        let of = |name: &str| {
            resolve_active(&library(), name).map(|entry| entry.id).map_err(|failure| failure.class)
        };
        assert_eq!(of("small"), Ok(2));
        assert_eq!(of("small@1"), Ok(1));
        assert_eq!(of("large"), Ok(3));
        assert_eq!(of("shared"), Err(Exit::Usage));
    }
}
