//! Consents, questions, grants, the consent log and announcements.

use std::borrow::Cow;

use minimodel::consent::{self, Action};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::form::{request, resource, words};
use crate::model::{self, validate};
use crate::problem::Problem;

/// The schema of an [`Action`], which is the library's own type.
#[derive(Debug)]
pub(crate) struct ActionSchema;

impl PartialSchema for ActionSchema {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("What can be agreed to; there is no action that stands for all."))
            .enum_values(Some(Action::ALL.map(Action::as_str)))
            .into()
    }
}

impl ToSchema for ActionSchema {
    fn name() -> Cow<'static, str> {
        "Action".into()
    }
}

/// A consent as its user gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// To what.
    #[schema(value_type = Vec<ActionSchema>)]
    pub actions: Vec<Action>,
    /// How it was given: `flag`, `prompt`, `api`.
    pub by: String,
    /// When it ends; none: when it is revoked.
    #[serde(default)]
    pub expires_unix: Option<u64>,
    /// Payload bytes that may move under it; none: no limit.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
    /// For a transfer whose manifest is not signed as is known of its publisher: the key that signed it, or `unsigned`,
    /// which is accepted with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_publisher_key: Option<String>,
}

/// What is asked of the user before a transfer may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    /// What is needed.
    #[schema(value_type = Vec<ActionSchema>)]
    pub needs: Vec<Action>,
    /// What may be given besides.
    #[schema(value_type = Vec<ActionSchema>)]
    pub may: Vec<Action>,
    /// What to show: publisher, license, evidence, size, peers. Text from outside, not escaped.
    pub subject: Vec<(String, String)>,
}

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
    pub model: Option<String>,
    /// The peer it is for; none: any peer.
    pub peer: Option<String>,
    /// When it ends.
    pub expires_unix: Option<u64>,
    /// Payload bytes that may move under it.
    pub quota_bytes: Option<u64>,
    /// Payload bytes that have.
    pub used_bytes: u64,
    /// When it was given.
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
    pub model: Option<String>,
    /// The peer; none: any peer.
    #[serde(default)]
    pub peer: Option<String>,
}

/// One line of the consent log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// Its number.
    pub number: u64,
    /// When.
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

/// An announcement: that this machine has a file and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Announcement {
    /// The share.
    pub transfer: u64,
    /// `model.id` and version.
    pub model: String,
    /// The offer.
    pub offer: String,
    /// The file that holds it, for handing on.
    pub path: String,
    /// The grant under which it stands.
    pub grant: u64,
    /// When the offer ends.
    pub expires_utc: String,
}

words!(consent::GrantState => GrantState { Active, Expired, Spent, Revoked });

resource!(consent::Grant => Grant {
    id, action, model, peer, expires_unix, quota_bytes, used_bytes, given_utc, by, state: into,
});
resource!(consent::LogEntry => LogEntry { number, time_utc, kind, text });
resource!(consent::LogVerdict => LogVerdict { ok, entries, head, fault });
resource!(model::Announcement => Announcement { transfer, model, offer, path, grant, expires_utc });
resource!(model::Question => Question { needs, may, subject });

request!(model::Consent => Consent { actions, by, expires_unix, quota_bytes, accept_publisher_key } by validate::consent);

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
        let consent = consent.unchecked();
        validate::without_a_key(&consent)?;
        let model::Consent { actions, by, expires_unix, quota_bytes, accept_publisher_key: _ } = consent;
        Ok(Self { actions, by, expires_unix, quota_bytes, model, peer })
    }
}
