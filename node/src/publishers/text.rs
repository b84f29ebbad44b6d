//! The text format of the record: a header line, one JSON object a publisher in order of their ids, and the SHA-256 of all lines
//! before it.

use minimodel_verifier::digest::{hex, parse_hex};
use minimodel_verifier::sha256;
use serde::{Deserialize, Serialize};

use super::key::PublisherKey;
use super::limits::{MAX_KEYS, MAX_PUBLISHERS};
use super::signer_status::{KeyOrigin, KeyRecord, KnownPublishers, PublisherRecord};

const HEAD: &str = "minimodel-publishers 0\n";
const SUM: &str = "sha256 ";
/// Longest `publisher.id`.
const MAX_ID_BYTES: usize = 128;

/// The line of one publisher.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublisherLine {
    publisher: String,
    pinned: Option<String>,
    keys: Vec<KeyLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyLine {
    key: String,
    first_seen_unix: u64,
    model: Option<String>,
    swarm_id: Option<String>,
    by: String,
}

/// A fault in a text, and its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TextFault {
    pub(super) line: usize,
    pub(super) what: String,
}

/// Renders the record in its only valid spelling.
pub(super) fn render(known: &KnownPublishers) -> String {
    let mut text = HEAD.to_owned();
    for (publisher, entry) in known {
        let key = |key: &KeyRecord| KeyLine {
            key: key.key.to_string(),
            first_seen_unix: key.first_seen_unix,
            model: key.model.clone(),
            swarm_id: key.swarm_id.clone(),
            by: key.origin.as_str().to_owned(),
        };
        let entry = PublisherLine {
            publisher: publisher.clone(),
            pinned: entry.pinned.map(|key| key.to_string()),
            keys: entry.keys.iter().map(key).collect(),
        };
        // Strings and numbers always have a JSON form.
        text.push_str(&serde_json::to_string(&entry).unwrap_or_default());
        text.push('\n');
    }
    let sum = hex(&sha256(text.as_bytes()));
    text + SUM + &sum + "\n"
}

/// Parses a text. A changed byte, a truncated end or an extra line is a fault, so that damage never makes a publisher new.
pub(super) fn parse(text: &[u8]) -> Result<KnownPublishers, TextFault> {
    let fault = |line, what: &str| Err(TextFault { line, what: what.to_owned() });
    let Ok(text) = std::str::from_utf8(text) else { return fault(1, "it is not text") };
    let Some(rest) = text.strip_prefix(HEAD) else { return fault(1, "it is no record of known publishers") };
    let last = text.lines().count();
    let body_len = text.len().saturating_sub(SUM.len() + 64 + 1);
    let (Some(body), Some(end)) = (text.get(..body_len), text.get(body_len..)) else {
        return fault(last, "the sum at its end is not there");
    };
    let sum = end.strip_prefix(SUM).and_then(|end| end.strip_suffix('\n')).and_then(parse_hex);
    let Some(sum) = sum.filter(|_| body.ends_with('\n')) else {
        return fault(last, "the sum at its end is not there");
    };
    if sum != sha256(body.as_bytes()) {
        return fault(last, "the sum does not fit the lines before it: some byte was changed");
    }
    let entries = rest.get(..body.len() - HEAD.len()).unwrap_or_default();
    let mut known = KnownPublishers::new();
    for (number, line) in entries.lines().enumerate() {
        let (publisher, entry) = entry(line).map_err(|what| TextFault { line: number + 2, what })?;
        if known.last_key_value().is_some_and(|(before, _)| *before >= publisher) {
            return fault(number + 2, "its publishers are not in order");
        }
        known.insert(publisher, entry);
    }
    match known.len() <= MAX_PUBLISHERS {
        true => Ok(known),
        false => fault(last, "it has more publishers than are ever kept"),
    }
}

fn entry(line: &str) -> Result<(String, PublisherRecord), String> {
    let entry: PublisherLine = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if !is_publisher_id(&entry.publisher) {
        return Err("it names no publisher id".to_owned());
    }
    let keys = entry.keys.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
    let is_twice = |(n, key): (usize, &KeyRecord)| keys.iter().take(n).any(|before| before.key == key.key);
    if keys.is_empty() || keys.len() > MAX_KEYS || keys.iter().enumerate().any(is_twice) {
        return Err(format!("a publisher has 1 to {MAX_KEYS} keys, each once"));
    }
    let pinned = entry.pinned.as_deref().map(parse_key).transpose()?;
    if pinned.is_some_and(|pinned| !keys.iter().any(|key| key.key == pinned)) {
        return Err("the pinned key is none of the known ones".to_owned());
    }
    Ok((entry.publisher, PublisherRecord { keys, pinned }))
}

fn key(key: KeyLine) -> Result<KeyRecord, String> {
    let is_text =
        |text: &Option<String>| text.iter().all(|text| text.bytes().all(|b| matches!(b, b' '..=b'~')));
    if !is_text(&key.model) || key.swarm_id.as_deref().is_some_and(|id| parse_hex(id).is_none()) {
        return Err("it names no model".to_owned());
    }
    Ok(KeyRecord {
        key: parse_key(&key.key)?,
        first_seen_unix: key.first_seen_unix,
        model: key.model,
        swarm_id: key.swarm_id,
        origin: KeyOrigin::from_word(&key.by).ok_or("it does not say how the key came to be known")?,
    })
}

fn parse_key(text: &str) -> Result<PublisherKey, String> {
    text.parse().map_err(|_| "it names no key".to_owned())
}

/// Checks the syntax of a `publisher.id`; no manifest can carry an id that it refuses.
pub(super) fn is_publisher_id(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let first = text.bytes().next().is_some_and(is_word);
    let rest = |b: u8| is_word(b) || matches!(b, b'.' | b'_' | b'-');
    first && text.len() <= MAX_ID_BYTES && text.bytes().all(rest) && !text.contains("..")
}
