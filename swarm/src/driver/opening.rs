//! The opening of an incoming connection: its control stream up to the first frame that counts, which names the swarm.
//!
//! The bytes that were read go to the session of that swarm, whose decoder reads them again and whose machine books every
//! fault. What names no swarm ends with the code of its breach.

use minimodel_wire::{DecodeError, Decoder, Frame, FrameKind};
use quinn::{Connection, RecvStream, SendStream};
use tokio::time::timeout;

use super::control_stream::read_more;
use super::transport::HANDSHAKE;
use crate::machine::Breach;

/// Most bytes that are read before a Hello is whole: room for a Hello and a few frames of the reserved range before it.
const MAX_BYTES: usize = 16 << 10;

/// What an incoming connection asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The swarm of its `Hello` or `ManifestOnly`.
    Swarm([u8; 32]),
    /// No swarm: no Hello came in time, or something else came first.
    Nothing(Breach),
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
        (opening, reading.unwrap_or(Wanted::Nothing(Breach::NoHello)))
    }

    async fn read_hello(&mut self, connection: &Connection) -> Wanted {
        // An error is the end of the connection.
        let Ok(control) = connection.accept_bi().await else { return Wanted::Nothing(Breach::NoHello) };
        let (_, recv) = self.control.insert(control);
        // The least count: the session judges, by its own, each bitfield that is longer.
        let mut decoder = Decoder::new(Some(1));
        while self.read.len() < MAX_BYTES {
            match read_more(recv, &mut decoder, MAX_BYTES - self.read.len()).await {
                Ok(Ok(bytes)) => self.read.extend_from_slice(&bytes),
                Ok(Err(breach)) => return Wanted::Nothing(breach),
                Err(_) => return Wanted::Nothing(Breach::NoHello),
            }
            loop {
                match decoder.next() {
                    Ok(Some(Frame::Ignored { .. })) => {}
                    Ok(Some(Frame::Hello(hello))) => return Wanted::Swarm(hello.swarm_id),
                    Ok(Some(Frame::ManifestOnly(only))) => return Wanted::Swarm(only.swarm_id),
                    Ok(Some(_)) => return Wanted::Nothing(Breach::WrongState),
                    Err(error) => return Wanted::Nothing(breach_of_first(&error)),
                    Ok(None) => break,
                }
            }
        }
        Wanted::Nothing(Breach::ControlFlood)
    }
}

/// The breach of a frame that does not decode.
pub(super) fn breach_of(error: &DecodeError) -> Breach {
    match error {
        DecodeError::ObservedAddress { .. } | DecodeError::MemberKey { .. } => Breach::OddHearsay,
        error => Breach::Malformed(error.close_code()),
    }
}

/// The breach of a first frame that does not decode, or that does for another artifact: that one comes at the wrong time.
fn breach_of_first(error: &DecodeError) -> Breach {
    match error {
        DecodeError::IndexOutOfRange { .. }
        | DecodeError::BitfieldCount { .. }
        | DecodeError::FrameTooLarge { kind: FrameKind::Bitfield, .. } => Breach::WrongState,
        error => breach_of(error),
    }
}
