//! Every limit of the wire, each with its reason.
//!
//! Limits of the connection (streams, windows, idle time) belong to the driver; `docs/protocol.md` lists both.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The protocol version that a `Hello` names.
pub const PROTOCOL_VERSION: u16 = 1;

/// The TLS application protocol. A change of the bytes changes this name, so old and new never misread each other.
pub const ALPN: &[u8] = b"minimodel/1";

/// The TLS application protocol of a knock, which asks whether a member of a swarm is at an address.
pub const KNOCK_ALPN: &[u8] = b"minimodel-knock/1";

/// A knock in bytes: the proof.
pub const KNOCK_LEN: usize = 32;

/// Longest answer to a knock in bytes: the proof, u16 length and an offer.
pub const MAX_KNOCK_ANSWER_LEN: usize = KNOCK_LEN + 2 + MAX_OFFER_LEN;

/// Bytes before each frame's body: u32 length of the body, u16 type.
pub const FRAME_HEAD_LEN: usize = 6;

/// Most chunks of one artifact. At 2^24 a bitfield is 2 MiB and a proof 24 digests; with the smallest chunk of the
/// manifest format (16 KiB) that is still 256 GiB.
pub const MAX_CHUNK_COUNT: u32 = 1 << 24;

/// Longest chunk in bytes: the largest `chunk.size` of the manifest format.
pub const MAX_CHUNK_LEN: u32 = 16 << 20;

/// Body of `Hello` and `ManifestOnly`, in bytes. Version 1 needs 211 at most; the rest is room for a later version's
/// longer body, so that it is answered with `UnsupportedVersion` and not with `FrameTooLarge`.
pub const MAX_HELLO_LEN: u32 = 1_024;

/// Longest software name in a hello, in bytes: enough for a name and a version, too short to carry anything else.
pub const MAX_SOFTWARE_LEN: usize = 64;

/// Body of `Bitfield`, in bytes: count, kind, and one bit a chunk. Tighter when the chunk count is known.
pub const MAX_BITFIELD_LEN: u32 = BITFIELD_FIXED_LEN + MAX_CHUNK_COUNT.div_ceil(8);

/// Bytes of a `Bitfield` body before its bits: u32 count, u8 kind.
pub const BITFIELD_FIXED_LEN: u32 = 5;

/// Most indexes in one `Have`: one frame a tick covers a fast peer, and the frame stays near one datagram.
pub const MAX_HAVE_INDEXES: usize = 256;

/// Body of `Have`, in bytes: u64 number of indexes, four bytes each.
pub const MAX_HAVE_LEN: u32 = 8 + 4 * MAX_HAVE_INDEXES as u32;

/// Body of `DontHave` and of `Bye`, in bytes: one u32.
pub const U32_BODY_LEN: u32 = 4;

/// Most offers in one `Peers`: a source cannot fill the receiver's table with one frame.
pub const MAX_PEERS_OFFERS: usize = 16;

/// Longest offer in bytes. The largest of version 1 has 290; the rest is room for a later one.
pub const MAX_OFFER_LEN: usize = 512;

/// Body of `Peers`, in bytes: u64 number of offers, each u64 length and bytes.
pub const MAX_PEERS_LEN: u32 = 8 + (8 + MAX_OFFER_LEN as u32) * MAX_PEERS_OFFERS as u32;

/// An address, in bytes: the family, 16 bytes of an IPv6 address, and the port.
const MAX_ADDRESS_LEN: u32 = 1 + 16 + 2;

/// Body of `Observed`, in bytes: an address, and how routers translate the sender's own.
pub const MAX_OBSERVED_LEN: u32 = MAX_ADDRESS_LEN + 1;

/// Body of `Introduce`, in bytes: a peer id.
pub const INTRODUCE_LEN: u32 = 32;

/// Body of `NoMeet`, in bytes: a peer id and the reason.
pub const NO_MEET_LEN: u32 = 32 + 1;

/// Body of `Meet`, in bytes: a peer id, a flag, a delay, an address, another port, and how routers translate the other side's.
pub const MAX_MEET_LEN: u32 = 32 + 1 + 2 + MAX_ADDRESS_LEN + 2 + 1;

/// Longest delay of a `Meet`, in milliseconds: half of the longest round trip on which a handshake is sure to end in time.
pub const MAX_MEET_DELAY: u16 = 1_000;

/// Frame types that a receiver skips: additions which an old peer may miss without harm.
pub const IGNORABLE_KINDS: RangeInclusive<u16> = 0x8000..=0xbfff;

/// Body of a skipped frame, in bytes: a skipped frame must not cost more than a useful one.
pub const MAX_IGNORED_LEN: u32 = 4_096;

/// Most digests in the proof of one chunk: the height of a tree of [`MAX_CHUNK_COUNT`] leaves.
pub const MAX_CHUNK_PROOF: usize = 24;

/// Most digests in the proof of a range: both edges may need one digest a level.
pub const MAX_RANGE_PROOF: usize = 2 * MAX_CHUNK_PROOF;

/// Most chunk hashes in one answer: 256 KiB, so that one request is no longer than an ordinary chunk.
pub const MAX_LEAVES: u32 = 8_192;

/// Longest manifest text in bytes: the limit of the manifest format.
pub const MAX_MANIFEST_LEN: u32 = 64 << 10;

/// Most addresses in an offer: enough for both families on a few interfaces, few enough to dial them all.
pub const MAX_OFFER_ADDRESSES: usize = 8;

/// Longest text form of an offer in characters; refused before it is decoded.
pub const MAX_OFFER_TEXT_LEN: usize = 2_048;

/// How long after its expiry an offer still counts, as two honest clocks differ.
pub const OFFER_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// How long an offer may claim to hold from now. Four times what this program issues, so that another may issue longer
/// ones; a key or an address that changed hands is not dialed for ever by what was signed once.
pub const MAX_OFFER_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
