//! Changes of the controls that the user sets.

use std::collections::BTreeMap;

use minimodel_swarm::machine::{Controls, Input};

use super::World;
use crate::samples::{self, CHUNK_BYTES};

impl World {
    /// Changes one control and leaves the others as they were.
    pub(super) fn wants(&mut self, what: u8, how: u8) {
        let peers = (how & 0x80 == 0).then(|| samples::some_peers(how | 0x18));
        let bytes = (how & 0x80 == 0).then(|| u64::from(how & 0x1f) * u64::from(CHUNK_BYTES) / 2);
        let controls = &mut self.controls;
        match what {
            0..=2 => controls.allow = peers,
            3..=5 => controls.sources = peers,
            6 | 7 => controls.slots = (how & 0x80 == 0).then_some(usize::from(how & 7)),
            8 => controls.allowance = bytes,
            9 => controls.serve_allowance = bytes,
            10 | 11 => {
                controls.allowances = bytes.map(|most| (samples::id(how & 7), most)).into_iter().collect();
            }
            12 => controls.fetch_allowance = bytes,
            13 | 14 => {
                let of_one = bytes.map(|most| (samples::id(how & 7), most));
                controls.fetch_allowances = of_one.into_iter().collect();
            }
            _ => *controls = Controls { allowances: BTreeMap::new(), ..Controls::default() },
        }
        let controls = self.controls.clone();
        self.tell(Input::Controls(controls));
    }
}
