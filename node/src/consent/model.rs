//! Grants and the lines of the log, as callers give and get them.

use super::Action;

/// A standing consent as its user gives it; one grant is made for each action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// To what.
    pub actions: Vec<Action>,
    /// How it was given: `flag`, `prompt`, `api`.
    pub by: String,
    /// When it ends, in seconds since 1970; `None`: when it is revoked.
    pub expires_unix: Option<u64>,
    /// Payload bytes that may move under it; `None`: no limit.
    pub quota_bytes: Option<u64>,
    /// The swarm, 64 lowercase hex digits; `None`: any model.
    pub model: Option<String>,
    /// The peer; `None`: any peer.
    pub peer: Option<String>,
}

/// Whether a grant still permits something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// Its quota is used up.
    Spent,
    /// Its user took it back.
    Revoked,
}

/// A consent that is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its number: that of its line in the log.
    pub id: u64,
    /// To what.
    pub action: Action,
    /// The swarm it is for; `None`: any model.
    pub model: Option<String>,
    /// The peer it is for; `None`: any peer.
    pub peer: Option<String>,
    /// When it ends, in seconds since 1970; `None`: when it is revoked.
    pub expires_unix: Option<u64>,
    /// Payload bytes that may move under it; `None`: no limit.
    pub quota_bytes: Option<u64>,
    /// Payload bytes that have.
    pub used_bytes: u64,
    /// When it was given, RFC 3339 UTC.
    pub given_utc: String,
    /// How: `flag`, `prompt`, `api`.
    pub by: String,
    /// Whether it still permits something.
    pub state: GrantState,
}

/// One line of the consent log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number.
    pub number: u64,
    /// When, RFC 3339 UTC.
    pub time_utc: String,
    /// What happened: `grant`, `revoke`, `restore`, or `given` for a consent that ends with its run.
    pub kind: String,
    /// What is told of it, for people. Not escaped.
    pub text: String,
}

/// The verdict on the chain of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogVerdict {
    /// Whether the chain holds from the first line to the head.
    pub ok: bool,
    /// Lines that are chained.
    pub entries: u64,
    /// The hash of the last line.
    pub head: String,
    /// What is wrong, and at which line.
    pub fault: Option<String>,
}
