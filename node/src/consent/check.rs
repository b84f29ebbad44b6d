//! Validation of grants.

use std::collections::BTreeSet;

use minimodel_verifier::digest::parse_hex;
use minimodel_wire::{PeerId, PeerIdError};

use crate::clock::utc;

use super::grants::Grants;
use super::line::{Given, Granted};
use super::model::NewGrant;
use super::{Action, Unmet, unmet_beside};

/// Longest `by`, verb or spelling of a consent, in bytes.
const MOST_TEXT: usize = 256;

/// Why something cannot be granted.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let mut book = minimodel::consent::ConsentBook::open(home.state()?, home.data()?)?;
/// use minimodel::consent::{ConsentError, NewGrant, NotAGrant};
/// use minimodel::{Action, clock::now_unix};
///
/// let new = NewGrant { actions: vec![Action::Publish], by: "dialog".into(), ..NewGrant::default() };
/// let granted = book.grant(&new, now_unix());
/// // The dialog ticks the box for `serve` as well.
/// assert!(matches!(granted, Err(ConsentError::NotAGrant(NotAGrant::Alone { .. }))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAGrant {
    /// No action.
    #[error("it names no action")]
    Nothing,
    /// The same action twice.
    #[error("it names `{0}` twice")]
    Twice(&'static str),
    /// The model is not a swarm id.
    #[error("`{0}` is no swarm id")]
    Model(String),
    /// The peer is not a peer id.
    #[error("`{peer}` is no peer: {source}")]
    Peer {
        /// What was named.
        peer: String,
        /// Why.
        source: PeerIdError,
    },
    /// A quota of 0 bytes.
    #[error("a quota of 0 bytes permits nothing")]
    NoQuota,
    /// A quota for actions that move no bytes.
    #[error("a quota bounds bytes that move, and only `fetch` and `serve` move any")]
    QuotaOfNothing,
    /// An expiry in the past.
    #[error("it would have ended at {}, and it is {} now", utc(*.expires_unix), utc(*.now_unix))]
    Past {
        /// When it ends.
        expires_unix: u64,
        /// Now.
        now_unix: u64,
    },
    /// An action without another one that it needs.
    #[error("{unmet}: {}", unmet.reason())]
    Alone {
        /// Which.
        unmet: Unmet,
    },
    /// A way to be found by a single peer.
    #[error("`{0}` is for all peers of a swarm, not for one")]
    ForOne(&'static str),
    /// A text that the log does not accept.
    #[error("`{field}` is not 1 to {MOST_TEXT} printable ASCII characters")]
    Text {
        /// The field.
        field: &'static str,
    },
}

/// Validates a grant by itself, whatever else is granted.
pub(super) fn grant(new: &NewGrant, now_unix: u64) -> Result<(), NotAGrant> {
    let actions: BTreeSet<Action> = new.actions.iter().copied().collect();
    if actions.is_empty() {
        return Err(NotAGrant::Nothing);
    }
    let twice = |action: &Action| new.actions.iter().filter(|other| *other == action).count() > 1;
    if let Some(&action) = new.actions.iter().find(|action| twice(action)) {
        return Err(NotAGrant::Twice(action.as_str()));
    }
    text("by", &new.by)?;
    if let Some(model) = &new.model {
        swarm(model)?;
    }
    if let Some(peer) = &new.peer {
        let parsed: Result<PeerId, _> = peer.parse();
        parsed.map_err(|source| NotAGrant::Peer { peer: peer.clone(), source })?;
    }
    if let Some(expires_unix) = new.expires_unix.filter(|&expires| expires <= now_unix) {
        return Err(NotAGrant::Past { expires_unix, now_unix });
    }
    match new.quota_bytes {
        Some(0) => return Err(NotAGrant::NoQuota),
        Some(_) if !actions.iter().any(|&action| moves(action)) => return Err(NotAGrant::QuotaOfNothing),
        _ => {}
    }
    let is_for_all =
        |action: &&Action| matches!(action, Action::Publish | Action::Lan | Action::Dht | Action::Map);
    if let Some(action) = actions.iter().find(is_for_all).filter(|_| new.peer.is_some()) {
        return Err(NotAGrant::ForOne(action.as_str()));
    }
    Ok(())
}

/// Returns the lines of a valid grant, in the order of [`Action::ALL`].
fn lines_of(new: &NewGrant, now_unix: u64, grants: &Grants) -> Result<Vec<Granted>, NotAGrant> {
    let is_meant = |action: Action| new.actions.contains(&action);
    let is_covered = |action: Action| grants.covers(action, new.model.as_deref(), now_unix);
    if let Some(unmet) = unmet_beside(is_meant, is_covered) {
        return Err(NotAGrant::Alone { unmet });
    }
    let line = |action: Action| Granted {
        action,
        model: new.model.clone(),
        peer: new.peer.clone(),
        expires_unix: new.expires_unix,
        quota_bytes: new.quota_bytes.filter(|_| moves(action)),
        by: new.by.clone(),
    };
    Ok(Action::ALL.into_iter().filter(|&action| is_meant(action)).map(line).collect())
}

/// Validates many grants, each beside those before it, and returns their lines.
pub(super) fn all_lines_of(
    new: &[NewGrant],
    now_unix: u64,
    mut grants: Grants,
) -> Result<Vec<Granted>, NotAGrant> {
    let mut lines = Vec::new();
    for new in new {
        grant(new, now_unix)?;
        for line in lines_of(new, now_unix, &grants)? {
            grants.suppose(&line);
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Returns true if payload bytes move under this action.
fn moves(action: Action) -> bool {
    matches!(action, Action::Fetch | Action::Serve)
}

/// Validates the consent for one run of a verb.
pub(super) fn given(given: &Given) -> Result<(), NotAGrant> {
    text("verb", &given.verb)?;
    text("by", &given.by)?;
    text("spelled", &given.spelled)?;
    given.swarm_id.as_deref().map_or(Ok(()), swarm)
}

/// Validates a swarm id: 64 lowercase hex digits.
fn swarm(id: &str) -> Result<(), NotAGrant> {
    parse_hex(id).map(drop).ok_or_else(|| NotAGrant::Model(id.to_owned()))
}

/// Validates a text of the log: printable ASCII, so that displaying the log cannot send control sequences to a terminal.
pub(super) fn text(field: &'static str, text: &str) -> Result<(), NotAGrant> {
    let is_text =
        (1..=MOST_TEXT).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_text { Ok(()) } else { Err(NotAGrant::Text { field }) }
}
