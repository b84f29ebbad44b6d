//! Status, findings of the doctor, and events.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::form::resource;
use super::limits::{Limits, Rates};
use super::transfer::Transfer;
use crate::model;

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

resource!(model::Status => Status { version, pid, started_utc, peer, limits: into, now: into, transfers: each });
resource!(model::Finding => Finding { name, outcome, detail, hint });

impl From<model::Event> for Event {
    fn from(event: model::Event) -> Self {
        match event {
            model::Event::Transfer { transfer } => Self::Transfer { transfer: Box::new((*transfer).into()) },
            model::Event::Removed { id } => Self::Removed { id },
            model::Event::Consent => Self::Consent,
            model::Event::Library => Self::Library,
            model::Event::Limits => Self::Limits,
            model::Event::Resync => Self::Resync,
            model::Event::Stopping => Self::Stopping,
        }
    }
}

impl From<Event> for model::Event {
    fn from(event: Event) -> Self {
        match event {
            Event::Transfer { transfer } => Self::Transfer { transfer: Box::new((*transfer).into()) },
            Event::Removed { id } => Self::Removed { id },
            Event::Consent => Self::Consent,
            Event::Library => Self::Library,
            Event::Limits => Self::Limits,
            Event::Resync => Self::Resync,
            Event::Stopping => Self::Stopping,
        }
    }
}
