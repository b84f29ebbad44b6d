//! The frames of the control stream as values, and the rules that each must keep.

use std::fmt;
use std::ops::BitOr;

use bytes::Bytes;

use crate::bitfield::Bitfield;
use crate::codes::CloseCode;
use crate::error::DecodeError;
use crate::kind::FrameKind;
use crate::limits;
use crate::nat::Nat;
use crate::offer::WireAddress;
use crate::peer_id::PeerId;

/// One frame of the control stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// First frame of a side that holds the manifest.
    Hello(Hello),
    /// First frame of a side that has only an offer and wants the manifest.
    ManifestOnly(ManifestOnly),
    /// The chunks of this side; sent right after the hello.
    Bitfield(Bitfield),
    /// New chunks of this side; 1 to 256 indexes.
    Have {
        /// Chunk indexes, in any order.
        indexes: Vec<u32>,
    },
    /// A chunk that this side no longer has.
    DontHave {
        /// Chunk index.
        index: u32,
    },
    /// The sender will refuse requests of the receiver.
    Choke,
    /// The sender accepts requests of the receiver.
    Unchoke,
    /// The receiver has something that the sender wants.
    Interested,
    /// The receiver has nothing that the sender wants.
    NotInterested,
    /// Signed offers of other members of this swarm; 1 to 16.
    Peers {
        /// Bytes of signed offers, not yet checked; see [`crate::SignedOffer::from_bytes`].
        offers: Vec<Bytes>,
    },
    /// The last frame: the reason why the sender closes the connection.
    Bye {
        /// The reason.
        code: CloseCode,
    },
    /// The address from which the sender sees the receiver's packets come.
    Observed {
        /// The address, after all translators on the way. It may be false: see `docs/protocol.md`.
        address: WireAddress,
        /// How routers translate the sender's own address of that family.
        nat: Nat,
    },
    /// Asks the receiver to introduce the sender to another member, to which it is connected.
    Introduce {
        /// The other member.
        peer: PeerId,
    },
    /// Sent to both sides of an introduction: the other side's address as the sender sees it. Both send there now, so that
    /// each opens its router for the other.
    Meet(Meeting),
    /// The sender does not introduce the receiver to this member.
    NoMeet {
        /// The member.
        peer: PeerId,
        /// Why.
        reason: NoMeeting,
    },
    /// A frame of the reserved range, whose body was dropped. Encoded, it has an empty body.
    Ignored {
        /// Its type.
        kind: u16,
    },
}

/// Binds a connection to one manifest. The receiver compares each field with its own; see `docs/protocol.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Protocol version, [`limits::PROTOCOL_VERSION`].
    pub version: u16,
    /// SHA-256 over the canonical manifest.
    pub swarm_id: [u8; 32],
    /// SHA-256 over the artifact.
    pub artifact_sha256: [u8; 32],
    /// SHA-256 over the canonical manifest lines that begin `license.`.
    pub license_sha256: [u8; 32],
    /// SHA-256 over the canonical manifest lines that begin `evidence.`.
    pub evidence_sha256: [u8; 32],
    /// Bytes of each chunk but the last.
    pub chunk_size: u32,
    /// Number of chunks.
    pub chunk_count: u32,
    /// What the user of this side agreed to.
    pub consent: Consent,
    /// Name and version of the program: at most 64 bytes of printable ASCII. For logs only.
    pub software: String,
}

/// A hello that permits the manifest request and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestOnly {
    /// Protocol version, [`limits::PROTOCOL_VERSION`].
    pub version: u16,
    /// The swarm id of the offer, which the manifest's hash must equal.
    pub swarm_id: [u8; 32],
    /// Name and version of the program: at most 64 bytes of printable ASCII. For logs only.
    pub software: String,
}

/// One side of an introduction, as the other side is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The other side.
    pub peer: PeerId,
    /// Its address as the member that introduces sees it.
    pub address: WireAddress,
    /// Another port of that host, which its own offer names; 0: none.
    pub offered_port: u16,
    /// The other side answers connections.
    pub answers: bool,
    /// Milliseconds to wait before the first packet, at most [`limits::MAX_MEET_DELAY`].
    pub delay: u16,
    /// How routers translate the other side's address, by its own word.
    pub nat: Nat,
}

/// Why a member is not introduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoMeeting {
    /// The sender is not connected to it, or it did not agree to be found: whoever asks is not to learn which.
    NotConnected = 1,
    /// Too many introductions lately.
    Limit = 2,
    /// Its address is of another family or of another network, or has changed since it connected.
    NoAddress = 3,
}

/// A set of actions that the user of a side agreed to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Consent(u8);

impl Consent {
    /// No action.
    pub const NONE: Self = Self(0);
    /// Give chunks to others.
    pub const SERVE: Self = Self(1);
    /// Take chunks from others.
    pub const FETCH: Self = Self(2);
    /// Let others pass on this side's offer.
    pub const PUBLISH: Self = Self(4);

    const ALL: u8 = 7;

    /// The set with exactly these bits; `None` if one of them has no meaning.
    pub fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::ALL == 0).then_some(Self(bits))
    }

    /// The bits, as on the wire.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether every action of `other` is in this set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Consent {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(Self::SERVE, "serve"), (Self::FETCH, "fetch"), (Self::PUBLISH, "publish")];
        let names = named.iter().filter(|(bit, _)| self.contains(*bit)).map(|(_, name)| name);
        f.debug_set().entries(names).finish()
    }
}

impl Frame {
    /// The type of this frame.
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::Hello(_) => FrameKind::Hello,
            Self::ManifestOnly(_) => FrameKind::ManifestOnly,
            Self::Bitfield(_) => FrameKind::Bitfield,
            Self::Have { .. } => FrameKind::Have,
            Self::DontHave { .. } => FrameKind::DontHave,
            Self::Choke => FrameKind::Choke,
            Self::Unchoke => FrameKind::Unchoke,
            Self::Interested => FrameKind::Interested,
            Self::NotInterested => FrameKind::NotInterested,
            Self::Peers { .. } => FrameKind::Peers,
            Self::Bye { .. } => FrameKind::Bye,
            Self::Observed { .. } => FrameKind::Observed,
            Self::Introduce { .. } => FrameKind::Introduce,
            Self::Meet(_) => FrameKind::Meet,
            Self::NoMeet { .. } => FrameKind::NoMeet,
            Self::Ignored { kind } => FrameKind::Ignored(*kind),
        }
    }
}

/// Each rule on a value that came off the wire, named by its error.
pub(crate) mod rule {
    use std::net::SocketAddr;

    use super::{Consent, DecodeError, NoMeeting, limits};
    use crate::offer::WireAddress;
    use crate::peer_id::PeerId;

    pub(crate) fn version(theirs: u16) -> Result<u16, DecodeError> {
        let ours = limits::PROTOCOL_VERSION;
        if theirs == ours { Ok(theirs) } else { Err(DecodeError::UnsupportedVersion { theirs, ours }) }
    }

    pub(crate) fn consent(bits: u8) -> Result<Consent, DecodeError> {
        Consent::from_bits(bits).ok_or(DecodeError::UnknownConsent { bits })
    }

    pub(crate) fn software_len(len: u64) -> Result<usize, DecodeError> {
        bounded(len, limits::MAX_SOFTWARE_LEN).ok_or(DecodeError::SoftwareTooLong { len })
    }

    pub(crate) fn software(bytes: &[u8]) -> Result<String, DecodeError> {
        match bytes.iter().position(|byte| !matches!(byte, b' '..=b'~')) {
            Some(offset) => Err(DecodeError::SoftwareNotPrintable { offset }),
            None => Ok(bytes.iter().copied().map(char::from).collect()),
        }
    }

    pub(crate) fn have_len(len: u64) -> Result<usize, DecodeError> {
        match bounded(len, limits::MAX_HAVE_INDEXES) {
            Some(0) => Err(DecodeError::HaveEmpty),
            Some(len) => Ok(len),
            None => Err(DecodeError::HaveTooMany { len }),
        }
    }

    pub(crate) fn index(index: u32, chunk_count: Option<u32>) -> Result<u32, DecodeError> {
        match chunk_count {
            Some(count) if index >= count => Err(DecodeError::IndexOutOfRange { index, count }),
            _ => Ok(index),
        }
    }

    pub(crate) fn bitfield_count(count: u32, chunk_count: Option<u32>) -> Result<u32, DecodeError> {
        match chunk_count {
            Some(expected) if count != expected => Err(DecodeError::BitfieldCount { count, expected }),
            _ if count == 0 => Err(DecodeError::BitfieldOfNothing),
            _ if count > limits::MAX_CHUNK_COUNT => Err(DecodeError::BitfieldTooMany { count }),
            _ => Ok(count),
        }
    }

    pub(crate) fn peers_len(len: u64) -> Result<usize, DecodeError> {
        match bounded(len, limits::MAX_PEERS_OFFERS) {
            Some(0) => Err(DecodeError::PeersEmpty),
            Some(len) => Ok(len),
            None => Err(DecodeError::PeersTooMany { len }),
        }
    }

    pub(crate) fn observed(address: SocketAddr) -> Result<WireAddress, DecodeError> {
        WireAddress::try_from(address).map_err(|fault| DecodeError::ObservedAddress { address, fault })
    }

    pub(crate) fn answers(flag: u8) -> Result<bool, DecodeError> {
        match flag {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::UnknownFlag { flag }),
        }
    }

    pub(crate) fn meet_delay(ms: u16) -> Result<u16, DecodeError> {
        if ms <= limits::MAX_MEET_DELAY { Ok(ms) } else { Err(DecodeError::MeetDelay { ms }) }
    }

    /// A key by which another member is named.
    pub(crate) fn member(key: [u8; 32]) -> Result<PeerId, DecodeError> {
        PeerId::from_bytes(key).map_err(|fault| DecodeError::MemberKey { fault })
    }

    pub(crate) fn no_meeting(reason: u8) -> Result<NoMeeting, DecodeError> {
        Ok(match reason {
            1 => NoMeeting::NotConnected,
            2 => NoMeeting::Limit,
            3 => NoMeeting::NoAddress,
            _ => return Err(DecodeError::UnknownReason { reason }),
        })
    }

    pub(crate) fn offer_len(len: u64) -> Result<usize, DecodeError> {
        bounded(len, limits::MAX_OFFER_LEN).ok_or(DecodeError::OfferTooLong { len })
    }

    fn bounded(len: u64, cap: usize) -> Option<usize> {
        usize::try_from(len).ok().filter(|len| *len <= cap)
    }
}
