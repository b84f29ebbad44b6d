//! A man in the middle: it answers at an address that a seeder advertises, ends TLS with a key of its own, and dials the
//! seeder in the dialer's place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream};
use tokio::task::JoinSet;

use crate::net::{self, Guise, Target};
use crate::server::listen;
use crate::session::Tampering;
use crate::tls::{Identity, Shown};

/// A relay that runs until it is dropped.
#[derive(Debug)]
pub struct Relay {
    endpoint: Endpoint,
    identity: Identity,
    relayed: Arc<AtomicU64>,
    visits: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Relay {
    /// Binds an address; connections are not relayed yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// No socket.
    pub fn bind() -> Result<Self> {
        let identity = Identity::new()?;
        let endpoint = listen(&identity, Shown::Own, Tampering::default())?;
        Ok(Self {
            endpoint,
            identity,
            relayed: Arc::default(),
            visits: Arc::default(),
            tasks: JoinSet::new(),
        })
    }

    /// The address that the seeder should advertise.
    ///
    /// # Errors
    ///
    /// The socket is gone.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.endpoint.local_addr()?)
    }

    /// The key that the relay shows to both sides.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Starts to relay every incoming connection to `target`.
    pub fn run(&mut self, target: Target) {
        let (endpoint, identity) = (self.endpoint.clone(), self.identity.clone());
        let (relayed, visits) = (self.relayed.clone(), self.visits.clone());
        self.tasks.spawn(async move {
            let mut carriers = JoinSet::new();
            while let Some(incoming) = endpoint.accept().await {
                visits.fetch_add(1, Ordering::Relaxed);
                carriers.spawn(carry(incoming, target, identity.clone(), relayed.clone()));
            }
        });
    }

    /// Number of incoming connections.
    pub fn visits(&self) -> u64 {
        self.visits.load(Ordering::Relaxed)
    }

    /// Bytes of streams that the relay could read.
    pub fn relayed(&self) -> u64 {
        self.relayed.load(Ordering::Relaxed)
    }
}

async fn carry(incoming: Incoming, target: Target, identity: Identity, relayed: Arc<AtomicU64>) {
    let Ok(dialer) = incoming.await else { return };
    let Ok(endpoint) = net::endpoint(&Guise::default()) else { return };
    let Ok(Ok(seeder)) = net::dial(&endpoint, &target, &identity, &Guise::default()).await else { return };
    let mut pipes = JoinSet::new();
    while let Ok(from) = dialer.accept_bi().await {
        pipes.spawn(pipe(from, seeder.clone(), relayed.clone()));
    }
}

async fn pipe((back, from): (SendStream, RecvStream), seeder: Connection, relayed: Arc<AtomicU64>) {
    let Ok((to, answer)) = seeder.open_bi().await else { return };
    tokio::join!(copy(from, to, &relayed), copy(answer, back, &relayed));
}

async fn copy(mut from: RecvStream, mut to: SendStream, relayed: &AtomicU64) {
    while let Ok(Some(chunk)) = from.read_chunk(64 << 10, true).await {
        relayed.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
        if to.write_chunk(chunk.bytes).await.is_err() {
            return;
        }
    }
}
