//! Any inputs in any order.

use proptest::prelude::*;

use super::*;

/// One step of a run.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Wakeup,
    Router(bool, u8),
    Pcp(u8, u32, u32, u32),
    Bytes(Vec<u8>),
    Found(u32, u32),
    Mapped(u32, u16),
    Report(u32, u8),
    NetworkChanged,
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_000_000u64).prop_map(Step::Pass),
        8 => Just(Step::Wakeup),
        3 => (any::<bool>(), 0..3u8).prop_map(|(is_found, last)| Step::Router(is_found, last)),
        4 => (0..3u8, any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(r, l, e, x)| Step::Pcp(r, l, e, x)),
        2 => proptest::collection::vec(any::<u8>(), 0..64).prop_map(Step::Bytes),
        1 => (0..2u8, any::<u32>()).prop_map(|(_, e)| Step::Bytes(pmp_external(e.into()))),
        1 => any::<(u16, u32)>().prop_map(|(port, lifetime)| Step::Bytes(pmp_mapped(port, lifetime))),
        1 => any::<u32>().prop_map(|epoch| Step::Bytes(announced(epoch))),
        2 => (0..3u32, any::<u32>()).prop_map(|(round, external)| Step::Found(round, external)),
        2 => (0..3u32, any::<u16>()).prop_map(|(round, port)| Step::Mapped(round, port)),
        1 => (0..3u32, 0..3u8).prop_map(|(round, what)| Step::Report(round, what)),
        1 => Just(Step::NetworkChanged),
        1 => Just(Step::End),
    ]
}

fn perform(world: &mut World, step: Step) {
    match step {
        Step::Pass(millis) => {
            world.now += Duration::from_millis(millis);
            world.tell(Input::Wakeup);
        }
        Step::Wakeup => {
            world.now = world.machine.wakeup().unwrap_or(world.now);
            world.tell(Input::Wakeup);
        }
        Step::Router(true, last) => world.tell(Input::Router(Ok(gateway(Ipv4Addr::new(192, 168, 1, last))))),
        Step::Router(false, _) => world.tell(Input::Router(Err(NoMapping::NoRouter { found: None }))),
        Step::Pcp(result, lifetime, epoch, external) => {
            let external = Ipv4Addr::from(external);
            world.tell(Input::Datagram(&Pcp { result, lifetime, epoch, external, ..Pcp::GRANT }.bytes()));
        }
        Step::Bytes(bytes) => world.tell(Input::Datagram(&bytes)),
        Step::Found(round, external) => {
            world.tell(Input::Upnp(
                round,
                io::Report::Found { service: service(), external: external.into() },
            ));
        }
        Step::Mapped(round, port) => {
            world.tell(Input::Upnp(round, Report::Mapped { service: service(), port }));
        }
        Step::Report(round, what) => {
            let report = match what {
                0 => Report::Removed,
                1 => Report::Nothing,
                _ => Report::Refused { code: 501 },
            };
            world.tell(Input::Upnp(round, report));
        }
        Step::NetworkChanged => world.tell(Input::NetworkChanged),
        Step::End => world.tell(Input::End),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_inputs_lead_to_a_mapping_that_is_not_public(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            perform(&mut world, step);
            let outputs = world.take();
            prop_assert!(outputs.len() < 16, "{:?}", outputs);
            for output in outputs {
                if let Output::State(MappingState::Mapped(mapping)) = output {
                    let IpAddr::V4(external) = mapping.external.ip() else { panic!("IPv6") };
                    prop_assert!(super::super::super::address::judge(ROUTER, external.into()).is_ok());
                    prop_assert!(mapping.external.port() != 0);
                    prop_assert!((limits::MIN_LIFETIME..=limits::MAX_LIFETIME).contains(&mapping.lifetime));
                }
            }
        }
    }
}
