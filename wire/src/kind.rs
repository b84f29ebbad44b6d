//! The types of frames: one table of numbers and names.

use std::fmt;

use crate::limits;

macro_rules! kinds {
    ($($number:literal $kind:ident,)*) => {
        /// The type of a frame: its number on the wire, its name in a log, its cap.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FrameKind {
            $(#[doc = stringify!($number)] $kind,)*
            /// A number of [`limits::IGNORABLE_KINDS`].
            Ignored(u16),
        }

        impl FrameKind {
            /// The kind with this number on the wire; `None` for a number that closes the connection.
            pub fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)*
                    kind => limits::IGNORABLE_KINDS.contains(&kind).then_some(Self::Ignored(kind)),
                }
            }

            /// The number on the wire.
            pub fn number(self) -> u16 {
                match self {
                    $(Self::$kind => $number,)*
                    Self::Ignored(kind) => kind,
                }
            }

            /// The name, for logs and errors.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)*
                    Self::Ignored(_) => "Ignored",
                }
            }
        }
    };
}

kinds! {
    0x0001 Hello,
    0x0002 ManifestOnly,
    0x0003 Bitfield,
    0x0004 Have,
    0x0005 DontHave,
    0x0006 Choke,
    0x0007 Unchoke,
    0x0008 Interested,
    0x0009 NotInterested,
    0x000a Peers,
    0x000b Bye,
    0x000c Observed,
    0x000d Introduce,
    0x000e Meet,
    0x000f NoMeet,
}

impl FrameKind {
    /// The longest body in bytes; a known chunk count makes the cap of `Bitfield` exact.
    pub fn cap(self, chunk_count: Option<u32>) -> u32 {
        match self {
            Self::Hello | Self::ManifestOnly => limits::MAX_HELLO_LEN,
            Self::Bitfield => {
                let count = chunk_count.unwrap_or(limits::MAX_CHUNK_COUNT).min(limits::MAX_CHUNK_COUNT);
                limits::BITFIELD_FIXED_LEN + count.div_ceil(8)
            }
            Self::Have => limits::MAX_HAVE_LEN,
            Self::DontHave | Self::Bye => limits::U32_BODY_LEN,
            Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested => 0,
            Self::Peers => limits::MAX_PEERS_LEN,
            Self::Observed => limits::MAX_OBSERVED_LEN,
            Self::Introduce => limits::INTRODUCE_LEN,
            Self::NoMeet => limits::NO_MEET_LEN,
            Self::Meet => limits::MAX_MEET_LEN,
            Self::Ignored(_) => limits::MAX_IGNORED_LEN,
        }
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored(kind) => write!(f, "Ignored({kind:#06x})"),
            known => f.pad(known.name()),
        }
    }
}
