//! The tokenizer section, `BTOK` or `BPE1`, once it is whole in memory.

use super::board::Board;
use super::error::SlmError;
use super::header::field;
use super::rule::Rule;

const BTOK_BYTES: usize = 28;
const BPE1_HEAD_BYTES: usize = 36;
const BTOK_VOCAB: u32 = 260;
const BTOK_SPECIAL_IDS: [u32; 4] = [256, 257, 258, 259];
/// Bytes of a merge record.
const MERGE_BYTES: usize = 16;

/// Decides every rule of the section, which stands at `offset` of the file.
pub(super) fn check(section: &[u8], offset: u64, vocab_size: u32, board: &mut Board) {
    let mut reader = Reader { rest: section, offset };
    let too_short = SlmError::TokenizerLength { offset, found: section.len(), records: None };
    let Some(magic) = reader.take() else { return board.fail(too_short) };
    let head_bytes = match &magic {
        b"BTOK" => BTOK_BYTES,
        b"BPE1" => BPE1_HEAD_BYTES,
        _ => return board.fail(SlmError::TokenizerMagic { offset, magic }),
    };
    board.pass(Rule::TokenizerMagic, magic.escape_ascii());
    if section.len() < head_bytes {
        return board.fail(too_short);
    }
    let (offset, found) = (reader.offset, reader.word());
    if found != 1 {
        return board.fail(SlmError::TokenizerVersion { offset, found });
    }
    board.pass(Rule::TokenizerVersion, found);

    let (offset, found) = (reader.offset, reader.word());
    let is_btok = head_bytes == BTOK_BYTES;
    let agrees = found == vocab_size && (!is_btok || found == BTOK_VOCAB);
    let error = SlmError::TokenizerVocab { offset, found, header: vocab_size };
    board.decide(Rule::TokenizerVocab, found, (!agrees).then_some(error));
    let special_offset = reader.offset;
    let special_ids = check_special_ids(&mut reader, is_btok, board);
    let records = if is_btok { Some(Records::default()) } else { Records::lay_out(&mut reader) };
    let Some(records) = records else {
        let counts = Some([field(section, 28), field(section, 32)].map(u32::from_le_bytes));
        return board.fail(SlmError::TokenizerLength { offset, found: section.len(), records: counts });
    };
    board.pass(Rule::TokenizerLength, section.len());
    let trailing = SlmError::TokenizerTrailing { offset: reader.offset, found: reader.rest.len() };
    board.decide(Rule::TokenizerTrailing, "", (!reader.rest.is_empty()).then_some(trailing));
    // If the counts do not match the bytes, or the vocabulary sizes differ, the records cannot be checked.
    if board.have_passed(&[Rule::TokenizerTrailing, Rule::TokenizerVocab]) {
        records.check(vocab_size, board);
        if !is_btok {
            for (place, id) in ["BOS", "EOS", "PAD", "UNK"].into_iter().zip(special_ids) {
                board.fail_if(id >= vocab_size, SlmError::IdRange { place, id, offset: special_offset });
            }
        }
        for rule in [Rule::IdRange, Rule::DuplicateId, Rule::EmptyToken, Rule::MergeOutput] {
            board.pass(rule, "");
        }
    }
}

fn check_special_ids(reader: &mut Reader<'_>, is_btok: bool, board: &mut Board) -> [u32; 4] {
    let offset = reader.offset;
    let ids: [u32; 4] = std::array::from_fn(|_| reader.word());
    let mut sorted = ids;
    sorted.sort_unstable();
    let holds = if is_btok { ids == BTOK_SPECIAL_IDS } else { sorted.is_sorted_by(|a, b| a < b) };
    let error = SlmError::SpecialIds { offset, ids };
    board.decide(Rule::SpecialIds, format!("{ids:?}"), (!holds).then_some(error));
    ids
}

/// The records of a `BPE1` section that fill it exactly.
#[derive(Default)]
struct Records<'a> {
    /// Id, length and bytes a token.
    tokens: &'a [u8],
    token_count: u32,
    /// 16 bytes a merge.
    merges: &'a [u8],
    /// Where the token records begin in the file.
    offset: u64,
}

impl<'a> Records<'a> {
    /// Reads counts, token records and merge records; `None` when they leave the section. The loop ends with the section,
    /// whatever the counts say.
    fn lay_out(reader: &mut Reader<'a>) -> Option<Self> {
        let [token_count, merge_count] = [reader.word(), reader.word()];
        let (start, offset) = (reader.rest, reader.offset);
        for _ in 0..token_count {
            let [_id, length] = [reader.take()?, reader.take()?].map(u32::from_le_bytes);
            reader.skip(u64::from(length))?;
        }
        let tokens = start.get(..start.len().checked_sub(reader.rest.len())?)?;
        let merges = reader.skip(u64::from(merge_count) * MERGE_BYTES as u64)?;
        Some(Self { tokens, token_count, merges, offset })
    }

    fn check(&self, vocab_size: u32, board: &mut Board) {
        let mut reader = Reader { rest: self.tokens, offset: self.offset };
        let mut ids = Vec::new();
        for record in 0..self.token_count {
            let (offset, id, length) = (reader.offset, reader.word(), reader.word());
            // `lay_out` has checked that the length lies inside the section.
            if reader.skip(u64::from(length)).is_none_or(<[u8]>::is_empty) {
                board.fail(SlmError::EmptyToken { offset, record, id });
            }
            board.fail_if(id >= vocab_size, SlmError::IdRange { place: "token", id, offset });
            ids.push(id);
        }
        ids.sort_unstable();
        if let Some([id, ..]) = ids.windows(2).find(|pair| pair.first() == pair.last()) {
            board.fail(SlmError::DuplicateId { id: *id });
        }
        // With a wrong id among the tokens, it is not known which merge outputs are tokens.
        if board.has_failed(Rule::IdRange) || board.has_failed(Rule::DuplicateId) {
            board.skip(&[Rule::MergeOutput]);
        }
        let mut reader = Reader { rest: self.merges, ..reader };
        for record in 0..(self.merges.len() / MERGE_BYTES) as u32 {
            let offset = reader.offset;
            let [left, right, output, _rank] = std::array::from_fn(|_| reader.word());
            for id in [left, right] {
                board.fail_if(id >= vocab_size, SlmError::IdRange { place: "merge input", id, offset });
            }
            if !board.was_skipped(Rule::MergeOutput) && ids.binary_search(&output).is_err() {
                board.fail(SlmError::MergeOutput { offset, record, id: output });
            }
        }
    }
}

/// A cursor over the rest of the section, with its offset in the file.
struct Reader<'a> {
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        self.offset += N as u64;
        Some(*taken)
    }

    /// The next number. The caller knows that the section holds one.
    fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take().unwrap_or_default())
    }

    fn skip(&mut self, length: u64) -> Option<&'a [u8]> {
        let (skipped, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        self.offset += length;
        Some(skipped)
    }
}
