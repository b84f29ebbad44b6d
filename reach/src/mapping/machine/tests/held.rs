//! Renewal, watch, expiry, change of the network, and the end.

use super::*;

#[test]
fn mapping_is_renewed_at_half_of_its_lifetime() {
    let mut world = World::held_by_pcp(600);
    assert_eq!(world.until(is_map_by_pcp), secs(300));
    world.take();
    world.tell(Input::Datagram(&Pcp { lifetime: 600, epoch: 1_300, ..Pcp::GRANT }.bytes()));
    assert_eq!(world.take(), [], "the same mapping is no news");
    assert_eq!(world.until(is_map_by_pcp), secs(600));
}

#[test]
fn lifetimes_are_brought_into_their_bounds() {
    for (told, half) in [(0, 60), (1, 60), (u32::MAX, 43_200)] {
        let mut world = World::held_by_pcp(told);
        assert_eq!(world.until(is_map_by_pcp), secs(half), "{told}");
    }
}

#[test]
fn failed_renewals_are_repeated_until_the_expiry() {
    let mut world = World::held_by_pcp(600);
    assert_eq!(world.until(is_state), secs(600));
    let outputs = world.take();
    let tries = outputs.iter().filter(|output| is_map_by_pcp(output)).count();
    assert!(tries >= 9, "three packets at 300 s, 450 s, 525 s and so on: {tries}");
    assert_eq!(outputs.last(), Some(&Output::State(MappingState::Failed(SILENT))));
}

#[test]
fn refused_renewals_end_with_the_refusal() {
    let mut world = World::held_by_pcp(120);
    let why = NoMapping::Refused { router: IpAddr::V4(ROUTER), by: MappingProtocol::Pcp, code: 8 };
    while world.now < world.began + secs(120) {
        world.until(|output| is_map_by_pcp(output) || is_state(output));
        if world.take_states() == [MappingState::Failed(why.clone())] {
            return;
        }
        world.tell(Input::Datagram(&Pcp { result: 8, ..Pcp::GRANT }.bytes()));
    }
    panic!("no failure at the expiry");
}

#[test]
fn pauses_after_failures_grow_from_one_to_thirty_minutes() {
    let mut world = World::probing();
    let mut last = world.until(is_state);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        world.take();
        let begins = world.until(is_map_by_pcp);
        pauses.push((begins - last).as_secs());
        world.pass(limits::PROBE);
        last = begins + limits::PROBE;
    }
    assert_eq!(pauses, [60, 120, 240, 480, 960, 1_800, 1_800]);
}

// Rows: H16
#[test]
fn restarted_router_gets_the_mapping_again_at_once() {
    let mut world = World::held_by_pcp(3_600);
    let is_announce = |output: &Output| matches!(output, Output::Send(bytes) if bytes.len() == 24);
    assert_eq!(world.until(is_announce), limits::WATCH);
    world.take();
    world.tell(Input::Datagram(&announced(1_300)));
    assert_eq!(world.take(), [], "the router counts on");
    assert_eq!(world.until(is_announce), limits::WATCH * 2);
    world.take();
    world.tell(Input::Datagram(&announced(12)));
    assert_eq!(world.take(), [Output::Send(map_request(PUBLIC.into(), 3_600))]);
}

#[test]
fn changed_address_by_nat_pmp_is_told() {
    let mut world = World::probing();
    world.tell(Input::Datagram(&NOT_PCP));
    world.tell(Input::Datagram(&pmp_external(PUBLIC)));
    world.tell(Input::Datagram(&pmp_mapped(PORT, 3_600)));
    world.take();
    world.until(|output| *output == Output::Send(vec![0, 0]));
    world.take();
    world.tell(Input::Datagram(&pmp_external(Ipv4Addr::new(1, 2, 3, 4))));
    let states = world.take_states();
    assert!(
        matches!(&states[..], [MappingState::Mapped(mapping)] if mapping.external.to_string() == "1.2.3.4:4242"),
        "{states:?}"
    );
}

#[test]
fn renewal_behind_carrier_nat_ends_the_mapping() {
    let mut world = World::held_by_pcp(600);
    world.until(is_map_by_pcp);
    world.take();
    world.tell(Input::Datagram(&Pcp { external: Ipv4Addr::new(10, 1, 1, 1), ..Pcp::GRANT }.bytes()));
    let outputs = world.take();
    assert!(outputs.iter().any(is_removal_by_pcp), "{outputs:?}");
    assert!(matches!(
        outputs.last(),
        Some(Output::State(MappingState::Failed(NoMapping::CarrierNat { .. })))
    ));
}

#[test]
fn renewal_by_upnp_finds_the_service_again() {
    let mut world = World::probing();
    world.tell(found(PUBLIC));
    world.tell(mapped(50_001));
    world.pass(limits::GRACE);
    world.take();
    let is_find = |output: &Output| matches!(output, Output::Upnp(1, Task::Find));
    assert_eq!(world.until(is_find), limits::GRACE + secs(1_800));
    world.take();
    world.tell(found(Ipv4Addr::new(1, 2, 3, 4)));
    assert!(matches!(&world.take()[..], [Output::Upnp(1, Task::Map { ports, .. })] if ports[0] == 50_001));
    world.tell(mapped(50_001));
    let states = world.take_states();
    assert!(
        matches!(&states[..], [MappingState::Mapped(mapping)] if mapping.external.to_string() == "1.2.3.4:50001"),
        "{states:?}"
    );
}

#[test]
fn another_router_is_asked_at_once() {
    let mut world = World::held_by_pcp(3_600);
    world.tell(Input::NetworkChanged);
    assert_eq!(world.take(), [Output::FindRouter]);
    world.tell(Input::Router(Ok(gateway(Ipv4Addr::new(10, 0, 0, 1)))));
    let outputs = world.take();
    assert!(outputs.contains(&Output::State(MappingState::Trying)), "{outputs:?}");
    assert!(outputs.contains(&Output::Upnp(2, Task::Find)), "{outputs:?}");
}

#[test]
fn another_address_of_ours_is_noticed_within_a_minute() {
    let mut world = World::held_by_pcp(3_600);
    world.now += limits::LOOK;
    world.tell(Input::Wakeup);
    assert_eq!(world.take(), [Output::FindRouter]);
    let own = IpAddr::from([192, 168, 1, 9]);
    world.tell(Input::Router(Ok(Gateway { own, ..gateway(ROUTER) })));
    assert!(world.take().contains(&Output::State(MappingState::Trying)));
}

#[test]
fn the_same_router_is_renewed_when_the_caller_asks() {
    let mut world = World::held_by_pcp(3_600);
    world.tell(Input::NetworkChanged);
    world.take();
    world.tell(Input::Router(Ok(gateway(ROUTER))));
    assert_eq!(world.take(), [Output::Send(map_request(PUBLIC.into(), 3_600))]);
}

#[test]
fn a_lookup_that_fails_leaves_the_mapping() {
    let mut world = World::held_by_pcp(3_600);
    world.tell(Input::Router(Err(NoMapping::NoRouter { found: None })));
    assert_eq!((world.take_states(), world.take()), (vec![], vec![]));
    // It is still removed at the end.
    world.tell(Input::End);
    assert_eq!(world.take(), [Output::Send(map_request(0, 0))]);
}

#[test]
fn lost_router_ends_the_mapping() {
    let mut world = World::held_by_pcp(3_600);
    world.tell(Input::NetworkChanged);
    world.tell(Input::Router(Err(NoMapping::NoRouter { found: None })));
    assert_eq!(world.take_states(), [MappingState::Failed(NoMapping::NoRouter { found: None })]);
}

#[test]
fn end_removes_the_mapping() {
    let mut world = World::held_by_pcp(3_600);
    world.tell(Input::End);
    assert_eq!(world.take(), [Output::Send(map_request(0, 0))]);
    world.tell(Input::Datagram(&Pcp { lifetime: 0, port: 0, ..Pcp::GRANT }.bytes()));
    assert_eq!(world.take(), [Output::Ended]);
    assert_eq!(world.machine.wakeup(), None);
}

#[test]
fn end_does_not_wait_for_a_silent_router() {
    let mut world = World::held_by_pcp(3_600);
    world.tell(Input::End);
    assert_eq!(world.until(|output| *output == Output::Ended), limits::REMOVAL);
}

#[test]
fn end_within_a_probe_removes_what_may_be_mapped() {
    let mut world = World::probing();
    world.tell(found(PUBLIC));
    world.take();
    world.tell(Input::End);
    assert_eq!(world.take(), [Output::Send(map_request(0, 0))]);
    world.tell(mapped(PORT));
    let removal = Task::Remove { service: service(), port: PORT };
    assert_eq!(world.take(), [Output::Upnp(1, removal)]);
    world.tell(Input::Datagram(&NOT_PCP));
    world.tell(Input::Upnp(1, Report::Removed));
    assert_eq!(world.take(), [Output::Ended]);
}

#[test]
fn end_without_a_mapping_is_at_once() {
    let mut world = World::probing();
    world.pass(limits::PROBE);
    world.take();
    world.tell(Input::End);
    assert_eq!(world.take(), [Output::Ended]);
}
