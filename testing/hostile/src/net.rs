//! Connections of the hostile side: as the protocol requires them, except for what a trick changes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use minimodel_wire::{ALPN, Bitfield, Consent, Decoder, Frame, Hello, PeerId, Request, SignedOffer};
use quinn::{
    Connection, ConnectionError, Endpoint, EndpointConfig, RecvStream, SendStream, TokioRuntime,
    TransportConfig, VarInt,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::model::Model;
use crate::seen::Ended;
use crate::session::{Tampered, Tampering};
use crate::socket::{self, Loss};
use crate::tls::{Identity, Shown};

/// Longer than every timeout of the target: 20 s for an answer that is not read, and a margin.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for something that comes at once or never.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// When an offer of the hostile side ends, in seconds since 1970.
pub(crate) fn in_an_hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() + 3_600
}

/// The peer under attack.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The key that the target should show.
    pub peer: PeerId,
    /// Where the target listens.
    pub address: SocketAddr,
}

impl Target {
    /// The first address of an offer.
    ///
    /// # Errors
    ///
    /// An offer without an address.
    pub fn of(offer: &SignedOffer) -> Result<Self> {
        let address = *offer.offer().addresses.first().context("the offer names no address")?;
        Ok(Self { peer: offer.offer().peer, address })
    }
}

/// How the hostile side appears to the target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guise {
    pub(crate) shown: Shown,
    pub(crate) alpn: &'static [u8],
    pub(crate) tampering: Tampering,
    pub(crate) loss: Loss,
    /// Bytes that the target may send on a stream, and on all streams together.
    pub(crate) window: u32,
    /// The local address.
    pub(crate) from: IpAddr,
}

impl Default for Guise {
    fn default() -> Self {
        Self {
            shown: Shown::Own,
            alpn: ALPN,
            tampering: Tampering::default(),
            loss: Loss::None,
            window: 1 << 20,
            from: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

pub(crate) fn transport(window: u32) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(256))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(window))
        .receive_window(VarInt::from_u32(window.saturating_mul(4)))
        .keep_alive_interval(Some(Duration::from_secs(5)));
    Arc::new(config)
}

/// An endpoint on a socket of its own, which the target sees as the peer's address.
pub(crate) fn endpoint(guise: &Guise) -> Result<Endpoint> {
    let socket = socket::bind(SocketAddr::new(guise.from, 0), guise.loss).context("no socket")?;
    Ok(Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?)
}

pub(crate) fn client_config(identity: &Identity, guise: &Guise) -> Result<quinn::ClientConfig> {
    let inner = Arc::new(identity.client(guise.shown, guise.alpn)?);
    let mut config = quinn::ClientConfig::new(Arc::new(Tampered { inner, tampering: guise.tampering }));
    config.transport_config(transport(guise.window));
    Ok(config)
}

/// Dials; the inner error is the target's answer.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    target: &Target,
    identity: &Identity,
    guise: &Guise,
) -> Result<Result<Connection, ConnectionError>> {
    let config = client_config(identity, guise)?;
    let connecting = endpoint.connect_with(config, target.address, "minimodel")?;
    Ok(timeout(PATIENCE, connecting).await.unwrap_or(Err(ConnectionError::TimedOut)))
}

/// A connection with its control stream.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) control: SendStream,
    frames: mpsc::Receiver<Frame>,
    /// The task that reads the target's frames; it returns the stream at the end of the control stream.
    pub(crate) reader: tokio::task::JoinHandle<RecvStream>,
}

impl Peer {
    pub(crate) fn new(connection: Connection, (control, recv): (SendStream, RecvStream)) -> Self {
        let (heard, frames) = mpsc::channel(1 << 12);
        let reader = tokio::spawn(read_frames(recv, heard));
        Self { connection, control, frames, reader }
    }

    /// Opens the control stream.
    pub(crate) async fn open(connection: Connection) -> Result<Self> {
        let control = connection.open_bi().await?;
        Ok(Self::new(connection, control))
    }

    pub(crate) async fn send(&mut self, frame: &Frame) -> Result<()> {
        Ok(self.control.write_all(&frame.encode()).await?)
    }

    /// Sends a Hello and a Bitfield: with a consent to serve the whole file, otherwise of no chunk.
    pub(crate) async fn introduce(&mut self, model: &Model, consent: Consent) -> Result<()> {
        let have = if consent.contains(Consent::SERVE) { model.all() } else { model.none() };
        self.introduce_as(model.hello(consent), have).await
    }

    /// Sends a Hello, waits for the target's Bitfield, and sends `have` as its own.
    pub(crate) async fn introduce_as(&mut self, hello: Hello, have: Bitfield) -> Result<()> {
        self.send(&Frame::Hello(hello)).await?;
        self.hear(|frame| matches!(frame, Frame::Bitfield(_))).await.context("no bitfield came")?;
        self.send(&Frame::Bitfield(have)).await
    }

    /// Sends `Interested`, and waits for `Unchoke`.
    pub(crate) async fn become_served(&mut self) -> Result<()> {
        self.send(&Frame::Interested).await?;
        self.hear(|frame| matches!(frame, Frame::Unchoke)).await.context("it was never our turn")?;
        Ok(())
    }

    /// The next frame of a kind; `None` when the stream ended or it did not come.
    pub(crate) async fn hear(&mut self, is_it: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let hear = async {
            while let Some(frame) = self.frames.recv().await {
                if is_it(&frame) {
                    return Some(frame);
                }
            }
            None
        };
        timeout(PATIENCE, hear).await.ok().flatten()
    }

    /// Opens a stream and sends a request.
    pub(crate) async fn ask(&self, request: &[u8]) -> Result<(SendStream, RecvStream)> {
        let (mut send, recv) = self.connection.open_bi().await?;
        send.write_all(request).await?;
        send.finish()?;
        Ok((send, recv))
    }

    /// Requests a chunk and reads the answer.
    pub(crate) async fn take(&self, index: u32) -> Result<Answer> {
        let (_, mut recv) = self.ask(&Request::Chunk { index }.encode()).await?;
        Ok(read_answer(&mut recv).await)
    }

    /// Waits for the end; `Open` if none comes in time.
    pub(crate) async fn end_within(&self, patience: Duration) -> Ended {
        match timeout(patience, self.connection.closed()).await {
            Ok(error) => Ended::of(&error),
            Err(_) => Ended::Open,
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Bytes(Vec<u8>),
    Reset(u64),
    Lost,
}

pub(crate) async fn read_answer(recv: &mut RecvStream) -> Answer {
    match timeout(PATIENCE, recv.read_to_end(64 << 20)).await {
        Ok(Ok(bytes)) => Answer::Bytes(bytes),
        Ok(Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code)))) => {
            Answer::Reset(code.into_inner())
        }
        _ => Answer::Lost,
    }
}

/// Reads frames until the stream ends. Invalid frames stop the decoding quietly: the hostile side does not judge the
/// target.
async fn read_frames(mut recv: RecvStream, heard: mpsc::Sender<Frame>) -> RecvStream {
    let mut decoder = Decoder::new(None);
    while let Ok(Some(chunk)) = recv.read_chunk(64 << 10, true).await {
        decoder.push(&chunk.bytes);
        while let Ok(Some(frame)) = decoder.next() {
            // A frame is dropped when the queue is full or closed.
            let _ = heard.try_send(frame);
        }
    }
    recv
}
