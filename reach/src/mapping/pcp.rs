//! PCP: the requests MAP and ANNOUNCE, and their answers (RFC 6887 sections 7, 11 and 14.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

/// The version of RFC 6887.
pub(super) const VERSION: u8 = 2;

/// The result code of success (section 7.4).
pub(super) const SUCCESS: u8 = 0;

/// The result code of a version that the router does not speak (section 7.4).
pub(super) const UNSUPPORTED_VERSION: u8 = 1;

/// The opcode ANNOUNCE (section 14.1).
const ANNOUNCE: u8 = 0;

/// The opcode MAP (section 11).
const MAP: u8 = 1;

/// The bit of the opcode that marks answers (section 7.2).
const ANSWER: u8 = 0x80;

/// UDP's number among IP protocols.
const UDP: u8 = 17;

/// Bytes of a header (section 7.1).
const HEADER: usize = 24;

/// Bytes of a MAP request or answer, header included (section 11.1).
const WHOLE_MAP: usize = 60;

/// Most bytes of a message (section 7).
const LARGEST: usize = 1_100;

/// What names a mapping to the router, so that nobody else's answers are believed (section 11.1).
pub(super) type Nonce = [u8; 12];

/// A request for a mapping of one UDP port, or for its removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MapRequest {
    pub(super) nonce: Nonce,
    /// Our address, as the router must see it (section 8.1).
    pub(super) own: Ipv4Addr,
    pub(super) internal_port: u16,
    /// The external address and port that we would like; 0.0.0.0 is any.
    pub(super) suggested: SocketAddrV4,
    /// In seconds; 0 removes the mapping (section 15).
    pub(super) lifetime: u32,
}

impl MapRequest {
    /// The bytes of the request (sections 7.1 and 11.1).
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = header(MAP, self.lifetime, self.own);
        bytes.extend(self.nonce);
        bytes.extend([UDP, 0, 0, 0]);
        bytes.extend(self.internal_port.to_be_bytes());
        bytes.extend(self.suggested.port().to_be_bytes());
        bytes.extend(self.suggested.ip().to_ipv6_mapped().octets());
        bytes
    }
}

/// The bytes of an ANNOUNCE request, whose answer tells the router's epoch (section 14.1).
pub(super) fn announce(own: Ipv4Addr) -> Vec<u8> {
    header(ANNOUNCE, 0, own)
}

fn header(opcode: u8, lifetime: u32, own: Ipv4Addr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(WHOLE_MAP);
    bytes.extend([VERSION, opcode, 0, 0]);
    bytes.extend(lifetime.to_be_bytes());
    bytes.extend(own.to_ipv6_mapped().octets());
    bytes
}

/// An answer of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// To MAP: a mapping, or its removal.
    Map(MapAnswer),
    /// To ANNOUNCE: seconds since the router began to keep its mappings.
    Announce {
        /// The epoch.
        epoch: u32,
    },
    /// The router does not speak the version of a request with this opcode, which may be one of NAT-PMP.
    OtherVersion {
        /// The version that the router names, one that it speaks (section 9).
        version: u8,
    },
}

/// An answer to MAP (section 11.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MapAnswer {
    pub(super) nonce: Nonce,
    /// [`SUCCESS`], or why not.
    pub(super) result: u8,
    /// In seconds; after a refusal, how long it lasts.
    pub(super) lifetime: u32,
    /// Seconds since the router began to keep its mappings.
    pub(super) epoch: u32,
    pub(super) internal_port: u16,
    pub(super) external_port: u16,
    pub(super) external: IpAddr,
}

/// Reads an answer. `None`: it is none of PCP, or must be ignored (section 8.3).
pub(super) fn decode(bytes: &[u8]) -> Option<Answer> {
    if bytes.len() < HEADER || bytes.len() > LARGEST || !bytes.len().is_multiple_of(4) {
        return None;
    }
    let (&version, &opcode, &result) = (bytes.first()?, bytes.get(1)?, bytes.get(3)?);
    // Version 0 is NAT-PMP, whose answers have another form.
    if version == 0 || opcode & ANSWER == 0 {
        return None;
    }
    if result == UNSUPPORTED_VERSION {
        return Some(Answer::OtherVersion { version });
    }
    if version != VERSION {
        return None;
    }
    let epoch = u32_at(bytes, 8)?;
    match opcode & !ANSWER {
        ANNOUNCE if result == SUCCESS => Some(Answer::Announce { epoch }),
        MAP => Some(Answer::Map(map_answer(bytes, result, epoch)?)),
        _ => None,
    }
}

fn map_answer(bytes: &[u8], result: u8, epoch: u32) -> Option<MapAnswer> {
    if bytes.len() < WHOLE_MAP || *bytes.get(36)? != UDP {
        return None;
    }
    let external = Ipv6Addr::from(array_at::<16>(bytes, 44)?).to_canonical();
    Some(MapAnswer {
        nonce: array_at(bytes, HEADER)?,
        result,
        lifetime: u32_at(bytes, 4)?,
        epoch,
        internal_port: u16::from_be_bytes(array_at(bytes, 40)?),
        external_port: u16::from_be_bytes(array_at(bytes, 42)?),
        external,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_be_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: Nonce = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    /// The fields of RFC 6887 figures 3 and 9 in their order.
    const ANSWERED: [u8; 60] = [
        2, 0x81, 0, 0, 0, 0, 0x0e, 0x10, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 0, 0, 0, 0x1f, 0x90, 0x1f, 0x91, //
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 8, 8, 4, 4,
    ];

    #[test]
    fn map_request_has_the_bytes_of_rfc_6887() {
        let request = MapRequest {
            nonce: NONCE,
            own: Ipv4Addr::new(192, 168, 1, 7),
            internal_port: 8080,
            suggested: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 8081),
            lifetime: 3600,
        };
        let expected: [u8; 60] = [
            2, 1, 0, 0, 0, 0, 0x0e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 7, //
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 0, 0, 0, 0x1f, 0x90, 0x1f, 0x91, //
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0,
        ];
        assert_eq!(request.encode(), expected);
    }

    #[test]
    fn announce_request_is_a_bare_header() {
        let bytes = announce(Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(bytes, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2]);
    }

    #[test]
    fn map_answer_is_read_field_by_field() {
        let expected = MapAnswer {
            nonce: NONCE,
            result: SUCCESS,
            lifetime: 3600,
            epoch: 9,
            internal_port: 8080,
            external_port: 8081,
            external: IpAddr::from([8, 8, 4, 4]),
        };
        assert_eq!(decode(&ANSWERED), Some(Answer::Map(expected)));
    }

    #[test]
    fn answers_of_wrong_length_are_ignored() {
        for length in [0, 4, 23, 56, 59] {
            assert_eq!(decode(&ANSWERED[..length]), None, "{length}");
        }
        let long = [&ANSWERED[..], &[0; 1_044]].concat();
        assert_eq!(decode(&long), None);
        assert!(decode(&long[..LARGEST]).is_some());
    }

    #[test]
    fn requests_and_other_protocols_are_ignored() {
        for (at, value) in [(0, 0), (0, 3), (1, 1), (1, 0x82), (36, 6)] {
            let mut bytes = ANSWERED;
            bytes[at] = value;
            assert_eq!(decode(&bytes), None, "{value} at {at}");
        }
    }

    #[test]
    fn unsupported_version_needs_no_more_than_a_header() {
        let mut bytes = ANSWERED;
        bytes[0] = 1;
        bytes[3] = UNSUPPORTED_VERSION;
        assert_eq!(decode(&bytes[..24]), Some(Answer::OtherVersion { version: 1 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1_200)) {
            decode(&bytes);
        }

        #[test]
        fn no_answer_like_bytes_make_the_reader_panic(tail in proptest::collection::vec(any::<u8>(), 0..80)) {
            decode(&[&[2, 0x81][..], &tail].concat());
        }

        #[test]
        fn an_answer_to_a_request_repeats_its_fields(
            nonce in any::<Nonce>(), own in any::<u32>(), internal_port in any::<u16>(), port in any::<u16>(),
            external in any::<u32>(), lifetime in any::<u32>(),
        ) {
            let suggested = SocketAddrV4::new(external.into(), port);
            let request = MapRequest { nonce, own: own.into(), internal_port, suggested, lifetime };
            let mut bytes = request.encode();
            bytes[1] |= ANSWER;
            let Some(Answer::Map(answer)) = decode(&bytes) else { panic!("no answer to MAP") };
            prop_assert_eq!(answer.nonce, nonce);
            prop_assert_eq!(answer.lifetime, lifetime);
            prop_assert_eq!(answer.internal_port, internal_port);
            prop_assert_eq!(answer.external_port, port);
            prop_assert_eq!(answer.external, IpAddr::V4(external.into()));
        }
    }
}
