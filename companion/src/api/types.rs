//! JSON bodies of [`minimodel::consent`]'s grants and log, whose own types know neither JSON nor OpenAPI, and of the sessions of the
//! page, which exist in the interface alone. All other bodies of the local interface are the types of [`crate::model`] themselves.

use minimodel::consent::{self, Action};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{self, ActionSchema, Consent, PeerIdForm, SwarmIdForm, TimeForm, validate};
use crate::problem::Problem;

/// Whether a grant still permits something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// Its number: that of its line in the log.
    pub id: u64,
    /// To what.
    #[schema(value_type = ActionSchema)]
    pub action: Action,
    /// The swarm it is for; none: any model.
    #[schema(value_type = Option<SwarmIdForm>)]
    pub model: Option<String>,
    /// The peer it is for; none: any peer.
    #[schema(value_type = Option<PeerIdForm>)]
    pub peer: Option<String>,
    /// When it ends.
    pub expires_unix: Option<u64>,
    /// Payload bytes that may move under it.
    pub quota_bytes: Option<u64>,
    /// Payload bytes that have.
    pub used_bytes: u64,
    /// When it was given.
    #[schema(value_type = TimeForm)]
    pub given_utc: String,
    /// How: `flag`, `prompt`, `api`.
    pub by: String,
    /// Whether it still permits something.
    pub state: GrantState,
}

/// `POST /v1/grants`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// The consent itself; one grant is made for each action.
    pub consent: Consent,
    /// The swarm; none: any model.
    #[serde(default)]
    #[schema(value_type = Option<SwarmIdForm>)]
    pub model: Option<String>,
    /// The peer; none: any peer.
    #[serde(default)]
    #[schema(value_type = Option<PeerIdForm>)]
    pub peer: Option<String>,
}

/// One line of the consent log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// Its number.
    pub number: u64,
    /// When.
    #[schema(value_type = TimeForm)]
    pub time_utc: String,
    /// What happened: `grant`, `revoke`, or `given` for a verb's own consent, which ends with its run.
    pub kind: String,
    /// What is told of it, for people.
    pub text: String,
}

/// `GET /v1/consent/verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// A code that a browser exchanges for a session, once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionCode {
    /// For the fragment of an address: 32 lowercase hex digits.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub code: String,
    /// The same for typing: 8 letters and digits.
    #[schema(pattern = "^[0-9A-HJKMNP-TV-Z]{8}$")]
    pub typed: String,
    /// Address of the page, by a name of this start of the companion: an origin in which no other program has left anything.
    pub page: String,
    /// When it ends.
    pub expires_unix: u64,
}

/// `POST /v1/sessions`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// The code, in either form.
    #[schema(max_length = 64)]
    pub code: String,
}

/// A session that was opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenedSession {
    /// Its number.
    pub id: u64,
    /// Its token, 64 lowercase hex digits; it is told here alone.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub token: String,
}

/// A session that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// When it began.
    #[schema(value_type = TimeForm)]
    pub created_utc: String,
    /// When a request came with its token last.
    #[schema(value_type = TimeForm)]
    pub last_used_utc: String,
    /// It is the session of this very request.
    pub current: bool,
}

/// Both conversions of a struct, field by field; a field that is left out does not compile.
macro_rules! body {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl From<consent::$name> for $name {
            fn from(consent::$name { $($field),* }: consent::$name) -> Self {
                Self { $($field: $field.into()),* }
            }
        }

        impl From<$name> for consent::$name {
            fn from($name { $($field),* }: $name) -> Self {
                Self { $($field: $field.into()),* }
            }
        }
    };
}

/// Both conversions of an enum whose variants hold nothing.
macro_rules! words {
    ($name:ident { $($variant:ident),* }) => {
        impl From<consent::$name> for $name {
            fn from(domain: consent::$name) -> Self {
                match domain {
                    $(consent::$name::$variant => Self::$variant,)*
                }
            }
        }

        impl From<$name> for consent::$name {
            fn from(body: $name) -> Self {
                match body {
                    $($name::$variant => Self::$variant,)*
                }
            }
        }
    };
}

words!(GrantState { Active, Expired, Spent, Revoked });
body!(Grant { id, action, model, peer, expires_unix, quota_bytes, used_bytes, given_utc, by, state });
body!(LogEntry { number, time_utc, kind, text });
body!(LogVerdict { ok, entries, head, fault });

impl From<consent::NewGrant> for NewGrant {
    fn from(new: consent::NewGrant) -> Self {
        let consent::NewGrant { actions, by, expires_unix, quota_bytes, model, peer } = new;
        Self {
            consent: Consent { actions, by, expires_unix, quota_bytes, accept_publisher_key: None },
            model,
            peer,
        }
    }
}

impl TryFrom<NewGrant> for consent::NewGrant {
    type Error = Problem;

    /// A standing consent belongs to no manifest, so it accepts no publisher's key.
    fn try_from(NewGrant { consent, model, peer }: NewGrant) -> Result<Self, Problem> {
        validate::scope(model.as_deref(), peer.as_deref())?;
        validate::without_a_key(&consent)?;
        let model::Consent { actions, by, expires_unix, quota_bytes, accept_publisher_key: _ } = consent;
        Ok(Self { actions, by, expires_unix, quota_bytes, model, peer })
    }
}
