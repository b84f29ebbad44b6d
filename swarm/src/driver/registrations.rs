//! The sessions of a node that take incoming connections, and the choice of the one that a connection is for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minimodel_wire::CloseCode;
use tokio::sync::mpsc;

use super::error::DriverError;
use super::messages::TaskMessage;
use super::opening::Wanted;
use crate::machine::Terms;

/// The registered sessions by swarm id, shared by its clones.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    by_swarm: Arc<Mutex<BTreeMap<[u8; 32], Entry>>>,
    is_shared: bool,
}

#[derive(Debug)]
struct Entry {
    artifact_sha256: [u8; 32],
    inbox: mpsc::Sender<TaskMessage>,
}

impl Sessions {
    /// `is_shared`: any number of sessions may register; see [`super::Incoming`].
    pub(super) fn new(is_shared: bool) -> Self {
        Self { by_swarm: Arc::default(), is_shared }
    }

    /// Lets a session take the incoming connections of its swarm, until the registration is dropped.
    pub(super) fn register(
        &self,
        terms: &Terms,
        inbox: mpsc::Sender<TaskMessage>,
    ) -> Result<Registration, DriverError> {
        let (swarm_id, artifact_sha256) = (terms.swarm_id, terms.artifact_sha256);
        let mut by_swarm = self.lock();
        if by_swarm.contains_key(&swarm_id) {
            return Err(DriverError::SwarmTaken { swarm_id });
        }
        by_swarm.insert(swarm_id, Entry { artifact_sha256, inbox });
        Ok(Registration { sessions: self.clone(), swarm_id })
    }

    /// Returns true while no session takes connections.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Chooses the session for a connection: that of the swarm; else, for a transfer, one of the same artifact, which tells
    /// the peer how the terms differ. Of what names no swarm at all, the first session books the fault. The error is the
    /// close code for a connection that no session takes: on a shared node another swarm may only be paused, or about to
    /// start, so that its peers must not give up for good.
    pub(super) fn choose(&self, wanted: &Wanted) -> Result<mpsc::Sender<TaskMessage>, CloseCode> {
        let by_swarm = self.lock();
        let first = || by_swarm.values().next();
        let chosen = match wanted {
            Wanted::Transfer { swarm_id, artifact_sha256 } => by_swarm
                .get(swarm_id)
                .or_else(|| by_swarm.values().find(|entry| entry.artifact_sha256 == *artifact_sha256)),
            Wanted::Manifest { swarm_id } => by_swarm.get(swarm_id),
            Wanted::Nothing => first(),
        };
        let chosen = if self.is_shared { chosen } else { chosen.or_else(first) };
        let code = if self.is_shared { CloseCode::Busy } else { CloseCode::ShuttingDown };
        chosen.map(|entry| entry.inbox.clone()).ok_or(code)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Entry>> {
        self.by_swarm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one session among those that take connections, released on drop.
#[derive(Debug)]
pub(super) struct Registration {
    sessions: Sessions,
    swarm_id: [u8; 32],
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.swarm_id);
    }
}
