//! The rules of `Observed` and of introductions.

use std::net::{IpAddr, SocketAddr};

use minimodel_wire::{AddressFault, CloseCode, DecodeError, Frame, FrameKind, Nat, WireAddress};

use crate::decoder_rules::{decode, raw, refused};
use crate::samples::refused_keys;

// Rows: H13
#[test]
fn observed_address_is_one_from_which_packets_come() {
    for good in ["203.0.113.9:4433", "127.0.0.1:1", "[2001:db8::1]:65535"] {
        let address = WireAddress::try_from(good.parse::<SocketAddr>().unwrap()).unwrap();
        let frame = Frame::Observed { address, nat: Nat::Same };
        assert_eq!(decode(&frame.encode()), Ok(Some(frame)));
    }
    // The bytes that a program would send that does not look.
    let observed = |address: SocketAddr| {
        let (family, ip) = match address.ip() {
            IpAddr::V4(ip) => (4, ip.octets().to_vec()),
            IpAddr::V6(ip) => (6, ip.octets().to_vec()),
        };
        raw(0x000c, &[&[family], &ip[..], &address.port().to_le_bytes(), &[2]].concat())
    };
    let cases = [
        ("203.0.113.9:0", AddressFault::NoPort),
        ("0.0.0.0:1", AddressFault::Unspecified),
        ("[::]:1", AddressFault::Unspecified),
        ("224.0.0.1:1", AddressFault::Multicast),
        ("255.255.255.255:1", AddressFault::Broadcast),
        ("[::ffff:203.0.113.9]:1", AddressFault::Mapped),
    ];
    for (address, fault) in cases {
        let address: SocketAddr = address.parse().unwrap();
        assert_eq!(WireAddress::try_from(address), Err(fault));
        refused(&observed(address), DecodeError::ObservedAddress { address, fault }, CloseCode::Malformed);
    }
    let error = DecodeError::AddressFamily { family: 5 };
    refused(&raw(0x000c, &[5, 203, 0, 113, 9, 0x51, 0x11]), error, CloseCode::Malformed);
    let short = DecodeError::ShortBody { kind: FrameKind::Observed, offset: 1, len: 7 };
    refused(&raw(0x000c, &[6, 203, 0, 113, 9, 0x51, 0x11]), short, CloseCode::Malformed);
    let unknown = DecodeError::UnknownNat { number: 4 };
    refused(&raw(0x000c, &[4, 203, 0, 113, 9, 0x51, 0x11, 4]), unknown, CloseCode::Malformed);
}

// Rows: H14
#[test]
fn packet_source_that_no_frame_may_name_is_told_to_nobody() {
    let told = |address: &str| WireAddress::seen(address.parse().unwrap()).map(|told| told.get().to_string());
    assert_eq!(told("8.8.4.4:1").as_deref(), Some("8.8.4.4:1"));
    assert_eq!(told("[::ffff:8.8.4.4]:1").as_deref(), Some("8.8.4.4:1"));
    assert_eq!(told("[fe80::1%3]:9").as_deref(), Some("[fe80::1]:9"));
    for address in ["8.8.4.4:0", "[2001:db8::1]:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1"] {
        assert_eq!(told(address), None, "{address}");
    }
}

// Rows: H14
#[test]
fn introductions_have_one_spelling_and_no_address_for_nobody() {
    let peer = [7; 32];
    let meet = |flag: u8, delay: u16, address: &[u8]| {
        raw(0x000e, &[&peer[..], &[flag], &delay.to_le_bytes(), address, &[0; 3]].concat())
    };
    let good = [4, 203, 0, 113, 9, 0x51, 0x11];
    assert!(matches!(decode(&meet(1, 1_000, &good)), Ok(Some(Frame::Meet(_)))));
    let malformed = |bytes: &[u8], error| refused(bytes, error, CloseCode::Malformed);
    malformed(&meet(2, 0, &good), DecodeError::UnknownFlag { flag: 2 });
    malformed(&meet(0, 1_001, &good), DecodeError::MeetDelay { ms: 1_001 });
    malformed(&meet(0, 0, &[5]), DecodeError::AddressFamily { family: 5 });
    let (address, fault) = ("224.0.0.1:1".parse().unwrap(), AddressFault::Multicast);
    malformed(&meet(0, 0, &[4, 224, 0, 0, 1, 1, 0]), DecodeError::ObservedAddress { address, fault });
    for reason in [0, 4] {
        let bytes = raw(0x000f, &[&peer[..], &[reason]].concat());
        malformed(&bytes, DecodeError::UnknownReason { reason });
    }
}

// Rows: H5, H14
#[test]
fn introduction_names_no_key_that_no_peer_may_have() {
    for (key, fault) in refused_keys() {
        let meet = [&key[..], &[1, 0, 0, 4, 203, 0, 113, 9, 0x51, 0x11, 0, 0, 0]].concat();
        for (kind, body) in [(0x000d, key.to_vec()), (0x000e, meet), (0x000f, [&key[..], &[1]].concat())] {
            refused(&raw(kind, &body), DecodeError::MemberKey { fault }, CloseCode::Malformed);
        }
    }
}
