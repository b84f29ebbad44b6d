//! Checks that every little-endian f32 of a range is finite, fast enough to run beside a transfer.

use crate::scan::STRIDE_BYTES;

/// An f32 with all of these bits set is infinite or not a number.
const EXPONENT: u32 = 0x7f80_0000;

/// A scanner of one range, whose bytes may be cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Floats {
    carry: [u8; 4],
    carried: usize,
}

/// A value that is not finite, and its offset in bytes from the beginning of the slice, negative when the word began in the
/// slice before.
pub(super) type NotFinite = (i64, f32);

impl Floats {
    /// Checks the next bytes of the range and returns the first value that is not finite.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Option<NotFinite> {
        let mut skipped = 0;
        let mut found = None;
        if self.carried > 0 {
            let held = self.carried;
            while self.carried < 4 {
                let (Some((&first, rest)), Some(slot)) =
                    (bytes.split_first(), self.carry.get_mut(self.carried))
                else {
                    return None;
                };
                (*slot, bytes) = (first, rest);
                self.carried += 1;
            }
            self.carried = 0;
            skipped = 4 - held as i64;
            found = not_finite(self.carry).map(|value| (-(held as i64), value));
        }
        let (words, rest) = bytes.as_chunks::<4>();
        if let Some(slots) = self.carry.get_mut(..rest.len()) {
            slots.copy_from_slice(rest);
            self.carried = rest.len();
        }
        found.or_else(|| first_not_finite(words).map(|(at, value)| (skipped + at as i64, value)))
    }
}

fn first_not_finite(words: &[[u8; 4]]) -> Option<(usize, f32)> {
    words.chunks(STRIDE_BYTES / 4).enumerate().find_map(|(stride, words)| {
        let any =
            words.iter().fold(false, |any, word| any | (u32::from_le_bytes(*word) & EXPONENT == EXPONENT));
        if !any {
            return None;
        }
        let found = words.iter().enumerate().find_map(|(place, word)| Some((place, not_finite(*word)?)));
        found.map(|(place, value)| (stride * STRIDE_BYTES + place * 4, value))
    })
}

fn not_finite(word: [u8; 4]) -> Option<f32> {
    Some(f32::from_le_bytes(word)).filter(|value| !value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_word_is_found_at_its_place_however_the_range_is_cut() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0xff80_0001)] {
            for place in [0, 1, 511, 1023, 1024, 2999] {
                let mut words = vec![f32::MAX; 3000];
                words[place] = bad;
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                for slice in [1, 2, 3, 4, 5, 7, 4096, 4097, 12_000] {
                    let mut floats = Floats::default();
                    let found: Vec<i64> = bytes
                        .chunks(slice)
                        .enumerate()
                        .filter_map(|(i, part)| Some(floats.push(part)?.0 + (i * slice) as i64))
                        .collect();
                    assert_eq!(found, [place as i64 * 4], "slices of {slice}");
                }
            }
        }
    }

    #[test]
    fn finite_words_of_every_kind_pass() {
        let words = [0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, -1e-45, 1.0];
        let bytes: Vec<u8> = words.iter().cycle().take(5000).flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(Floats::default().push(&bytes), None);
    }
}
