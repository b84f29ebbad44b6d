//! Bans that outlive a run.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_verifier::Digest;
use minimodel_wire::PeerId;
use tokio::sync::mpsc;

pub use crate::machine::BAN;
use crate::machine::{Breach, Time};

/// Peers to refuse from the start, and the channel for new bans, so that a later run knows them.
#[derive(Debug, Default)]
pub struct Bans {
    /// How long the ban of each key still lasts.
    pub known: BTreeMap<PeerId, Duration>,
    /// Receives each new ban as it happens. Each ban costs the attacker a connection or a chunk, and the reader writes
    /// bans down at once, so that the unbounded channel stays short.
    pub tell: Option<mpsc::UnboundedSender<Ban>>,
}

impl Bans {
    pub(super) fn until(&self) -> BTreeMap<PeerId, Time> {
        self.known.iter().map(|(&peer, &left)| (peer, Time::after_start(left))).collect()
    }
}

/// A ban, with what is known of its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Key of the banned peer.
    pub peer: PeerId,
    /// The rule that the peer broke.
    pub breach: Breach,
    /// The chunk, if the blame is for one.
    pub index: Option<u32>,
    /// The right SHA-256 of that chunk, if an earlier proof gave it.
    pub expected: Option<Digest>,
    /// SHA-256 of the bytes that the peer sent, if it sent any.
    pub got: Option<Digest>,
}
