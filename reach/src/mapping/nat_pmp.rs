//! NAT-PMP: the requests for the external address and for a mapping of a UDP port, and their answers (RFC 6886 section 3).

use std::net::Ipv4Addr;

/// The result code of success (section 3.5).
pub(super) const SUCCESS: u16 = 0;

/// The result code of a version that the router does not speak (section 3.5).
const UNSUPPORTED_VERSION: u16 = 1;

/// The answer's opcode for the external address (section 3.2).
const EXTERNAL_ANSWER: u8 = 128;

/// The answer's opcode for a mapping of a UDP port (section 3.3).
const MAP_ANSWER: u8 = 129;

/// The request for the router's external address (section 3.2).
pub(super) const EXTERNAL_REQUEST: [u8; 2] = [0, 0];

/// The request for a mapping; with lifetime 0 (in seconds) and external port 0, for its removal (sections 3.3 and 3.4).
pub(super) fn map_request(internal_port: u16, external_port: u16, lifetime: u32) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 0];
    bytes.extend(internal_port.to_be_bytes());
    bytes.extend(external_port.to_be_bytes());
    bytes.extend(lifetime.to_be_bytes());
    bytes
}

/// An answer of the router. The epoch is in seconds since it began to keep its mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The external address.
    External { epoch: u32, address: Ipv4Addr },
    /// A mapping; one of lifetime 0 (in seconds) was removed.
    Mapped { epoch: u32, internal_port: u16, external_port: u16, lifetime: u32 },
    /// A refusal to tell the address or to map.
    Refused { what: Refused, code: u16 },
    /// The router speaks NAT-PMP and not the version of a request, which was one of PCP (RFC 6887 section 9).
    OtherVersion,
}

/// A request that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    External,
    Map,
}

/// Reads an answer. `None`: it is none of NAT-PMP.
pub(super) fn decode(bytes: &[u8]) -> Option<Answer> {
    let [0, opcode, high, low, rest @ ..] = bytes else { return None };
    let what = match *opcode {
        EXTERNAL_ANSWER => Refused::External,
        MAP_ANSWER => Refused::Map,
        _ => return None,
    };
    match u16::from_be_bytes([*high, *low]) {
        SUCCESS => {}
        UNSUPPORTED_VERSION => return Some(Answer::OtherVersion),
        code => return Some(Answer::Refused { what, code }),
    }
    let (epoch, rest) = rest.split_first_chunk()?;
    let epoch = u32::from_be_bytes(*epoch);
    match (what, rest) {
        (Refused::External, &[a, b, c, d]) => {
            Some(Answer::External { epoch, address: Ipv4Addr::new(a, b, c, d) })
        }
        (Refused::Map, &[i, n, e, x, a, b, c, d]) => Some(Answer::Mapped {
            epoch,
            internal_port: u16::from_be_bytes([i, n]),
            external_port: u16::from_be_bytes([e, x]),
            lifetime: u32::from_be_bytes([a, b, c, d]),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_have_the_bytes_of_rfc_6886() {
        assert_eq!(map_request(8080, 8081, 3600), [0, 1, 0, 0, 0x1f, 0x90, 0x1f, 0x91, 0, 0, 0x0e, 0x10]);
        assert_eq!(EXTERNAL_REQUEST, [0, 0]);
    }

    #[test]
    fn external_answer_is_read_field_by_field() {
        let answer = decode(&[0, 128, 0, 0, 0, 0, 0, 9, 8, 8, 4, 4]);
        assert_eq!(answer, Some(Answer::External { epoch: 9, address: Ipv4Addr::new(8, 8, 4, 4) }));
    }

    #[test]
    fn map_answer_is_read_field_by_field() {
        let answer = decode(&[0, 129, 0, 0, 0, 0, 0, 9, 0x1f, 0x90, 0x1f, 0x91, 0, 0, 0x0e, 0x10]);
        let expected = Answer::Mapped { epoch: 9, internal_port: 8080, external_port: 8081, lifetime: 3600 };
        assert_eq!(answer, Some(expected));
    }

    #[test]
    fn refusals_name_the_request_and_the_code() {
        assert_eq!(
            decode(&[0, 129, 0, 2, 0, 0, 0, 9]),
            Some(Answer::Refused { what: Refused::Map, code: 2 })
        );
        assert_eq!(
            decode(&[0, 128, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0]),
            Some(Answer::Refused { what: Refused::External, code: 3 })
        );
        assert_eq!(decode(&[0, 129, 0, 1, 0, 0, 0, 9]), Some(Answer::OtherVersion));
    }

    #[test]
    fn answers_of_wrong_length_or_kind_are_ignored() {
        for bytes in [
            &[][..],
            &[0, 128, 0],
            &[0, 128, 0, 0, 0, 0, 0, 9, 8, 8, 4],
            &[0, 128, 0, 0, 0, 0, 0, 9, 8, 8, 4, 4, 0],
            &[0, 129, 0, 0, 0, 0, 0, 9, 8, 8, 4, 4],
            &[0, 130, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0],
            &[1, 128, 0, 0, 0, 0, 0, 9, 8, 8, 4, 4],
            &[0, 0],
        ] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            decode(&bytes);
        }

        #[test]
        fn an_answer_to_a_request_repeats_its_fields(internal: u16, external: u16, seconds: u32, age: u32) {
            let request = map_request(internal, external, seconds);
            let bytes = [&[0, MAP_ANSWER, 0, 0][..], &age.to_be_bytes(), &request[4..]].concat();
            let expected =
                Answer::Mapped { epoch: age, internal_port: internal, external_port: external, lifetime: seconds };
            prop_assert_eq!(decode(&bytes), Some(expected));
        }
    }
}
