//! A consent for one run of a transfer or a command, which ends with it.

use std::collections::BTreeSet;

use minimodel_verifier::digest::hex;
use minimodel_verifier::receipt;

use super::line::Given;
use super::{Action, ConsentBook, ConsentError};
use crate::clock::{now_unix, utc};
use crate::home::Home;

/// What the user agreed to for one run. It counts once [`record`](Self::record) has returned.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// use minimodel::{Action, RunConsent};
///
/// let agreed = RunConsent::given([Action::Fetch, Action::Import], "dialog of the editor");
/// assert!(agreed.permits(Action::Fetch) && !agreed.permits(Action::Serve));
/// // A fetch does this before it dials a peer.
/// agreed.record(&home, "fetch", None)?;
/// assert!(home.state()?.join("consent.log").is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunConsent {
    actions: BTreeSet<Action>,
    by: String,
    spelled: String,
    at_unix: u64,
}

impl RunConsent {
    /// A consent that the user gives now. `by`: how it was given, in a word of the log (`flag`, `prompt`, `command`);
    /// `spelled`: as the user gave it, for the log and for receipts.
    pub fn new(
        actions: impl IntoIterator<Item = Action>,
        by: impl Into<String>,
        spelled: impl Into<String>,
    ) -> Self {
        let actions = actions.into_iter().collect();
        Self { actions, by: by.into(), spelled: spelled.into(), at_unix: now_unix() }
    }

    /// A consent that the user gives now; `by`: how, in some words of printable ASCII, as in `dialog of the editor`.
    ///
    /// ```
    /// use minimodel::{Action, RunConsent};
    ///
    /// let agreed = RunConsent::given([Action::Fetch, Action::Import], "dialog of the editor");
    /// assert!(!agreed.permits(Action::Serve));
    /// ```
    pub fn given(actions: impl IntoIterator<Item = Action>, by: impl Into<String>) -> Self {
        let by = by.into();
        Self::new(actions, by.clone(), by)
    }

    /// Returns true if `action` is permitted.
    pub fn permits(&self, action: Action) -> bool {
        self.actions.contains(&action)
    }

    /// The consent as the user gave it.
    pub fn spelled(&self) -> &str {
        &self.spelled
    }

    /// The receipt's consent lines, one for each action.
    pub fn for_receipt(&self) -> Vec<receipt::Consent> {
        let at_utc = utc(self.at_unix);
        let line =
            |&action: &Action| receipt::Consent { action, at_utc: at_utc.clone(), by: self.spelled.clone() };
        self.actions.iter().map(line).collect()
    }

    /// Appends the consent to the user's log, durably. `verb`: what runs; `swarm_id`: the model, if it is known.
    ///
    /// # Errors
    ///
    /// The log cannot be written or is damaged; then nothing may be done with the consent.
    pub fn record(&self, home: &Home, verb: &str, swarm_id: Option<&[u8; 32]>) -> Result<(), ConsentError> {
        let given = Given {
            verb: verb.to_owned(),
            actions: self.actions.iter().copied().collect(),
            swarm_id: swarm_id.map(hex),
            by: self.by.clone(),
            spelled: self.spelled.clone(),
        };
        let mut book = ConsentBook::unread(home.state()?, home.data()?);
        book.record_given(given, self.at_unix).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_recorded_before_it_counts_with_actions_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let consent = RunConsent::new([Action::Import, Action::Fetch], "flag", "--consent fetch,import");
        consent.record(&home, "fetch", Some(&[0xab; 32])).unwrap();
        let book = ConsentBook::open(home.state().unwrap(), home.data().unwrap()).unwrap();
        let lines = book.lines();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].text.starts_with("fetch,import for one run of `fetch` of swarm abab"), "{lines:?}");
        let receipt: Vec<Action> = consent.for_receipt().iter().map(|line| line.action).collect();
        assert_eq!(receipt, [Action::Fetch, Action::Import]);
        assert!(consent.permits(Action::Fetch) && !consent.permits(Action::Serve));
    }
}
