//! The rolling checksum of the header, as far as the public text specifies it.
//!
//! The upstream constants are not published. The choices made here stand in this file alone, so that a later upstream
//! specification changes one place; `docs/slm.md` says what a value that cannot be reproduced means.

/// Offsets of the checksum itself, whose bytes count as zero.
const FIELD: std::ops::Range<u64> = 100..108;

const START: u64 = 0xcbf2_9ce4_8422_2325;
const ROTATION: u32 = 5;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The rolling checksum of a file fed in order.
///
/// Serial by definition: xor, rotation and multiplication of a byte wait for those of the byte before, five cycles in
/// all, or 0.6 to 0.8 GB/s. It cannot be cut: a multiplication modulo 2^64 does not distribute over xor, and a rotation
/// not over addition modulo 2^64, so there is no short form of a stretch that could be applied to any state.
#[derive(Debug, Clone)]
pub struct Rolling {
    state: u64,
    index: u64,
}

impl Default for Rolling {
    fn default() -> Self {
        Self::new()
    }
}

impl Rolling {
    /// A checksum before the first byte.
    pub fn new() -> Self {
        Self { state: START, index: 0 }
    }

    /// Mixes in the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        let until = |end: u64, bytes: &[u8]| usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
        let (before, rest) = bytes.split_at(until(FIELD.start.saturating_sub(self.index), bytes));
        self.mix(before);
        let (field, after) = rest.split_at(until(FIELD.end.saturating_sub(self.index), rest));
        self.mix(&[0; 8][..field.len().min(8)]);
        self.mix(after);
    }

    /// The checksum; 0 is stored as 1.
    pub fn finish(&self) -> u64 {
        self.state.max(1)
    }

    fn mix(&mut self, bytes: &[u8]) {
        let (mut state, mut index) = (self.state, self.index);
        for &byte in bytes {
            state = (state ^ (u64::from(byte) ^ index)).rotate_left(ROTATION).wrapping_mul(PRIME);
            index = index.wrapping_add(1);
        }
        (self.state, self.index) = (state, index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recurrence as the page states it, without the shortcuts above.
    fn by_the_page(bytes: &[u8]) -> u64 {
        let mut h = 0xcbf2_9ce4_8422_2325_u64;
        for (i, &b) in bytes.iter().enumerate() {
            let b = if (100..108).contains(&i) { 0 } else { b };
            h ^= u64::from(b) ^ (i as u64);
            h = h.rotate_left(5);
            h = h.wrapping_mul(0x100_0000_01b3);
        }
        if h == 0 { 1 } else { h }
    }

    #[test]
    fn any_slicing_gives_the_sum_of_the_page() {
        let bytes: Vec<u8> = (0..1000_u32).map(|i| (i * 7 % 256) as u8).collect();
        for len in [0, 1, 99, 100, 101, 107, 108, 109, 1000] {
            let expected = by_the_page(&bytes[..len]);
            for slice in [1, 3, 7, 64, 99, 104, 1000] {
                let mut rolling = Rolling::new();
                bytes[..len].chunks(slice).for_each(|part| rolling.push(part));
                assert_eq!(rolling.finish(), expected, "{len} bytes in slices of {slice}");
            }
        }
    }
}
