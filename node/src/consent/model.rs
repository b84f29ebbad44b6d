//! Grants and the lines of the log, as callers give and get them.

use super::Action;

/// A standing consent as its user gives it; one grant is made for each action.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let mut book = minimodel::consent::ConsentBook::open(home.state()?, home.data()?)?;
/// # let now = minimodel::clock::now_unix();
/// use minimodel::Action;
/// use minimodel::consent::NewGrant;
///
/// // Any model may be served to any peer, for an hour and for 2 GB.
/// let new = NewGrant {
///     actions: vec![Action::Serve],
///     by: "dialog".into(),
///     expires_unix: Some(now + 3_600),
///     quota_bytes: Some(2_000_000_000),
///     ..NewGrant::default()
/// };
/// assert_eq!(book.grant(&new, now)?, [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let mut book = minimodel::consent::ConsentBook::open(home.state()?, home.data()?)?;
/// # let now = minimodel::clock::now_unix();
/// use minimodel::Action;
/// use minimodel::consent::{GrantState, NewGrant};
///
/// let actions = vec![Action::Fetch];
/// let new = NewGrant { actions, by: "dialog".into(), quota_bytes: Some(1_000), ..NewGrant::default() };
/// book.grant(&new, now)?;
/// let state = |used_bytes| book.grants().list(now, |_| used_bytes)[0].state;
/// assert_eq!((state(999), state(1_000)), (GrantState::Active, GrantState::Spent));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let mut book = minimodel::consent::ConsentBook::open(home.state()?, home.data()?)?;
/// # let now = minimodel::clock::now_unix();
/// # let new = minimodel::consent::NewGrant::default();
/// # let actions = vec![minimodel::Action::Serve, minimodel::Action::Publish];
/// # book.grant(&minimodel::consent::NewGrant { actions, by: "dialog".into(), ..new }, now)?;
/// use minimodel::consent::Grant;
///
/// let told = |grant: &Grant| format!("{} {} by {}", grant.id, grant.action.as_str(), grant.by);
/// let grants = book.grants().list(now, |_number| 0);
/// assert_eq!(grants.iter().map(told).collect::<Vec<_>>(), ["1 serve by dialog", "2 publish by dialog"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let agreed = minimodel::RunConsent::given([minimodel::Action::Fetch], "dialog");
/// # agreed.record(&home, "fetch", None)?;
/// use minimodel::consent::{ConsentBook, LogEntry};
///
/// let book = ConsentBook::open(home.state()?, home.data()?)?;
/// let told = |entry: &LogEntry| format!("{} {}: {}", entry.number, entry.kind, entry.text);
/// assert_eq!(told(&book.lines()[0]), "1 given: fetch for one run of `fetch`, by dialog");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let agreed = minimodel::RunConsent::given([minimodel::Action::Fetch], "dialog");
/// # agreed.record(&home, "fetch", None)?;
/// use minimodel::consent::{LogVerdict, verify};
///
/// // Another program has changed a word of the log.
/// let log = home.state()?.join("consent.log");
/// std::fs::write(&log, std::fs::read_to_string(&log)?.replace("fetch", "serve"))?;
/// let LogVerdict { ok, entries, fault, .. } = verify(home.state()?, home.data()?, &[])?;
/// assert!(!ok && entries == 0);
/// println!("nothing is granted any more: {}", fault.expect("the log is not as it was written"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
