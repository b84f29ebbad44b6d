//! Attacks on a fetcher: a seeder that does one thing wrong.

mod answers;
pub(crate) mod frames;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use minimodel_wire::{Consent, Frame, Offer, PeerId, SignedOffer};
use quinn::{Connection, Endpoint, EndpointConfig, Incoming, TokioRuntime};
use tokio::task::JoinSet;

use crate::model::Model;
use crate::net::{self, Peer};
use crate::seen::{Ended, Seen};
use crate::session::{Tampered, Tampering};
use crate::socket::{self, Loss};
use crate::tls::{Identity, Shown};
use crate::trick::{Side, Trick};

/// A hostile seeder that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    trick: Trick,
    offer: SignedOffer,
    identity: Identity,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Listens on loopback. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// A trick that no server can play, or no socket.
    pub fn start(trick: Trick, model: Model) -> Result<Self> {
        anyhow::ensure!(trick.sides().contains(&Side::Server), "{trick} is played by whoever dials");
        let offered = Identity::new()?;
        // The offer promises the key of `offered`.
        let identity = if trick == Trick::OtherKey { Identity::new()? } else { offered.clone() };
        let shown = if trick == Trick::OtherScheme { Shown::P256 } else { Shown::Own };
        let ignores_limits = matches!(trick, Trick::UniStream | Trick::OpensStream | Trick::AsksTheAsker);
        let endpoint = listen(&identity, shown, Tampering { ignores_limits, ..Tampering::default() })?;
        let offer = offer(&offered, *model.manifest.swarm_id(), endpoint.local_addr()?)?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(endpoint, trick, model, seen.clone()));
        Ok(Self { trick, offer, identity, seen, _tasks: tasks })
    }

    /// The trick that the server plays.
    pub fn trick(&self) -> Trick {
        self.trick
    }

    /// The signed offer of the server, as text.
    pub fn offer(&self) -> String {
        self.offer.to_string()
    }

    /// Its peer id.
    pub fn peer(&self) -> PeerId {
        self.offer.offer().peer
    }

    /// The key that it shows.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How the first connection ended; waits for that, with a limit.
    pub fn first_seen(&self) -> Seen {
        let until = Instant::now() + net::PATIENCE;
        loop {
            match self.seen().into_iter().next() {
                Some(seen) => return seen,
                None if Instant::now() > until => return Seen::only(Ended::Never("nobody came".to_owned())),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// The results of all connections that have ended so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) fn listen(identity: &Identity, shown: Shown, tampering: Tampering) -> Result<Endpoint> {
    let inner = Arc::new(identity.server(shown)?);
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(Tampered { inner, tampering }));
    config.transport_config(net::transport(1 << 20));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = socket::bind(address, Loss::None).context("no socket")?;
    let runtime = Arc::new(TokioRuntime);
    Ok(Endpoint::new_with_abstract_socket(EndpointConfig::default(), Some(config), socket, runtime)?)
}

fn offer(identity: &Identity, swarm_id: [u8; 32], address: SocketAddr) -> Result<SignedOffer> {
    let expires_unix = net::in_an_hour();
    let offer = Offer { peer: identity.id(), swarm_id, addresses: vec![address], expires_unix };
    Ok(SignedOffer::sign(offer, identity.key())?)
}

async fn accept(endpoint: Endpoint, trick: Trick, model: Model, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut visits = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        let (model, seen) = (model.clone(), seen.clone());
        visits.spawn(async move {
            let one = visit(incoming, trick, &model).await;
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        });
    }
}

async fn visit(incoming: Incoming, trick: Trick, model: &Model) -> Seen {
    let connection = match incoming.await {
        Ok(connection) => connection,
        Err(error) => return Seen::only(Ended::of(&error)),
    };
    let mut seen = Seen::only(Ended::Open);
    // An error here is the fetcher's answer, which is seen at the end of the connection.
    let _ = serve(&connection, trick, model, &mut seen).await;
    seen.ended = Ended::of(&connection.closed().await);
    seen
}

async fn serve(connection: &Connection, trick: Trick, model: &Model, seen: &mut Seen) -> Result<()> {
    let mut peer = Peer::new(connection.clone(), connection.accept_bi().await?);
    if frames::is_one(trick) {
        // The trick is in the frames alone; nothing more is sent.
        frames::play(trick, &mut peer, model, Consent::SERVE).await?;
        connection.closed().await;
        return Ok(());
    }
    if trick == Trick::AsksTheAsker {
        let _asked = peer.ask(&minimodel_wire::Request::Chunk { index: 0 }.encode()).await?;
        connection.closed().await;
        return Ok(());
    }
    if answers::is_of_a_manifest(trick) {
        peer.send(&Frame::Hello(model.hello(Consent::SERVE))).await?;
    } else {
        let mut have = model.all();
        if trick == Trick::OtherIndex {
            // The last chunk may have a length of its own, so that no other chunk can be sent for it.
            have.clear(model.count - 1);
        }
        peer.introduce_as(model.hello(Consent::SERVE), have).await?;
        if trick != Trick::Chokes {
            peer.send(&Frame::Unchoke).await?;
        }
    }
    match trick {
        Trick::UniStream => {
            let mut send = connection.open_uni().await?;
            let _ = send.write_all(b"unasked").await;
            // Dropping the stream would finish it, which is another fault.
            connection.closed().await;
        }
        Trick::OpensStream => {
            let _asked = peer.ask(&minimodel_wire::Request::Chunk { index: 0 }.encode()).await?;
            connection.closed().await;
        }
        Trick::HostileReason => {
            let _asked = connection.accept_bi().await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
            connection.close(22u32.into(), frames::ESCAPES);
        }
        _ => answers::all(connection, trick, model, seen).await?,
    }
    Ok(())
}
