//! What a member says of the routers between it and the public Internet.

use std::fmt;

use crate::DecodeError;

/// How routers on the way translate a member's address of one family, as far as it knows itself. It is for people, who look for the
/// reason why two could not meet; nothing is decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nat {
    /// It does not know.
    #[default]
    Unknown = 0,
    /// Not at all.
    None = 1,
    /// The same way for all (endpoint-independent mapping, RFC 4787 section 4.1).
    Same = 2,
    /// To another port for each.
    Varies = 3,
}

impl Nat {
    /// Reads the number.
    pub(crate) fn read(number: u8) -> Result<Self, DecodeError> {
        Ok(match number {
            0 => Self::Unknown,
            1 => Self::None,
            2 => Self::Same,
            3 => Self::Varies,
            number => return Err(DecodeError::UnknownNat { number }),
        })
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "whose router it is not known how it translates",
            Self::None => "which no router translates",
            Self::Same => "whose router translates the same way for all",
            Self::Varies => "whose router translates to another port for each",
        })
    }
}
