//! Bans that outlive a run.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_verifier::Digest;
use minimodel_wire::PeerId;
use tokio::sync::mpsc;

pub use crate::machine::BAN;
use crate::machine::{Breach, Time};

/// Whom to refuse from the start, and where new bans are told so that a later run knows them.
#[derive(Debug, Default)]
pub struct Bans {
    /// How long the ban of each key still lasts.
    pub known: BTreeMap<PeerId, Duration>,
    /// Takes each new ban as it happens. Each is paid for with a connection or a chunk, and whoever reads writes them
    /// down at once, so that the channel stays short.
    pub tell: Option<mpsc::UnboundedSender<Ban>>,
}

impl Bans {
    pub(super) fn until(&self) -> BTreeMap<PeerId, Time> {
        self.known.iter().map(|(&peer, &left)| (peer, Time::after_start(left))).collect()
    }
}

/// One ban, with what is known of its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The key.
    pub peer: PeerId,
    /// The rule it broke.
    pub breach: Breach,
    /// The chunk, where the blame is for one.
    pub index: Option<u32>,
    /// SHA-256 of that chunk, where some proof told it before.
    pub expected: Option<Digest>,
    /// SHA-256 of what came, where bytes came.
    pub got: Option<Digest>,
}
