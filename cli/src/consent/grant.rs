//! Actions that a user can consent to, their spelling, and consents that were given.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use minimodel_verifier::receipt::Consent;

use minimodel::clock;

pub(crate) use minimodel::consent::Action;

/// A word in `--consent` that names no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name actions joined by commas: fetch, import, serve, cache, publish")]
pub(crate) struct UnknownAction;

/// `--consent fetch,import`, or the list that a request file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsentFlag {
    pub(super) actions: BTreeSet<Action>,
}

impl ConsentFlag {
    /// Reads a list of words.
    pub(crate) fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownAction> {
        let actions = words.into_iter().map(|word| Action::from_word(word).ok_or(UnknownAction));
        Ok(Self { actions: actions.collect::<Result<_, _>>()? })
    }

    /// A list of actions.
    pub(crate) fn of(actions: BTreeSet<Action>) -> Self {
        Self { actions }
    }

    /// The actions, in the order in which they are asked for.
    pub(crate) fn actions(&self) -> Vec<Action> {
        Action::ALL.into_iter().filter(|action| self.actions.contains(action)).collect()
    }
}

impl fmt::Display for ConsentFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(&self.actions))
    }
}

impl FromStr for ConsentFlag {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_words(text.split(','))
    }
}

/// How a consent was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentSource {
    /// By `--consent`.
    Flag,
    /// By answering `yes` on a terminal.
    Prompt,
    /// By the command itself, which does nothing else (`write-import-receipt`).
    Command,
}

impl ConsentSource {
    /// The word in logs and receipts.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Prompt => "prompt",
            Self::Command => "command",
        }
    }
}

/// A consent that was given and recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(super) actions: BTreeSet<Action>,
    /// How it was given.
    pub(crate) source: ConsentSource,
    /// When, seconds since 1970.
    pub(crate) at_unix: u64,
}

impl Granted {
    /// Whether `action` is permitted.
    pub(crate) fn permits(&self, action: Action) -> bool {
        self.actions.contains(&action)
    }

    /// The actions, in a stable order.
    pub(crate) fn actions(&self) -> impl Iterator<Item = Action> + '_ {
        Action::ALL.into_iter().filter(|action| self.permits(*action))
    }

    /// The receipt's consent lines, one per action.
    pub(crate) fn for_receipt(&self, verb: &str) -> Vec<Consent> {
        let by = self.spelled(verb);
        let at_utc = clock::utc(self.at_unix);
        self.actions().map(|action| Consent { action, at_utc: at_utc.clone(), by: by.clone() }).collect()
    }

    /// Spelling in logs and receipts: `--consent fetch,import` for a flag, else `prompt` or the verb.
    pub(crate) fn spelled(&self, verb: &str) -> String {
        match self.source {
            ConsentSource::Flag => format!("--consent {}", join(&self.actions)),
            ConsentSource::Prompt => self.source.as_str().to_owned(),
            ConsentSource::Command => verb.to_owned(),
        }
    }
}

/// Words of the actions joined by commas, in the order in which they are asked for.
pub(super) fn join(actions: &BTreeSet<Action>) -> String {
    let words = Action::ALL.into_iter().filter(|action| actions.contains(action)).map(Action::as_str);
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(text: &str) -> ConsentFlag {
        text.parse().unwrap()
    }

    #[test]
    fn a_flag_names_known_actions_in_any_order() {
        assert_eq!(flag("import,fetch"), flag("fetch,import,fetch"));
        for text in ["", "yes", "all", "fetch,", "fetch, import", "Fetch", "fetch;import"] {
            assert_eq!(text.parse::<ConsentFlag>(), Err(UnknownAction), "{text:?}");
        }
    }
}
