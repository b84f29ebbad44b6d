//! The resources of the local interface, version 1. Times are RFC 3339 UTC (`..._utc`) or seconds since 1970
//! (`..._unix`), sizes bytes, rates payload bytes a second. Swarm ids are 64 lowercase hex digits, peers their base32 ids.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// What can be agreed to; there is no action that stands for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// To fetch bytes from peers, who see this machine's address.
    Fetch,
    /// To put a proven file into a folder that the user named.
    Import,
    /// To send chunks to peers.
    Serve,
    /// To keep a proven file in the library's own folder, where it may be evicted.
    Cache,
    /// To let peers pass on that this machine has the file, and to write announcements of that.
    Publish,
}

/// Whether a transfer brings a file or gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A complete file is served.
    Share,
    /// A file is fetched.
    Fetch,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its user is asked for consent: see [`Transfer::question`].
    Asking,
    /// It would run, but for what [`Transfer::cause`] says; it goes on by itself when that is over.
    Waiting,
    /// The file is being checked before it is served, or the manifest asked for.
    Preparing,
    /// Bytes may move.
    Running,
    /// Its user paused it; it stays so over restarts.
    Paused,
    /// A fetch that ended with a checked file and its receipt.
    Done,
    /// It ended by [`Transfer::problem`].
    Failed,
}

/// Why no byte of a transfer moves. The same words in `--json`, in the interface and in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nobody who is connected has a chunk that is wanted.
    NoSource,
    /// Those who have what is wanted serve others now.
    Choked,
    /// A rate limit of this machine holds bytes back.
    RateLimit,
    /// A quota or budget is used up.
    Quota,
    /// A consent that is needed was not given, ended or was revoked.
    ConsentMissing,
    /// Writing, hashing or the disk itself holds it up, or there is no space.
    Disk,
    /// The path does not carry more.
    Congestion,
    /// Those who were asked are silent or do not read.
    PeerSlow,
    /// All bytes are here; the whole-file check goes on.
    Checking,
    /// A share that nobody asks for anything.
    NoDemand,
    /// The user paused it.
    Paused,
    /// The schedule lets nothing pass at this hour.
    Schedule,
}

/// Rates and slots of one transfer; none: only the common ones hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransferLimits {
    /// Payload bytes a second sent.
    pub up: Option<u64>,
    /// Payload bytes a second received.
    pub down: Option<u64>,
    /// Peers served at once.
    pub slots: Option<u16>,
}

/// Where a transfer listens and what its offer names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// Listen here; none: all addresses, at a port that is kept over restarts.
    #[schema(value_type = Option<String>)]
    pub listen: Option<SocketAddr>,
    /// Named in offers instead of the addresses that are found.
    #[schema(value_type = Vec<String>)]
    pub advertise: Vec<SocketAddr>,
}

/// `POST /v1/shares`: serve a file. Either an entry of the library, or a manifest and a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewShare {
    /// An entry of the library that is Ready.
    pub entry: Option<u64>,
    /// The text of the manifest.
    pub manifest: Option<String>,
    /// The absolute path of the file.
    #[schema(value_type = Option<String>)]
    pub path: Option<PathBuf>,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its limits.
    pub limits: TransferLimits,
    /// Serve these peers alone; empty: anyone who holds the offer. It bounds the grants that `consent` gives.
    pub allow: Vec<String>,
    /// Consent that is given with the request, and by what; without it, grants that there are count, or it asks.
    pub consent: Option<Consent>,
}

/// `POST /v1/fetches`: fetch a file. Sources are offers of peers; nothing else is taken, no address on the web either.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewFetch {
    /// The text of the manifest; none: it is asked of the first offer's peer.
    pub manifest: Option<String>,
    /// Offers (`mm1...`).
    pub offers: Vec<String>,
    /// The absolute path of the folder to import into; none: the library keeps it in its own folder (consent `cache`).
    #[schema(value_type = Option<String>)]
    pub out: Option<PathBuf>,
    /// Where the receipt goes, if not beside the file.
    #[schema(value_type = Option<String>)]
    pub receipt: Option<PathBuf>,
    /// Where it listens, if it serves.
    pub endpoint: Endpoint,
    /// Its limits.
    pub limits: TransferLimits,
    /// Who may connect to it, if it serves; empty: anyone who holds its offer.
    pub allow: Vec<String>,
    /// Chunks from the beginning of the file on instead of rarest first.
    pub sequential: bool,
    /// Recompute the rolling checksum at the end as well.
    pub full_check: bool,
    /// Share the file when it is there.
    pub keep_seeding: bool,
    /// Seconds without a byte after which it fails, resumably; none: it waits for peers for as long as it takes.
    pub stall_seconds: Option<u64>,
    /// Fetch although the manifest's `requires.*` are more than this machine has.
    pub ignore_fit: bool,
    /// As in [`NewShare::consent`].
    pub consent: Option<Consent>,
}

/// A consent as its user gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// To what.
    pub actions: Vec<Action>,
    /// How it was given: `flag`, `prompt`, `api`, `request`.
    pub by: String,
    /// When it ends; none: when it is revoked.
    #[serde(default)]
    pub expires_unix: Option<u64>,
    /// Payload bytes that may move under it; none: no limit.
    #[serde(default)]
    pub quota_bytes: Option<u64>,
}

/// What is asked of the user before a transfer may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    /// What is needed.
    pub needs: Vec<Action>,
    /// What may be given besides.
    pub may: Vec<Action>,
    /// What to show: publisher, license, evidence, size, peers. Text from outside, not escaped.
    pub subject: Vec<(String, String)>,
}

/// One connected peer of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Who.
    pub peer: String,
    /// Payload bytes it sent us in this session.
    pub received_bytes: u64,
    /// Payload bytes we sent it in this session.
    pub sent_bytes: u64,
    /// Coming in, bytes a second.
    pub down_rate: u64,
    /// Going out, bytes a second.
    pub up_rate: u64,
    /// Round trip, milliseconds.
    pub rtt_ms: f64,
    /// Chunks it has.
    pub have: u32,
    /// It lets us ask for nothing now.
    pub choking_us: bool,
    /// Why it sends nothing although something is wanted of it.
    pub cause: Option<Cause>,
}

/// A share or a fetch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transfer {
    /// Its name in the interface.
    pub id: u64,
    /// Share or fetch.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Why no byte moves, if none does.
    pub cause: Option<Cause>,
    /// What ended it.
    pub problem: Option<Problem>,
    /// What is asked of the user.
    pub question: Option<Question>,
    /// `model.id`; empty while only an offer is known.
    pub model_id: String,
    /// `model.version`.
    pub model_version: String,
    /// The swarm.
    pub swarm_id: String,
    /// The file that is served or will be there.
    pub path: String,
    /// The receipt, when there is one.
    pub receipt: Option<String>,
    /// The entry of the library.
    pub entry: Option<u64>,
    /// Our offer, while it serves.
    pub offer: Option<String>,
    /// Whether peers may pass it on.
    pub publishes: bool,
    /// Who may come; empty: anyone who holds the offer.
    pub allow: Vec<String>,
    /// Its limits.
    pub limits: TransferLimits,
    /// Bytes that are proven and on disk.
    pub have_bytes: u64,
    /// Bytes of the artifact; 0 while not known.
    pub total_bytes: u64,
    /// Payload bytes received in this run.
    pub received_bytes: u64,
    /// Payload bytes sent in this run.
    pub sent_bytes: u64,
    /// Coming in, bytes a second.
    pub down_rate: u64,
    /// Going out, bytes a second.
    pub up_rate: u64,
    /// Connected peers.
    pub peers: Vec<Peer>,
    /// Seconds that this run has lasted.
    #[serde(default)]
    pub run_seconds: f64,
    /// Seconds of this run in which no byte moved, by cause.
    pub idle_seconds: BTreeMap<Cause, f64>,
    /// When it was added.
    pub created_utc: String,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Its process; 0 when no companion runs and the state was read from disk.
    pub pid: u32,
    /// Since when it runs.
    pub started_utc: String,
    /// This user's peer id, if there is an identity.
    pub peer: Option<String>,
    /// What holds for all transfers.
    pub limits: Limits,
    /// The rates that hold at this hour.
    pub now: Rates,
    /// All shares and fetches.
    pub transfers: Vec<Transfer>,
}

/// Rates that hold at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    /// Payload bytes a second sent, all together.
    pub up: Option<u64>,
    /// Payload bytes a second received, all together.
    pub down: Option<u64>,
    /// Nothing moves.
    pub paused: bool,
}

/// `GET|PUT /v1/limits`: what holds for all transfers together. A change takes effect at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Payload bytes a second sent.
    pub up: Option<u64>,
    /// Payload bytes a second received.
    pub down: Option<u64>,
    /// Peers that one share serves at once.
    pub slots: Option<u16>,
    /// Payload bytes that one peer may take from us a day, over all shares.
    pub peer_day_bytes: Option<u64>,
    /// Other rates at certain hours; the first window that holds counts.
    pub schedule: Vec<Window>,
    /// Bytes of cached files that the library keeps; the least recently used are evicted beyond it.
    pub cache_bytes: Option<u64>,
    /// Bytes that the library's own folder may hold in all, partial files included; a fetch that would pass it is refused.
    pub storage_bytes: Option<u64>,
}

/// Hours of the local day with rates of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// First hour, 0 to 23.
    pub from: u8,
    /// The hour at which it ends, 0 to 24; not after `from`: it goes over midnight.
    pub to: u8,
    /// Payload bytes a second sent; none: no limit.
    pub up: Option<u64>,
    /// Payload bytes a second received; none: no limit.
    pub down: Option<u64>,
    /// Nothing moves.
    pub paused: bool,
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
    /// Lines of before there was a chain; the first link covers them.
    pub older: u64,
    /// The hash of the last line.
    pub head: String,
    /// What is wrong, and at which line.
    pub fault: Option<String>,
}

/// Where a library entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// Its manifest is known; the file is not here.
    Available,
    /// It is being fetched, or a partial file waits to be.
    Downloading,
    /// The file is here and was checked.
    Ready,
    /// See [`Entry::reason`].
    Failed,
}

/// One version of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its name in the interface.
    pub id: u64,
    /// `model.id`.
    pub model_id: String,
    /// `model.version`.
    pub model_version: String,
    /// `publisher.id`.
    pub publisher_id: String,
    /// The swarm.
    pub swarm_id: String,
    /// Bytes of the artifact.
    pub byte_count: u64,
    /// Where it stands.
    pub state: EntryState,
    /// Why it failed.
    pub reason: Option<String>,
    /// The file.
    pub path: Option<String>,
    /// The receipt.
    pub receipt: Option<String>,
    /// Whether the library keeps the file in its own folder; a user's own file is never evicted or removed.
    pub cached: bool,
    /// Whether it is kept from eviction.
    pub pinned: bool,
    /// Whether the model's link leads to it.
    pub active: bool,
    /// When it was last used: served, verified or activated.
    pub used_utc: String,
    /// When it was added.
    pub added_utc: String,
    /// Whether this machine has what its manifest requires.
    pub fits: Fits,
}

/// The manifest's `requires.*` against this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fits {
    /// False when a requirement is known not to be met.
    pub fits: bool,
    /// One line a requirement; none: the manifest requires nothing.
    pub checks: Vec<FitCheck>,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FitCheck {
    /// `ram`, `vram` or `arch`.
    pub name: String,
    /// What is required.
    pub needs: String,
    /// What there is; `unknown` where it cannot be told.
    pub has: String,
    /// `pass`, `fail` or `unknown`.
    pub outcome: String,
}

/// `POST /v1/library`: adds a manifest, with the file it describes if that is here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewEntry {
    /// The text of the manifest.
    pub manifest: String,
    /// The absolute path of the user's own file, which is checked and stays where it is; none: only the manifest is kept.
    #[schema(value_type = Option<String>)]
    pub path: Option<PathBuf>,
}

/// What a prune took away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// The entries whose cached files are gone.
    pub entries: Vec<u64>,
    /// Bytes that are free now.
    pub bytes: u64,
}

/// A version that the model's link leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activated {
    /// The entry.
    pub entry: Entry,
    /// The link.
    pub link: String,
    /// The entry that it led to before.
    pub previous: Option<u64>,
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

/// What moved on a day between us and a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moved {
    /// The day, UTC: `2026-11-21`.
    pub day: String,
    /// Who.
    pub peer: String,
    /// The swarm.
    pub swarm_id: String,
    /// `model.id` and version.
    pub model: String,
    /// Payload bytes sent.
    pub sent_bytes: u64,
    /// Payload bytes received.
    pub received_bytes: u64,
}

/// One finding of the doctor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was looked at: `clock`, `folders`, `space`, `ports`, `reachability`, `transfer 3`.
    pub name: String,
    /// `ok`, `warn` or `fail`.
    pub outcome: String,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

/// One event of `GET /v1/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A transfer was added or changed; its whole picture.
    Transfer {
        /// How it stands.
        transfer: Box<Transfer>,
    },
    /// A transfer was removed.
    Removed {
        /// Which.
        id: u64,
    },
    /// Grants changed.
    Consent,
    /// The library changed.
    Library,
    /// Limits changed.
    Limits,
    /// The stream lost changes: what it told before is void, and all transfers follow anew. Only streams say it.
    Resync,
    /// The companion ends.
    Stopping,
}
