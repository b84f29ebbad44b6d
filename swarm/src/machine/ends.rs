//! The ends of a fetch: complete, and exhausted when no known peer can help any more. Each is reported once.

use std::time::Duration;

use minimodel_wire::Consent;

use super::events::Event;
use super::peer::{Peer, Phase};
use super::sources::Sources;
use super::swarm::Swarm;
use super::time::Time;

/// Every source must have ended for this long before `Exhausted` is reported, so that sources named one after the other
/// all count.
const EXHAUSTED_AFTER: Duration = Duration::from_millis(500);

/// What was reported, and since when no peer can help.
#[derive(Debug)]
pub(super) struct Ends {
    complete_said: bool,
    exhausted_since: Option<Time>,
    exhausted_said: bool,
}

impl Ends {
    /// `complete`: every chunk is here from the beginning, which is not reported.
    pub(super) fn new(complete: bool) -> Self {
        Self { complete_said: complete, exhausted_since: None, exhausted_said: false }
    }

    /// Notes that a chunk was lost.
    pub(super) fn chunk_lost(&mut self) {
        self.complete_said = false;
    }

    /// Notes that a share is whole again, which does not complete a fetch.
    pub(super) fn share_is_whole(&mut self) {
        self.complete_said = true;
    }

    /// Reports the ends that have come.
    pub(super) fn report(&mut self, swarm: &mut Swarm, sources: &Sources) {
        if !self.complete_said && swarm.chunks.is_complete() {
            self.complete_said = true;
            swarm.event(Event::Complete);
        }
        let is_hope = |peer: &Peer| peer.phase != Phase::Ready || peer.consent.contains(Consent::SERVE);
        let waits = swarm.config.listening || !swarm.wants_chunks();
        if waits || !sources.is_exhausted() || swarm.peers.values().any(is_hope) {
            self.exhausted_since = None;
            self.exhausted_said = false;
            return;
        }
        let since = *self.exhausted_since.get_or_insert(swarm.now);
        if swarm.now.since(since) >= EXHAUSTED_AFTER && !self.exhausted_said {
            self.exhausted_said = true;
            swarm.event(Event::Exhausted);
        }
    }

    /// When an end may have to be reported.
    pub(super) fn wakeup(&self) -> Option<Time> {
        self.exhausted_since.filter(|_| !self.exhausted_said).map(|since| since + EXHAUSTED_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::bans::Bans;
    use super::super::events::Output;
    use super::super::harness::{SEED, TAKE, having, id, swarm};
    use super::*;

    fn no_sources() -> Sources {
        Sources::new(Bans::new(BTreeMap::new()))
    }

    fn said(swarm: &mut Swarm) -> Vec<Event> {
        let event = |output| if let Output::Event(event) = output { Some(event) } else { None };
        std::iter::from_fn(|| swarm.poll()).filter_map(event).collect()
    }

    #[test]
    fn a_fetch_is_exhausted_once_and_only_after_a_moment() {
        let (mut ends, mut swarm) = (Ends::new(false), swarm(TAKE, having([])));
        ends.report(&mut swarm, &no_sources());
        assert_eq!((said(&mut swarm), ends.wakeup()), (vec![], Some(Time::ZERO + EXHAUSTED_AFTER)));
        swarm.now = Time::ZERO + EXHAUSTED_AFTER;
        ends.report(&mut swarm, &no_sources());
        ends.report(&mut swarm, &no_sources());
        assert_eq!((said(&mut swarm), ends.wakeup()), (vec![Event::Exhausted], None));
        let mut one = no_sources();
        one.name(id(1), &[], swarm.now);
        ends.report(&mut swarm, &one);
        ends.report(&mut swarm, &no_sources());
        assert_eq!(said(&mut swarm), [], "a new source begins the wait anew");
    }

    #[test]
    fn a_share_is_complete_at_the_start_and_again_after_a_loss() {
        let (mut ends, mut swarm) = (Ends::new(true), swarm(SEED, having(0..20)));
        ends.report(&mut swarm, &no_sources());
        assert_eq!(said(&mut swarm), []);
        ends.chunk_lost();
        ends.report(&mut swarm, &no_sources());
        assert_eq!(said(&mut swarm), [Event::Complete]);
    }
}
