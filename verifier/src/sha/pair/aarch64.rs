//! One state of SHA-256 in the registers of the AArch64 SHA-2 instructions.

use std::arch::aarch64::{
    uint32x4_t, vaddq_u32, vcombine_u64, vcreate_u64, vgetq_lane_u32, vreinterpretq_u8_u64,
    vreinterpretq_u32_u8, vreinterpretq_u32_u64, vrev32q_u8, vsha256h2q_u32, vsha256hq_u32, vsha256su0q_u32,
    vsha256su1q_u32,
};
use std::arch::is_aarch64_feature_detected;

use super::BLOCK;

/// True if this processor has the instructions that this module is compiled for.
pub(super) fn is_available() -> bool {
    is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("sha2")
}

/// A state: words A to D and E to H, lowest first.
#[derive(Clone, Copy)]
pub(super) struct Lane {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
}

impl Lane {
    #[inline]
    #[target_feature(enable = "neon,sha2")]
    pub(super) fn of(state: &[u32; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = *state;
        Self { abcd: four([a, b, c, d]), efgh: four([e, f, g, h]) }
    }

    #[inline]
    #[target_feature(enable = "neon,sha2")]
    pub(super) fn store(self, state: &mut [u32; 8]) {
        let (x, y) = (self.abcd, self.efgh);
        *state = [
            vgetq_lane_u32::<0>(x),
            vgetq_lane_u32::<1>(x),
            vgetq_lane_u32::<2>(x),
            vgetq_lane_u32::<3>(x),
            vgetq_lane_u32::<0>(y),
            vgetq_lane_u32::<1>(y),
            vgetq_lane_u32::<2>(y),
            vgetq_lane_u32::<3>(y),
        ];
    }

    #[inline]
    #[target_feature(enable = "neon,sha2")]
    pub(super) fn add(self, other: Self) -> Self {
        Self { abcd: vaddq_u32(self.abcd, other.abcd), efgh: vaddq_u32(self.efgh, other.efgh) }
    }

    /// Four rounds, with message words that have their constants added.
    #[inline]
    #[target_feature(enable = "neon,sha2")]
    pub(super) fn rounds(&mut self, words: uint32x4_t) {
        let abcd = self.abcd;
        self.abcd = vsha256hq_u32(abcd, self.efgh, words);
        self.efgh = vsha256h2q_u32(self.efgh, abcd, words);
    }
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn four(words: [u32; 4]) -> uint32x4_t {
    let [a, b, c, d] = words.map(u64::from);
    vreinterpretq_u32_u64(vcombine_u64(vcreate_u64(b << 32 | a), vcreate_u64(d << 32 | c)))
}

/// Message words with their round constants.
#[inline]
#[target_feature(enable = "neon,sha2")]
pub(super) fn add_constants(words: uint32x4_t, constants: [u32; 4]) -> uint32x4_t {
    vaddq_u32(words, four(constants))
}

/// The sixteen words of a block, four a register, most significant byte first.
#[inline]
#[target_feature(enable = "neon,sha2")]
pub(super) fn words(block: &[u8; BLOCK]) -> [uint32x4_t; 4] {
    let mut words = [four([0; 4]); 4];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<16>().0) {
        let bytes = u128::from_le_bytes(*bytes);
        let loaded = vcombine_u64(vcreate_u64(bytes as u64), vcreate_u64((bytes >> 64) as u64));
        *word = vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u64(loaded)));
    }
    words
}

/// The next four words of the message schedule (FIPS 180-4 section 6.2.2) from the last sixteen.
#[inline]
#[target_feature(enable = "neon,sha2")]
pub(super) fn schedule(last: &[uint32x4_t; 4], row: usize) -> uint32x4_t {
    let [w0, w1, w2, w3] = [last[row % 4], last[(row + 1) % 4], last[(row + 2) % 4], last[(row + 3) % 4]];
    vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3)
}
