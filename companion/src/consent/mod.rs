//! Consents of the user: an append-only, hash-chained log (`chain`, `log`), what it permits now (`grants`), and how many bytes
//! moved under it (`usage`). `docs/consent.md` has the file format, byte for byte.
//!
//! A consent is synced to disk before anything is done with it. A damaged log grants nothing.

mod book;
mod chain;
mod check;
mod error;
mod grants;
mod line;
mod log;
#[cfg(test)]
mod tests;

pub use book::{ConsentBook, verify};
pub use chain::{Fault, Head};
pub use check::NotAGrant;
pub use error::ConsentError;
pub use grants::{Denied, Grants, Open, Permission, charged};
pub use line::{Given, LineError};

use minimodel_verifier::receipt::ConsentAction;

use crate::api::types::Action;

/// All actions, in the order in which they are asked for and listed.
pub const ACTIONS: [Action; 5] =
    [Action::Fetch, Action::Import, Action::Serve, Action::Cache, Action::Publish];

/// Returns the word for an action in the log, in flags and in receipts.
pub fn word(action: Action) -> &'static str {
    ConsentAction::from(action).as_str()
}

impl From<Action> for ConsentAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Fetch => Self::Fetch,
            Action::Import => Self::Import,
            Action::Serve => Self::Serve,
            Action::Cache => Self::Cache,
            Action::Publish => Self::Publish,
        }
    }
}

impl From<ConsentAction> for Action {
    fn from(action: ConsentAction) -> Self {
        match action {
            ConsentAction::Fetch => Self::Fetch,
            ConsentAction::Import => Self::Import,
            ConsentAction::Serve => Self::Serve,
            ConsentAction::Cache => Self::Cache,
            ConsentAction::Publish => Self::Publish,
        }
    }
}
