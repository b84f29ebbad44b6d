//! The picker compared with a plain search for the rarest chunk.

use super::*;
use proptest::prelude::*;

/// Enough chunks for each way in which the rarest is searched.
const MANY: u32 = 20_000;

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
    let mut picker = with_holders(&[3, 1, 2, 5]);
    assert_eq!(picker.rarest(&having(4, &[0, 3]), true), Some(0));
    assert_eq!(picker.rarest(&having(4, &[]), true), None);
}

#[test]
fn rarest_chunk_is_found_for_a_peer_with_only_common_chunks() {
    let rare_below = MANY / 4;
    for missing_from in [0, rare_below] {
        let holders: Vec<u32> = (0..MANY).map(|i| if i < rare_below { 1 } else { 2 + i % 3 }).collect();
        let mut picker = with_holders(&holders);
        (0..missing_from).for_each(|index| picker.remove(index));
        for step in [1, 2, 7, 500] {
            let common = (rare_below..MANY).step_by(step).filter(|&index| holders[index as usize] > 2);
            let mut peer = having(MANY, &common.collect::<Vec<_>>());
            assert_eq!(picker.rarest(&peer, true).map(|index| holders[index as usize]), Some(3));
            // A rarer chunk is found wherever the search begins.
            let rarer = (rare_below..MANY).rev().find(|&index| holders[index as usize] == 2).unwrap();
            peer.set(rarer);
            for _ in 0..50 {
                assert_eq!(picker.rarest(&peer, true), Some(rarer));
            }
        }
    }
}

#[test]
fn chance_decides_among_equally_rare_chunks() {
    let mut picker = with_holders(&vec![1; MANY as usize]);
    let sparse = having(MANY, &(0..100).map(|n| n * 64).collect::<Vec<_>>());
    for peer in [Bitfield::full(MANY), sparse] {
        let picks: std::collections::BTreeSet<_> =
            (0..20).map(|_| picker.rarest(&peer, true).unwrap()).collect();
        assert!(picks.len() > 10, "{picks:?}");
    }
}

#[test]
fn a_group_that_emptied_gives_its_memory_back() {
    let mut picker = with_holders(&vec![0; MANY as usize]);
    (0..MANY).for_each(|index| picker.gained(index));
    assert!(picker.groups[0].capacity() <= SMALL_GROUP);
    assert_eq!(picker.check(), Ok(()));
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
