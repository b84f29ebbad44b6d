//! Which chunks a peer has: one bit a chunk. The only file that names `bitvec`.
//!
//! Invariants: the bits beyond `count` in the last word are zero, so words of two bitfields can be combined without a mask;
//! `ones` is the number of set bits; a bitfield whose bits are not allocated is either full or empty. A frame body of five
//! bytes can say that a peer has all of 2^24 chunks, so this must not cost 2 MiB.

use std::ops::Range;
use std::sync::OnceLock;

use bitvec::order::Msb0;
use bitvec::vec::BitVec;
use thiserror::Error;

const WORD_BITS: usize = usize::BITS as usize;
const WORD_BYTES: usize = WORD_BITS / 8;

/// A set of chunk indexes below a fixed count. As bytes: the most significant bit first, as in BEP 3.
#[derive(Clone, Debug)]
pub struct Bitfield {
    /// Allocated when first needed: a full or empty bitfield needs no bits.
    bits: OnceLock<BitVec<usize, Msb0>>,
    count: u32,
    ones: u32,
}

impl PartialEq for Bitfield {
    fn eq(&self, other: &Self) -> bool {
        (self.count, self.ones) == (other.count, other.ones) && self.mixed_words() == other.mixed_words()
    }
}

impl Eq for Bitfield {}

/// Why bytes are not the bitfield of a chunk count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BitfieldError {
    /// Another number of bytes than the count asks for.
    #[error("bitfield has {got} bytes, {count} chunks need {need}")]
    Length {
        /// Chunks of the artifact.
        count: u32,
        /// Bytes that were given.
        got: usize,
        /// Bytes that `count` asks for.
        need: usize,
    },
    /// A bit after the last chunk is set.
    #[error("bitfield of {count} chunks has spare bits set: last byte is {last:#04x}")]
    SpareBits {
        /// Chunks of the artifact.
        count: u32,
        /// The last byte as given.
        last: u8,
    },
}

impl Bitfield {
    /// A bitfield of `count` chunks, none of them set. Allocates nothing.
    pub fn new(count: u32) -> Self {
        Self { bits: OnceLock::new(), count, ones: 0 }
    }

    /// A bitfield of `count` chunks, all of them set. Allocates nothing.
    pub fn full(count: u32) -> Self {
        Self { bits: OnceLock::new(), count, ones: count }
    }

    /// Reads the bytes of a bitfield.
    ///
    /// # Errors
    ///
    /// Another length than `count` rounded up to whole bytes, or a set bit after the last chunk.
    pub fn from_bytes(count: u32, bytes: &[u8]) -> Result<Self, BitfieldError> {
        let need = (count as usize).div_ceil(8);
        if bytes.len() != need {
            return Err(BitfieldError::Length { count, got: bytes.len(), need });
        }
        if let (Some(&last), used @ 1..) = (bytes.last(), count % 8)
            && last & (0xff >> used) != 0
        {
            return Err(BitfieldError::SpareBits { count, last });
        }
        let words = bytes
            .chunks(WORD_BYTES)
            .map(|part| {
                let mut word = [0; WORD_BYTES];
                word.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
                usize::from_be_bytes(word)
            })
            .collect();
        Ok(Self::from_words(count, words))
    }

    /// The bytes of this bitfield: exactly `count` bits, the rest of the last byte zero.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words().iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate((self.count as usize).div_ceil(8));
        bytes
    }

    /// Chunks of the artifact, set or not.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether `index` is set; false beyond the count.
    pub fn get(&self, index: u32) -> bool {
        let (word, bit) = (index as usize / WORD_BITS, index as usize % WORD_BITS);
        if self.is_uniform() {
            return self.ones > 0 && index < self.count;
        }
        self.words().get(word).is_some_and(|word| word << bit >> (WORD_BITS - 1) == 1)
    }

    /// Sets `index`. True if it was clear; false if it was set already or lies beyond the count.
    pub fn set(&mut self, index: u32) -> bool {
        let changed = index < self.count && !self.get(index);
        if changed {
            self.write(index, true);
            self.ones += 1;
        }
        changed
    }

    /// Clears `index`. True if it was set.
    pub fn clear(&mut self, index: u32) -> bool {
        let changed = self.get(index);
        if changed {
            self.write(index, false);
            self.ones -= 1;
        }
        changed
    }

    /// Number of set bits; kept up to date, so this costs nothing.
    pub fn ones(&self) -> u32 {
        self.ones
    }

    /// Whether every chunk is set. A bitfield of no chunks is both full and empty.
    pub fn is_full(&self) -> bool {
        self.ones == self.count
    }

    /// Whether no chunk is set.
    pub fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// The set indexes, rising.
    pub fn iter_ones(&self) -> impl Iterator<Item = u32> + '_ {
        let all = if self.is_full() { 0..self.count } else { 0..0 };
        all.chain(ones_of(self.mixed_words().iter().copied()))
    }

    /// The smallest set index that is `start` or more.
    pub fn first_one_from(&self, start: u32) -> Option<u32> {
        if self.is_full() {
            return (start < self.count).then_some(start);
        }
        first_from(self.mixed_words().iter().copied(), start)
    }

    /// The indexes set in both, rising; a word at a time.
    pub fn iter_common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        ones_of(self.common_words(other))
    }

    /// The indexes set in both that are `start` or more, rising; a word at a time.
    pub fn iter_common_from<'a>(&'a self, other: &'a Self, start: u32) -> impl Iterator<Item = u32> + 'a {
        let skipped = start as usize / WORD_BITS;
        let words = self.common_words(other).skip(skipped);
        ones_of(words)
            .map(move |index| index + (skipped * WORD_BITS) as u32)
            .filter(move |&index| index >= start)
    }

    /// How many indexes of `range` are set; a word at a time. Indexes beyond the count are clear.
    pub fn count_in(&self, range: Range<u32>) -> u32 {
        let range = range.start.min(self.count)..range.end.min(self.count);
        if self.is_full() {
            return range.end.saturating_sub(range.start);
        }
        words_in(self.mixed_words(), range).map(|(_, word)| word.count_ones()).sum()
    }

    /// The words that hold indexes of `range`, by their place, with the other bits cleared. `range` is within the count.
    pub fn words_in(&self, range: Range<u32>) -> impl Iterator<Item = (usize, usize)> + '_ {
        words_in(if self.is_empty() { &[] } else { self.words() }, range)
    }

    /// How many indexes are set in both; a word at a time.
    pub fn count_common(&self, other: &Self) -> u32 {
        self.common_words(other).map(|word| word.count_ones()).sum()
    }

    /// The smallest index that is `start` or more and set in both; a word at a time.
    pub fn first_common_from(&self, other: &Self, start: u32) -> Option<u32> {
        first_from(self.common_words(other), start)
    }

    /// The bits as whole words, chunk 0 in the most significant bit of the first; spare bits are zero.
    pub fn words(&self) -> &[usize] {
        self.made().as_raw_slice()
    }

    /// Words that are correct at every bit set in `other`, which has the same count; the other bits are arbitrary. A full
    /// bitfield borrows the words of `other` instead of allocating its own.
    pub fn words_within<'a>(&'a self, other: &'a Self) -> &'a [usize] {
        if self.is_full() && self.count == other.count { other.words() } else { self.words() }
    }

    fn common_words<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> + 'a {
        let (a, b) = if self.is_empty() || other.is_empty() {
            (&[][..], &[][..])
        } else {
            (self.words_within(other), other.words_within(self))
        };
        a.iter().zip(b).map(|(a, b)| a & b)
    }

    /// The words; an empty slice if all bits are set or none is.
    fn mixed_words(&self) -> &[usize] {
        if self.is_full() || self.is_empty() { &[] } else { self.words() }
    }

    /// Whether the bits are not allocated yet, so that all are set or none is.
    fn is_uniform(&self) -> bool {
        self.bits.get().is_none()
    }

    fn made(&self) -> &BitVec<usize, Msb0> {
        self.bits.get_or_init(|| {
            let word = if self.ones == 0 { 0 } else { usize::MAX };
            let mut words = vec![word; (self.count as usize).div_ceil(WORD_BITS)];
            let used = self.count as usize % WORD_BITS;
            if used > 0
                && let Some(last) = words.last_mut()
            {
                *last &= usize::MAX << (WORD_BITS - used);
            }
            bits_of(self.count, words)
        })
    }

    fn write(&mut self, index: u32, value: bool) {
        self.made();
        if let Some(bits) = self.bits.get_mut() {
            bits.set(index as usize, value);
        }
    }

    /// Keeps the invariants only if the spare bits of `words` are zero.
    fn from_words(count: u32, words: Vec<usize>) -> Self {
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Self { bits: bits_of(count, words).into(), count, ones }
    }
}

fn bits_of(count: u32, words: Vec<usize>) -> BitVec<usize, Msb0> {
    let mut bits = BitVec::from_vec(words);
    bits.truncate(count as usize);
    bits
}

fn ones_of(words: impl Iterator<Item = usize>) -> impl Iterator<Item = u32> {
    words.enumerate().flat_map(|(at, mut word)| {
        std::iter::from_fn(move || {
            let bit = first_bit(word)?;
            word &= !(1 << (WORD_BITS - 1 - bit));
            Some(index_of(at, bit))
        })
    })
}

fn first_from(words: impl Iterator<Item = usize>, start: u32) -> Option<u32> {
    let start = start as usize;
    let (skipped, head) = (start / WORD_BITS, start % WORD_BITS);
    let mut mask = usize::MAX >> head;
    for (at, word) in words.enumerate().skip(skipped) {
        if let Some(bit) = first_bit(word & mask) {
            return Some(index_of(at, bit));
        }
        mask = usize::MAX;
    }
    None
}

/// The words that hold bits of `range`, by their place, with the other bits cleared.
fn words_in(words: &[usize], range: Range<u32>) -> impl Iterator<Item = (usize, usize)> + '_ {
    let (start, end) = (range.start as usize, range.end as usize);
    let first = (start / WORD_BITS).min(words.len());
    let last = end.div_ceil(WORD_BITS).clamp(first, words.len());
    words[first..last].iter().enumerate().map(move |(at, &word)| {
        let at = first + at;
        let begin = at * WORD_BITS;
        let head = usize::MAX >> start.saturating_sub(begin);
        let bits = end.saturating_sub(begin);
        let tail = if bits < WORD_BITS { !(usize::MAX >> bits) } else { usize::MAX };
        (at, word & head & tail)
    })
}

fn first_bit(word: usize) -> Option<usize> {
    (word != 0).then(|| word.leading_zeros() as usize)
}

/// Index of a bit. The cast is lossless: only indexes below a u32 count are ever set.
fn index_of(word: usize, bit: usize) -> u32 {
    (word * WORD_BITS + bit) as u32
}
