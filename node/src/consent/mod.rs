//! Consents of the user: an append-only, hash-chained log (`chain`, `log`) and what it permits now (`grants`). `docs/consent.md`
//! has the file format, byte for byte.
//!
//! A consent is synced to disk before anything is done with it. A damaged log grants nothing.

mod book;
mod chain;
mod check;
mod error;
mod grants;
mod line;
mod log;
mod model;
mod run;
#[cfg(test)]
mod tests;

pub use book::{ConsentBook, verify};
pub use chain::Head;
pub use check::NotAGrant;
pub use error::ConsentError;
pub use grants::{Denied, GrantQuery, Grants, Open, Permission, charged};
pub use model::{Grant, GrantState, LogEntry, LogVerdict, NewGrant};

pub use crate::lower::Action;
pub use run::RunConsent;

/// An action that is never done, granted or asked for without another one.
///
/// ```
/// use minimodel::Action;
/// use minimodel::consent::{Unmet, unmet};
///
/// let agreed = [Action::Fetch, Action::Import, Action::Publish];
/// let unmet: Option<Unmet> = unmet(|action| agreed.contains(&action));
/// assert_eq!(unmet.map(|unmet| unmet.to_string()).as_deref(), Some("there is no consent to `serve`, without which `publish` is nothing"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no consent to {}, without which `{}` is nothing", needed(needs), action.as_str())]
pub struct Unmet {
    /// The action.
    pub action: Action,
    /// What it needs: one of these.
    pub needs: &'static [Action],
}

impl Unmet {
    /// Why the action needs the other.
    pub fn reason(&self) -> &'static str {
        match self.action {
            Action::Publish => "it tells peers that this machine serves",
            Action::Map => "the router would let in others whom nobody here answers",
            _ => "it is a way to be found, or to find a peer to fetch from",
        }
    }
}

fn needed(needs: &[Action]) -> String {
    let words: Vec<String> = needs.iter().map(|action| format!("`{}`", action.as_str())).collect();
    words.join(" or ")
}

/// Finds, among the actions that `has` names, the first that needs another one which `has` does not name: publishing needs serving; a
/// way to be found needs publishing, or fetching, for which it is a way to find; a mapping of the router needs serving.
pub fn unmet(has: impl Fn(Action) -> bool) -> Option<Unmet> {
    unmet_beside(has, |_| false)
}

/// [`unmet`], where what an action needs may be among those that `given` names.
fn unmet_beside(has: impl Fn(Action) -> bool, given: impl Fn(Action) -> bool) -> Option<Unmet> {
    let needs: [(Action, &'static [Action]); 4] = [
        (Action::Publish, &[Action::Serve]),
        (Action::Lan, &[Action::Publish, Action::Fetch]),
        (Action::Dht, &[Action::Publish, Action::Fetch]),
        (Action::Map, &[Action::Serve]),
    ];
    let lacks = |&(action, needs): &(Action, &'static [Action])| {
        has(action) && !needs.iter().any(|&needed| has(needed) || given(needed))
    };
    needs.into_iter().find(lacks).map(|(action, needs)| Unmet { action, needs })
}
