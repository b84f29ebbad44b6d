//! Which answer of a router is kept.

use super::*;

// Rows: H16
#[test]
fn silent_router_fails_after_a_second_and_a_half() {
    let mut world = World::probing();
    assert_eq!(world.until(is_state), limits::PROBE);
    assert_eq!(world.take_states(), [MappingState::Failed(SILENT)]);
}

#[test]
fn requests_are_repeated_twice() {
    let mut world = World::probing();
    world.pass(millis(1_400));
    let sent = world.take().iter().filter(|output| is_map_by_pcp(output)).count();
    assert_eq!(sent, 2);
}

#[test]
fn pcp_is_kept_at_once() {
    let mut world = World::probing();
    world.tell(Input::Datagram(&Pcp { port: 5_555, ..Pcp::GRANT }.bytes()));
    assert_eq!(world.take_states(), [mapping(MappingProtocol::Pcp, 5_555, 3_600)]);
}

#[test]
fn foreign_or_broken_answers_are_ignored() {
    let mut world = World::probing();
    let other_nonce = Pcp { nonce: [8; 12], ..Pcp::GRANT }.bytes();
    let mut other_port = Pcp::GRANT.bytes();
    other_port[41] ^= 1;
    let mut other_version = Pcp::GRANT.bytes();
    other_version[0] = 3;
    let short = &Pcp::GRANT.bytes()[..56];
    for bytes in [&other_nonce[..], &other_port, &other_version, short, b"garbage", &[], &pmp_mapped(PORT, 9)]
    {
        world.tell(Input::Datagram(bytes));
        assert_eq!(world.take(), [], "{bytes:?}");
    }
}

#[test]
fn nat_pmp_asks_for_the_address_then_maps() {
    let mut world = World::probing();
    world.tell(Input::Datagram(&NOT_PCP));
    world.tell(Input::Datagram(&pmp_external(PUBLIC)));
    assert_eq!(world.take(), [Output::Send(vec![0, 1, 0, 0, 0x10, 0x92, 0x10, 0x92, 0, 0, 0x0e, 0x10])]);
    world.tell(Input::Datagram(&pmp_mapped(6_000, 600)));
    assert_eq!(world.take_states(), [mapping(MappingProtocol::NatPmp, 6_000, 600)]);
}

#[test]
fn nat_pmp_waits_for_pcp_for_the_grace() {
    let mut world = World::probing();
    world.tell(Input::Datagram(&pmp_external(PUBLIC)));
    world.tell(Input::Datagram(&pmp_mapped(PORT, 600)));
    assert_eq!(world.take_states(), []);
    assert_eq!(world.until(is_state), limits::GRACE);
    assert_eq!(world.take_states(), [mapping(MappingProtocol::NatPmp, PORT, 600)]);
}

#[test]
fn extra_mapping_is_removed_and_the_kept_one_renewed() {
    let mut world = World::probing();
    world.tell(Input::Datagram(&pmp_external(PUBLIC)));
    world.tell(Input::Datagram(&pmp_mapped(6_000, 600)));
    world.take();
    world.tell(Input::Datagram(&Pcp::GRANT.bytes()));
    let removal = Output::Send(vec![0, 1, 0, 0, 0x10, 0x92, 0, 0, 0, 0, 0, 0]);
    assert_eq!(world.take(), [removal, Output::State(mapping(MappingProtocol::Pcp, PORT, 3_600))]);
    world.tell(Input::Datagram(&pmp_mapped(0, 0)));
    assert_eq!(world.take(), [Output::Send(map_request(PUBLIC.into(), 3_600))]);
}

#[test]
fn pcp_that_answers_after_nat_pmp_was_kept_is_removed() {
    let mut world = World::probing();
    world.tell(Input::Datagram(&pmp_external(PUBLIC)));
    world.tell(Input::Datagram(&pmp_mapped(PORT, 600)));
    world.pass(limits::GRACE);
    world.take();
    world.tell(Input::Datagram(&Pcp::GRANT.bytes()));
    assert!(world.take().iter().any(is_removal_by_pcp));
    world.tell(Input::Datagram(&Pcp::GRANT.bytes()));
    assert_eq!(world.take(), [], "one removal, whatever the router goes on to say");
}

#[test]
fn upnp_is_kept_when_nothing_else_is_spoken() {
    let mut world = World::probing();
    world.tell(found(PUBLIC));
    let ports = vec![PORT, 50_001, 50_002, 50_003, 50_004];
    let task = Task::Map { service: service(), ports, internal_port: PORT, lifetime: 3_600 };
    assert_eq!(world.take(), [Output::Upnp(1, task)]);
    world.tell(mapped(50_002));
    assert_eq!(world.until(is_state), limits::GRACE);
    assert_eq!(world.take_states(), [mapping(MappingProtocol::Upnp, 50_002, 3_600)]);
}

#[test]
fn upnp_makes_no_mapping_beside_a_better_one() {
    let mut world = World::held_by_pcp(3_600);
    world.tell(found(PUBLIC));
    assert_eq!(world.take(), []);
    world.tell(mapped(PORT));
    let removal = Task::Remove { service: service(), port: PORT };
    assert_eq!(world.take(), [Output::Upnp(1, removal)], "made by a task that was under way");
}

#[test]
fn nat_pmp_is_asked_although_upnp_was_faster() {
    let mut world = World::probing();
    world.tell(found(PUBLIC));
    world.tell(mapped(PORT));
    world.tell(Input::Datagram(&NOT_PCP));
    world.tell(Input::Datagram(&pmp_external(PUBLIC)));
    world.tell(Input::Datagram(&pmp_mapped(PORT, 600)));
    let outputs = world.take();
    let removal = Task::Remove { service: service(), port: PORT };
    assert!(outputs.contains(&Output::Upnp(1, removal)), "{outputs:?}");
    assert!(outputs.contains(&Output::State(mapping(MappingProtocol::NatPmp, PORT, 600))), "{outputs:?}");
}

#[test]
fn upnp_that_answers_late_ends_the_failure() {
    let mut world = World::probing();
    world.pass(limits::PROBE);
    assert_eq!(world.take_states(), [MappingState::Failed(SILENT)]);
    world.tell(found(PUBLIC));
    assert!(matches!(world.take()[..], [Output::Upnp(1, Task::Map { .. })]));
    world.tell(mapped(PORT));
    assert_eq!(world.take_states(), [mapping(MappingProtocol::Upnp, PORT, 3_600)]);
}

#[test]
fn reports_of_earlier_probes_are_ignored() {
    let mut world = World::probing();
    world.tell(Input::Upnp(0, Report::Found { service: service(), external: PUBLIC }));
    assert_eq!(world.take(), []);
}

// Rows: H16
#[test]
fn carrier_nat_is_recognised_in_every_protocol() {
    let external = Ipv4Addr::new(100, 64, 3, 4);
    let why = NoMapping::CarrierNat { router: IpAddr::V4(ROUTER), external: external.into() };
    let pcp = Pcp { external, ..Pcp::GRANT }.bytes();
    let by_pcp = |world: &mut World| world.tell(Input::Datagram(&pcp));
    let by_pmp = |world: &mut World| world.tell(Input::Datagram(&pmp_external(external)));
    let by_upnp = |world: &mut World| world.tell(found(external));
    for answer in [&by_pcp as &dyn Fn(&mut World), &by_pmp, &by_upnp] {
        let mut world = World::probing();
        answer(&mut world);
        assert_eq!(world.until(is_state), limits::PROBE);
        assert_eq!(world.take_states(), [MappingState::Failed(why.clone())]);
    }
}

#[test]
fn a_useless_mapping_is_removed_again() {
    for (external, port) in [(Ipv4Addr::new(10, 0, 0, 1), PORT), (Ipv4Addr::LOCALHOST, PORT), (PUBLIC, 0)] {
        let mut world = World::probing();
        world.tell(Input::Datagram(&Pcp { external, port, ..Pcp::GRANT }.bytes()));
        assert!(world.take().iter().any(is_removal_by_pcp));
    }
}

#[test]
fn all_refusals_end_the_probe_at_once() {
    let mut world = World::probing();
    world.tell(Input::Datagram(&NOT_PCP));
    world.tell(Input::Datagram(&[0, 128, 0, 2, 0, 0, 0, 9]));
    world.tell(Input::Upnp(1, Report::Refused { code: 606 }));
    let why = NoMapping::Refused { router: IpAddr::V4(ROUTER), by: MappingProtocol::NatPmp, code: 2 };
    assert_eq!(world.take_states(), [MappingState::Failed(why)]);
}

#[test]
fn carrier_nat_is_told_before_a_refusal() {
    let mut world = World::probing();
    world.tell(Input::Datagram(&Pcp { result: 2, ..Pcp::GRANT }.bytes()));
    world.tell(Input::Datagram(&pmp_external(Ipv4Addr::new(10, 0, 0, 1))));
    world.tell(Input::Upnp(1, Report::Nothing));
    let states = world.take_states();
    assert!(matches!(states[..], [MappingState::Failed(NoMapping::CarrierNat { .. })]), "{states:?}");
}

#[test]
fn port_zero_is_refused_without_a_request() {
    let random = Random { nonce: NONCE, other_ports: [1; limits::OTHER_PORTS] };
    let mut machine = Machine::new(Instant::now(), MapperSettings::new(0), random);
    assert_eq!(machine.poll(), Some(Output::State(MappingState::Failed(NoMapping::NoLocalPort))));
    assert_eq!((machine.poll(), machine.wakeup()), (None, None));
}

#[test]
fn no_router_is_told_and_the_next_one_is_asked() {
    let mut world = World::new();
    world.tell(Input::Router(Err(NoMapping::NoRouter { found: None })));
    assert_eq!(world.take_states(), [MappingState::Failed(NoMapping::NoRouter { found: None })]);
    world.pass(limits::LOOK);
    let outputs = world.take();
    assert!(outputs.contains(&Output::State(MappingState::Trying)), "{outputs:?}");
    assert!(outputs.iter().any(is_map_by_pcp), "{outputs:?}");
}
