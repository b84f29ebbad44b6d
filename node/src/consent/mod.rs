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

/// True if these actions name `publish` without `serve`. Publishing tells peers that this machine serves, so it is never done,
/// granted or asked for alone.
pub fn is_publish_alone(has: impl Fn(Action) -> bool) -> bool {
    has(Action::Publish) && !has(Action::Serve)
}
