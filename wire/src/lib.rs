//! `minimodel/1` as bytes: what two peers say to each other, and nothing else.
//!
//! # Goals
//!
//! - One place that turns frames, requests, answer heads and offers into bytes and back.
//! - One spelling for each value: `decode(encode(x)) == x` and `encode(decode(b)) == b`. The exception is the
//!   reserved range of frame types, whose bodies are dropped.
//! - A cap before a byte is kept: a peer decides how long a frame is only below a limit in [`limits`].
//! - An error per rule, which says what was found and which close code answers it.
//!
//! # Non-goals
//!
//! - No socket, clock, thread, or file. Time is an argument ([`SignedOffer::check_fresh`]).
//! - No order of frames: that `Hello` comes first is known by the state machine of the swarm.
//! - No proof check and no manifest: digests are 32 opaque bytes here.
//!
//! The bytes are described in `docs/protocol.md`, whose examples are the golden vectors of this crate's tests.
//!
//! ```
//! use minimodel_wire::{Decoder, Frame};
//!
//! let mut decoder = Decoder::new(Some(1_000));
//! decoder.push(&Frame::DontHave { index: 7 }.encode());
//! assert_eq!(decoder.next(), Ok(Some(Frame::DontHave { index: 7 })));
//! assert_eq!(decoder.next(), Ok(None));
//! assert_eq!(decoder.finish(), Ok(()));
//! ```

mod base32;
mod bitfield;
mod codec;
mod codes;
mod decoder;
mod error;
mod frame;
mod kind;
mod knock;
pub mod limits;
mod nat;
mod offer;
mod peer_id;
mod request;
mod signed_offer;

pub use bitfield::{Bitfield, BitfieldError};
pub use codes::{CloseCode, ResetCode, UnknownCode};
pub use decoder::Decoder;
pub use error::{DecodeError, RequestError};
pub use frame::{Consent, Frame, Hello, ManifestOnly, Meeting, NoMeeting};
pub use kind::FrameKind;
pub use knock::{Knock, KnockAnswer, KnockError};
pub use limits::{ALPN, KNOCK_ALPN, PROTOCOL_VERSION};
pub use nat::Nat;
pub use offer::{AddressFault, Offer, OfferError, WireAddress};
pub use peer_id::{KeyFault, PeerId, PeerIdError};
pub use request::{ChunkHead, LeavesHead, ManifestHead, Request};
pub use signed_offer::{SignedOffer, UncheckedOffer};
