//! Consents that a user gives with a transfer, the questions for them, and announcements. Grants and the log are those of
//! [`minimodel::consent`].

use std::borrow::Cow;

use minimodel::consent::Action;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

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
