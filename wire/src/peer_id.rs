//! Who a peer is: its Ed25519 public key, which TLS proves.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::base32;

/// Characters of the text form: 32 bytes in base32 without padding.
const TEXT_LEN: usize = 52;

/// An Ed25519 public key. Its text form is 52 characters of lowercase base32 (RFC 4648, no padding).
///
/// Any 32 bytes can be held; whether they are a key is known once a signature or handshake was checked with them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 32]);

/// Why a text is not a peer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PeerIdError {
    /// The text has another length than 52 bytes.
    #[error("peer id has {len} characters, expected 52")]
    Length {
        /// Bytes of the text.
        len: usize,
    },
    /// A character outside `a-z2-7`, or a last character whose spare bits are not zero.
    #[error("peer id is not lowercase base32 at offset {offset}")]
    Base32 {
        /// Offset of the first character at fault.
        offset: usize,
    },
}

impl PeerId {
    /// The first ten characters, for a log line or a table. Not an identity: never compare it.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(10);
        text
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base32::encode(&self.0))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = PeerIdError::Length { len: text.len() };
        if text.len() != TEXT_LEN {
            return Err(length);
        }
        let bytes = base32::decode(text).map_err(|offset| PeerIdError::Base32 { offset })?;
        Ok(Self(bytes.try_into().map_err(|_| length)?))
    }
}
