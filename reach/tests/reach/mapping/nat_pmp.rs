//! NAT-PMP, alone and beside PCP.

use super::fake::Fake;
use super::pcp::{granted, is_map};
use super::*;

const EPOCH: [u8; 4] = [0, 0, 0, 9];

/// A router of NAT-PMP alone: whatever is no version 0 is answered as RFC 6886 section 3.5 asks.
pub(super) fn answer(request: &[u8], external: Ipv4Addr) -> Vec<Vec<u8>> {
    let answer = match request {
        [0, 0] => [&[0, 128, 0, 0][..], &EPOCH, &external.octets()].concat(),
        [0, 1, 0, 0, rest @ ..] => [&[0, 129, 0, 0][..], &EPOCH, rest].concat(),
        [2, opcode, ..] => [&[0, opcode | 0x80, 0, 1][..], &EPOCH].concat(),
        _ => return Vec::new(),
    };
    vec![answer]
}

async fn state_with(reply: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> MappingState {
    let (router, nobody) = (Fake::start(reply).await, Fake::silent().await);
    settled(&Mapper::start(settings(router.at, nobody.at))).await
}

#[tokio::test]
async fn nat_pmp_maps_where_pcp_is_not_supported() {
    let state = state_with(|request| answer(request, PUBLIC)).await;
    assert_eq!(state, mapped(MappingProtocol::NatPmp, PORT, 3_600));
}

#[tokio::test]
async fn nat_pmp_maps_where_pcp_is_silent() {
    let reply = |request: &[u8]| if request[0] == 0 { answer(request, PUBLIC) } else { Vec::new() };
    assert_eq!(state_with(reply).await, mapped(MappingProtocol::NatPmp, PORT, 3_600));
}

#[tokio::test]
async fn pcp_is_preferred_where_both_are_spoken() {
    let reply = |request: &[u8]| {
        if is_map(request) { vec![granted(request, PUBLIC)] } else { answer(request, PUBLIC) }
    };
    assert_eq!(state_with(reply).await, mapped(MappingProtocol::Pcp, PORT, 3_600));
}

// Rows: H16
#[tokio::test]
async fn nat_pmp_behind_a_carrier_asks_for_no_mapping() {
    let (router, nobody) = (Fake::start(|request| answer(request, SHARED)).await, Fake::silent().await);
    let state = settled(&Mapper::start(settings(router.at, nobody.at))).await;
    let why = NoMapping::CarrierNat { router: ROUTER, external: SHARED.into() };
    assert_eq!(state, MappingState::Failed(why));
    assert!(!router.asked().iter().any(|request| request.len() == 12), "no request for a mapping");
}

// Rows: H16
#[tokio::test]
async fn nat_pmp_that_refuses_is_told_with_its_code() {
    let reply = |request: &[u8]| match request {
        [0, 1, ..] => vec![[&[0, 129, 0, 4][..], &EPOCH].concat()],
        _ => answer(request, PUBLIC),
    };
    assert_eq!(state_with(reply).await, refused(MappingProtocol::NatPmp, 4));
}

// Rows: H16
#[tokio::test]
async fn nat_pmp_mapping_of_another_port_is_ignored() {
    let reply = |request: &[u8]| {
        let mut answers = answer(request, PUBLIC);
        if request.len() == 12 {
            answers[0][9] ^= 1;
        }
        answers
    };
    assert_eq!(state_with(reply).await, refused(MappingProtocol::Pcp, 1));
}
