//! The calls of the companion, answered in the daemon's process ([`crate::companion`]) or over the local interface
//! ([`crate::client`]).

use std::path::Path;

use minimodel::consent::{Grant, LogEntry, LogVerdict, NewGrant};

use crate::model::{
    Activated, Activation, Announcement, ChunkMap, Consent, Entry, Files, Finding, Fits, KnownBan,
    KnownPublisher, Limits, Moved, NewEntry, NewFetch, NewShare, Pruned, RateHistory, ReceiptLine,
    ReceiptText, Span, Status, Transfer, TransferLimits,
};
use crate::problem::Problem;

/// The answer to a call.
pub type Answer<T> = Result<T, Problem>;

/// All calls of a companion. Each blocks until it is answered; none waits for a transfer to end.
pub trait Service: Send + Sync {
    /// The state of the daemon and of all transfers.
    ///
    /// # Errors
    ///
    /// As for all calls: the problem with its next step; over the interface also that no companion answers.
    fn status(&self) -> Answer<Status>;
    /// Shuts the companion down gracefully; running transfers continue at its next start.
    fn stop(&self) -> Answer<()>;

    /// Adds a share. Without the consent that it needs, it waits for the user's answer, and no file is opened.
    fn share(&self, new: NewShare) -> Answer<Transfer>;
    /// Adds a fetch. Without the consent that it needs, it waits for the user's answer, and no peer is dialed.
    fn fetch(&self, new: NewFetch) -> Answer<Transfer>;
    /// One transfer.
    fn transfer(&self, id: u64) -> Answer<Transfer>;
    /// The map of a transfer's chunks in `cells` cells, 1 to 4096, or fewer. While it rests, from what is on disk.
    fn chunks(&self, id: u64, cells: u32) -> Answer<ChunkMap>;
    /// The rates of a transfer over a span of time; `None`: of all together.
    fn history(&self, id: Option<u64>, span: Span) -> Answer<RateHistory>;
    /// Answers a transfer's consent question: records grants for its model; the transfer continues when they suffice.
    fn answer(&self, id: u64, consent: Consent) -> Answer<Transfer>;
    /// Lets a paused or failed transfer run again.
    fn start(&self, id: u64) -> Answer<Transfer>;
    /// Pauses a transfer; it stays paused over restarts.
    fn pause(&self, id: u64) -> Answer<Transfer>;
    /// Changes a transfer's limits, effective at once.
    fn limit(&self, id: u64, limits: TransferLimits) -> Answer<Transfer>;
    /// Removes a transfer from the list. Its files stay, partial ones too.
    fn forget(&self, id: u64) -> Answer<()>;

    /// The limits that hold for all transfers together.
    fn limits(&self) -> Answer<Limits>;
    /// Changes these limits, effective at once.
    fn set_limits(&self, limits: Limits) -> Answer<Limits>;
    /// Transferred bytes by day and peer, newest day first; `days`: number of days, today included.
    fn moved(&self, days: u32) -> Answer<Vec<Moved>>;

    /// The receipts of the library's entries and of transfers that are done.
    fn receipts(&self) -> Answer<Vec<ReceiptLine>>;
    /// One receipt, by its name in that list.
    fn receipt(&self, id: &str) -> Answer<ReceiptText>;
    /// The bans of the last 30 days, the newest first.
    fn bans(&self) -> Answer<Vec<KnownBan>>;
    /// Lifts a ban, by its name in that list; running transfers keep theirs until they end.
    fn lift_ban(&self, id: &str) -> Answer<()>;
    /// The publishers whose keys are known.
    fn publishers(&self) -> Answer<Vec<KnownPublisher>>;
    /// Pins a publisher to one key; `None`: to the only one that is known.
    fn pin_publisher(&self, id: &str, key: Option<&str>) -> Answer<KnownPublisher>;
    /// Forgets a publisher and its keys.
    fn forget_publisher(&self, id: &str) -> Answer<()>;

    /// All grants, ended ones included.
    fn grants(&self) -> Answer<Vec<Grant>>;
    /// Records grants.
    fn grant(&self, new: NewGrant) -> Answer<Vec<Grant>>;
    /// Revokes a grant; transfers that run under it alone stop.
    fn revoke(&self, id: u64) -> Answer<Grant>;
    /// The consent log.
    fn consent_log(&self) -> Answer<Vec<LogEntry>>;
    /// Verifies the hash chain of the consent log.
    fn verify_log(&self) -> Answer<LogVerdict>;

    /// All announcements.
    fn announcements(&self) -> Answer<Vec<Announcement>>;
    /// Announces a share; records a `publish` grant for it on the terms of `consent`.
    fn announce(&self, transfer: u64, consent: Consent) -> Answer<Announcement>;
    /// Withdraws an announcement: revokes its grant, removes its file, and peers no longer learn of the share.
    fn unannounce(&self, transfer: u64) -> Answer<()>;

    /// All entries of the library.
    fn library(&self) -> Answer<Vec<Entry>>;
    /// One entry.
    fn entry(&self, id: u64) -> Answer<Entry>;
    /// The text of an entry's manifest.
    fn manifest(&self, id: u64) -> Answer<String>;
    /// Adds an entry; a file is checked in full first. A manifest whose signer contradicts the known keys of its publisher is
    /// refused unless the user accepts that signer; the key that signed is recorded as known.
    fn add(&self, new: NewEntry) -> Answer<Entry>;
    /// Checks an entry's file in full again.
    fn verify(&self, id: u64) -> Answer<Entry>;
    /// Removes an entry. A cached file is deleted with it; the user's own file stays.
    fn remove(&self, id: u64) -> Answer<()>;
    /// Pins an entry, which keeps it from eviction, or unpins it.
    fn pin(&self, id: u64, pinned: bool) -> Answer<Entry>;
    /// Evicts cached, unpinned, inactive and unshared files until the cache holds `keep_bytes` at most.
    fn prune(&self, keep_bytes: u64) -> Answer<Pruned>;
    /// Points the model's link at this version, under the publisher rule of [`Service::add`].
    fn activate(&self, id: u64, activation: Activation) -> Answer<Activated>;
    /// Points the model's link at the version it led to before.
    fn rollback(&self, model_id: &str) -> Answer<Activated>;
    /// Compares a manifest's requirements with this machine.
    fn fits(&self, manifest: &str) -> Answer<Fits>;

    /// Lists a folder that the user allowed for choosing a file; `None`: which folders these are.
    fn files(&self, under: Option<&Path>) -> Answer<Files>;

    /// The text of a manifest below such a folder.
    fn chosen_manifest(&self, path: &Path) -> Answer<String>;

    /// Diagnoses faults and slow transfers.
    fn doctor(&self) -> Answer<Vec<Finding>>;
}
