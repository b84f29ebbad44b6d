//! The content of an offer: a peer, its addresses, its swarm, and its expiry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use crate::limits;
use crate::peer_id::{KeyFault, PeerId};

pub(crate) const VERSION: u8 = 1;
pub(crate) const FAMILY_V4: u8 = 4;
pub(crate) const FAMILY_V6: u8 = 6;

/// A peer's claim that it can be reached at these addresses. Signed it becomes a [`crate::SignedOffer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The offering peer, whose key signs the offer.
    pub peer: PeerId,
    /// The swarm of which the peer is a member.
    pub swarm_id: [u8; 32],
    /// Where the peer listens: 1 to 8 different addresses, the preferred one first.
    pub addresses: Vec<SocketAddr>,
    /// When the offer ends, in seconds since 1970-01-01T00:00:00Z.
    pub expires_unix: u64,
}

/// Why bytes or a text are not an offer, or why an offer cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OfferError {
    /// A text that does not begin with `mm1`.
    #[error("offer does not begin with mm1")]
    Prefix,
    /// A text above the limit.
    #[error("offer text of {len} characters > {}", limits::MAX_OFFER_TEXT_LEN)]
    TextTooLong {
        /// Bytes of the text.
        len: usize,
    },
    /// A character outside `a-z2-7` after the prefix, or spare bits that are not zero.
    #[error("offer text is not lowercase base32 at offset {offset}")]
    Base32 {
        /// Offset in the whole text.
        offset: usize,
    },
    /// More bytes than an offer may have.
    #[error("offer of {len} bytes > {}", limits::MAX_OFFER_LEN)]
    TooLong {
        /// Bytes given.
        len: usize,
    },
    /// The bytes end before the offer does.
    #[error("offer truncated at offset {offset}")]
    Truncated {
        /// Where the field begins that does not fit.
        offset: usize,
    },
    /// Bytes after the signature.
    #[error("offer has {extra} trailing bytes")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// An offer of another version.
    #[error("offer version {version}, expected 1")]
    Version {
        /// Its version.
        version: u8,
    },
    /// No address, or too many.
    #[error("offer with {count} addresses, expected 1 to {}", limits::MAX_OFFER_ADDRESSES)]
    AddressCount {
        /// How many.
        count: usize,
    },
    /// An address of neither IPv4 nor IPv6.
    #[error("unknown address family {family}")]
    AddressFamily {
        /// The number as received.
        family: u8,
    },
    /// An address that cannot be dialed.
    #[error("offer address {address}: {fault}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What is wrong with it.
        fault: AddressFault,
    },
    /// The peer id is not an Ed25519 public key.
    #[error("offer's peer id {peer} is no public key")]
    Key {
        /// The peer id.
        peer: PeerId,
    },
    /// The peer id is a key that no peer may have.
    #[error("offer's peer id {peer} is no key for a peer: {fault}")]
    RefusedKey {
        /// The peer id.
        peer: PeerId,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// The signing key belongs to another peer.
    #[error("offer names {peer}, signing key is {signer}")]
    OtherSigner {
        /// The peer in the offer.
        peer: PeerId,
        /// The key's peer id.
        signer: PeerId,
    },
    /// The signature does not fit the offer and its peer.
    #[error("offer signature of {peer} is wrong")]
    Signature {
        /// The peer in the offer.
        peer: PeerId,
    },
    /// The offer expired longer ago than the allowed clock skew. Both in seconds since 1970.
    #[error("offer expired at {expires_unix}, clock says {now_unix}")]
    Expired {
        /// When the offer ended.
        expires_unix: u64,
        /// What the clock says.
        now_unix: u64,
    },
    /// The lifetime that the offer claims is above the limit. Both in seconds since 1970.
    #[error(
        "offer claims to hold until {expires_unix}, clock says {now_unix}; the most is {} days",
        limits::MAX_OFFER_LIFE.as_secs() / 86_400
    )]
    TooLongLived {
        /// When the offer would end.
        expires_unix: u64,
        /// What the clock says.
        now_unix: u64,
    },
}

/// What is wrong with an address of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressFault {
    /// Port 0 is no port.
    #[error("port is 0")]
    NoPort,
    /// `0.0.0.0` or `::`.
    #[error("ip is unspecified")]
    Unspecified,
    /// A multicast group: a dial would reach many hosts.
    #[error("ip is multicast")]
    Multicast,
    /// `255.255.255.255`.
    #[error("ip is broadcast")]
    Broadcast,
    /// An IPv4-mapped IPv6 address: it has a shorter spelling.
    #[error("ip is ipv4 mapped to ipv6")]
    Mapped,
    /// A scope or flow label means nothing on another machine and is not part of an offer.
    #[error("address has a scope or flow label")]
    Scoped,
    /// Twice in one offer.
    #[error("address is listed twice")]
    Repeated,
}

impl Offer {
    /// Checks the number of addresses and each of them.
    ///
    /// # Errors
    ///
    /// [`OfferError::AddressCount`] or [`OfferError::Address`].
    pub fn check(&self) -> Result<(), OfferError> {
        address_count(self.addresses.len())?;
        let mut seen = Vec::with_capacity(self.addresses.len());
        for &address in &self.addresses {
            let repeated = seen.contains(&address).then_some(AddressFault::Repeated);
            if let Some(fault) = address_fault(address).or(repeated) {
                return Err(OfferError::Address { address, fault });
            }
            seen.push(address);
        }
        Ok(())
    }

    /// Checks the expiry against a clock, in seconds since 1970, with five minutes of skew.
    ///
    /// # Errors
    ///
    /// [`OfferError::Expired`] or [`OfferError::TooLongLived`].
    pub fn check_fresh(&self, now_unix: u64) -> Result<(), OfferError> {
        let expires_unix = self.expires_unix;
        let skew = limits::OFFER_CLOCK_SKEW.as_secs();
        if now_unix > expires_unix.saturating_add(skew) {
            Err(OfferError::Expired { expires_unix, now_unix })
        } else if expires_unix > now_unix.saturating_add(limits::MAX_OFFER_LIFE.as_secs() + skew) {
            Err(OfferError::TooLongLived { expires_unix, now_unix })
        } else {
            Ok(())
        }
    }

    /// The part of the offer that is signed; `docs/protocol.md` has the layout.
    pub(crate) fn encode_body(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.peer.0);
        out.extend_from_slice(&self.swarm_id);
        out.extend_from_slice(&self.expires_unix.to_le_bytes());
        out.push(u8::try_from(self.addresses.len()).unwrap_or(u8::MAX));
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    out.push(FAMILY_V4);
                    out.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.push(FAMILY_V6);
                    out.extend_from_slice(&ip.octets());
                }
            }
            out.extend_from_slice(&address.port().to_le_bytes());
        }
        out
    }

    /// Reads and checks the signed part; the rest of the bytes is returned.
    pub(crate) fn decode_body(bytes: &[u8]) -> Result<(Self, &[u8]), OfferError> {
        let mut reader = Reader { bytes, rest: bytes };
        match reader.array()? {
            [VERSION] => {}
            [version] => return Err(OfferError::Version { version }),
        }
        let key = reader.array()?;
        let peer =
            PeerId::from_bytes(key).map_err(|fault| OfferError::RefusedKey { peer: PeerId(key), fault })?;
        let swarm_id = reader.array()?;
        let expires_unix = u64::from_le_bytes(reader.array()?);
        let [count] = reader.array()?;
        let count = address_count(usize::from(count))?;
        let addresses = (0..count).map(|_| reader.address()).collect::<Result<_, _>>()?;
        let offer = Self { peer, swarm_id, addresses, expires_unix };
        offer.check()?;
        Ok((offer, reader.rest))
    }
}

fn address_count(count: usize) -> Result<usize, OfferError> {
    if (1..=limits::MAX_OFFER_ADDRESSES).contains(&count) {
        Ok(count)
    } else {
        Err(OfferError::AddressCount { count })
    }
}

/// An address that frames may name. Only a valid one becomes one, so that nothing that this program can be made to send is refused
/// for its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireAddress(SocketAddr);

impl WireAddress {
    /// An address at which a packet came, if a frame may name it. A socket for both versions shows an IPv4 address in an IPv6 form,
    /// and who sends a packet chooses its source.
    pub fn seen(address: SocketAddr) -> Option<Self> {
        Self::try_from(SocketAddr::new(address.ip().to_canonical(), address.port())).ok()
    }

    /// The address itself.
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

impl TryFrom<SocketAddr> for WireAddress {
    type Error = AddressFault;

    fn try_from(address: SocketAddr) -> Result<Self, AddressFault> {
        address_fault(address).map_or(Ok(Self(address)), Err)
    }
}

/// Why no offer may name an address, and no frame; `None`: it may.
fn address_fault(address: SocketAddr) -> Option<AddressFault> {
    let ip = address.ip();
    let scoped = matches!(address, SocketAddr::V6(v6) if v6.scope_id() != 0 || v6.flowinfo() != 0);
    let mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    [
        (address.port() == 0, AddressFault::NoPort),
        (ip.is_unspecified(), AddressFault::Unspecified),
        (ip.is_multicast(), AddressFault::Multicast),
        (ip == IpAddr::V4(Ipv4Addr::BROADCAST), AddressFault::Broadcast),
        (mapped, AddressFault::Mapped),
        (scoped, AddressFault::Scoped),
    ]
    .into_iter()
    .find_map(|(broken, fault)| broken.then_some(fault))
}

struct Reader<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], OfferError> {
        let offset = self.bytes.len() - self.rest.len();
        let (array, rest) = self.rest.split_first_chunk().ok_or(OfferError::Truncated { offset })?;
        self.rest = rest;
        Ok(*array)
    }

    fn address(&mut self) -> Result<SocketAddr, OfferError> {
        let ip = match self.array()? {
            [FAMILY_V4] => IpAddr::from(Ipv4Addr::from(self.array::<4>()?)),
            [FAMILY_V6] => IpAddr::from(Ipv6Addr::from(self.array::<16>()?)),
            [family] => return Err(OfferError::AddressFamily { family }),
        };
        Ok(SocketAddr::new(ip, u16::from_le_bytes(self.array()?)))
    }
}
