//! The whole boundary of the machine: what it is told, and what it wants done.

use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{CloseCode, Frame, PeerId, ResetCode, SignedOffer, UncheckedOffer};

use super::controls::Controls;
use super::fault::Breach;
pub use super::names::{Ask, Conn, Req};
pub use super::outcomes::{KeepOutcome, LeavesOutcome, OfferVerdict, RequestFault, ServeOutcome};
use super::site::Site;

/// A check of a signature, named by the machine; never reused within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check(pub u64);

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// The user named a peer to fetch from, by an offer whose signature was checked when it was parsed.
    Source(SignedOffer),
    /// The QUIC handshake is done and both keys are proven; `dialed` when we opened the connection.
    Connected {
        /// The new connection.
        conn: Conn,
        /// The key the other side proved.
        peer: PeerId,
        /// Where the other side is.
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
        /// How.
        fault: RequestFault,
    },
    /// What came of [`Output::Keep`].
    Kept {
        /// The request.
        req: Req,
        /// The verdict.
        outcome: KeepOutcome,
    },
    /// What came of [`Output::RequestLeaves`].
    Leaves {
        /// The request.
        req: Req,
        /// The verdict.
        outcome: LeavesOutcome,
    },
    /// What came of [`Output::Rescan`]: chunks that are on disk and proven after all.
    Rescanned {
        /// Their indexes.
        have: Vec<u32>,
    },
    /// A peer asks for a chunk.
    Asked {
        /// The new ask.
        ask: Ask,
        /// Who asks.
        conn: Conn,
        /// Which chunk, as sent: not yet checked.
        index: u32,
    },
    /// A peer asks for leaf hashes; the driver has checked nothing.
    AskedLeaves {
        /// The new ask.
        ask: Ask,
        /// Who asks.
        conn: Conn,
    },
    /// A peer asks for the manifest.
    AskedManifest {
        /// The new ask.
        ask: Ask,
        /// Who asks.
        conn: Conn,
    },
    /// What came of [`Output::Serve`] or of an ask that its peer withdrew.
    Served {
        /// The ask.
        ask: Ask,
        /// The verdict.
        outcome: ServeOutcome,
    },
    /// A chunk that we thought we have is not good on disk any more.
    ChunkLost {
        /// Which.
        index: u32,
    },
    /// What came of [`Output::Reread`].
    Reread {
        /// Which.
        index: u32,
        /// Whether it was read whole and hashes right.
        is_good: bool,
    },
    /// The file that is shared is no longer the artifact: the share ends.
    SourceChanged,
    /// Our user wants something else from now on.
    Controls(Controls),
    /// Bytes of a requested chunk are here, and our own rate does not let us take them yet: no silence of the peer's.
    Withheld {
        /// The request.
        req: Req,
    },
    /// What came of [`Output::CheckOffer`].
    OfferChecked {
        /// The check.
        check: Check,
        /// The verdict.
        verdict: OfferVerdict,
    },
    /// What the calendar says now. It goes on while the machine sleeps, which [`super::Time`] need not: to be told every
    /// minute, and when it has jumped before anything else is told.
    Calendar {
        /// Seconds since 1970.
        unix: u64,
    },
    /// Our own offer was signed anew: it takes the place of the last one.
    OwnOffer(SignedOffer),
    /// Stop taking work, and say goodbye with this code.
    Stop(CloseCode),
    /// Nothing happened but time.
    Tick,
}

/// Something to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Connect to the peer at one of the addresses, and accept no other key.
    Dial {
        /// The key to expect.
        peer: PeerId,
        /// Where our user was told that it is, in order of preference.
        addresses: Vec<SocketAddr>,
        /// Where peers say that it is: to be tried one after the other and for a moment, since whoever is there may
        /// have nothing to do with it.
        hearsay: Vec<SocketAddr>,
    },
    /// Send a frame on the control stream.
    Send {
        /// The connection.
        conn: Conn,
        /// The frame.
        frame: Frame,
    },
    /// Close the connection with a code, after what was sent before.
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
    /// Withdraw a request; nothing more about it will be believed.
    Cancel {
        /// The request.
        req: Req,
    },
    /// Prove the chunk that arrived, write it, record it; answer with [`Input::Kept`].
    Keep {
        /// The request.
        req: Req,
        /// Which chunk.
        index: u32,
        /// Who supplied it.
        peer: PeerId,
    },
    /// Forget a chunk that arrived twice.
    Discard {
        /// The request.
        req: Req,
    },
    /// Ask the peer for leaf hashes, prove them, keep them; answer with [`Input::Leaves`].
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
    /// All leaf hashes are known: hold the partial file against them; answer with [`Input::Rescanned`].
    Rescan,
    /// Read a chunk that was lost once more and hash it; answer with [`Input::Reread`].
    Reread {
        /// Which.
        index: u32,
    },
    /// Send the chunk with its proof.
    Serve {
        /// The ask.
        ask: Ask,
        /// Which chunk; within range, and ours.
        index: u32,
    },
    /// Answer the ask for leaf hashes.
    ServeLeaves {
        /// The ask.
        ask: Ask,
    },
    /// Answer the ask for the manifest.
    ServeManifest {
        /// The ask.
        ask: Ask,
    },
    /// Reset the asking stream with a code.
    Refuse {
        /// The ask.
        ask: Ask,
        /// The code.
        code: ResetCode,
    },
    /// Check the signature of an offer, away from the thread that carries out the rest; answer with
    /// [`Input::OfferChecked`].
    CheckOffer {
        /// The new check.
        check: Check,
        /// The offer, well formed.
        offer: UncheckedOffer,
    },
    /// Something that people or the record want to know.
    Event(Event),
}

/// What people and the record want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer of this swarm is connected and its Hello agrees with ours.
    Joined {
        /// Who.
        peer: PeerId,
        /// Its software name, text from outside.
        software: String,
        /// Whether it has every chunk.
        seed: bool,
    },
    /// A peer is gone.
    Left {
        /// Who.
        peer: PeerId,
        /// The code, its or ours.
        code: Option<CloseCode>,
    },
    /// A connection or a dial ended in a refusal that will not change by trying again.
    Refused {
        /// Who.
        peer: PeerId,
        /// Why.
        code: CloseCode,
        /// Whether the other side said so (or we).
        by_peer: bool,
    },
    /// Another key answered where this peer was to be.
    WrongKey {
        /// Who was expected.
        expected: PeerId,
        /// Who answered.
        found: PeerId,
    },
    /// A peer could not be reached; another try follows unless it is the last.
    Unreachable {
        /// Who.
        peer: PeerId,
        /// Failed tries in a row.
        tries: u32,
    },
    /// A chunk is proven and on disk.
    Chunk {
        /// Which.
        index: u32,
        /// Who supplied it.
        peer: PeerId,
        /// Its bytes.
        bytes: u32,
    },
    /// A peer's key is banned for this content.
    Banned {
        /// Who.
        peer: PeerId,
        /// The rule it broke.
        breach: Breach,
        /// The chunk, where the blame is for one.
        index: Option<u32>,
        /// SHA-256 of what came, where bytes came.
        got: Option<[u8; 32]>,
    },
    /// A peer was struck for a breach that is not yet a ban.
    Struck {
        /// Who.
        peer: PeerId,
        /// The rule it broke.
        breach: Breach,
    },
    /// A chunk was handed to a peer whole.
    Uploaded {
        /// Who.
        peer: PeerId,
        /// Payload bytes.
        bytes: u64,
    },
    /// The file to be repaired has no chunk of this artifact; nothing was asked for.
    NothingGood,
    /// Every chunk is here.
    Complete,
    /// No known peer can ever help: each refused, is banned, or was a wrong key.
    Exhausted,
}
