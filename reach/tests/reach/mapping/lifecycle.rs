//! From the start to the end of a mapper.

use super::fake::Fake;
use super::pcp::{granted, is_map, is_removal};
use super::*;

async fn pcp_router() -> Fake {
    let answer = |request: &[u8]| {
        if is_map(request) || is_removal(request) { vec![granted(request, PUBLIC)] } else { Vec::new() }
    };
    Fake::start(answer).await
}

/// Moves the clock of tokio, whose timers all fire at once.
async fn advance(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn silent_router_is_told_with_its_address() {
    let (router, nobody) = (Fake::silent().await, Fake::silent().await);
    assert_eq!(settled(&Mapper::start(settings(router.at, nobody.at))).await, SILENT);
}

#[tokio::test]
async fn router_that_hears_nothing_is_silent() {
    // The ports were free a moment ago: ICMP comes back.
    let closed = {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket.local_addr().expect("an address")
    };
    assert_eq!(settled(&Mapper::start(settings(closed, closed))).await, SILENT);
}

#[tokio::test]
async fn mapping_is_renewed_after_half_of_its_lifetime() {
    let (router, nobody) = (pcp_router().await, Fake::silent().await);
    let mapper = Mapper::start(settings(router.at, nobody.at));
    settled(&mapper).await;
    assert_eq!(router.asked().iter().filter(|request| is_map(request)).count(), 1);
    advance(Duration::from_secs(1_801)).await;
    router.until_asked(2, is_map).await;
    assert_eq!(settled(&mapper).await, mapped(MappingProtocol::Pcp, PORT, 3_600));
}

#[tokio::test]
async fn mapping_is_renewed_when_the_network_changed() {
    let (router, nobody) = (pcp_router().await, Fake::silent().await);
    let mapper = Mapper::start(settings(router.at, nobody.at));
    settled(&mapper).await;
    mapper.network_changed();
    router.until_asked(2, is_map).await;
}

#[tokio::test]
async fn end_removes_the_mapping_at_the_router() {
    let (router, nobody) = (pcp_router().await, Fake::silent().await);
    let mapper = Mapper::start(settings(router.at, nobody.at));
    settled(&mapper).await;
    let state = mapper.state();
    mapper.end().await;
    assert!(router.asked().iter().any(|request| is_removal(request)));
    assert!(state.has_changed().is_err(), "the task is gone");
}

// Rows: H16
#[tokio::test]
async fn end_does_not_wait_for_a_router_that_fell_silent() {
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let router = Fake::start(move |request| {
        let answers = is_map(request) && is_first.swap(false, std::sync::atomic::Ordering::Relaxed);
        if answers { vec![granted(request, PUBLIC)] } else { Vec::new() }
    });
    let (router, nobody) = (router.await, Fake::silent().await);
    let mapper = Mapper::start(settings(router.at, nobody.at));
    settled(&mapper).await;
    tokio::time::timeout(PATIENCE, mapper.end()).await.expect("an end");
    assert!(router.asked().iter().any(|request| is_removal(request)));
}

#[tokio::test]
async fn dropped_mapper_stops_without_a_removal() {
    let (router, nobody) = (pcp_router().await, Fake::silent().await);
    let mapper = Mapper::start(settings(router.at, nobody.at));
    settled(&mapper).await;
    let mut state = mapper.state();
    drop(mapper);
    let gone = tokio::time::timeout(PATIENCE, state.wait_for(|_| false)).await.expect("in time");
    assert!(gone.is_err(), "the task is gone");
    assert!(!router.asked().iter().any(|request| is_removal(request)));
}

// Rows: H16
#[tokio::test]
async fn gateways_in_public_networks_are_not_asked() {
    let router = IpAddr::from([8, 8, 8, 8]);
    let (pmp, ssdp) = (SocketAddr::new(router, 5351), SocketAddr::new(router, 1900));
    let gateway = Gateway { router, own: ROUTER, pmp, ssdp };
    let settings = MapperSettings { gateways: Gateways::Given(gateway), ..MapperSettings::new(PORT) };
    let why = NoMapping::NoRouter { found: Some(router) };
    assert_eq!(settled(&Mapper::start(settings)).await, MappingState::Failed(why));
}

#[tokio::test]
async fn port_zero_is_not_mapped() {
    let nobody = Fake::silent().await;
    let settings = MapperSettings { port: 0, ..settings(nobody.at, nobody.at) };
    let mapper = Mapper::start(settings);
    assert_eq!(settled(&mapper).await, MappingState::Failed(NoMapping::NoLocalPort));
    mapper.end().await;
    assert_eq!(nobody.asked(), Vec::<Vec<u8>>::new());
}
