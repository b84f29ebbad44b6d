//! Chunks that a peer announced and then refused with `NotHave`.
//!
//! A peer that lost a chunk sends `DontHave` on the control stream and refuses requests on their own streams. Streams
//! have no order, so the refusal may arrive first. It is held against the peer only if no `DontHave` follows, or if the
//! peer announces the same chunk again and refuses it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::time::Time;

/// How long a `DontHave` is waited for after the refusal: some round trips, and two losses in a row.
pub(super) const WORD_FOLLOWS: Duration = Duration::from_secs(3);
/// Chunks of one peer that are remembered as refused and taken back; beyond it the lowest is forgotten.
const MAX_EXPLAINED: usize = 256;

/// Chunks that one peer refused. There are no more open ones than requests were in flight, since the peer is asked for
/// nothing meanwhile.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Refused chunks whose `DontHave` is awaited, and since when.
    open: BTreeMap<u32, Time>,
    /// Refused chunks that the peer took back.
    explained: BTreeSet<u32>,
}

impl Refusals {
    /// Notes a refusal; returns true if the same chunk was refused and taken back before.
    pub(super) fn refused(&mut self, now: Time, index: u32) -> bool {
        if self.explained.remove(&index) {
            return true;
        }
        self.open.entry(index).or_insert(now);
        false
    }

    /// Notes a `DontHave`; returns true if it was the last that was awaited.
    pub(super) fn explain(&mut self, index: u32) -> bool {
        if self.open.remove(&index).is_none() {
            return false;
        }
        if self.explained.len() >= MAX_EXPLAINED {
            self.explained.pop_first();
        }
        self.explained.insert(index);
        self.open.is_empty()
    }

    /// Forgets refusals whose `DontHave` did not come in time; returns how many.
    pub(super) fn expire(&mut self, now: Time) -> usize {
        let before = self.open.len();
        self.open.retain(|_, since| now.since(*since) < WORD_FOLLOWS);
        before - self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, Frame, ResetCode};

    use super::super::events::{Event, Input, Req, RequestFault};
    use super::super::fault::Breach;
    use super::super::harness::{Harness, SEED, TAKE, having, id};
    use super::*;

    /// A harness that requested chunks from peer 1, and these requests.
    fn asking() -> (Harness, Vec<(Req, u32)>) {
        let mut harness = Harness::new(TAKE, having([]));
        harness.join(1, SEED, Bitfield::full(20));
        harness.frame(1, Frame::Unchoke);
        let asked = harness.requests().into_iter().map(|(_, req, index)| (req, index)).collect();
        (harness, asked)
    }

    fn refuse(harness: &mut Harness, req: Req) {
        harness.tell(Input::Failed { req, fault: RequestFault::Reset(ResetCode::NotHave) });
    }

    fn struck() -> Event {
        Event::Struck { peer: id(1), breach: Breach::RefusedAnnounced }
    }

    // Rows: B6
    #[test]
    fn a_refusal_that_overtakes_the_word_is_held_against_nobody() {
        let (mut harness, asked) = asking();
        asked.iter().for_each(|&(req, _)| refuse(&mut harness, req));
        harness.wait(Duration::from_millis(2_500));
        assert_eq!(harness.requests(), [], "it may have lost all it has");
        asked.iter().for_each(|&(_, index)| harness.frame(1, Frame::DontHave { index }));
        harness.wait(Duration::from_secs(10));
        let said = harness.said();
        let is_asked = |output: &_| matches!(output, super::super::events::Output::Request { .. });
        assert!(said.iter().any(is_asked), "it is asked for others soon");
        assert!(
            !said
                .iter()
                .any(|output| matches!(output, super::super::events::Output::Event(Event::Struck { .. })))
        );
    }

    // Rows: B6
    #[test]
    fn a_refusal_without_a_word_is_a_strike_after_three_seconds() {
        let (mut harness, asked) = asking();
        refuse(&mut harness, asked[0].0);
        harness.wait(Duration::from_millis(2_900));
        assert_eq!(harness.events(), []);
        harness.wait(Duration::from_millis(500));
        assert_eq!(harness.events(), [struck()]);
    }

    // Rows: B6
    #[test]
    fn chunk_announced_and_refused_twice_is_a_strike_at_once() {
        let (mut harness, asked) = asking();
        let (req, index) = asked[0];
        refuse(&mut harness, req);
        harness.frame(1, Frame::DontHave { index });
        // The peer keeps this chunk alone.
        for other in (0..20).filter(|&other| other != index) {
            harness.frame(1, Frame::DontHave { index: other });
        }
        harness.frame(1, Frame::Have { indexes: vec![index] });
        harness.said();
        harness.wait(Duration::from_secs(2));
        let again: Vec<_> = harness.requests();
        assert_eq!(again.len(), 1);
        refuse(&mut harness, again[0].1);
        assert_eq!(harness.events(), [struck()]);
    }
}
