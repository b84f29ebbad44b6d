//! What a file says of itself, and a manifest of it.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::word::{decimal, is_route_safe};

/// What a file says of itself, or a manifest of a file: the values of keys such as `gguf.tensor_count`.
pub type Claims = BTreeMap<&'static str, String>;

/// One claim that a manifest of version 1 makes about the inside of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRule {
    /// The key.
    pub key: &'static str,
    /// How its value is spelled.
    pub spelling: ClaimSpelling,
    /// A file of the format always has it.
    pub is_required: bool,
}

/// How the value of a claim is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimSpelling {
    /// A decimal number below 2^64 without a leading zero.
    Number,
    /// A route-safe word.
    Word,
    /// Names with a number each, as `f32:2,q4_K:7`: sorted bytewise by name, each name once, no number 0.
    Counts,
    /// `yes`, and nothing else.
    Yes,
}

impl ClaimRule {
    pub(crate) const fn required(key: &'static str, spelling: ClaimSpelling) -> Self {
        Self { key, spelling, is_required: true }
    }

    pub(crate) const fn optional(key: &'static str, spelling: ClaimSpelling) -> Self {
        Self { key, spelling, is_required: false }
    }
}

impl ClaimSpelling {
    /// Returns true if the value is spelled so.
    pub fn accepts(self, value: &str) -> bool {
        match self {
            Self::Number => decimal(value).is_ok(),
            Self::Word => is_route_safe(value),
            Self::Yes => value == "yes",
            Self::Counts => counts(value).is_some_and(|names| names.is_sorted_by(|one, next| one < next)),
        }
    }

    /// What is accepted, for people.
    pub fn accepted(self) -> &'static str {
        match self {
            Self::Number => "decimal digits without a leading 0, below 2^64",
            Self::Word => "a-z, 0-9, `.`, `_` and `-`, at most 128, the first a letter or digit",
            Self::Yes => "`yes`",
            Self::Counts => "names with a number each, sorted by name, as `f32:2,q4_K:7`",
        }
    }
}

/// The names of `NAME:NUMBER,NAME:NUMBER`.
fn counts(value: &str) -> Option<Vec<&str>> {
    value.split(',').map(counted).collect()
}

fn counted(entry: &str) -> Option<&str> {
    let (name, count) = entry.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_name && decimal(count).is_ok_and(|count| count > 0)).then_some(name)
}

/// [`ClaimSpelling::Counts`] of names.
pub(crate) fn spell_counts<N: ToString>(counts: impl IntoIterator<Item = (N, u64)>) -> String {
    let sorted: BTreeMap<String, u64> =
        counts.into_iter().map(|(name, count)| (name.to_string(), count)).collect();
    let entries: Vec<String> = sorted.iter().map(|(name, count)| format!("{name}:{count}")).collect();
    entries.join(",")
}

/// The same for people, in the order given: `9: 2 x F32, 7 x Q4_K`.
pub(crate) fn show_counts<N: Display>(counts: impl IntoIterator<Item = (N, u64)>) -> String {
    let (mut all, mut entries) = (0_u64, Vec::new());
    for (name, count) in counts {
        all = all.saturating_add(count);
        entries.push(format!("{count} x {name}"));
    }
    if entries.is_empty() { all.to_string() } else { format!("{all}: {}", entries.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_one_spelling() {
        let spelled = spell_counts([("q4_K", 7), ("f32", 2), ("F64", 1)]);
        assert_eq!(spelled, "F64:1,f32:2,q4_K:7");
        assert!(ClaimSpelling::Counts.accepts(&spelled));
        for bad in [
            "",
            "f32",
            "f32:",
            ":1",
            "f32:0",
            "f32:01",
            "f32:1,",
            "f32:1, q:2",
            "q:1,f:2",
            "f:1,f:1",
            "f-32:1",
        ] {
            assert!(!ClaimSpelling::Counts.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_and_words_have_one_spelling() {
        let is = |spelling: ClaimSpelling, value: &str| spelling.accepts(value);
        assert!(is(ClaimSpelling::Number, "0") && is(ClaimSpelling::Number, "18446744073709551615"));
        assert!(!is(ClaimSpelling::Number, "18446744073709551616") && !is(ClaimSpelling::Number, "01"));
        assert!(is(ClaimSpelling::Word, "qwen2") && !is(ClaimSpelling::Word, "Qwen 2"));
    }
}
