//! Consents that a user gives with a transfer, the questions for them, and announcements. Grants and the log are those of
//! [`minimodel::consent`].

use minimodel::consent::Action;

/// A consent as its user gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The actions that are agreed to.
    pub actions: Vec<Action>,
    /// How it was given: `flag`, `prompt`, `api`.
    pub by: String,
    /// When it ends; none: when it is revoked.
    pub expires_unix: Option<u64>,
    /// Payload bytes that may move under it; none: no limit.
    pub quota_bytes: Option<u64>,
    /// For a transfer whose manifest is not signed as is known of its publisher: the key that signed it, or `unsigned`,
    /// which is accepted with this.
    pub accept_publisher_key: Option<String>,
}

/// What is asked of the user before a transfer may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is needed.
    pub needs: Vec<Action>,
    /// What may be given besides.
    pub may: Vec<Action>,
    /// What to show: publisher, license, evidence, size, peers. Text from outside, not escaped.
    pub subject: Vec<(String, String)>,
}

/// An announcement: that this machine has a file and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
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
