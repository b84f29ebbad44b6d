//! SHA-256 over two independent streams at once (FIPS 180-4).
//!
//! The SHA instructions of x86 and AArch64 wait for each other within one stream: two streams, interleaved block by block, keep one
//! core nearly twice as busy. A fetch has two such streams, the chunk that has just arrived and the whole file that is read
//! back. Where the instructions are missing, the streams are hashed one after the other by the `sha2` crate, which also
//! hashes the part of a stream that has no partner.

mod pair;

use sha2::block_api::compress256;

use crate::digest::Digest;

/// Bytes a block of SHA-256.
const BLOCK: usize = 64;

/// The state before the first block (FIPS 180-4 section 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A SHA-256 that is being computed.
#[derive(Debug, Clone)]
pub struct Sha256 {
    state: [u32; 8],
    /// The beginning of a block that is not full yet.
    open: [u8; BLOCK],
    bytes: u64,
}

impl Default for Sha256 {
    fn default() -> Self {
        Self { state: INITIAL, open: [0; BLOCK], bytes: 0 }
    }
}

impl Sha256 {
    /// Takes more bytes.
    pub fn update(&mut self, data: &[u8]) {
        let rest = self.fill(data);
        let (blocks, rest) = rest.as_chunks::<BLOCK>();
        compress256(&mut self.state, blocks);
        self.keep(rest);
    }

    /// Updates both hashes as [`update`](Self::update) would, on one core in much less than twice the time of one.
    pub fn update_both(&mut self, data: &[u8], other: &mut Self, other_data: &[u8]) {
        let (mine, theirs) = (self.fill(data), other.fill(other_data));
        let (mine, my_rest) = mine.as_chunks::<BLOCK>();
        let (theirs, their_rest) = theirs.as_chunks::<BLOCK>();
        let common = mine.len().min(theirs.len());
        let (my_pairs, my_more) = mine.split_at(common);
        let (their_pairs, their_more) = theirs.split_at(common);
        pair::compress(&mut self.state, my_pairs, &mut other.state, their_pairs);
        compress256(&mut self.state, my_more);
        compress256(&mut other.state, their_more);
        self.keep(my_rest);
        other.keep(their_rest);
    }

    /// The digest of everything taken so far (FIPS 180-4 section 5.1.1: a one bit, zeros, the length in bits).
    pub fn finish(mut self) -> Digest {
        let bits = self.bytes.wrapping_mul(8);
        let padding = BLOCK - (self.open_bytes() + 8) % BLOCK;
        let mut end = [0; 2 * BLOCK];
        end[0] = 0x80;
        end[padding..padding + 8].copy_from_slice(&bits.to_be_bytes());
        self.update(&end[..padding + 8]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }

    fn open_bytes(&self) -> usize {
        (self.bytes % BLOCK as u64) as usize
    }

    /// Completes the open block, if there is one, and returns the rest of `data`; a rest that is not empty begins a block.
    fn fill<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let open = self.open_bytes();
        if open == 0 {
            self.bytes = self.bytes.wrapping_add(data.len() as u64);
            return data;
        }
        let (head, rest) = data.split_at(data.len().min(BLOCK - open));
        self.open[open..open + head.len()].copy_from_slice(head);
        self.bytes = self.bytes.wrapping_add(data.len() as u64);
        if open + head.len() == BLOCK {
            compress256(&mut self.state, &[self.open]);
        }
        rest
    }

    /// Keeps the beginning of the next block.
    fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            self.open[..rest.len()].copy_from_slice(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::sha256;

    fn of(pieces: &[&[u8]]) -> Digest {
        let mut sha = Sha256::default();
        pieces.iter().for_each(|piece| sha.update(piece));
        sha.finish()
    }

    #[test]
    fn every_length_around_the_block_is_padded_right() {
        let data: Vec<u8> = (0..300).map(|n| n as u8).collect();
        for len in 0..data.len() {
            assert_eq!(of(&[&data[..len]]), sha256(&data[..len]), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn two_streams_in_any_pieces_have_the_digests_of_each_alone(
            mine in proptest::collection::vec(any::<u8>(), 0..2_000),
            theirs in proptest::collection::vec(any::<u8>(), 0..2_000),
            cuts in proptest::collection::vec((0usize..2_000, 0usize..2_000), 0..6),
        ) {
            let (mut a, mut b) = (Sha256::default(), Sha256::default());
            let (mut at, mut bt) = (0, 0);
            for (x, y) in cuts {
                let (x, y) = (x.clamp(at, mine.len().max(at)), y.clamp(bt, theirs.len().max(bt)));
                a.update_both(&mine[at..x], &mut b, &theirs[bt..y]);
                (at, bt) = (x, y);
            }
            a.update_both(&mine[at..], &mut b, &theirs[bt..]);
            prop_assert_eq!(a.finish(), sha256(&mine));
            prop_assert_eq!(b.finish(), sha256(&theirs));
        }
    }
}
