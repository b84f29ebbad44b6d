//! Acceptance of incoming connections for all sessions of a node, within the places (`newcomers.rs`) and the rates
//! (`arrivals.rs`) of handshakes.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use minimodel_wire::CloseCode;
use quinn::{Connecting, ServerConfig};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

use super::arrivals::Arrivals;
use super::calendar::unix_now;
use super::close::close;
use super::connection::is_violation;
use super::dial::Dialer;
use super::error::DriverError;
use super::knocked;
use super::messages::{Origin, TaskMessage};
use super::newcomers::{PendingHandshakes, Place, Verdict};
use super::observed::Observations;
use super::opening::{Opening, Wanted};
use super::registrations::{Registered, Registration, Sessions};
use super::tls::peer_of;
use super::transport::{self, HANDSHAKE};
use crate::machine::{Site, Terms, Time};

/// The listening side of a node. Its accept loop starts with the first session, and ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    server: ServerConfig,
    sessions: Sessions,
    accepting: Arc<OnceLock<AcceptTask>>,
}

impl Listener {
    /// `is_shared`: any number of sessions may listen; see [`super::Incoming`].
    pub(super) fn new(server: ServerConfig, is_shared: bool) -> Self {
        Self { server, sessions: Sessions::new(is_shared), accepting: Arc::default() }
    }

    /// Lets a session take the incoming connections of its swarm, until the registration is dropped. Must be called within
    /// the runtime.
    pub(super) fn register(
        &self,
        dialer: &Dialer,
        terms: &Terms,
        session: Registered,
    ) -> Result<Registration, DriverError> {
        let registration = self.sessions.register(terms, session)?;
        self.start(dialer);
        Ok(registration)
    }

    /// Starts the accept loop, unless it runs. While no session is registered it ignores first packets, which QUIC would
    /// otherwise keep. Must be called within the runtime.
    pub(super) fn start(&self, dialer: &Dialer) {
        self.accepting.get_or_init(|| {
            let accepting = run(dialer.clone(), self.server.clone(), self.sessions.clone());
            AcceptTask(tokio::spawn(accepting).abort_handle())
        });
    }
}

/// The accept loop, which ends on drop.
#[derive(Debug)]
struct AcceptTask(AbortHandle);

impl Drop for AcceptTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Accepts connections until the endpoint closes.
async fn run(dialer: Dialer, server: ServerConfig, sessions: Sessions) {
    let pending = PendingHandshakes::default();
    let (start, mut arrivals) = (Instant::now(), Arrivals::new());
    let mut handshakes: JoinSet<()> = JoinSet::new();
    while let Some(incoming) = dialer.endpoint.accept().await {
        while handshakes.try_join_next().is_some() {}
        if sessions.is_empty() {
            incoming.ignore();
            continue;
        }
        let remote = incoming.remote_address();
        let is_proven = incoming.remote_address_validated();
        let now = Time::after_start(start.elapsed());
        let mut verdict = pending.verdict(remote.ip(), is_proven, now);
        if verdict == Verdict::LetIn && !arrivals.may_come(now, is_proven.then(|| Site::of(remote.ip()))) {
            verdict = if is_proven { Verdict::Ignore } else { Verdict::Prove };
        }
        match verdict {
            Verdict::LetIn => {}
            Verdict::Prove if incoming.may_retry() => {
                // A client that cannot receive at its claimed address never comes back: the Retry filters it out.
                let _ = incoming.retry();
                continue;
            }
            Verdict::Prove | Verdict::Ignore => {
                // Not answered: a reply of any kind would cost more than the flood does.
                incoming.ignore();
                continue;
            }
        }
        let config = transport::server_for(&server, dialer.path(remote));
        // A first packet that does not decrypt opens no connection.
        let Ok(connecting) = incoming.accept_with(config) else { continue };
        let (place, must_go) = pending.take(remote.ip(), is_proven, now);
        let observations = dialer.observations.clone();
        handshakes.spawn(shake_hands(connecting, place, must_go, sessions.clone(), observations));
    }
}

/// Completes a handshake, reads which swarm the peer asks for, and hands the connection to its session. The newcomer holds
/// its place meanwhile, and gives way to another when it must.
async fn shake_hands(
    connecting: Connecting,
    place: Place,
    mut must_go: oneshot::Receiver<()>,
    sessions: Sessions,
    observations: Arc<Observations>,
) {
    let from = connecting.remote_address();
    let connected = tokio::select! {
        _ = &mut must_go => return,
        connected = tokio::time::timeout(HANDSHAKE, connecting) => connected,
    };
    let Ok(Ok(connection)) = connected else { return };
    // A completed handshake proves the address: the peer has received what was sent there.
    place.prove();
    if knocked::is_knock(&connection) {
        // A knock has its own short time, and holds the place of a newcomer meanwhile.
        return tokio::select! {
            _ = &mut must_go => close(&connection, CloseCode::Busy),
            () = knocked::answer(&connection, from, &sessions) => {}
        };
    }
    let Some(peer) = peer_of(&connection) else { return close(&connection, CloseCode::NotAllowed) };
    observations.came(observations.now(), peer, from, unix_now());
    let (opening, wanted) = tokio::select! {
        _ = &mut must_go => return close(&connection, CloseCode::Busy),
        opened = Opening::accept(&connection) => opened,
    };
    place.introduce();
    let ended = connection.close_reason();
    if matches!(wanted, Wanted::Nothing(_)) && ended.is_some_and(|error| !is_violation(&error)) {
        // A peer that is gone before its Hello has done nothing that a session would book.
        return;
    }
    let inbox = match sessions.choose(&wanted) {
        Ok(inbox) => inbox,
        Err(code) => return close(&connection, code),
    };
    transport::widen(&connection);
    let origin = Origin::Accepted { opening, place };
    let message = TaskMessage::Connected { connection: connection.clone(), from, peer, origin };
    // The place is one of all swarms': a session that is busy for so long must not hold it.
    match tokio::time::timeout(HANDSHAKE, inbox.send(message)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => close(&connection, CloseCode::ShuttingDown),
        Err(_) => close(&connection, CloseCode::Busy),
    }
}
