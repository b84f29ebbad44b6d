//! The number of upload slots: what the user wants, adapted to the uplink and to memory.

use super::config::{Config, UPLOAD_BYTES};
use super::peer::Peer;
use super::rate::Outflow;
use super::swarm::Swarm;

/// Slots that are added at a check, and the most there may be, in multiples of the usual number.
const MORE_SLOTS: usize = 2;
const MOST_SLOTS: usize = 4;

/// The most slots that upload memory allows, a chunk for each; at least one.
fn slots_in_memory(chunk_size: u32) -> usize {
    usize::try_from(UPLOAD_BYTES / u64::from(chunk_size.max(1))).unwrap_or(usize::MAX).max(1)
}

/// The number of upload slots before it is adapted to the uplink.
pub(super) fn usual_slots(config: &Config) -> usize {
    config.controls.slots.unwrap_or(config.limits.upload_slots).min(slots_in_memory(config.terms.chunk_size))
}

/// The number of upload slots, and the total upload rate that it follows.
#[derive(Debug)]
pub(super) struct SlotCount {
    now: usize,
    outflow: Outflow,
}

impl SlotCount {
    pub(super) fn new(config: &Config) -> Self {
        Self { now: usual_slots(config), outflow: Outflow::default() }
    }

    /// The number of slots now.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// Counts bytes that were sent.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.outflow.add(bytes);
    }

    /// Returns to the usual number, after the user changed it.
    pub(super) fn reset(&mut self, config: &Config) {
        self.now = usual_slots(config);
    }

    /// Opens more slots while less goes out than before and every slot is busy: the served peers are slow to read and the
    /// uplink has room. Closes them again when the uplink is full. Returns true if slots were opened.
    pub(super) fn adapt(&mut self, swarm: &Swarm) -> bool {
        let usual = usual_slots(&swarm.config);
        self.outflow.look(swarm.now);
        let is_busy = |peer: &&Peer| peer.up.unchoked && !peer.up.active.is_empty();
        let busy = swarm.peers.values().filter(is_busy).count();
        if self.outflow.is_low() && busy >= self.now {
            let most = slots_in_memory(swarm.config.terms.chunk_size);
            self.now = (self.now + MORE_SLOTS).min(usual * MOST_SLOTS).min(most);
            return true;
        }
        if self.outflow.is_full() && self.now > usual {
            // The holder of a slot too many keeps it until the rechoke.
            self.now -= 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::harness::{SEED, config, having, swarm};
    use super::super::time::Time;
    use super::*;

    #[test]
    fn memory_and_the_user_bound_the_number_of_slots() {
        let mut config = config(SEED);
        assert_eq!(usual_slots(&config), config.limits.upload_slots);
        config.controls.slots = Some(3);
        assert_eq!(usual_slots(&config), 3);
        config.terms.chunk_size = 32 << 20;
        assert_eq!(usual_slots(&config), 2, "each slot holds a chunk in memory");
        config.terms.chunk_size = u32::MAX;
        assert_eq!(usual_slots(&config), 1);
    }

    #[test]
    fn slots_are_opened_while_less_goes_out_than_before() {
        let mut swarm = swarm(SEED, having(0..20));
        swarm.config.controls.slots = Some(0);
        let mut count = SlotCount::new(&swarm.config);
        let mut second = 0;
        let mut look = |count: &mut SlotCount, swarm: &mut Swarm, bytes| {
            second += 1;
            swarm.now = Time::after_start(Duration::from_secs(second));
            count.sent(bytes);
            count.adapt(swarm)
        };
        assert!((0..30).all(|_| !look(&mut count, &mut swarm, 1_000)));
        swarm.config.controls.slots = Some(1);
        // No peer is served, so that none of no slots is idle.
        let opened = (0..30).filter(|_| look(&mut count, &mut swarm, 0)).count();
        assert_eq!((opened, count.now()), (1, MORE_SLOTS));
        count.reset(&swarm.config);
        assert_eq!(count.now(), 1);
    }
}
