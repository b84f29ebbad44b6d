//! One line of the log: its fields, its bytes and its hash.

use minimodel_verifier::digest::{hex, parse_hex};
use minimodel_verifier::sha256;
use serde::{Deserialize, Serialize};

use super::Action;
use super::model::LogEntry;
use crate::clock::utc;

/// Prefix of every line.
pub(super) const OPENING: &[u8] = b"{\"version\":1,";

const VERSION: u32 = 1;
const HASH_FIELD: &str = ",\"hash\":\"";
const END: &str = "\"}";
const HEX_LEN: usize = 64;

/// A line without its hash. The order of the fields is that of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    version: u32,
    pub(super) number: u64,
    pub(super) time: String,
    pub(super) prev: String,
    #[serde(flatten)]
    pub(super) kind: Kind,
}

/// Event that a line records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Kind {
    Given(Given),
    Grant(Granted),
    Revoke(Revoked),
    Restore(Restored),
}

/// Consent for one run of a verb; it ends with the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    /// The verb that asked.
    pub(super) verb: String,
    /// The actions agreed to.
    pub(super) actions: Vec<Action>,
    /// The swarm id, 64 lowercase hex digits; `None`: it was not known yet.
    pub(super) swarm_id: Option<String>,
    /// How it was given: `flag`, `prompt`, `command`.
    pub(super) by: String,
    /// As the user spelled it.
    pub(super) spelled: String,
}

/// A standing consent, which holds until it expires, is used up or is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Granted {
    pub(super) action: Action,
    pub(super) model: Option<String>,
    pub(super) peer: Option<String>,
    pub(super) expires_unix: Option<u64>,
    pub(super) quota_bytes: Option<u64>,
    pub(super) by: String,
}

/// Revocation of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revoked {
    pub(super) grant: u64,
    pub(super) by: String,
}

/// Acceptance by the user of an older or another log in place of this one. It ends all grants before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restored {
    /// Newest line seen of the log that was given up.
    pub(super) seen_number: u64,
    pub(super) seen_hash: String,
    pub(super) by: String,
}

/// Why bytes are not a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    /// It has bytes other than printable ASCII.
    #[error("it holds bytes that this program never writes")]
    Bytes,
    /// It does not end with a hash.
    #[error("it does not end with its hash")]
    NoHash,
    /// Its hash is not that of its bytes.
    #[error("its bytes do not have its hash")]
    Hash,
    /// The hash is right, but this version does not write such lines.
    #[error("it is not written as this version of the program writes lines")]
    Form,
}

/// A line as it stands in the file.
pub(super) struct Sealed {
    pub(super) line: Line,
    /// The text with its line end.
    pub(super) text: String,
    pub(super) hash: String,
}

impl Line {
    pub(super) fn new(number: u64, now_unix: u64, prev: String, kind: Kind) -> Self {
        Self { version: VERSION, number, time: utc(now_unix), prev, kind }
    }

    /// Adds the hash: SHA-256 of the line without that field.
    pub(super) fn seal(self) -> Result<Sealed, serde_json::Error> {
        let body = serde_json::to_string(&self)?;
        let hash = hex(&sha256(body.as_bytes()));
        let open = body.strip_suffix('}').unwrap_or(&body);
        let text = format!("{open}{HASH_FIELD}{hash}{END}\n");
        Ok(Sealed { line: self, text, hash })
    }

    /// Parses a line without its line end; returns its hash too.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, String), LineError> {
        let is_printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let text = std::str::from_utf8(bytes).ok().filter(|_| is_printable).ok_or(LineError::Bytes)?;
        let inner = text.strip_suffix(END).ok_or(LineError::NoHash)?;
        let (open, hash) = inner
            .len()
            .checked_sub(HEX_LEN)
            .and_then(|at| inner.split_at_checked(at))
            .and_then(|(open, hash)| Some((open.strip_suffix(HASH_FIELD)?, hash)))
            .filter(|(_, hash)| parse_hex(hash).is_some())
            .ok_or(LineError::NoHash)?;
        let body = format!("{open}}}");
        if hex(&sha256(body.as_bytes())) != hash {
            return Err(LineError::Hash);
        }
        let line: Self = serde_json::from_str(&body).map_err(|_| LineError::Form)?;
        // Only the canonical spelling is accepted: omitted, repeated or foreign fields do not serialize to the same bytes.
        let is_ours = line.version == VERSION && serde_json::to_string(&line).is_ok_and(|ours| ours == body);
        if is_ours { Ok((line, hash.to_owned())) } else { Err(LineError::Form) }
    }

    /// Returns the line for display.
    pub(super) fn entry(&self) -> LogEntry {
        let (kind, text) = match &self.kind {
            Kind::Given(given) => ("given", given.text()),
            Kind::Grant(granted) => ("grant", granted.text()),
            Kind::Revoke(revoked) => {
                ("revoke", format!("grant {} taken back, by {}", revoked.grant, revoked.by))
            }
            Kind::Restore(restored) => {
                let seen = restored.seen_number;
                let text = format!(
                    "all grants ended: the log that went to number {seen} was given up, by {}",
                    restored.by
                );
                ("restore", text)
            }
        };
        LogEntry { number: self.number, time_utc: self.time.clone(), kind: kind.to_owned(), text }
    }
}

impl Given {
    fn text(&self) -> String {
        let words: Vec<&str> = self.actions.iter().map(|action| action.as_str()).collect();
        let swarm = self.swarm_id.as_deref().map_or_else(String::new, |id| format!(" of swarm {id}"));
        format!("{} for one run of `{}`{swarm}, by {}", words.join(","), self.verb, self.by)
    }
}

impl Granted {
    fn text(&self) -> String {
        let mut text = self.action.as_str().to_owned();
        text += &self.model.as_deref().map_or(" of any model".to_owned(), |id| format!(" of swarm {id}"));
        text += &self.peer.as_deref().map_or(", any peer".to_owned(), |peer| format!(", peer {peer}"));
        if let Some(expires) = self.expires_unix {
            text += &format!(", until {}", utc(expires));
        }
        if let Some(quota) = self.quota_bytes {
            text += &format!(", at most {quota} bytes");
        }
        text + &format!(", by {}", self.by)
    }
}
