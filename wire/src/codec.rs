//! Frame bodies to bytes and back. The only file that names `bincode`.
//!
//! A body is what bincode 2 writes with little-endian fixed-width integers: a list is a u64 count and its items. It is read
//! field by field, so that each number is checked before it allocates; trailing bytes are an error.

use std::net::{IpAddr, SocketAddr};

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::error::DecodeError as BodyError;
use bytes::Bytes;

use crate::bitfield::Bitfield;
use crate::codes::CloseCode;
use crate::error::DecodeError;
use crate::frame::{Frame, Hello, ManifestOnly, Meeting, rule};
use crate::kind::FrameKind;
use crate::limits;
use crate::nat::Nat;
use crate::offer::{FAMILY_V4, FAMILY_V6, WireAddress};

/// Read limit of bincode in bytes: the longest single field is a digest.
const FIELD_LIMIT: usize = 32;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<FIELD_LIMIT>> =
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<FIELD_LIMIT>();

const BITFIELD_NONE: u8 = 0;
const BITFIELD_ALL: u8 = 1;
const BITFIELD_BITS: u8 = 2;

impl Frame {
    /// The frame as bytes: head and body.
    ///
    /// Does not check limits: the receiver refuses a frame that breaks one.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Appends what [`Frame::encode`] returns.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let start = out.len();
        put(out, 0_u32);
        put(out, self.kind().number());
        let body = out.len();
        self.encode_body(out);
        // A saturated length is far above every cap, so the receiver refuses the frame anyway.
        let len = u32::try_from(out.len() - body).unwrap_or(u32::MAX);
        out.iter_mut().skip(start).zip(len.to_le_bytes()).for_each(|(to, from)| *to = from);
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                put(out, (hello.version, hello.swarm_id, hello.artifact_sha256));
                put(out, (hello.license_sha256, hello.evidence_sha256));
                put(out, (hello.chunk_size, hello.chunk_count, hello.consent.bits()));
                put_bytes(out, hello.software.as_bytes());
            }
            Self::ManifestOnly(hello) => {
                put(out, (hello.version, hello.swarm_id));
                put_bytes(out, hello.software.as_bytes());
            }
            Self::Bitfield(bitfield) => {
                put(out, bitfield.count());
                if bitfield.is_empty() {
                    put(out, BITFIELD_NONE);
                } else if bitfield.is_full() {
                    put(out, BITFIELD_ALL);
                } else {
                    put(out, BITFIELD_BITS);
                    out.extend_from_slice(&bitfield.to_bytes());
                }
            }
            Self::Have { indexes } => {
                put(out, indexes.len() as u64);
                indexes.iter().for_each(|index| put(out, *index));
            }
            Self::DontHave { index } => put(out, *index),
            Self::Peers { offers } => {
                put(out, offers.len() as u64);
                offers.iter().for_each(|offer| put_bytes(out, offer));
            }
            Self::Bye { code } => put(out, u32::from(*code)),
            Self::Observed { address, nat } => {
                put_address(out, *address);
                put(out, *nat as u8);
            }
            Self::Introduce { peer } => put(out, peer.0),
            Self::Meet(meeting) => {
                put(out, (meeting.peer.0, u8::from(meeting.answers), meeting.delay));
                put_address(out, meeting.address);
                put(out, (meeting.offered_port, meeting.nat as u8));
            }
            Self::NoMeet { peer, reason } => put(out, (peer.0, *reason as u8)),
            Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested | Self::Ignored { .. } => {}
        }
    }
}

/// Reads the body length and the type from a frame's head, without checking them.
pub(crate) fn decode_head(head: [u8; limits::FRAME_HEAD_LEN]) -> (u32, u16) {
    let [a, b, c, d, low, high] = head;
    (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([low, high]))
}

/// Decodes a whole body. The caller has checked its length against the kind's cap.
pub(crate) fn decode_body(
    kind: FrameKind,
    bytes: &[u8],
    chunk_count: Option<u32>,
) -> Result<Frame, DecodeError> {
    let mut body = Body { kind, bytes, offset: 0 };
    let frame = match kind {
        FrameKind::Hello => Frame::Hello(decode_hello(&mut body)?),
        FrameKind::ManifestOnly => Frame::ManifestOnly(ManifestOnly {
            version: rule::version(body.field()?)?,
            swarm_id: body.field()?,
            software: decode_software(&mut body)?,
        }),
        FrameKind::Bitfield => Frame::Bitfield(decode_bitfield(&mut body, chunk_count)?),
        FrameKind::Have => {
            let len = rule::have_len(body.field()?)?;
            let indexes =
                (0..len).map(|_| rule::index(body.field()?, chunk_count)).collect::<Result<_, _>>()?;
            Frame::Have { indexes }
        }
        FrameKind::DontHave => Frame::DontHave { index: rule::index(body.field()?, chunk_count)? },
        FrameKind::Choke => Frame::Choke,
        FrameKind::Unchoke => Frame::Unchoke,
        FrameKind::Interested => Frame::Interested,
        FrameKind::NotInterested => Frame::NotInterested,
        FrameKind::Peers => {
            let len = rule::peers_len(body.field()?)?;
            let offers = (0..len)
                .map(|_| {
                    let len = rule::offer_len(body.field()?)?;
                    body.take(len).map(Bytes::copy_from_slice)
                })
                .collect::<Result<_, _>>()?;
            Frame::Peers { offers }
        }
        FrameKind::Bye => {
            let code = body.field()?;
            let code = CloseCode::try_from(code).map_err(|_| DecodeError::UnknownCloseCode { code })?;
            Frame::Bye { code }
        }
        FrameKind::Observed => {
            Frame::Observed { address: decode_address(&mut body)?, nat: Nat::read(body.field()?)? }
        }
        FrameKind::Introduce => Frame::Introduce { peer: rule::member(body.field()?)? },
        FrameKind::Meet => Frame::Meet(Meeting {
            peer: rule::member(body.field()?)?,
            answers: rule::answers(body.field()?)?,
            delay: rule::meet_delay(body.field()?)?,
            address: decode_address(&mut body)?,
            offered_port: body.field()?,
            nat: Nat::read(body.field()?)?,
        }),
        FrameKind::NoMeet => {
            Frame::NoMeet { peer: rule::member(body.field()?)?, reason: rule::no_meeting(body.field()?)? }
        }
        FrameKind::Ignored(kind) => return Ok(Frame::Ignored { kind }),
    };
    body.end()?;
    Ok(frame)
}

fn decode_hello(body: &mut Body<'_>) -> Result<Hello, DecodeError> {
    Ok(Hello {
        // The version is checked first, so that a later version's hello is reported as such whatever follows.
        version: rule::version(body.field()?)?,
        swarm_id: body.field()?,
        artifact_sha256: body.field()?,
        license_sha256: body.field()?,
        evidence_sha256: body.field()?,
        chunk_size: body.field()?,
        chunk_count: body.field()?,
        consent: rule::consent(body.field()?)?,
        software: decode_software(body)?,
    })
}

/// Decodes an address at which a peer was seen.
fn decode_address(body: &mut Body<'_>) -> Result<WireAddress, DecodeError> {
    let ip = match body.field()? {
        FAMILY_V4 => IpAddr::from(body.field::<[u8; 4]>()?),
        FAMILY_V6 => IpAddr::from(body.field::<[u8; 16]>()?),
        family => return Err(DecodeError::AddressFamily { family }),
    };
    rule::observed(SocketAddr::new(ip, body.field()?))
}

fn decode_software(body: &mut Body<'_>) -> Result<String, DecodeError> {
    let len = rule::software_len(body.field()?)?;
    rule::software(body.take(len)?)
}

fn decode_bitfield(body: &mut Body<'_>, chunk_count: Option<u32>) -> Result<Bitfield, DecodeError> {
    let count = rule::bitfield_count(body.field()?, chunk_count)?;
    match body.field::<u8>()? {
        BITFIELD_NONE => Ok(Bitfield::new(count)),
        BITFIELD_ALL => Ok(Bitfield::full(count)),
        BITFIELD_BITS => {
            let bitfield = Bitfield::from_bytes(count, body.rest())?;
            if bitfield.is_empty() || bitfield.is_full() {
                return Err(DecodeError::BitfieldNotShortest { count, ones: bitfield.ones() });
            }
            Ok(bitfield)
        }
        kind => Err(DecodeError::BitfieldKind { kind }),
    }
}

/// A bounded cursor over one body.
struct Body<'a> {
    kind: FrameKind,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Body<'a> {
    fn field<T: bincode::Decode<()>>(&mut self) -> Result<T, DecodeError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        // Only integers and digests are read here, so the only possible error is too few bytes.
        let read: Result<(T, usize), BodyError> = bincode::decode_from_slice(rest, CONFIG);
        let (value, used) = read.map_err(|_| self.short())?;
        self.offset += used;
        Ok(value)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.offset.checked_add(len).ok_or_else(|| self.short())?;
        let taken = self.bytes.get(self.offset..end).ok_or_else(|| self.short())?;
        self.offset = end;
        Ok(taken)
    }

    fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        self.offset = self.bytes.len();
        rest
    }

    fn end(&self) -> Result<(), DecodeError> {
        match self.bytes.len() - self.offset {
            0 => Ok(()),
            extra => Err(DecodeError::TrailingBytes { kind: self.kind, offset: self.offset, extra }),
        }
    }

    fn short(&self) -> DecodeError {
        DecodeError::ShortBody { kind: self.kind, offset: self.offset, len: self.bytes.len() }
    }
}

#[expect(
    clippy::expect_used,
    reason = "bincode writes integers and arrays into a Vec, and neither can refuse"
)]
fn put(out: &mut Vec<u8>, value: impl bincode::Encode) {
    bincode::encode_into_std_write(value, out, CONFIG).expect("integers into a Vec");
}

fn put_address(out: &mut Vec<u8>, address: WireAddress) {
    let address = address.get();
    match address.ip() {
        IpAddr::V4(ip) => put(out, (FAMILY_V4, ip.octets())),
        IpAddr::V6(ip) => put(out, (FAMILY_V6, ip.octets())),
    }
    put(out, address.port());
}

/// Writes a byte list as bincode does: u64 length, then the bytes.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
