//! Consents that a user gives with a transfer, the questions for them, and announcements. Grants and the log are those of
//! [`minimodel::consent`].

use minimodel::consent::Action;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::{ActionSchema, OfferForm, SignerForm, TimeForm, WayForm};

/// A consent as its user gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// To what; empty only where a publisher's key is accepted.
    #[schema(value_type = BTreeSet<ActionSchema>, max_items = 5)]
    pub actions: Vec<Action>,
    /// How it was given: `flag`, `prompt`, `api`.
    #[schema(value_type = WayForm)]
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
    #[schema(value_type = Option<SignerForm>)]
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
    /// Consents were given with this transfer before. A refusal then pauses it: forgetting it would end them.
    pub has_consents: bool,
}

/// An announcement: that this machine has a file and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Announcement {
    /// The share.
    pub transfer: u64,
    /// `model.id` and version.
    pub model: String,
    /// The offer.
    #[schema(value_type = OfferForm)]
    pub offer: String,
    /// The file that holds it, for handing on.
    pub path: String,
    /// The grant under which it stands.
    pub grant: u64,
    /// When the offer ends.
    #[schema(value_type = TimeForm)]
    pub expires_utc: String,
}
