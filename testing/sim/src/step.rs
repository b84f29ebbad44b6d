//! Kinds of events in a world.

use std::io;
use std::time::Duration;

use minimodel_swarm::machine::{Ask, Input, KeepOutcome, Req, Time};
use minimodel_wire::{CloseCode, Frame, ResetCode};

use crate::artifact::Payload;
use crate::internet::Transit;
use crate::peer::{LinkNo, PeerNo};

/// Which end of a connection: the one that dialed or the one that accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Dialer,
    Acceptor,
}

impl Side {
    pub(crate) fn at(self) -> usize {
        usize::from(self == Self::Acceptor)
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}

/// An event, executed at its time.
#[derive(Debug)]
pub(crate) enum Step {
    /// The peer's process starts; the number counts its starts.
    Join(PeerNo, u32),
    /// A machine asked to be called.
    Tick(PeerNo),
    /// An input that belongs to no connection, for the numbered run of the machine.
    Tell(PeerNo, u32, Input),
    /// A handshake is done at one end.
    Connected(LinkNo, Side),
    /// The store's verdict on a chunk.
    Verdict(PeerNo, u32, Req, KeepOutcome),
    /// The whole file is checked and gets its name.
    Finish(PeerNo, u32),
    /// The disk of this run failed, so the process ends; its user runs it again.
    DiskFailed(PeerNo, u32),
    /// The check for a due sync, twice a second while a process with a real store runs.
    Moment(PeerNo, u32),
    /// The requesting peer has read nothing of this answer for twenty seconds.
    Unread(PeerNo, u64),
    /// A frame reaches this end.
    FrameIn(LinkNo, Side, Frame),
    /// This end learns that the connection is gone.
    ClosedAt(LinkNo, Side, Option<CloseCode>),
    /// The request of the other end reaches this end.
    AskIn(LinkNo, Side, Req, Wanted),
    /// The other end gave a request up.
    StopIn(LinkNo, Side, Req),
    /// This end's request was refused.
    ResetIn(LinkNo, Side, Req, ResetCode),
    /// A stream that was given up is free again.
    StreamFree(LinkNo, Side),
    /// The uplink of a peer has sent a piece of this transfer.
    PieceSent(PeerNo, u64, LinkNo, u64),
    /// The other end acknowledged bytes that this end sent.
    Acked(LinkNo, Side, u64),
    /// A piece reached this end.
    PieceIn(LinkNo, Side, Piece),
    /// A second passed for a trickling transfer.
    Drip(PeerNo, u64),
    /// Leaf hashes reached this end; true if they are right.
    LeavesIn(LinkNo, Side, Req, bool),
    /// A packet of an attempt is sent: the first of a handshake, or one that only opens routers.
    Sends(u64, bool),
    /// It reaches the router in front of whom it is for, or the peer itself.
    Arrives(u64, Transit, bool),
    /// An attempt is given up.
    Ends(u64),
    /// A hostile peer misbehaves.
    Mischief(LinkNo, Side),
    /// An action of the scenario.
    Scripted(Scripted),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Chunk(u32),
    /// First leaf hash and their number.
    Leaves(u32, u32),
}

#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) req: Req,
    pub(crate) bytes: u64,
    pub(crate) corrupt: bool,
    pub(crate) last: bool,
    /// The whole chunk, with its last piece, in a world with real bytes.
    pub(crate) payload: Option<Payload>,
}

/// What a scenario does to its peers.
#[derive(Debug, Clone, Copy)]
pub enum Scripted {
    /// The process shuts down in order and closes its connections.
    Stop(PeerNo),
    /// The process is killed; other peers notice by the idle timeout of half a minute.
    Kill(PeerNo),
    /// A stopped or killed process starts again with what is on its disk.
    Restart(PeerNo),
    /// All connections of the peer break; both ends notice.
    Cut(PeerNo),
    /// The process is suspended until then; its path holds what arrives.
    Suspend(PeerNo, Time),
    /// The process starts again with an empty disk.
    Forget(PeerNo),
    /// A chunk on the peer's disk turns bad and the process notices.
    Lose(PeerNo, u32),
    /// The power fails; what was not synced is lost, or torn as the seed decides.
    PowerLoss(PeerNo, Option<u64>),
    /// The disk call after so many others fails with this OS error.
    FailCall(PeerNo, u64, io::ErrorKind),
    /// The peer's disk has room for so many bytes; `None`: without a limit.
    Room(PeerNo, Option<u64>),
    /// The uplink carries so many bytes a second from now on.
    Rate(PeerNo, u64),
    /// The peer's disk does nothing until then.
    StallDisk(PeerNo, Time),
    /// A chunk goes bad on the disk of a process that does not run.
    Rot(PeerNo, u32),
    /// A chunk goes bad under a finished file that is shared.
    RotShare(PeerNo, u32),
    /// A partition until then, between the peers whose bit is set and the rest.
    Split(u64, Time),
    /// The peer gets another address and another path; its connections live on.
    Rebind(PeerNo, Duration),
    /// The peer's calendar is wrong by so many seconds from now on.
    SetClock(PeerNo, i64),
}

/// An answer that is being sent.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) link: LinkNo,
    pub(crate) side: Side,
    pub(crate) ask: Ask,
    pub(crate) req: Req,
    pub(crate) len: u64,
    pub(crate) sent: u64,
    pub(crate) corrupt: bool,
    /// The connection ends after this many bytes.
    pub(crate) breaks_at: Option<u64>,
    pub(crate) payload: Option<Payload>,
    /// When its latest piece arrives: a stream keeps its order.
    pub(crate) last_at: Time,
}
