//! Settings that a share and a fetch have in common.

use std::sync::Arc;

use minimodel_wire::SignedOffer;
use tokio::sync::{mpsc, watch};

use super::bans::Bans;
use super::chunk_maps::{ChunkMapQuestions, chunk_maps};
use super::control_updates::steady;
use super::door::Knocks;
use super::found_peers::{FoundPeers, found_peers};
use super::quota::QuotaGate;
use super::rate_limit::RateLimit;
use super::report::Report;
use crate::machine::Controls;

/// Settings of a session: this node as a member of a swarm.
#[derive(Debug)]
pub struct SessionSettings {
    /// Which peers may connect or be asked, how many are served at once, and how much may move; [`super::steady`] makes
    /// controls that never change.
    pub controls: watch::Receiver<Controls>,
    /// Rate limits and shared quotas.
    pub limits: SessionLimits,
    /// Peers to refuse from the start, and the channel for new bans.
    pub bans: Bans,
    /// This node's own offer, passed on to members if the user agreed to publish.
    pub offer: Option<SignedOffer>,
    /// Software name for the Hello.
    pub software: String,
    /// Seed of random choices.
    pub seed: u64,
    /// Calendar time now, in seconds since 1970.
    pub unix_now: u64,
    /// Receives events and snapshots.
    pub reports: mpsc::Sender<Report>,
    /// Brings questions for the map of chunks; [`super::chunk_maps`] makes both ends.
    pub chunk_maps: ChunkMapQuestions,
    /// Brings peers that were found; [`super::found_peers`] makes both ends.
    pub found: FoundPeers,
    /// Whose knocks are answered with this node's own offer, if it serves.
    pub knocks: Knocks,
}

impl SessionSettings {
    /// Settings without limits, bans, an offer, a receiver of reports, questions for chunk maps, found peers, and answers to knocks.
    pub fn new(software: impl Into<String>, seed: u64, unix_now: u64) -> Self {
        Self {
            controls: steady(Controls::default()),
            limits: SessionLimits::default(),
            bans: Bans::default(),
            offer: None,
            software: software.into(),
            seed,
            unix_now,
            reports: mpsc::channel(1).0,
            chunk_maps: chunk_maps().1,
            found: found_peers().1,
            knocks: Knocks::default(),
        }
    }
}

/// Rate limits on payload bytes, and quotas. The default is no limit.
#[derive(Debug, Clone, Default)]
pub struct SessionLimits {
    /// Rate limits on bytes from all peers together; bytes pass when all of these let them. A share receives none.
    pub down: Vec<RateLimit>,
    /// Rate limits on bytes to all peers together.
    pub up: Vec<RateLimit>,
    /// Quota gate, which may count the bytes of this session together with those of other sessions; `None`: no quota.
    pub gate: Option<Arc<dyn QuotaGate>>,
}
