//! One state of SHA-256 in the registers of the x86 SHA instructions.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
};

use super::BLOCK;

/// True if this processor has the instructions that this module is compiled for.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
}

/// A state in the order of the instructions: words A, B, E, F and C, D, G, H, highest first.
#[derive(Clone, Copy)]
pub(super) struct Lane {
    abef: __m128i,
    cdgh: __m128i,
}

impl Lane {
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn of(state: &[u32; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
        Self { abef: _mm_set_epi32(a, b, e, f), cdgh: _mm_set_epi32(c, d, g, h) }
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn store(self, state: &mut [u32; 8]) {
        let (x, y) = (self.abef, self.cdgh);
        let words = [
            _mm_extract_epi32::<3>(x),
            _mm_extract_epi32::<2>(x),
            _mm_extract_epi32::<3>(y),
            _mm_extract_epi32::<2>(y),
            _mm_extract_epi32::<1>(x),
            _mm_extract_epi32::<0>(x),
            _mm_extract_epi32::<1>(y),
            _mm_extract_epi32::<0>(y),
        ];
        *state = words.map(i32::cast_unsigned);
    }

    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn add(self, other: Self) -> Self {
        Self { abef: _mm_add_epi32(self.abef, other.abef), cdgh: _mm_add_epi32(self.cdgh, other.cdgh) }
    }

    /// Four rounds, with message words that have their constants added.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn rounds(&mut self, words: __m128i) {
        self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, words);
        self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, _mm_shuffle_epi32::<0x0e>(words));
    }
}

/// Message words with their round constants.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn add_constants(words: __m128i, constants: [u32; 4]) -> __m128i {
    let [a, b, c, d] = constants.map(u32::cast_signed);
    _mm_add_epi32(words, _mm_set_epi32(d, c, b, a))
}

/// The sixteen words of a block, four a register, most significant byte first.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn words(block: &[u8; BLOCK]) -> [__m128i; 4] {
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut words = [_mm_set_epi64x(0, 0); 4];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<16>().0) {
        let bytes = u128::from_le_bytes(*bytes);
        let loaded = _mm_set_epi64x((bytes >> 64) as i64, bytes as i64);
        *word = _mm_shuffle_epi8(loaded, order);
    }
    words
}

/// The next four words of the message schedule (FIPS 180-4 section 6.2.2) from the last sixteen.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn schedule(last: &[__m128i; 4], row: usize) -> __m128i {
    let [w0, w1, w2, w3] = [last[row % 4], last[(row + 1) % 4], last[(row + 2) % 4], last[(row + 3) % 4]];
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
    _mm_sha256msg2_epu32(sum, w3)
}
