//! The sessions of a running companion: [`Sessions`] with its clock, its randomness and its lock, and the streams that end with them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use minimodel::clock::now_unix;
use minimodel_swarm::os::user_account;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::api::sessions::{CODE_TIME, Code, CodeError, Moment, Opened, Session, Sessions};
use crate::os::{self, Client};

/// All sessions, shared by all handlers. They are kept in memory alone and end with the process.
#[derive(Clone)]
pub(crate) struct SessionTable {
    sessions: Arc<Mutex<Sessions>>,
    /// Changes whenever a session may have ended.
    changed: watch::Sender<()>,
    /// Held while the system is asked whose connection one is: strangers can bring that about, one at a time.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// Why a code may not come from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// Another account has the connection.
    Account,
    /// The system lists no such connection, so its account cannot be told.
    Unlisted,
}

impl SessionTable {
    pub(crate) fn new() -> Self {
        Self { sessions: Arc::default(), changed: watch::Sender::new(()), asking: Arc::default() }
    }

    /// Mints a code, and says until when it is good, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// The system has no randomness to give.
    pub(crate) fn mint(&self) -> Result<(Code, u64), getrandom::Error> {
        let mut random = [0; 24];
        getrandom::fill(&mut random)?;
        let now = now();
        Ok((self.lock().mint(random, now), now.unix.saturating_add(CODE_TIME.as_secs())))
    }

    /// Returns why a code may not come from the client of the connection between these addresses. Where the system tells accounts
    /// (Linux) that must be this account or root: another one may have read a code among the arguments of a process, and is neither
    /// to use it nor to void it.
    pub(crate) async fn stranger(&self, client: SocketAddr, local: SocketAddr) -> Option<Stranger> {
        let _one = self.asking.lock().await;
        let asked = tokio::task::spawn_blocking(move || os::account_of_client(client, local)).await;
        match asked.unwrap_or(Client::Hidden) {
            Client::Account(account) if account != 0 && account != user_account() => Some(Stranger::Account),
            Client::Hidden => Some(Stranger::Unlisted),
            Client::Account(_) | Client::Untold => None,
        }
    }

    /// Opens a session for a code.
    ///
    /// # Errors
    ///
    /// The system has no randomness to give; or, inside, why the code gives none.
    pub(crate) fn redeem(&self, code: &str) -> Result<Result<Opened, CodeError>, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        let opened = self.lock().redeem(code, random, now());
        self.changed.send_replace(());
        Ok(opened)
    }

    /// Returns the session of a token, which counts as used now.
    pub(crate) fn admit(&self, token: &str) -> Option<u64> {
        self.lock().admit(token, now())
    }

    /// Proves to a tab of this session that the companion answers it; `None` if the session has ended.
    pub(crate) fn proof(&self, id: u64, nonce: &str) -> Option<String> {
        self.lock().proof(id, nonce)
    }

    /// Returns all sessions.
    pub(crate) fn all(&self) -> Vec<Session> {
        self.lock().all(now())
    }

    /// Ends a session. Returns false if there is none of this id.
    pub(crate) fn end(&self, id: u64) -> bool {
        let ended = self.lock().end(id);
        self.changed.send_replace(());
        ended
    }

    /// Returns when the session has ended, be it for want of requests.
    pub(crate) async fn ended(&self, id: u64) {
        let mut changed = self.changed.subscribe();
        while let Some(idle) = self.time_left(id) {
            tokio::select! {
                changed = changed.changed() => if changed.is_err() { return },
                () = sleep(idle) => {}
            }
        }
    }

    /// Returns the time after which the session ends if no request comes; `None` if it has ended.
    pub(crate) fn time_left(&self, id: u64) -> Option<Duration> {
        self.lock().time_left(id, now())
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Moment {
    Moment { instant: Instant::now(), unix: now_unix() }
}
