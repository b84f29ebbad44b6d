//! Status, findings of the doctor, and events.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::chunks::ChunkMap;
use super::forms::{PeerIdForm, TimeForm};
use super::limits::{Limits, Rates};
use super::transfer::Transfer;

/// The state of the daemon and of all transfers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(description = "`GET /v1/status`.")]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// The name that its user gave it, if any.
    #[serde(default)]
    #[schema(max_length = 80)]
    pub label: Option<String>,
    /// Its process; 0 when no companion runs and the state was read from disk.
    pub pid: u32,
    /// Since when it runs.
    #[schema(value_type = TimeForm)]
    pub started_utc: String,
    /// This user's peer id, if there is an identity.
    #[schema(value_type = Option<PeerIdForm>)]
    pub peer: Option<String>,
    /// What holds for all transfers.
    pub limits: Limits,
    /// The rates that hold at this hour.
    pub now: Rates,
    /// All shares and fetches.
    pub transfers: Vec<Transfer>,
}

/// One finding of the doctor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was looked at: `clock`, `folders`, `space`, `ports`, `reachability`, `transfer 3`.
    pub name: String,
    /// `ok`, `warn` or `fail`.
    #[schema(pattern = "^(ok|warn|fail)$")]
    pub outcome: String,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A change that the companion tells its clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[schema(description = "One event of `GET /v1/events`.")]
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
    /// The map of chunks changed, of the transfer that the stream was asked for. Only streams say it.
    Chunks {
        /// Which transfer.
        id: u64,
        /// Its chunks.
        map: Box<ChunkMap>,
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
