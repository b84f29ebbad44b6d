//! Rates, slots, budgets, and transferred bytes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::{PeerIdForm, SwarmIdForm};
use super::weekday::Weekday;

/// Rates and slots of one transfer; none: only the common ones hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransferLimits {
    /// Payload bytes a second sent.
    #[schema(minimum = 1)]
    pub up: Option<u64>,
    /// Payload bytes a second received.
    #[schema(minimum = 1)]
    pub down: Option<u64>,
    /// Peers served at once.
    #[schema(minimum = 1)]
    pub slots: Option<u16>,
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

/// Limits that hold for all transfers together. A change takes effect at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(
    description = "`GET|PUT /v1/limits`: what holds for all transfers together. A change takes effect at once."
)]
pub struct Limits {
    /// Payload bytes a second sent.
    #[schema(minimum = 1)]
    pub up: Option<u64>,
    /// Payload bytes a second received.
    #[schema(minimum = 1)]
    pub down: Option<u64>,
    /// Peers that one share serves at once.
    #[schema(minimum = 1)]
    pub slots: Option<u16>,
    /// Payload bytes that one peer may take from us a day, over all shares.
    #[schema(minimum = 1)]
    pub peer_day_bytes: Option<u64>,
    /// Other rates at certain hours; the first window that holds counts.
    #[schema(max_items = 48)]
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
    #[schema(maximum = 23)]
    pub from: u8,
    /// The hour at which it ends, 0 to 24; not after `from`: it goes over midnight.
    #[schema(maximum = 24)]
    pub to: u8,
    /// Payload bytes a second sent; none: no limit.
    #[schema(minimum = 1)]
    pub up: Option<u64>,
    /// Payload bytes a second received; none: no limit.
    #[schema(minimum = 1)]
    pub down: Option<u64>,
    /// Nothing moves.
    pub paused: bool,
    /// The days on which it begins; none: every day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
}

/// What moved on a day between us and a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moved {
    /// The day, UTC: `2026-11-21`.
    #[schema(pattern = r"^\d{4}-\d\d-\d\d$")]
    pub day: String,
    /// Who.
    #[schema(value_type = PeerIdForm)]
    pub peer: String,
    /// The swarm.
    #[schema(value_type = SwarmIdForm)]
    pub swarm_id: String,
    /// `model.id` and version.
    pub model: String,
    /// Payload bytes sent.
    pub sent_bytes: u64,
    /// Payload bytes received.
    pub received_bytes: u64,
}
