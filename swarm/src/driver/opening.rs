//! The opening of an incoming connection: its control stream up to the first frame that counts, which names the swarm.
//!
//! Nothing is judged here. The bytes that were read go to a session, whose decoder reads them again and whose machine books
//! every fault.

use minimodel_wire::{Decoder, Frame};
use quinn::{Connection, RecvStream, SendStream};
use tokio::time::timeout;

use super::transport::HANDSHAKE;

/// Most bytes that are read before a Hello is whole: room for a Hello and a few frames of the reserved range before it.
const MAX_BYTES: usize = 16 << 10;

/// What an incoming connection asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A Hello.
    Transfer { swarm_id: [u8; 32], artifact_sha256: [u8; 32] },
    /// A `ManifestOnly`.
    Manifest { swarm_id: [u8; 32] },
    /// No Hello came in time, or something else came first.
    Nothing,
}

/// The control stream of a connection when its session takes it over.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Both halves; `None` if the connection ended first, or the peer opened none in time.
    pub(super) control: Option<(SendStream, RecvStream)>,
    /// Bytes of the control stream that were read.
    pub(super) read: Vec<u8>,
    /// The deadline passed. The stream is kept until the close, which its end must not overtake.
    pub(super) is_late: bool,
}

impl Opening {
    /// Opens the control stream of a connection that this node dialed.
    pub(super) async fn dial(connection: &Connection) -> Self {
        match timeout(HANDSHAKE, connection.open_bi()).await {
            Ok(control) => Self { control: control.ok(), ..Self::default() },
            Err(_) => Self { is_late: true, ..Self::default() },
        }
    }

    /// Reads the control stream of an incoming connection until its Hello is whole, it is clear that none comes, or the
    /// deadline.
    pub(super) async fn accept(connection: &Connection) -> (Self, Wanted) {
        let mut opening = Self::default();
        let reading = timeout(HANDSHAKE, opening.read_hello(connection)).await;
        opening.is_late = reading.is_err();
        (opening, reading.unwrap_or(Wanted::Nothing))
    }

    async fn read_hello(&mut self, connection: &Connection) -> Wanted {
        let Ok(control) = connection.accept_bi().await else { return Wanted::Nothing };
        let (_, recv) = self.control.insert(control);
        // The least count: the session judges, by its own, each bitfield that is longer.
        let mut decoder = Decoder::new(Some(1));
        while self.read.len() < MAX_BYTES {
            let Ok(Some(chunk)) = recv.read_chunk(MAX_BYTES - self.read.len(), true).await else { break };
            self.read.extend_from_slice(&chunk.bytes);
            decoder.push(&chunk.bytes);
            loop {
                match decoder.next() {
                    Ok(Some(Frame::Ignored { .. })) => {}
                    Ok(Some(Frame::Hello(hello))) => {
                        let (swarm_id, artifact_sha256) = (hello.swarm_id, hello.artifact_sha256);
                        return Wanted::Transfer { swarm_id, artifact_sha256 };
                    }
                    Ok(Some(Frame::ManifestOnly(only))) => {
                        return Wanted::Manifest { swarm_id: only.swarm_id };
                    }
                    Ok(Some(_)) | Err(_) => return Wanted::Nothing,
                    Ok(None) => break,
                }
            }
        }
        Wanted::Nothing
    }
}
