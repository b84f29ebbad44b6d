//! The sessions of a node that take incoming connections, and the choice of the one that a connection is for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minimodel_wire::CloseCode;
use tokio::sync::mpsc;

use super::door::Door;
use super::error::DriverError;
use super::messages::TaskMessage;
use super::opening::Wanted;
use crate::machine::Terms;

/// The registered sessions by swarm id, shared by its clones.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    by_swarm: Arc<Mutex<BySwarm>>,
    is_shared: bool,
}

type BySwarm = BTreeMap<[u8; 32], Registered>;

/// One session: where its connections go, and how it answers knocks.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    pub(super) inbox: mpsc::Sender<TaskMessage>,
    pub(super) door: Door,
}

impl Sessions {
    /// `is_shared`: any number of sessions may register; see [`super::Incoming`].
    pub(super) fn new(is_shared: bool) -> Self {
        Self { by_swarm: Arc::default(), is_shared }
    }

    /// Lets a session take the incoming connections of its swarm, until the registration is dropped.
    pub(super) fn register(&self, terms: &Terms, session: Registered) -> Result<Registration, DriverError> {
        let swarm_id = terms.swarm_id;
        let mut by_swarm = self.lock();
        if by_swarm.contains_key(&swarm_id) {
            return Err(DriverError::SwarmTaken { swarm_id });
        }
        by_swarm.insert(swarm_id, session);
        Ok(Registration { sessions: self.clone(), swarm_id })
    }

    /// Returns true while no session takes connections.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Chooses the session for a connection: that of the swarm. The only session of a node that is not shared takes all others
    /// as well: it tells how the terms differ, and books faults. The error is the close code for a connection that no session
    /// takes. On a shared node what names no swarm is held against no key, since no swarm was broken; and another swarm may
    /// only be paused, or about to start, so that its peers must not give up for good.
    pub(super) fn choose(&self, wanted: &Wanted) -> Result<mpsc::Sender<TaskMessage>, CloseCode> {
        let by_swarm = self.lock();
        let chosen = match wanted {
            Wanted::Swarm(swarm_id) => by_swarm.get(swarm_id),
            Wanted::Nothing(_) => None,
        };
        let only = || by_swarm.values().next().filter(|_| !self.is_shared);
        chosen.or_else(only).map(|session| session.inbox.clone()).ok_or(match wanted {
            _ if !self.is_shared => CloseCode::ShuttingDown,
            Wanted::Swarm(_) => CloseCode::Busy,
            Wanted::Nothing(breach) => breach.consequence().code(),
        })
    }

    /// What the first session gives that `ask` finds; it is asked for all of them, by swarm id.
    pub(super) fn that_answers<T>(&self, ask: impl Fn(&[u8; 32], &Door) -> Option<T>) -> Option<T> {
        self.lock().iter().find_map(|(swarm_id, session)| ask(swarm_id, &session.door))
    }

    fn lock(&self) -> MutexGuard<'_, BySwarm> {
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
