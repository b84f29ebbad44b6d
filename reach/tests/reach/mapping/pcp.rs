//! PCP.

use super::fake::Fake;
use super::*;

/// True for a request to map; false for one to remove, and for anything else.
pub(super) fn is_map(bytes: &[u8]) -> bool {
    bytes.len() == 60 && bytes[..2] == [2, 1] && bytes[4..8] != [0; 4]
}

/// True for a request to remove.
pub(super) fn is_removal(bytes: &[u8]) -> bool {
    bytes.len() == 60 && bytes[..2] == [2, 1] && bytes[4..8] == [0; 4]
}

/// The answer of a router that grants what is asked, at this address and the suggested port.
pub(super) fn granted(request: &[u8], external: Ipv4Addr) -> Vec<u8> {
    let mut answer = request.to_vec();
    answer[1] |= 0x80;
    answer[8..24].copy_from_slice(&[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    answer[44..60].copy_from_slice(&external.to_ipv6_mapped().octets());
    answer
}

/// A router of PCP alone, whose answers to requests for mappings are changed.
async fn router(change: impl Fn(&mut Vec<u8>) + Send + 'static) -> Fake {
    Fake::start(move |request| {
        if !is_map(request) && !is_removal(request) {
            return Vec::new();
        }
        let mut answer = granted(request, PUBLIC);
        change(&mut answer);
        vec![answer]
    })
    .await
}

async fn state_with(change: impl Fn(&mut Vec<u8>) + Send + 'static) -> MappingState {
    let (router, nobody) = (router(change).await, Fake::silent().await);
    settled(&Mapper::start(settings(router.at, nobody.at))).await
}

#[tokio::test]
async fn pcp_maps_the_port() {
    assert_eq!(state_with(|_| {}).await, mapped(MappingProtocol::Pcp, PORT, 3_600));
}

#[tokio::test]
async fn pcp_gives_another_port_which_is_taken() {
    let state = state_with(|answer| answer[42..44].copy_from_slice(&5_555u16.to_be_bytes())).await;
    assert_eq!(state, mapped(MappingProtocol::Pcp, 5_555, 3_600));
}

// Rows: H16
#[tokio::test]
async fn pcp_lifetimes_that_lie_are_bounded() {
    let state = state_with(|answer| answer[4..8].copy_from_slice(&u32::MAX.to_be_bytes())).await;
    assert_eq!(state, mapped(MappingProtocol::Pcp, PORT, 86_400));
}

// Rows: H16
#[tokio::test]
async fn pcp_behind_a_carrier_is_recognised_and_removed() {
    let router =
        Fake::start(|request| if is_map(request) { vec![granted(request, SHARED)] } else { Vec::new() })
            .await;
    let nobody = Fake::silent().await;
    let mapper = Mapper::start(settings(router.at, nobody.at));
    let why = NoMapping::CarrierNat { router: ROUTER, external: SHARED.into() };
    assert_eq!(settled(&mapper).await, MappingState::Failed(why));
    router.until_asked(1, is_removal).await;
}

// Rows: H16
#[tokio::test]
async fn pcp_naming_loopback_outside_is_unusable() {
    let state = state_with(|answer| answer[56..60].copy_from_slice(&[127, 0, 0, 1])).await;
    let external = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!(state, MappingState::Failed(NoMapping::Unusable { router: ROUTER, external }));
}

// Rows: H16
#[tokio::test]
async fn pcp_granting_port_zero_maps_nothing() {
    let state = state_with(|answer| answer[42..44].fill(0)).await;
    assert_eq!(state, MappingState::Failed(NoMapping::NoPort { router: ROUTER, by: MappingProtocol::Pcp }));
}

// Rows: H16
#[tokio::test]
async fn pcp_that_refuses_is_told_with_its_code() {
    assert_eq!(state_with(|answer| answer[3] = 2).await, refused(MappingProtocol::Pcp, 2));
}

// Rows: H16
#[tokio::test]
async fn pcp_answers_of_another_nonce_are_ignored() {
    assert_eq!(state_with(|answer| answer[24] ^= 1).await, SILENT);
}

// Rows: H16
#[tokio::test]
async fn pcp_answers_that_are_cut_are_ignored() {
    assert_eq!(state_with(|answer| answer.truncate(44)).await, SILENT);
}

// Rows: H16
#[tokio::test]
async fn pcp_answers_from_another_port_are_ignored() {
    let router =
        Fake::start_elsewhere(
            |request| {
                if is_map(request) { vec![granted(request, PUBLIC)] } else { Vec::new() }
            },
        );
    let (router, nobody) = (router.await, Fake::silent().await);
    assert_eq!(settled(&Mapper::start(settings(router.at, nobody.at))).await, SILENT);
}

#[tokio::test]
async fn garbage_before_the_answer_does_no_harm() {
    let router = Fake::start(|request| {
        let garbage = [vec![], vec![0], vec![2; 1_100], vec![0x81; 1_400], b"HTTP/1.1 200 OK\r\n".to_vec()];
        let answer = is_map(request).then(|| granted(request, PUBLIC));
        garbage.into_iter().chain(answer).collect()
    });
    let (router, nobody) = (router.await, Fake::silent().await);
    let state = settled(&Mapper::start(settings(router.at, nobody.at))).await;
    assert_eq!(state, mapped(MappingProtocol::Pcp, PORT, 3_600));
}
