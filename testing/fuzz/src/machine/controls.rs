//! Changes of the controls that the user sets.

use minimodel_swarm::machine::{Controls, Input};

use super::World;
use crate::samples;

impl World {
    /// Changes one control and leaves the others as they were.
    pub(super) fn wants(&mut self, what: u8, how: u8) {
        let peers = (how & 0x80 == 0).then(|| samples::some_peers(how | 0x18));
        let controls = &mut self.controls;
        match what {
            0..=2 => controls.allow = peers,
            3..=5 => controls.sources = peers,
            6 | 7 => controls.slots = (how & 0x80 == 0).then_some(usize::from(how & 7)),
            8..=14 => controls.quota_version = u64::from(how & 1),
            _ => *controls = Controls::default(),
        }
        let controls = self.controls.clone();
        self.tell(Input::Controls(controls));
    }
}
