//! Validation of requests before any effect. Pure. The companion applies it to every call, and the interface to every body
//! before that, so a call in the companion's own process cannot pass what the interface refuses.

use std::path::Path;

use minimodel::consent::{Action, NewGrant};
use minimodel::publishers::{PublisherKey, Signer};
use minimodel_verifier::shown::ascii;
use minimodel_wire::limits::MAX_OFFER_ADDRESSES;
use minimodel_wire::{PeerId, SignedOffer};

use super::chunks::MAX_CELLS;
use super::forms::MAX_PATH;
use super::{Activation, Consent, NewEntry, NewFetch, NewShare, Span};
use crate::problem::{Problem, code};

/// Most offers of one fetch. The swarm itself reports further peers.
pub const MAX_OFFERS: usize = 64;

/// Most peers of one allow list.
pub const MAX_ALLOW: usize = 1024;

/// Checks a fetch; its sources must be offers.
///
/// # Errors
///
/// The first fault, code [`code::INVALID`] or [`code::USAGE`].
pub fn fetch(new: &NewFetch) -> Result<(), Problem> {
    if new.offers.is_empty() {
        let hint = "ask who has the file for an offer, and pass it in `offers`";
        return Err(Problem::new(code::USAGE, "a fetch without an offer has nobody to ask", hint));
    }
    bounded("offers", new.offers.len(), MAX_OFFERS)?;
    new.offers.iter().try_for_each(|text| offer(text))?;
    optional_path("out", new.out.as_deref())?;
    optional_path("receipt", new.receipt.as_deref())?;
    if new.stall_seconds == Some(0) {
        let hint = "leave it out to wait for as long as it takes";
        return Err(Problem::new(code::USAGE, "`stall_seconds` is 0", hint));
    }
    bounded("advertise", new.endpoint.advertise.len(), MAX_OFFER_ADDRESSES)?;
    peers(&new.allow)?;
    if let Some(text) = &new.publisher_key {
        text.parse::<PublisherKey>().map_err(|error| not_a_key(text, &error))?;
    }
    optional_consent(new.consent.as_ref())
}

/// Checks the number of cells of a map of chunks.
///
/// # Errors
///
/// None, or more than [`MAX_CELLS`].
pub fn cells(cells: u32) -> Result<u32, Problem> {
    if (1..=MAX_CELLS).contains(&cells) {
        return Ok(cells);
    }
    let hint = format!("ask for 1 to {MAX_CELLS} cells");
    Err(Problem::new(code::USAGE, format!("a map cannot have {cells} cells"), hint))
}

/// Finds the span of a history.
///
/// # Errors
///
/// There is no history over so many seconds.
pub fn span(seconds: u64) -> Result<Span, Problem> {
    let hint = "ask for the last 600 or the last 86400 seconds";
    Span::of(seconds)
        .ok_or_else(|| Problem::new(code::USAGE, format!("there is no history of {seconds} seconds"), hint))
}

/// Checks a share: an entry of the library, or a manifest and a file.
///
/// # Errors
///
/// The first fault.
pub fn share(new: &NewShare) -> Result<(), Problem> {
    let fault = match (new.entry, &new.manifest, &new.path) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => None,
        (None, None, None) => Some("neither an entry of the library nor a manifest and a file is named"),
        (Some(_), ..) => Some("an entry of the library has its manifest and its file already"),
        (None, ..) => Some("a share needs the manifest and the file"),
    };
    if let Some(fault) = fault {
        let hint = "name `entry`, or `manifest` (its text) and `path`";
        return Err(Problem::new(code::USAGE, fault, hint));
    }
    optional_path("path", new.path.as_deref())?;
    bounded("advertise", new.endpoint.advertise.len(), MAX_OFFER_ADDRESSES)?;
    bounded("offers", new.offers.len(), MAX_OFFERS)?;
    new.offers.iter().try_for_each(|text| offer(text))?;
    peers(&new.allow)?;
    optional_consent(new.consent.as_ref())
}

/// Checks a new entry of the library.
///
/// # Errors
///
/// The path is not absolute, or the accepted signer is neither a key nor `unsigned`.
pub fn entry(new: &NewEntry) -> Result<(), Problem> {
    optional_path("path", new.path.as_deref())?;
    optional_shown(new.accept_publisher_key.as_deref())
}

/// Checks the signer that is accepted with an activation.
///
/// # Errors
///
/// It is neither a key nor `unsigned`.
pub fn activation(activation: &Activation) -> Result<(), Problem> {
    optional_shown(activation.accept_publisher_key.as_deref())
}

/// Parses the key that a publisher is pinned to.
///
/// # Errors
///
/// It is no publisher's key.
pub fn publisher_key(text: Option<&str>) -> Result<Option<PublisherKey>, Problem> {
    text.map(|text| text.parse().map_err(|error| not_a_key(text, &error))).transpose()
}

fn optional_shown(text: Option<&str>) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    text.parse::<Signer>().map(drop).map_err(|error| not_a_key(text, &error))
}

/// Checks a grant.
///
/// # Errors
///
/// The first fault.
pub fn grant(new: &NewGrant) -> Result<(), Problem> {
    scope(new.model.as_deref(), new.peer.as_deref())?;
    given(&new.actions, &new.by)
}

/// Checks the model and the peer of a grant.
///
/// # Errors
///
/// The first fault, code [`code::INVALID`].
pub fn scope(model: Option<&str>, peer_id: Option<&str>) -> Result<(), Problem> {
    if let Some(model) = model {
        let is_id = model.len() == 64 && model.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id {
            let hint = "name the model by its swarm id, 64 lowercase hex digits; `library` lists them";
            return Err(Problem::new(code::INVALID, format!("`{}` is no swarm id", ascii(model)), hint));
        }
    }
    peer_id.map_or(Ok(()), peer)
}

/// Checks a consent that belongs to no manifest, and therefore must not accept a publisher's key.
///
/// # Errors
///
/// The first fault.
pub fn without_a_key(value: &Consent) -> Result<(), Problem> {
    if value.accept_publisher_key.is_some() {
        let hint =
            "accept a key with the transfer that it is for, or pin it: `minimodel publisher pin ID KEY`";
        return Err(Problem::new(code::USAGE, "this consent accepts no publisher's key", hint));
    }
    consent(value)
}

/// Checks a consent: it names its actions or an accepted signer, and in a plain word how it was given.
///
/// # Errors
///
/// The first fault.
pub fn consent(consent: &Consent) -> Result<(), Problem> {
    match &consent.accept_publisher_key {
        Some(text) => {
            text.parse::<Signer>().map_err(|error| not_a_key(text, &error))?;
            way(&consent.by)
        }
        None => given(&consent.actions, &consent.by),
    }
}

/// Checks actions and how they were agreed to.
fn given(actions: &[Action], by: &str) -> Result<(), Problem> {
    if actions.is_empty() {
        let hint = "name each action: fetch, import, serve, cache, publish; none stands for all";
        return Err(Problem::new(code::USAGE, "a consent to nothing", hint));
    }
    way(by)
}

/// Checks the word that says how a consent was given.
fn way(by: &str) -> Result<(), Problem> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    if !(1..=32).contains(&by.len()) || !by.bytes().all(is_word) {
        let hint = "say `api`, or as what else it was given: `flag`, `prompt`";
        let error = format!("`{}` is no way to give a consent", ascii(by));
        return Err(Problem::new(code::INVALID, error, hint));
    }
    Ok(())
}

/// Checks one source of a fetch. Model bytes come from peers alone: docs/boundary.md.
///
/// # Errors
///
/// Code [`code::INVALID`] for a text that is no offer, with a message of its own for one that looks like a web address or a
/// path.
pub fn offer(text: &str) -> Result<(), Problem> {
    let Err(error) = text.parse::<SignedOffer>() else { return Ok(()) };
    let looks_elsewhere = text.contains(['/', '\\']) || text.contains("://") || text.starts_with(['.', '~']);
    let lower = text.to_ascii_lowercase();
    let schemes = ["http:", "https:", "file:", "ftp:", "magnet:", "data:", "www."];
    if looks_elsewhere || schemes.iter().any(|scheme| lower.starts_with(scheme)) {
        let hint = "ask a peer that has the file for an offer, one word that begins with mm1, and pass that";
        let error = format!("`{}` is no source of a fetch", ascii(text));
        return Err(Problem::new(code::INVALID, error, hint)
            .because("model bytes come from peers alone, never from a web address, a server or a path"));
    }
    let hint = "ask for the offer again and pass it whole: one word that begins with mm1";
    Err(Problem::new(code::INVALID, format!("`{}` is no offer", ascii(text)), hint).because(error))
}

/// Checks a path: absolute, because the companion's working folder is not the client's, without NUL, and of 4,096
/// characters at most.
///
/// # Errors
///
/// Code [`code::USAGE`].
pub fn path(name: &str, path: &Path) -> Result<(), Problem> {
    let text = path.to_string_lossy();
    let fault = if text.contains('\0') {
        "has a NUL character"
    } else if text.chars().nth(MAX_PATH).is_some() {
        "is longer than any path"
    } else if !path.is_absolute() {
        "is not absolute"
    } else {
        return Ok(());
    };
    let hint = "pass the whole path from / on";
    Err(Problem::new(code::USAGE, format!("`{name}`: `{}` {fault}", ascii(&text)), hint))
}

fn optional_path(name: &str, value: Option<&Path>) -> Result<(), Problem> {
    value.map_or(Ok(()), |value| path(name, value))
}

fn optional_consent(value: Option<&Consent>) -> Result<(), Problem> {
    value.map_or(Ok(()), consent)
}

fn peers(list: &[String]) -> Result<(), Problem> {
    bounded("allow", list.len(), MAX_ALLOW)?;
    list.iter().try_for_each(|text| peer(text))
}

fn peer(text: &str) -> Result<(), Problem> {
    let parsed = text.parse::<PeerId>();
    parsed.map(|_| ()).map_err(|error| {
        let hint = "a peer id is what `minimodel id show` prints at the peer's: 52 characters";
        Problem::new(code::INVALID, format!("`{}` is no peer id", ascii(text)), hint).because(error)
    })
}

fn not_a_key(text: &str, error: &dyn std::error::Error) -> Problem {
    let hint = "copy it whole from where it is shown: `ed25519:` and 64 digits";
    Problem::new(code::INVALID, format!("`{}` is no publisher's key", ascii(text)), hint).because(error)
}

fn bounded(name: &str, len: usize, most: usize) -> Result<(), Problem> {
    if len <= most {
        return Ok(());
    }
    let hint = format!("pass {most} at most");
    Err(Problem::new(code::USAGE, format!("`{name}` has {len} entries"), hint))
}
