//! Which missing chunk to ask a peer for.
//!
//! Missing chunks stand in one array, grouped by how many partial peers have them, rarest first; `starts` says
//! where each group begins. One more or one less holder moves a chunk across one border: a swap. Seeds are not
//! counted at all, since they add the same to every chunk: their arrival and departure cost nothing.
//! Within a group the order is random from the start, so that leechers spread out.

use minimodel_wire::Bitfield;

const ABSENT: u32 = u32::MAX;
/// How far down the array a partial peer is looked up one by one before its bitfield is scanned instead.
const PROBES: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Picker {
    missing: Bitfield,
    /// Holders of each chunk among partial peers.
    holders: Vec<u32>,
    /// The missing chunks, rarest group first.
    order: Vec<u32>,
    /// Where each chunk stands in `order`.
    position: Vec<u32>,
    /// `starts[h]`: where the group with `h` holders begins; the group ends where the next begins.
    starts: Vec<u32>,
    /// No chunk below this index is missing.
    lowest: u32,
}

impl Picker {
    /// All chunks that `have` lacks are missing; nobody holds any yet.
    pub(super) fn new(have: &Bitfield, rng: &mut fastrand::Rng) -> Self {
        let count = have.count();
        let mut order: Vec<u32> = (0..count).filter(|&index| !have.get(index)).collect();
        rng.shuffle(&mut order);
        let mut position = vec![ABSENT; count as usize];
        let mut missing = Bitfield::new(count);
        for (at, &index) in (0u32..).zip(&order) {
            position[index as usize] = at;
            missing.set(index);
        }
        Self { missing, holders: vec![0; count as usize], order, position, starts: vec![0], lowest: 0 }
    }

    /// One more partial peer has the chunk.
    pub(super) fn gained(&mut self, index: u32) {
        let Some(holders) = self.holders.get_mut(index as usize) else { return };
        let group = *holders as usize;
        *holders += 1;
        while self.starts.len() < group + 2 {
            self.starts.push(self.order.len() as u32);
        }
        if self.position[index as usize] != ABSENT {
            let last = self.starts[group + 1] - 1;
            self.swap(self.position[index as usize], last);
            self.starts[group + 1] = last;
        }
    }

    /// One partial peer less has the chunk.
    pub(super) fn lost(&mut self, index: u32) {
        let Some(holders) = self.holders.get_mut(index as usize) else { return };
        let group = *holders as usize;
        if group == 0 {
            return;
        }
        *holders -= 1;
        if self.position[index as usize] != ABSENT {
            let first = self.starts[group];
            self.swap(self.position[index as usize], first);
            self.starts[group] = first + 1;
        }
    }

    /// The chunk is missing again.
    pub(super) fn insert(&mut self, index: u32) {
        if self.position.get(index as usize).is_none_or(|&at| at != ABSENT) {
            return;
        }
        let group = self.holders[index as usize] as usize;
        while self.starts.len() < group + 1 {
            self.starts.push(self.order.len() as u32);
        }
        // The array grows by one; each group above moves its first member to its new end.
        self.position[index as usize] = self.order.len() as u32;
        self.order.push(index);
        for above in (group + 1..self.starts.len()).rev() {
            let first = self.starts[above];
            self.swap(self.position[index as usize], first);
            self.starts[above] = first + 1;
        }
        self.missing.set(index);
        self.lowest = self.lowest.min(index);
    }

    /// The chunk is asked for, or here.
    pub(super) fn remove(&mut self, index: u32) {
        if self.position.get(index as usize).is_none_or(|&at| at == ABSENT) {
            return;
        }
        let group = self.holders[index as usize] as usize;
        // Walk the gap to the end of the array, one group border at a time.
        for above in group + 1..self.starts.len() {
            let last = self.starts[above] - 1;
            self.swap(self.position[index as usize], last);
            self.starts[above] = last;
        }
        let last = self.order.len() as u32 - 1;
        self.swap(self.position[index as usize], last);
        self.order.pop();
        self.position[index as usize] = ABSENT;
        self.missing.clear(index);
    }

    /// The rarest missing chunk that the peer has; `counted` when it is a partial peer, a holder itself.
    pub(super) fn rarest(&self, peer: &Bitfield, counted: bool) -> Option<u32> {
        // What a partial peer has, one at least has.
        let start = if counted { self.starts.get(1).map_or(self.order.len(), |&at| at as usize) } else { 0 };
        let order = self.order.get(start..)?;
        if let Some(&index) = order.iter().take(PROBES).find(|&&index| peer.get(index)) {
            return Some(index);
        }
        if order.len() <= PROBES {
            return None;
        }
        self.missing.iter_common(peer).min_by_key(|&index| self.position[index as usize])
    }

    /// A random missing chunk that the peer has; the rarest when a few tries find none.
    pub(super) fn random(&self, peer: &Bitfield, counted: bool, rng: &mut fastrand::Rng) -> Option<u32> {
        if self.order.is_empty() {
            return None;
        }
        for _ in 0..8 {
            let index = self.order[rng.usize(..self.order.len())];
            if peer.get(index) {
                return Some(index);
            }
        }
        self.rarest(peer, counted)
    }

    /// The lowest missing chunk that the peer has.
    pub(super) fn sequential(&mut self, peer: &Bitfield) -> Option<u32> {
        self.lowest = self.missing.first_one_from(self.lowest).unwrap_or(self.missing.count());
        self.missing.first_common_from(peer, self.lowest)
    }

    /// What must hold at any time; the error says what does not.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.order.len() != self.missing.ones() as usize {
            return Err(format!("{} in order, {} missing", self.order.len(), self.missing.ones()));
        }
        for (at, &index) in (0u32..).zip(&self.order) {
            let group = self.holders[index as usize] as usize;
            let start = self.starts.get(group).copied().unwrap_or(u32::MAX);
            let end = self.starts.get(group + 1).copied().unwrap_or(self.order.len() as u32);
            if self.position[index as usize] != at || !(start..end).contains(&at) {
                return Err(format!("chunk {index} with {group} holders at {at}, group {start}..{end}"));
            }
        }
        Ok(())
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.order.swap(a as usize, b as usize);
        self.position[self.order[a as usize] as usize] = a;
        self.position[self.order[b as usize] as usize] = b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_holders(holders: &[u32]) -> Picker {
        let count = holders.len() as u32;
        let mut picker = Picker::new(&Bitfield::new(count), &mut fastrand::Rng::with_seed(1));
        for (index, &n) in (0u32..).zip(holders) {
            for _ in 0..n {
                picker.gained(index);
            }
        }
        picker
    }

    fn having(count: u32, indexes: &[u32]) -> Bitfield {
        let mut field = Bitfield::new(count);
        for &index in indexes {
            field.set(index);
        }
        field
    }

    #[test]
    fn the_chunk_with_fewest_holders_goes_first() {
        let mut picker = with_holders(&[3, 1, 2, 5]);
        let seed = Bitfield::full(4);
        for expected in [1, 2, 0, 3] {
            let picked = picker.rarest(&seed, false);
            assert_eq!(picked, Some(expected));
            picker.remove(expected);
        }
        assert_eq!(picker.rarest(&seed, false), None);
    }

    #[test]
    fn only_what_the_peer_has_is_picked() {
        let picker = with_holders(&[3, 1, 2, 5]);
        assert_eq!(picker.rarest(&having(4, &[0, 3]), true), Some(0));
        assert_eq!(picker.rarest(&having(4, &[]), true), None);
    }

    #[test]
    fn a_peer_with_few_chunks_of_many_is_still_served_its_rarest() {
        let mut picker = with_holders(&vec![1; 10_000]);
        picker.gained(77);
        let peer = having(10_000, &[77, 9_000]);
        assert_eq!(picker.rarest(&peer, true), Some(9_000));
    }

    #[test]
    fn sequential_takes_the_lowest_and_comes_back_for_what_failed() {
        let mut picker = with_holders(&[0, 0, 0]);
        let seed = Bitfield::full(3);
        assert_eq!(picker.sequential(&seed), Some(0));
        picker.remove(0);
        picker.remove(1);
        assert_eq!(picker.sequential(&seed), Some(2));
        picker.insert(1);
        assert_eq!(picker.sequential(&seed), Some(1));
    }

    #[test]
    fn two_leechers_with_other_seeds_start_elsewhere() {
        let have = Bitfield::new(1000);
        let seed = Bitfield::full(1000);
        let one = Picker::new(&have, &mut fastrand::Rng::with_seed(1)).rarest(&seed, false);
        let two = Picker::new(&have, &mut fastrand::Rng::with_seed(2)).rarest(&seed, false);
        assert_ne!(one, two);
    }

    proptest! {
        #[test]
        fn any_history_keeps_the_groups_in_order(
            steps in proptest::collection::vec((0u8..4, 0u32..40), 0..400),
        ) {
            let mut picker = Picker::new(&having(40, &[3, 7]), &mut fastrand::Rng::with_seed(9));
            let mut holders = [0u32; 40];
            for (step, index) in steps {
                match step {
                    0 => { picker.gained(index); holders[index as usize] += 1; }
                    1 => { picker.lost(index); holders[index as usize] = holders[index as usize].saturating_sub(1); }
                    2 => picker.insert(index),
                    _ => picker.remove(index),
                }
                prop_assert_eq!(picker.check(), Ok(()));
                let rarest = picker.missing.iter_ones().map(|i| holders[i as usize]).min();
                let picked = picker.rarest(&Bitfield::full(40), false).map(|i| holders[i as usize]);
                prop_assert_eq!(picked, rarest);
                let held = having(40, &(0..40).filter(|&i| holders[i as usize] > 0).collect::<Vec<_>>());
                let counted = picker.missing.iter_common(&held).map(|i| holders[i as usize]).min();
                let picked = picker.rarest(&held, true).map(|i| holders[i as usize]);
                prop_assert_eq!(picked, counted);
            }
        }
    }
}
