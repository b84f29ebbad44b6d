//! Requests that arrive before the Hello of the peer that makes them.
//!
//! Streams have no order: a request may overtake the Hello that permits it. The request waits until the Hello is judged
//! and is then answered or refused like any other. If the connection ends first, the request is refused.

/// Requests of one connection that may wait for its Hello: all streams that the peer may open before it.
pub(super) const MAX_EARLY: usize = 4;

/// What an early request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Early {
    Chunk(u32),
    Leaves,
    Manifest,
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, CloseCode, Frame, ManifestOnly, ResetCode};

    use super::super::events::{Ask, Conn, Event, Input, Output};
    use super::super::harness::{Harness, SEED, TAKE};
    use std::time::Duration;

    const CONN: Conn = Conn(1);

    fn asks_before_its_hello() -> Harness {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.connect(1, 7, false);
        harness.tell(Input::AskedManifest { ask: Ask(0), conn: CONN });
        harness.tell(Input::AskedLeaves { ask: Ask(1), conn: CONN });
        harness.ask(1, 2, 5);
        let said = harness.said();
        assert!(said.is_empty(), "it waits: {said:?}");
        harness
    }

    /// Outcomes of requests: answered, or refused with a code.
    fn answers(harness: &mut Harness) -> Vec<(u64, Option<ResetCode>)> {
        let answer = |output| match output {
            Output::ServeManifest { ask } | Output::ServeLeaves { ask } => Some((ask.0, None)),
            Output::Refuse { ask, code } => Some((ask.0, Some(code))),
            _ => None,
        };
        harness.said().into_iter().filter_map(answer).collect()
    }

    // Rows: A5
    #[test]
    fn request_arriving_before_its_hello_is_answered_without_blame() {
        let mut harness = asks_before_its_hello();
        let hello = harness.hello(TAKE);
        harness.frame(1, Frame::Hello(hello));
        assert_eq!(answers(&mut harness), [(0, None), (1, None), (2, Some(ResetCode::Choked))]);
        harness.frame(1, Frame::Bitfield(Bitfield::new(20)));
        assert_eq!(harness.machine.progress().peers, 1);
    }

    // Rows: A5
    #[test]
    fn manifest_only_permits_the_manifest_alone_without_blame() {
        let mut harness = asks_before_its_hello();
        let only = ManifestOnly { version: 1, swarm_id: [1; 32], software: "peer/1".to_owned() };
        harness.frame(1, Frame::ManifestOnly(only));
        let refused = Some(ResetCode::NotPermitted);
        assert_eq!(answers(&mut harness), [(0, None), (1, refused), (2, refused)]);
        harness.ask(1, 3, 5);
        assert_eq!(answers(&mut harness), [(3, refused)]);
        assert_eq!(harness.events(), []);
    }

    // Rows: A5
    #[test]
    fn early_requests_without_hello_are_bounded_and_end_with_close() {
        let mut harness = asks_before_its_hello();
        harness.ask(1, 3, 0);
        harness.ask(1, 4, 0);
        assert_eq!(answers(&mut harness), [(4, Some(ResetCode::Busy))]);
        harness.wait(Duration::from_secs(11));
        let said = harness.said();
        let is_close = |output: &Output| matches!(output, Output::Close { code: CloseCode::TooSlow, .. });
        assert!(said.iter().any(is_close), "{said:?}");
        let withdrawn = said.iter().filter(|output| matches!(output, Output::Refuse { .. })).count();
        assert_eq!(withdrawn, 4);
        assert!(harness.machine.is_idle());
        let strikes = said.iter().filter(|output| matches!(output, Output::Event(Event::Struck { .. })));
        assert_eq!(strikes.count(), 1);
    }

    // Rows: B14
    #[test]
    fn unpermitted_requests_are_a_flood_beyond_what_chance_causes() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.connect(1, 7, false);
        let only = ManifestOnly { version: 1, swarm_id: [1; 32], software: "peer/1".to_owned() };
        harness.frame(1, Frame::ManifestOnly(only));
        for n in 0..320 {
            harness.ask(1, n, 0);
        }
        assert_eq!(harness.events(), []);
        for n in 320..323 {
            harness.ask(1, n, 0);
        }
        let said = harness.said();
        let is_close = |output: &Output| matches!(output, Output::Close { code: CloseCode::Flood, .. });
        assert!(said.iter().any(is_close), "{said:?}");
    }
}
