//! Selection of the missing chunk to request from a peer.
//!
//! Missing chunks are grouped by how many partial peers have them; the order within a group means nothing. A holder gained
//! or lost, a request, a chunk missing again: each moves one chunk at the same small cost, whatever the number of chunks
//! and peers. Seeds are not counted, since they add the same to every chunk: their arrival and departure cost nothing.
//!
//! A pick walks the groups, rarest first, and stops at the first chunk that the peer has. For a peer without rare chunks that
//! walk is long; where one pass over all chunks costs less, that is done instead (about 10 microseconds for 100,000 chunks).
//! Among equally rare chunks the choice is random, so that leechers that know the same peers do not all request the same chunk.

use std::ops::Range;

use minimodel_wire::Bitfield;

const ABSENT: u32 = u32::MAX;
const WORD_BITS: usize = usize::BITS as usize;
/// Holder counts that are compared at once: one vector of the oldest x86-64; one count for each bit of a bitfield's byte.
const LANES: usize = 8;
/// For each byte of a bitfield, a mask that hides the holder counts of the chunks whose bit is clear.
static ABSENT_LANES: [[i16; LANES]; 256] = {
    let mut all = [[0; LANES]; 256];
    let mut at = 0;
    while at < 256 * LANES {
        let (byte, lane) = (at / LANES, at % LANES);
        all[byte][lane] = if byte & (0x80 >> lane) == 0 { i16::MAX } else { 0 };
        at += 1;
    }
    all
};
/// Words whose holder counts are compared before their minimum is looked at.
const BLOCK: usize = 8;
/// Least number of chunks that are tried one by one.
const PROBES: usize = 256;
/// A group larger than this gives memory back when it shrinks.
const SMALL_GROUP: usize = 64;

/// The missing chunks, and how many partial peers have each.
///
/// A *counted* peer is a partial one whose chunks were all reported with [`Self::gained`]; a seed is not counted.
#[derive(Debug, Clone)]
pub struct Picker {
    missing: Bitfield,
    /// Holders of each chunk among partial peers, grouped like the words of a bitfield.
    holders: Vec<[i16; WORD_BITS]>,
    /// `groups[h]`: the missing chunks with `h` holders, in no order.
    groups: Vec<Vec<u32>>,
    /// The position of each missing chunk in its group.
    position: Vec<u32>,
    /// All groups below this one are empty, except perhaps the group of chunks without holders.
    rarest_held: usize,
    /// No chunk below this index is missing.
    lowest: u32,
    rng: fastrand::Rng,
}

impl Picker {
    /// Holder counts saturate here. A machine never has more connections than this.
    pub const MAX_HOLDERS: usize = i16::MAX as usize - 1;

    /// Creates a picker whose missing chunks are those that `have` lacks, without holders. Takes one number from `rng`.
    pub fn new(have: &Bitfield, rng: &mut fastrand::Rng) -> Self {
        let count = have.count();
        let mut picker = Self {
            missing: Bitfield::new(count),
            holders: vec![[0; WORD_BITS]; (count as usize).div_ceil(WORD_BITS)],
            groups: vec![Vec::with_capacity((count - have.ones()) as usize)],
            position: vec![ABSENT; count as usize],
            rarest_held: 1,
            lowest: 0,
            rng: rng.fork(),
        };
        for index in (0..count).filter(|&index| !have.get(index)) {
            picker.insert(index);
        }
        picker
    }

    /// One more partial peer has the chunk.
    pub fn gained(&mut self, index: u32) {
        let Some(&at) = self.position.get(index as usize) else { return };
        let holders = self.holders_of(index);
        if holders as usize >= Self::MAX_HOLDERS {
            return;
        }
        self.set_holders(index, holders + 1);
        if at != ABSENT {
            self.take_out(holders, at);
            self.put_in(holders + 1, index);
        }
    }

    /// One partial peer fewer has the chunk.
    pub fn lost(&mut self, index: u32) {
        let Some(&at) = self.position.get(index as usize) else { return };
        let holders = self.holders_of(index);
        if holders == 0 {
            return;
        }
        self.set_holders(index, holders - 1);
        if at != ABSENT {
            self.take_out(holders, at);
            self.put_in(holders - 1, index);
        }
    }

    /// The chunk is missing again.
    pub fn insert(&mut self, index: u32) {
        if self.missing.set(index) {
            self.put_in(self.holders_of(index), index);
            self.lowest = self.lowest.min(index);
        }
    }

    /// The chunk is requested or here: it is missing no more.
    pub fn remove(&mut self, index: u32) {
        if self.missing.clear(index) {
            let at = std::mem::replace(&mut self.position[index as usize], ABSENT);
            self.take_out(self.holders_of(index), at);
        }
    }

    /// Returns the rarest missing chunk that the peer has; `counted` when it is a partial peer, and thus a holder itself.
    pub fn rarest(&mut self, peer: &Bitfield, counted: bool) -> Option<u32> {
        while self.groups.get(self.rarest_held).is_some_and(Vec::is_empty) {
            self.rarest_held += 1;
        }
        // A chunk of a counted peer has at least one holder.
        let unheld = if counted { &[] } else { &self.groups[..1] };
        let held = self.groups.get(self.rarest_held..).unwrap_or_default();
        let mut tries = self.most_tries(peer);
        for group in unheld.iter().chain(held).filter(|group| !group.is_empty()) {
            let (before, after) = group.split_at(self.rng.usize(..group.len()));
            let found = after.iter().chain(before).take(tries).find(|&&index| peer.get(index));
            if found.is_some() {
                return found.copied();
            }
            if group.len() > tries {
                return self.rarest_of_all(peer);
            }
            tries -= group.len();
        }
        None
    }

    /// Returns a random missing chunk that the peer has; the rarest if a few draws find none.
    pub fn random(&mut self, peer: &Bitfield, counted: bool) -> Option<u32> {
        for _ in 0..8 {
            let index = self.rng.u32(..self.missing.count().max(1));
            if peer.get(index) && self.missing.get(index) {
                return Some(index);
            }
        }
        self.rarest(peer, counted)
    }

    /// Returns the lowest missing chunk that the peer has.
    pub fn sequential(&mut self, peer: &Bitfield) -> Option<u32> {
        self.lowest = self.missing.first_one_from(self.lowest).unwrap_or(self.missing.count());
        self.missing.first_common_from(peer, self.lowest)
    }

    /// Missing chunks that no counted peer has.
    pub fn unheld(&self) -> u32 {
        self.groups.first().map_or(0, Vec::len) as u32
    }

    /// Missing chunks among those of `range`.
    pub fn missing_in(&self, range: Range<u32>) -> u32 {
        self.missing.count_in(range)
    }

    /// Returns how many counted peers have the rarest missing chunk of `range`; `None` if none of them is missing.
    pub fn least_holders_in(&self, range: Range<u32>) -> Option<u32> {
        let words = self.missing.words_in(range).filter(|&(_, word)| word != 0);
        let words = words.filter_map(|(at, word)| Some((word, self.holders.get(at)?)));
        let least = least_holders(words);
        (least < i16::MAX).then_some(least.unsigned_abs().into())
    }

    /// Checks the invariants; the error names the one that does not hold. Meant for tests: it walks through all chunks.
    ///
    /// # Errors
    ///
    /// A chunk whose group or position differs from its holder count or its recorded position.
    pub fn check(&self) -> Result<(), String> {
        let standing: usize = self.groups.iter().map(Vec::len).sum();
        if standing != self.missing.ones() as usize {
            return Err(format!("{standing} in groups, {} missing", self.missing.ones()));
        }
        for (holders, group) in self.groups.iter().enumerate() {
            for (at, &index) in (0u32..).zip(group) {
                let (said, place) = (self.holders_of(index) as usize, self.position[index as usize]);
                if said != holders || place != at || !self.missing.get(index) {
                    return Err(format!("chunk {index} of {said} at {place} is at {at} of {holders}"));
                }
            }
            if (1..self.rarest_held).contains(&holders) && !group.is_empty() {
                return Err(format!("group {holders} has members, said to be empty"));
            }
        }
        Ok(())
    }

    fn put_in(&mut self, holders: i16, index: u32) {
        let holders = holders as usize;
        if self.groups.len() <= holders {
            self.groups.resize_with(holders + 1, Vec::new);
        }
        if holders > 0 {
            self.rarest_held = self.rarest_held.min(holders);
        }
        let group = &mut self.groups[holders];
        self.position[index as usize] = group.len() as u32;
        group.push(index);
    }

    fn take_out(&mut self, holders: i16, at: u32) {
        let group = &mut self.groups[holders as usize];
        group.swap_remove(at as usize);
        if let Some(&moved) = group.get(at as usize) {
            self.position[moved as usize] = at;
        }
        if group.capacity() > SMALL_GROUP && group.len() < group.capacity() / 4 {
            group.shrink_to(group.capacity() / 2);
        }
    }

    /// Returns true if looking at each chunk that the peer has costs less than comparing all holder counts.
    fn is_sparse(&self, peer: &Bitfield) -> bool {
        peer.ones() < self.missing.count() / 64
    }

    /// How many chunks to try one by one: about as many as [`Self::rarest_of_all`] costs, unless the first chunk that the
    /// peer has is expected beyond that anyway.
    fn most_tries(&self, peer: &Bitfield) -> usize {
        let (count, ones) = (self.missing.count(), peer.ones());
        let cost = if self.is_sparse(peer) { count / 128 + ones } else { count / 32 };
        PROBES.max(if count / ones.max(1) < cost { cost as usize } else { 0 })
    }

    /// Like [`Self::rarest`], but by a pass over all chunks from a random start.
    fn rarest_of_all(&mut self, peer: &Bitfield) -> Option<u32> {
        let begin = self.rng.u32(..self.missing.count().max(1));
        if self.is_sparse(peer) {
            let after = self.missing.iter_common_from(peer, begin);
            let before = self.missing.iter_common(peer).take_while(|&index| index < begin);
            return after.chain(before).min_by_key(|&index| self.holders_of(index));
        }
        let begin = begin as usize / WORD_BITS / BLOCK;
        let words = self.missing.words().chunks(BLOCK).zip(peer.words_within(&self.missing).chunks(BLOCK));
        let blocks = words.zip(self.holders.chunks(BLOCK)).enumerate();
        let (mut least, mut place) = (i16::MAX, None);
        for (at, ((missing, peer), holders)) in blocks.clone().skip(begin).chain(blocks.take(begin)) {
            let common = missing.iter().zip(peer).map(|(missing, peer)| missing & peer);
            let found = least_holders(common.zip(holders));
            if found < least {
                (least, place) = (found, Some(at));
            }
        }
        let first = (place? * BLOCK * WORD_BITS) as u32;
        self.missing.iter_common_from(peer, first).find(|&index| self.holders_of(index) == least)
    }

    /// The chunk must exist.
    fn holders_of(&self, index: u32) -> i16 {
        self.holders[index as usize / WORD_BITS][index as usize % WORD_BITS]
    }

    fn set_holders(&mut self, index: u32, holders: i16) {
        self.holders[index as usize / WORD_BITS][index as usize % WORD_BITS] = holders;
    }
}

/// The least holder count of the chunks that are set in `words`. It has no branch for each chunk, so that the compiler
/// compares several at once.
fn least_holders<'a>(words: impl Iterator<Item = (usize, &'a [i16; WORD_BITS])>) -> i16 {
    let mut least = [i16::MAX; LANES];
    for (word, holders) in words.filter(|&(word, _)| word != 0) {
        for (byte, lanes) in word.to_be_bytes().into_iter().zip(holders.as_chunks::<LANES>().0) {
            let absent = &ABSENT_LANES[usize::from(byte)];
            for lane in 0..LANES {
                least[lane] = least[lane].min(lanes[lane] | absent[lane]);
            }
        }
    }
    least.into_iter().min().unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests;
