//! The numbers that end a connection or a request stream. They are part of the protocol and never change meaning.

use std::fmt;

use thiserror::Error;

/// A number that names no code of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unknown code {0}")]
pub struct UnknownCode(
    /// The number as received; QUIC allows 62 bits.
    pub u64,
);

macro_rules! codes {
    (
        $(#[$outer:meta])*
        pub enum $name:ident { $( $(#[$inner:meta])* $variant:ident = $number:literal, $phrase:literal; )* }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name { $( $(#[$inner])* $variant = $number, )* }

        impl $name {
            /// Every code, in the order of its number.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];
        }

        impl From<$name> for u32 {
            fn from(code: $name) -> Self {
                code as Self
            }
        }

        impl From<$name> for u64 {
            fn from(code: $name) -> Self {
                Self::from(u32::from(code))
            }
        }

        impl TryFrom<u64> for $name {
            type Error = UnknownCode;

            fn try_from(number: u64) -> Result<Self, UnknownCode> {
                match number {
                    $( $number => Ok(Self::$variant), )*
                    _ => Err(UnknownCode(number)),
                }
            }
        }

        impl TryFrom<u32> for $name {
            type Error = UnknownCode;

            fn try_from(number: u32) -> Result<Self, UnknownCode> {
                Self::try_from(u64::from(number))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $( Self::$variant => $phrase, )* })
            }
        }
    };
}

codes! {
    /// Why a connection ends: the application error code of QUIC's CONNECTION_CLOSE, and the code of a `Bye` frame.
    pub enum CloseCode {
        /// Neither side has anything that the other wants.
        Done = 0, "done";
        /// The sender shuts down; neither peer is at fault.
        ShuttingDown = 1, "shutting down";
        /// A well-formed message whose content cannot be true, such as a chunk index beyond the artifact.
        ProtocolViolation = 2, "protocol violation";
        /// A frame is longer than its type's cap.
        FrameTooLarge = 3, "frame too large";
        /// A frame type outside the known and the ignorable ones.
        UnknownFrame = 4, "unknown frame";
        /// Bytes that are no frame, request or answer.
        Malformed = 5, "malformed bytes";
        /// A frame or stream that this state does not allow.
        StateViolation = 6, "state violation";
        /// The other side speaks another protocol version.
        UnsupportedVersion = 7, "unsupported version";
        /// The other side is in another swarm.
        WrongSwarm = 8, "wrong swarm";
        /// Same artifact, another license.
        LicenseMismatch = 9, "license mismatch";
        /// Same artifact and license, other evidence.
        EvidenceMismatch = 10, "evidence mismatch";
        /// Another chunk size or count.
        ChunkLayoutMismatch = 11, "chunk layout mismatch";
        /// No direction in which one side serves and the other fetches.
        NoConsent = 12, "no consent";
        /// The peer id is not on the allow list.
        NotAllowed = 13, "not allowed";
        /// A chunk failed its proof.
        BadChunk = 14, "bad chunk";
        /// The peer id is banned.
        Banned = 15, "banned";
        /// Too many frames, requests or streams.
        Flood = 16, "flood";
        /// Too little progress for too long.
        TooSlow = 17, "too slow";
        /// A second connection between the same two peers.
        Duplicate = 18, "duplicate connection";
        /// No room for another peer.
        Busy = 19, "busy";
        /// The seeder's file is no longer what its manifest says.
        SourceChanged = 20, "source changed";
        /// The byte budget that the user consented to is used up.
        BudgetUsed = 21, "budget used";
        /// An internal error of the sender.
        Internal = 22, "internal error";
    }
}

codes! {
    /// Why a request stream ends early: the code of RESET_STREAM from the side that answers, and of STOP_SENDING from
    /// the side that asked.
    pub enum ResetCode {
        /// The requester has no more use for the answer, or the answering side gives the stream up.
        Cancelled = 0, "cancelled";
        /// The requester is choked.
        Choked = 1, "choked";
        /// The answering side does not have the chunk, or no longer has it.
        NotHave = 2, "not have";
        /// The queue is full; ask again later.
        Busy = 3, "busy";
        /// The file is no longer what its manifest says.
        SourceChanged = 4, "source changed";
        /// The byte budget that the user consented to is used up.
        BudgetUsed = 5, "budget used";
        /// The bytes are not a request.
        Malformed = 6, "malformed bytes";
        /// Consent or state does not allow this request.
        NotPermitted = 7, "not permitted";
    }
}
