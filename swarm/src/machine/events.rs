//! The whole boundary of the machine: its inputs and its outputs.

use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{CloseCode, Frame, PeerId, ResetCode, SignedOffer, UncheckedOffer};

use super::fault::Breach;
use super::found::FoundPeer;
use super::introductions::{Sent, Side};
pub use super::names::{Ask, Conn, Req};
pub use super::outcomes::{
    KeepOutcome, LeavesOutcome, OfferVerdict, QuotaRefusal, RequestFault, ServeOutcome,
};
pub use super::reports::Event;
use super::site::Site;
use super::user_controls::Controls;

/// A check of an offer's signature. The machine chooses the number and never reuses it within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check(pub u64);

/// A peer that gave chunks of this artifact in an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierPeer {
    /// Its offer, whose signature was checked.
    pub offer: SignedOffer,
    /// The user had named it by an offer. Otherwise a member passed its offer on, or it gave its own.
    pub was_named: bool,
}

/// An event that the driver reports to the machine.
#[derive(Debug, Clone)]
pub enum Input {
    /// The user named a peer to fetch from, by an offer whose signature was checked when it was parsed.
    Source(SignedOffer),
    /// A further peer of a list or a link, whose first offers came as [`Self::Source`].
    Listed(SignedOffer),
    /// A peer that gave chunks of this artifact in an earlier run.
    Earlier(EarlierPeer),
    /// A peer was found that no member and no user named; the user agreed to look there.
    Found(FoundPeer),
    /// The QUIC handshake is done and both keys are proven; `dialed` when we opened the connection.
    Connected {
        /// The new connection.
        conn: Conn,
        /// The key the other side proved.
        peer: PeerId,
        /// The site of the other side's address.
        site: Site,
        /// Whether we opened it.
        dialed: bool,
    },
    /// A dial that ended without a connection; `wrong_key` when another key answered at the address.
    DialFailed {
        /// The peer that was dialed.
        peer: PeerId,
        /// The key that answered instead, if one did.
        wrong_key: Option<PeerId>,
        /// The application code with which the peer refused, if it gave one.
        code: Option<CloseCode>,
    },
    /// A meeting is over: neither side heard the other. It is no dial that failed.
    MeetingEnded {
        /// The peer that was to be met.
        peer: PeerId,
        /// The member that introduced it.
        by: PeerId,
        /// What was sent.
        sent: Sent,
    },
    /// The connection is gone, with the peer's application code where it gave one.
    Closed {
        /// The connection.
        conn: Conn,
        /// The peer's code.
        code: Option<CloseCode>,
    },
    /// A frame came in on the control stream.
    Frame {
        /// The connection.
        conn: Conn,
        /// The frame.
        frame: Frame,
    },
    /// The peer broke a rule of the wire that the driver saw (undecodable frame, forbidden stream).
    Broke {
        /// The connection.
        conn: Conn,
        /// The rule.
        breach: Breach,
    },
    /// The path's round trip, measured by QUIC.
    Rtt {
        /// The connection.
        conn: Conn,
        /// Smoothed round-trip time.
        rtt: Duration,
    },
    /// Bytes of a requested chunk arrived; `received` counts from the chunk's beginning, head excluded.
    Progress {
        /// The request.
        req: Req,
        /// Bytes so far.
        received: u64,
    },
    /// The whole chunk is in the driver's memory, unproven.
    Arrived {
        /// The request.
        req: Req,
    },
    /// The request ended without a chunk.
    Failed {
        /// The request.
        req: Req,
        /// Why.
        fault: RequestFault,
    },
    /// The outcome of [`Output::Keep`].
    Kept {
        /// The request.
        req: Req,
        /// The verdict.
        outcome: KeepOutcome,
    },
    /// The outcome of [`Output::RequestLeaves`].
    Leaves {
        /// The request.
        req: Req,
        /// The verdict.
        outcome: LeavesOutcome,
    },
    /// The outcome of [`Output::Rescan`]: chunks that are on disk without a record and were proven.
    Rescanned {
        /// Their indexes.
        have: Vec<u32>,
    },
    /// A peer requests a chunk.
    Asked {
        /// The new upload request.
        ask: Ask,
        /// The peer's connection.
        conn: Conn,
        /// Which chunk, as sent: not yet checked.
        index: u32,
    },
    /// A peer requests leaf hashes; the driver has checked nothing.
    AskedLeaves {
        /// The new upload request.
        ask: Ask,
        /// The peer's connection.
        conn: Conn,
    },
    /// A peer requests the manifest.
    AskedManifest {
        /// The new upload request.
        ask: Ask,
        /// The peer's connection.
        conn: Conn,
    },
    /// The outcome of [`Output::Serve`], or of an upload request that its peer withdrew.
    Served {
        /// The upload request.
        ask: Ask,
        /// The verdict.
        outcome: ServeOutcome,
    },
    /// A chunk that counted as ours is not good on disk any more.
    ChunkLost {
        /// Which.
        index: u32,
    },
    /// The outcome of [`Output::Reread`].
    Reread {
        /// Which.
        index: u32,
        /// Whether the chunk was read whole and its hash is right.
        is_good: bool,
    },
    /// The file that is shared is no longer the artifact: the share ends.
    SourceChanged,
    /// The user changed the controls.
    Controls(Controls),
    /// Bytes of a requested chunk can be read, and our own rate limit holds them back: the peer is not silent.
    Withheld {
        /// The request.
        req: Req,
    },
    /// The outcome of [`Output::CheckOffer`].
    OfferChecked {
        /// The check.
        check: Check,
        /// The verdict.
        verdict: OfferVerdict,
    },
    /// The calendar time. Unlike [`super::Time`] it always goes on while the computer sleeps. The driver reports it every
    /// minute, and after a jump before any other input.
    Calendar {
        /// Seconds since 1970.
        unix: u64,
    },
    /// Our own offer was signed anew and replaces the last one.
    OwnOffer(SignedOffer),
    /// Take no more work, send Bye with this code, and close.
    Stop(CloseCode),
    /// Only time has passed.
    Tick,
}

/// An action that the machine wants from the driver.
#[derive(Debug, Clone)]
pub enum Output {
    /// Connect to the peer at one of the addresses, and accept no other key.
    Dial {
        /// The key to expect.
        peer: PeerId,
        /// Addresses that the user was given for the peer, in order of preference.
        addresses: Vec<SocketAddr>,
        /// Addresses from passed-on offers. Try them one after the other and only for a moment: the hosts there may have
        /// nothing to do with the peer.
        pex_addresses: Vec<SocketAddr>,
    },
    /// Send a frame on the control stream.
    Send {
        /// The connection.
        conn: Conn,
        /// The frame.
        frame: Frame,
    },
    /// Tell each of two peers of the other, the asker first: with [`Side::told_of`] and the address at which the other is seen, if
    /// that is of the same family and host as when it connected; else tell the asker that there is no address.
    Introduce {
        /// The two.
        sides: [Side; 2],
    },
    /// Send small packets to the addresses, so that a router here lets their packets in, and connect to the peer there if `dials`;
    /// answer with [`Input::MeetingEnded`] if that led to nothing.
    Meet {
        /// The key to expect.
        peer: PeerId,
        /// The member that introduces it.
        by: PeerId,
        /// Where that member sees it, and at most one more address of the same host.
        addresses: Vec<SocketAddr>,
        /// Whether it answers connections.
        dials: bool,
        /// How long to wait before the first packet.
        delay: Duration,
    },
    /// Tell the peer at which address it is seen, now and whenever that changes.
    TellObserved {
        /// The connection.
        conn: Conn,
    },
    /// A peer says at which address it sees us. It may lie.
    Observed {
        /// The connection.
        conn: Conn,
        /// The address.
        address: SocketAddr,
    },
    /// Close the connection with a code, after all that was sent before.
    Close {
        /// The connection.
        conn: Conn,
        /// The code.
        code: CloseCode,
    },
    /// Ask the peer for a chunk.
    Request {
        /// The connection.
        conn: Conn,
        /// The new request.
        req: Req,
        /// Which chunk.
        index: u32,
    },
    /// Withdraw a request. The machine ignores any later input about it.
    Cancel {
        /// The request.
        req: Req,
    },
    /// Prove the chunk that arrived, write it and record it; answer with [`Input::Kept`].
    Keep {
        /// The request.
        req: Req,
        /// Which chunk.
        index: u32,
        /// The peer that supplied it.
        peer: PeerId,
    },
    /// Drop a chunk that arrived twice.
    Discard {
        /// The request.
        req: Req,
    },
    /// Request leaf hashes from the peer, prove and keep them; answer with [`Input::Leaves`].
    RequestLeaves {
        /// The connection.
        conn: Conn,
        /// The new request.
        req: Req,
        /// The first index.
        first: u32,
        /// How many.
        count: u32,
    },
    /// All leaf hashes are known: compare the partial file with them; answer with [`Input::Rescanned`].
    Rescan,
    /// Read a lost chunk again and hash it; answer with [`Input::Reread`].
    Reread {
        /// Which.
        index: u32,
    },
    /// Send the chunk with its proof.
    Serve {
        /// The upload request.
        ask: Ask,
        /// Which chunk; within range, and one that we have.
        index: u32,
    },
    /// Answer a request for leaf hashes.
    ServeLeaves {
        /// The upload request.
        ask: Ask,
    },
    /// Answer a request for the manifest.
    ServeManifest {
        /// The upload request.
        ask: Ask,
    },
    /// Reset the stream of an upload request with a code.
    Refuse {
        /// The upload request.
        ask: Ask,
        /// The code.
        code: ResetCode,
    },
    /// Check the signature of an offer, off the thread that carries out the other outputs; answer with [`Input::OfferChecked`].
    CheckOffer {
        /// The new check.
        check: Check,
        /// The offer, well formed.
        offer: UncheckedOffer,
    },
    /// A report for users and for the record of the transfer.
    Event(Event),
}
