//! The list of actions after `--consent`, and how a consent was given.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

pub(crate) use minimodel::consent::Action;
use minimodel::consent::RunConsent;

/// An unknown action in `--consent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name actions joined by commas: fetch, import, serve, cache, publish, lan, dht, map, executable")]
pub(crate) struct UnknownAction;

/// `--consent fetch,import`, or the list that a request file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsentFlag {
    pub(crate) actions: BTreeSet<Action>,
}

impl ConsentFlag {
    /// Parses a list of action names.
    pub(crate) fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownAction> {
        let actions = words.into_iter().map(|word| Action::from_word(word).ok_or(UnknownAction));
        Ok(Self { actions: actions.collect::<Result<_, _>>()? })
    }

    /// Wraps a set of actions.
    pub(crate) fn of(actions: BTreeSet<Action>) -> Self {
        Self { actions }
    }

    /// The actions, in the order of the consent questions.
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
    /// By the answer `yes` on a terminal.
    Prompt,
    /// By the command itself, which does nothing else (`write-import-receipt`).
    Command,
}

impl ConsentSource {
    /// The name in logs and receipts.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Prompt => "prompt",
            Self::Command => "command",
        }
    }

    /// The consent of this run, as logs and receipts spell it: `--consent fetch,import` for a flag, else
    /// `prompt` or the verb.
    pub(crate) fn consent(self, verb: &str, actions: BTreeSet<Action>) -> RunConsent {
        let spelled = match self {
            Self::Flag => format!("--consent {}", join(&actions)),
            Self::Prompt => self.as_str().to_owned(),
            Self::Command => verb.to_owned(),
        };
        RunConsent::new(actions, self.as_str(), spelled)
    }
}

/// Names of the actions, separated by commas, in the order of the consent questions.
pub(crate) fn join(actions: &BTreeSet<Action>) -> String {
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
