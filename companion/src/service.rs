//! What the companion does for its user, whoever asks: the same calls in this process ([`crate::companion`]) and over
//! the local interface ([`crate::client`]).

use crate::api::types::{
    Activated, Activation, Announcement, Consent, Entry, Finding, Fits, Grant, Limits, LogEntry, LogVerdict,
    Moved, NewEntry, NewFetch, NewGrant, NewShare, Pruned, Status, Transfer, TransferLimits,
};
use crate::problem::Problem;

/// The answer to a call.
pub type Answer<T> = Result<T, Problem>;

/// Everything that can be asked of a companion. All calls block; none waits for a transfer.
pub trait Service: Send + Sync {
    /// How everything stands.
    ///
    /// # Errors
    ///
    /// As all calls: what was wrong, with the next step; over the interface also that nobody answers.
    fn status(&self) -> Answer<Status>;
    /// Ends the companion in good order; what runs goes on with its next start.
    fn stop(&self) -> Answer<()>;

    /// Adds a share. Without the consent it needs it asks, and nothing is opened.
    fn share(&self, new: NewShare) -> Answer<Transfer>;
    /// Adds a fetch. Without the consent it needs it asks, and nobody is dialed.
    fn fetch(&self, new: NewFetch) -> Answer<Transfer>;
    /// One transfer.
    fn transfer(&self, id: u64) -> Answer<Transfer>;
    /// Answers a transfer's question: grants for its model are recorded, and it goes on when they suffice.
    fn answer(&self, id: u64, consent: Consent) -> Answer<Transfer>;
    /// Lets a paused or failed transfer run again.
    fn start(&self, id: u64) -> Answer<Transfer>;
    /// Pauses it, over restarts too.
    fn pause(&self, id: u64) -> Answer<Transfer>;
    /// Changes its limits, at once.
    fn limit(&self, id: u64, limits: TransferLimits) -> Answer<Transfer>;
    /// Forgets it. Files stay, partial ones too.
    fn forget(&self, id: u64) -> Answer<()>;

    /// What holds for all transfers.
    fn limits(&self) -> Answer<Limits>;
    /// Changes it, at once.
    fn set_limits(&self, limits: Limits) -> Answer<Limits>;
    /// What moved, by day and peer, newest day first; `days`: how many, today included.
    fn moved(&self, days: u32) -> Answer<Vec<Moved>>;

    /// All grants, those that ended too.
    fn grants(&self) -> Answer<Vec<Grant>>;
    /// Records grants.
    fn grant(&self, new: NewGrant) -> Answer<Vec<Grant>>;
    /// Takes a grant back; what runs under it alone stops.
    fn revoke(&self, id: u64) -> Answer<Grant>;
    /// The consent log.
    fn consent_log(&self) -> Answer<Vec<LogEntry>>;
    /// Whether the log's chain holds.
    fn verify_log(&self) -> Answer<LogVerdict>;

    /// What is announced.
    fn announcements(&self) -> Answer<Vec<Announcement>>;
    /// Announces a share: its own grant, `publish`, recorded as `consent` says.
    fn announce(&self, transfer: u64, consent: Consent) -> Answer<Announcement>;
    /// Takes an announcement back: grant revoked, file removed, and peers are told of the share no more.
    fn unannounce(&self, transfer: u64) -> Answer<()>;

    /// The library.
    fn library(&self) -> Answer<Vec<Entry>>;
    /// One entry.
    fn entry(&self, id: u64) -> Answer<Entry>;
    /// The text of an entry's manifest.
    fn manifest(&self, id: u64) -> Answer<String>;
    /// Adds an entry; a file is checked in full first. A manifest that is not signed as is known of its publisher is refused
    /// unless that is accepted, and the key that signed is known from then on.
    fn add(&self, new: NewEntry) -> Answer<Entry>;
    /// Checks an entry's file in full again.
    fn verify(&self, id: u64) -> Answer<Entry>;
    /// Forgets an entry. A cached file goes with it, a user's own stays.
    fn remove(&self, id: u64) -> Answer<()>;
    /// Keeps an entry from eviction, or does so no more.
    fn pin(&self, id: u64, pinned: bool) -> Answer<Entry>;
    /// Evicts cached, unpinned, inactive and unshared files until the cache holds `keep_bytes` at most.
    fn prune(&self, keep_bytes: u64) -> Answer<Pruned>;
    /// Points the model's link at this version, under the rule of [`Service::add`].
    fn activate(&self, id: u64, activation: Activation) -> Answer<Activated>;
    /// Points the model's link at the version it led to before.
    fn rollback(&self, model_id: &str) -> Answer<Activated>;
    /// A manifest's requirements against this machine.
    fn fits(&self, manifest: &str) -> Answer<Fits>;

    /// Looks for what is wrong or slow.
    fn doctor(&self) -> Answer<Vec<Finding>>;
}
