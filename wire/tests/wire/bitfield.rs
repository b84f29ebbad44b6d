//! The bitfield against a plain set of indexes.

use std::collections::BTreeSet;

use minimodel_wire::{Bitfield, BitfieldError};
use proptest::prelude::*;

fn of(count: u32, indexes: &BTreeSet<u32>) -> Bitfield {
    let mut bits = Bitfield::new(count);
    for index in indexes {
        bits.set(*index);
    }
    bits
}

/// The operations that made a bitfield: a full or empty start, then a sequence of changes.
#[derive(Clone, Debug)]
struct History {
    full: bool,
    /// Whether the words are allocated before the first change.
    made: bool,
    steps: Vec<(bool, u32)>,
    /// Whether every chunk is set, or every chunk cleared, at the end.
    ends: Option<bool>,
}

impl History {
    fn play(&self, count: u32) -> (Bitfield, BTreeSet<u32>) {
        let mut bits = if self.full { Bitfield::full(count) } else { Bitfield::new(count) };
        let mut set: BTreeSet<u32> = if self.full { (0..count).collect() } else { BTreeSet::new() };
        if self.made {
            bits.words();
        }
        let steps = self.steps.iter().copied();
        let last = self.ends.into_iter().flat_map(|value| (0..count).map(move |at| (value, at)));
        for (value, index) in steps.chain(last) {
            let (done, expected) = match value {
                true => (bits.set(index), index < count && set.insert(index)),
                false => (bits.clear(index), set.remove(&index)),
            };
            assert_eq!(done, expected, "{index} of {count}");
        }
        (bits, set)
    }
}

fn history() -> impl Strategy<Value = History> {
    let steps = proptest::collection::vec((any::<bool>(), 0_u32..310), 0..40);
    let ends = prop_oneof![6 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (any::<bool>(), any::<bool>(), steps, ends).prop_map(|(full, made, steps, ends)| History {
        full,
        made,
        steps,
        ends,
    })
}

#[test]
fn first_chunk_is_the_most_significant_bit() {
    let mut bits = Bitfield::new(12);
    assert!(bits.set(0));
    assert!(bits.set(11));
    assert_eq!(bits.to_bytes(), [0b1000_0000, 0b0001_0000]);
}

#[test]
fn set_and_clear_say_whether_something_changed() {
    let mut bits = Bitfield::new(3);
    assert!(bits.set(2));
    assert!(!bits.set(2));
    assert!(!bits.set(3));
    assert!(!bits.set(u32::MAX));
    assert_eq!(bits.ones(), 1);
    assert!(bits.clear(2));
    assert!(!bits.clear(2));
    assert!(!bits.clear(3));
    assert!(bits.is_empty());
}

#[test]
fn full_has_every_chunk_and_no_spare_bit() {
    for count in [0, 1, 7, 8, 9, 63, 64, 65, 1_000] {
        let full = Bitfield::full(count);
        assert_eq!(full.ones(), count);
        assert!(full.is_full());
        assert_eq!(full.iter_ones().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
        assert_eq!(Bitfield::from_bytes(count, &full.to_bytes()), Ok(full));
    }
}

// Rows: B7
#[test]
fn bitfield_of_another_length_is_refused() {
    for (count, got) in [(8, 0), (8, 2), (9, 1), (9, 3), (0, 1)] {
        let need = (count as usize).div_ceil(8);
        let refused = Bitfield::from_bytes(count, &vec![0; got]);
        assert_eq!(refused, Err(BitfieldError::Length { count, got, need }));
    }
}

// Rows: B7
#[test]
fn bitfield_with_any_spare_bit_is_refused() {
    for count in 1..=8 {
        for spare in count..8 {
            let last = 0x80 >> spare;
            let refused = Bitfield::from_bytes(count, &[last]);
            assert_eq!(refused, Err(BitfieldError::SpareBits { count, last }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// Uniform bitfields have no words until they are needed: both operands take every state.
    #[test]
    fn bitfield_behaves_like_a_set(
        count in 1_u32..300, ours in history(), theirs in history(), start in 0_u32..310, index in 0_u32..310,
    ) {
        let ((a, ours), (b, theirs)) = (ours.play(count), theirs.play(count));
        prop_assert_eq!(a.count(), count);
        prop_assert_eq!(a.ones() as usize, ours.len());
        prop_assert_eq!((a.is_empty(), a.is_full()), (ours.is_empty(), ours.len() == count as usize));
        for index in [index, count - 1, count] {
            prop_assert_eq!(a.get(index), ours.contains(&index));
        }
        prop_assert_eq!(a.iter_ones().collect::<Vec<_>>(), ours.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(a.first_one_from(start), ours.range(start..).next().copied());
        let common: Vec<u32> = ours.intersection(&theirs).copied().collect();
        prop_assert_eq!(a.count_common(&b) as usize, common.len());
        prop_assert_eq!(a.first_common_from(&b, start), common.iter().copied().find(|at| *at >= start));
        let tail: Vec<u32> = common.iter().copied().filter(|at| *at >= start).collect();
        prop_assert_eq!(a.iter_common_from(&b, start).collect::<Vec<_>>(), tail);
        prop_assert_eq!(&a.iter_common(&b).collect::<Vec<_>>(), &common);
        let masked: u32 = a.words_within(&b).iter().zip(b.words()).map(|(a, b)| (a & b).count_ones()).sum();
        prop_assert_eq!(masked as usize, common.len());
        for range in [start..index, index..start, start..u32::MAX, 0..count, index..index] {
            let here = (0..count).filter(|at| range.contains(at) && ours.contains(at)).count();
            prop_assert_eq!(a.count_in(range.clone()) as usize, here, "{:?}", range);
        }
        prop_assert_eq!(a == b, ours == theirs);
        prop_assert_eq!(&a, &of(count, &ours));
        prop_assert_ne!(a, of(count + 1, &ours));
    }

    // Rows: A6, B7
    #[test]
    fn bitfield_bytes_are_canonical(count in 0_u32..200, bytes in proptest::collection::vec(any::<u8>(), 0..26)) {
        if let Ok(bits) = Bitfield::from_bytes(count, &bytes) {
            prop_assert_eq!(bits.to_bytes(), bytes);
            prop_assert_eq!(bits.ones() as usize, bits.iter_ones().count());
        }
    }

    #[test]
    fn cleared_bits_leave_no_trace(count in 1_u32..200, index in 0_u32..200) {
        let mut bits = Bitfield::new(count);
        bits.set(index);
        bits.clear(index);
        prop_assert_eq!(bits, Bitfield::new(count));
    }
}
