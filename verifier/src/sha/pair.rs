//! The compression function on two states at once: with the SHA instructions of x86 or AArch64, or one after the other.
//!
//! This is the only module of the project with `unsafe`, and its only use is the call of code compiled for instructions
//! that the line above has just detected on this processor. All loads and stores are safe code.

#[cfg(target_arch = "aarch64")]
#[path = "pair/aarch64.rs"]
mod lane;
#[cfg(target_arch = "x86_64")]
#[path = "pair/x86_64.rs"]
mod lane;

use sha2::block_api::compress256;

use super::BLOCK;

/// Compresses two lists of equally many blocks, each into its own state.
pub(super) fn compress(
    a: &mut [u32; 8],
    blocks_a: &[[u8; BLOCK]],
    b: &mut [u32; 8],
    blocks_b: &[[u8; BLOCK]],
) {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if lane::is_available() {
        // SAFETY: `interleaved` is safe code that needs the features that were just detected and nothing else.
        #[allow(unsafe_code, reason = "calling a function compiled for features that were just detected")]
        unsafe {
            interleaved(a, blocks_a, b, blocks_b);
        }
        return;
    }
    compress256(a, blocks_a);
    compress256(b, blocks_b);
}

/// Round constants (FIPS 180-4 section 4.2.2), four a row.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const K: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// Compresses block by block in turns, so that one state's instructions run while those of the other wait for each other.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "sha,ssse3,sse4.1"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon,sha2"))]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn interleaved(a: &mut [u32; 8], blocks_a: &[[u8; BLOCK]], b: &mut [u32; 8], blocks_b: &[[u8; BLOCK]]) {
    use lane::{Lane, add_constants, schedule, words};

    let (mut x, mut y) = (Lane::of(a), Lane::of(b));
    for (block_a, block_b) in blocks_a.iter().zip(blocks_b) {
        let (x_before, y_before) = (x, y);
        let (mut x_words, mut y_words) = (words(block_a), words(block_b));
        // Written out, so that all words stay in registers.
        macro_rules! rows {
            ($($row:literal)*) => {$(
                if $row >= 4 {
                    x_words[$row % 4] = schedule(&x_words, $row);
                    y_words[$row % 4] = schedule(&y_words, $row);
                }
                x.rounds(add_constants(x_words[$row % 4], K[$row]));
                y.rounds(add_constants(y_words[$row % 4], K[$row]));
            )*};
        }
        rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        x = x.add(x_before);
        y = y.add(y_before);
    }
    x.store(a);
    y.store(b);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds with and without the SHA instructions: the test runs the variant of this processor.
    #[test]
    fn a_pair_is_what_each_is_alone() {
        let blocks: Vec<[u8; BLOCK]> =
            (0..64u32).map(|n| std::array::from_fn(|i| (n * 31 + i as u32 * 7 + n * n) as u8)).collect();
        for n in 0..=32 {
            let (mut a, mut b) = ([n as u32; 8], [u32::MAX - n as u32; 8]);
            let (mut a_alone, mut b_alone) = (a, b);
            compress(&mut a, &blocks[..n], &mut b, &blocks[32..32 + n]);
            compress256(&mut a_alone, &blocks[..n]);
            compress256(&mut b_alone, &blocks[32..32 + n]);
            assert_eq!((a, b), (a_alone, b_alone), "{n} blocks");
        }
    }
}
