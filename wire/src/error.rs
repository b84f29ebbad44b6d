//! Errors in a peer's bytes: one variant for each rule, and the code that answers it.

use std::net::SocketAddr;

use thiserror::Error;

use crate::bitfield::BitfieldError;
use crate::codes::{CloseCode, ResetCode};
use crate::kind::FrameKind;
use crate::limits;
use crate::offer::AddressFault;
use crate::peer_id::KeyFault;

/// A broken rule of the control stream. The peer is at fault; after the first error nothing more is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The stream ended inside a frame's head.
    #[error("frame truncated: head, got {got} of {need} bytes")]
    TruncatedHead {
        /// Bytes of the head that arrived.
        got: usize,
        /// Bytes of a head.
        need: usize,
    },
    /// The stream ended inside a frame's body.
    #[error("frame truncated: {kind}, got {got} of {need} bytes")]
    Truncated {
        /// The frame's type.
        kind: FrameKind,
        /// Bytes of the body that arrived.
        got: usize,
        /// Bytes of the body that its head announced.
        need: usize,
    },
    /// The head announces a longer body than the type may have.
    #[error("frame too large: {kind}, {len} bytes > {cap}")]
    FrameTooLarge {
        /// The frame's type.
        kind: FrameKind,
        /// Announced length of the body in bytes.
        len: u32,
        /// Longest body of this type in bytes.
        cap: u32,
    },
    /// A type that is neither known nor in the ignorable range.
    #[error("unknown frame {number:#06x}")]
    UnknownFrame {
        /// The type's number.
        number: u16,
    },
    /// The body ends before its last field.
    #[error("{kind} body ends at offset {len}, field at offset {offset} needs more")]
    ShortBody {
        /// The frame's type.
        kind: FrameKind,
        /// Where the field begins that does not fit.
        offset: usize,
        /// Bytes of the body.
        len: usize,
    },
    /// The body goes on after its last field.
    #[error("non-canonical encoding at offset {offset}: {kind} body has {extra} trailing bytes")]
    TrailingBytes {
        /// The frame's type.
        kind: FrameKind,
        /// Where the body should have ended.
        offset: usize,
        /// Bytes beyond it.
        extra: usize,
    },
    /// Another protocol version.
    #[error("peer speaks version {theirs}, we speak {ours}")]
    UnsupportedVersion {
        /// The version in the peer's hello.
        theirs: u16,
        /// The only version of this build.
        ours: u16,
    },
    /// A consent bit without a meaning.
    #[error("unknown consent bits in {bits:#04x}")]
    UnknownConsent {
        /// All bits as received.
        bits: u8,
    },
    /// A software name above the limit.
    #[error("software name of {len} bytes > {}", limits::MAX_SOFTWARE_LEN)]
    SoftwareTooLong {
        /// Announced length in bytes.
        len: u64,
    },
    /// A software name with a byte outside printable ASCII.
    #[error("software name is not printable ascii at offset {offset}")]
    SoftwareNotPrintable {
        /// Offset in the name.
        offset: usize,
    },
    /// A bitfield for another chunk count than the connection's.
    #[error("bitfield for {count} chunks, expected {expected}")]
    BitfieldCount {
        /// The frame's chunk count.
        count: u32,
        /// The connection's chunk count.
        expected: u32,
    },
    /// A bitfield for no chunks: an artifact has one at least.
    #[error("bitfield for 0 chunks")]
    BitfieldOfNothing,
    /// A bitfield for more chunks than an artifact may have.
    #[error("bitfield for {count} chunks > {}", limits::MAX_CHUNK_COUNT)]
    BitfieldTooMany {
        /// The frame's chunk count.
        count: u32,
    },
    /// A bitfield that is neither none, all nor bits.
    #[error("unknown bitfield kind {kind}")]
    BitfieldKind {
        /// The kind as received.
        kind: u8,
    },
    /// Bits that are all clear or all set: there is a shorter form, and only it is allowed.
    #[error("non-canonical encoding: bitfield of {count} chunks with {ones} set is sent as bits")]
    BitfieldNotShortest {
        /// Chunks.
        count: u32,
        /// Set bits: 0 or `count`.
        ones: u32,
    },
    /// The bits have a wrong length or spare bits set.
    #[error(transparent)]
    BitfieldBits(#[from] BitfieldError),
    /// A `Have` without an index.
    #[error("have without an index")]
    HaveEmpty,
    /// A `Have` with too many indexes.
    #[error("have with {len} indexes > {}", limits::MAX_HAVE_INDEXES)]
    HaveTooMany {
        /// Announced number of indexes.
        len: u64,
    },
    /// An observed address of neither IPv4 nor IPv6.
    #[error("unknown address family {family}")]
    AddressFamily {
        /// The number as received.
        family: u8,
    },
    /// An observed address from which no packet can come.
    #[error("observed address {address}: {fault}")]
    ObservedAddress {
        /// The address.
        address: SocketAddr,
        /// What is wrong with it.
        fault: AddressFault,
    },
    /// A flag that is neither 0 nor 1.
    #[error("unknown flag {flag}")]
    UnknownFlag {
        /// The flag as received.
        flag: u8,
    },
    /// A `Meet` that is to begin too late.
    #[error("meet after {ms} ms > {}", limits::MAX_MEET_DELAY)]
    MeetDelay {
        /// The delay, in milliseconds.
        ms: u16,
    },
    /// An introduction that names a key which no peer may have.
    #[error("a member is named by no key for a peer: {fault}")]
    MemberKey {
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// A `NoMeet` for a reason that this version does not know.
    #[error("unknown reason {reason}")]
    UnknownReason {
        /// The number as received.
        reason: u8,
    },
    /// A way of translating addresses that this version does not know.
    #[error("unknown kind of translation {number}")]
    UnknownNat {
        /// The number as received.
        number: u8,
    },
    /// A chunk index beyond the artifact.
    #[error("range outside file: chunk {index} of {count}")]
    IndexOutOfRange {
        /// The index.
        index: u32,
        /// Number of chunks.
        count: u32,
    },
    /// A `Peers` without an offer.
    #[error("peers without an offer")]
    PeersEmpty,
    /// A `Peers` with too many offers.
    #[error("peers with {len} offers > {}", limits::MAX_PEERS_OFFERS)]
    PeersTooMany {
        /// Announced number of offers.
        len: u64,
    },
    /// An offer above the limit.
    #[error("offer of {len} bytes > {}", limits::MAX_OFFER_LEN)]
    OfferTooLong {
        /// Announced length in bytes.
        len: u64,
    },
    /// A `Bye` with a code that this version does not know.
    #[error("unknown close code {code}")]
    UnknownCloseCode {
        /// The code.
        code: u32,
    },
}

impl DecodeError {
    /// The code with which the connection closes.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::FrameTooLarge { .. } => CloseCode::FrameTooLarge,
            Self::UnknownFrame { .. } => CloseCode::UnknownFrame,
            Self::UnsupportedVersion { .. } => CloseCode::UnsupportedVersion,
            // Well formed, but about another artifact than the one that both sides agreed on.
            Self::IndexOutOfRange { .. } | Self::BitfieldCount { .. } => CloseCode::ProtocolViolation,
            Self::TruncatedHead { .. }
            | Self::Truncated { .. }
            | Self::ShortBody { .. }
            | Self::TrailingBytes { .. }
            | Self::UnknownConsent { .. }
            | Self::SoftwareTooLong { .. }
            | Self::SoftwareNotPrintable { .. }
            | Self::BitfieldOfNothing
            | Self::BitfieldTooMany { .. }
            | Self::BitfieldKind { .. }
            | Self::BitfieldNotShortest { .. }
            | Self::BitfieldBits(_)
            | Self::HaveEmpty
            | Self::HaveTooMany { .. }
            | Self::PeersEmpty
            | Self::PeersTooMany { .. }
            | Self::OfferTooLong { .. }
            | Self::AddressFamily { .. }
            | Self::ObservedAddress { .. }
            | Self::UnknownFlag { .. }
            | Self::MeetDelay { .. }
            | Self::MemberKey { .. }
            | Self::UnknownReason { .. }
            | Self::UnknownNat { .. }
            | Self::UnknownCloseCode { .. } => CloseCode::Malformed,
        }
    }
}

/// A broken rule of a request stream: in the request, or in the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// An empty request: the stream ended before the first byte.
    #[error("request is empty")]
    Empty,
    /// A first byte that names no request.
    #[error("unknown request {kind:#04x}")]
    UnknownRequest {
        /// The first byte.
        kind: u8,
    },
    /// Another number of bytes than the request or head has.
    #[error("{what} has {got} bytes, expected {need}")]
    Length {
        /// Which request or head.
        what: &'static str,
        /// Bytes given.
        got: usize,
        /// Bytes expected.
        need: usize,
    },
    /// A request for no hashes or for too many.
    #[error("{count} leaf hashes, expected 1 to {}", limits::MAX_LEAVES)]
    LeavesCount {
        /// Hashes asked for or announced.
        count: u32,
    },
    /// A range that ends beyond the artifact.
    #[error("range outside file: chunk {first} + {count} of {chunk_count}")]
    OutsideFile {
        /// First chunk.
        first: u32,
        /// Number of chunks.
        count: u32,
        /// Chunks of the artifact.
        chunk_count: u32,
    },
    /// An answer that announces an impossible chunk length.
    #[error("chunk of {len} bytes, expected 1 to {}", limits::MAX_CHUNK_LEN)]
    ChunkLength {
        /// Announced length in bytes.
        len: u32,
    },
    /// An answer that announces too many digests.
    #[error("proof of {got} digests > {cap}")]
    ProofTooLong {
        /// Announced number of digests.
        got: usize,
        /// Most that any artifact needs.
        cap: usize,
    },
    /// An answer that announces an impossible manifest length.
    #[error("manifest of {len} bytes, expected 1 to {}", limits::MAX_MANIFEST_LEN)]
    ManifestLength {
        /// Announced length in bytes.
        len: u32,
    },
}

impl RequestError {
    /// The code with which the answering side resets a bad request.
    pub fn reset_code(&self) -> ResetCode {
        ResetCode::Malformed
    }

    /// The code with which the connection closes: no honest program sends such bytes.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::OutsideFile { .. } => CloseCode::ProtocolViolation,
            _ => CloseCode::Malformed,
        }
    }
}
