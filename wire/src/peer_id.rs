//! The identity of a peer: its Ed25519 public key, which TLS proves.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::base32;

/// Characters of the text form: 32 bytes in base32 without padding.
const TEXT_LEN: usize = 52;

/// An Ed25519 public key. Its text form is 52 characters of lowercase base32 (RFC 4648, no padding).
///
/// Keys from outside are read by [`PeerId::from_bytes`], which refuses keys of small order, under which signatures need no
/// secret, and second spellings of a key. Whether any other key is a point of the curve is known only after a signature or
/// handshake was checked with it.
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
    /// A well-formed text of a key that no peer may have.
    #[error("peer id is no key for a peer: {0}")]
    Key(#[from] KeyFault),
}

/// Why 32 bytes must not be the key of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// One of the eight points of small order: signatures that need no secret verify under it.
    #[error("it is of small order, so that anyone can sign under it")]
    SmallOrder,
    /// The y coordinate is not below 2^255 - 19: only the spelling with the reduced coordinate is accepted.
    #[error("it is not the canonical spelling of its point")]
    NotCanonical,
}

/// The y coordinates of the eight points of small order, without the sign of x: 0 (order 4), 1 and -1 (orders 1 and 2),
/// and the two of order 8.
#[rustfmt::skip]
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

impl PeerId {
    /// The peer with this public key.
    ///
    /// # Errors
    ///
    /// A key of small order, or bytes that are not the canonical spelling of a point (RFC 8032 section 5.1.3). Costs a few
    /// comparisons; no point is computed.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyFault> {
        let mut y = bytes;
        // The sign of x.
        y[31] &= 0x7f;
        // p = 2^255 - 19 is 0xed, thirty times 0xff, 0x7f.
        let [first, above @ .., last] = y;
        if first >= 0xed && above == [0xff; 30] && last == 0x7f {
            return Err(KeyFault::NotCanonical);
        }
        // y = 1 and y = -1 have a second spelling, with the other sign of x; both are refused.
        if SMALL_ORDER_Y.contains(&y) { Err(KeyFault::SmallOrder) } else { Ok(Self(bytes)) }
    }

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
        Ok(Self::from_bytes(bytes.try_into().map_err(|_| length)?)?)
    }
}
