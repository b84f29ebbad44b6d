//! The 108 bytes of the header: reading them, and every rule that they alone decide.

use super::board::Board;
use super::error::SlmError;
use super::rule::Rule;
use super::{ALIGNMENT, ENTRY_BYTES, MAX_TENSOR_COUNT, MAX_TOKENIZER_BYTES};

/// Bytes of the header that have a meaning; a longer header is allowed and the rest of it is ignored.
pub(super) const HEADER_BYTES: usize = 108;

pub(crate) const MAGIC: [u8; 4] = *b"SLM1";
const TIED_OUTPUT: u32 = 1;

/// The header's numbers as stored in the file, under the names and in the order of the format page.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of the format page, under the same names")]
pub struct Header {
    pub magic: [u8; 4],
    pub version: u32,
    pub header_length: u32,
    pub model_type: u32,
    pub flags: u32,
    pub vocab_size: u32,
    pub special_token_count: u32,
    pub hidden_size: u32,
    pub layer_count: u32,
    pub head_count: u32,
    pub kv_head_count: u32,
    pub head_dim: u32,
    pub ffn_size: u32,
    pub max_context: u32,
    pub rope_theta: f32,
    pub rms_norm_epsilon: f32,
    pub tokenizer_offset: u64,
    pub tokenizer_length: u64,
    pub tensor_directory_offset: u64,
    pub tensor_count: u32,
    pub tensor_data_offset: u64,
    pub checksum: u64,
}

impl Header {
    pub(super) fn read(bytes: &[u8; HEADER_BYTES]) -> Self {
        let word = |offset| u32::from_le_bytes(field(bytes, offset));
        let long = |offset| u64::from_le_bytes(field(bytes, offset));
        Self {
            magic: field(bytes, 0),
            version: word(4),
            header_length: word(8),
            model_type: word(12),
            flags: word(16),
            vocab_size: word(20),
            special_token_count: word(24),
            hidden_size: word(28),
            layer_count: word(32),
            head_count: word(36),
            kv_head_count: word(40),
            head_dim: word(44),
            ffn_size: word(48),
            max_context: word(52),
            rope_theta: f32::from_bits(word(56)),
            rms_norm_epsilon: f32::from_bits(word(60)),
            tokenizer_offset: long(64),
            tokenizer_length: long(72),
            tensor_directory_offset: long(80),
            tensor_count: word(88),
            tensor_data_offset: long(92),
            checksum: long(100),
        }
    }

    /// True when there is no `output.weight`.
    pub fn is_output_tied(&self) -> bool {
        self.flags & TIED_OUTPUT != 0
    }

    /// Tensors that a file of this header has: at most about 2^36, whatever the header says.
    pub(super) fn required_tensor_count(&self) -> u64 {
        9 * u64::from(self.layer_count) + if self.is_output_tied() { 2 } else { 3 }
    }

    /// Rows of `wk` and `wv`. Once the header has passed this is at most `hidden_size`.
    pub(super) fn kv_size(&self) -> u32 {
        self.kv_head_count.saturating_mul(self.head_dim)
    }

    /// End of the tokenizer section; the range was proven to lie inside the file.
    pub(super) fn tokenizer_end(&self) -> u64 {
        self.tokenizer_offset.saturating_add(self.tokenizer_length)
    }

    /// End of the directory; the range was proven to lie inside the file.
    pub(super) fn directory_end(&self) -> u64 {
        self.tensor_directory_offset.saturating_add(u64::from(self.tensor_count) * ENTRY_BYTES)
    }

    /// Decides every rule of the header. True when the sections can be read: all rules hold, except perhaps that of the
    /// checksum.
    pub(super) fn check(&self, file: u64, board: &mut Board) -> bool {
        let (magic, found) = (self.magic, self.version);
        board.decide(Rule::HeaderMagic, "SLM1", (magic != MAGIC).then_some(SlmError::HeaderMagic { magic }));
        if board.has_passed(Rule::HeaderMagic) {
            board.decide(
                Rule::HeaderVersion,
                found,
                (found != 1).then_some(SlmError::HeaderVersion { found }),
            );
        }
        // In another format or version the numbers below may mean something else.
        if !board.has_passed(Rule::HeaderVersion) {
            return false;
        }
        self.check_model(board);
        self.check_heads(board);
        self.check_sections(file, board);
        self.check_tensor_count(board);
        if self.checksum == 0 {
            board.fail(SlmError::Checksum);
        }
        let of_header = (Rule::HeaderLength..=Rule::SectionOrder, Rule::TensorLimit);
        let mut rules = Rule::ALL.iter().filter(|rule| of_header.0.contains(rule) || **rule == of_header.1);
        rules.all(|rule| board.has_passed(*rule)) && !board.has_failed(Rule::TensorMissing)
    }

    fn check_model(&self, board: &mut Board) {
        let positive = |number: f32| number.is_finite() && number > 0.0;
        let mut decide = |rule, found: u32, holds: bool, error| {
            board.decide(rule, found, (!holds).then_some(error));
        };
        let found = self.model_type;
        decide(Rule::ModelType, found, found == 1, SlmError::ModelType { found });
        let found = self.flags;
        decide(Rule::Flags, found, found & !TIED_OUTPUT == 0, SlmError::Flags { found });
        let found = self.vocab_size;
        decide(Rule::VocabSize, found, found >= 260, SlmError::VocabSize { found });
        let found = self.special_token_count;
        decide(Rule::SpecialTokenCount, found, found >= 4, SlmError::SpecialTokenCount { found });
        decide(Rule::HiddenSize, self.hidden_size, self.hidden_size != 0, SlmError::HiddenSize);
        decide(Rule::LayerCount, self.layer_count, self.layer_count != 0, SlmError::LayerCount);
        decide(Rule::FfnSize, self.ffn_size, self.ffn_size != 0, SlmError::FfnSize);
        decide(Rule::MaxContext, self.max_context, self.max_context != 0, SlmError::MaxContext);
        let found = self.rope_theta;
        board.decide(
            Rule::RopeTheta,
            found,
            (!positive(found)).then_some(SlmError::RopeTheta { bits: found.to_bits() }),
        );
        let found = self.rms_norm_epsilon;
        let broken = (!positive(found)).then_some(SlmError::RmsNormEpsilon { bits: found.to_bits() });
        board.decide(Rule::RmsNormEpsilon, found, broken);
    }

    fn check_heads(&self, board: &mut Board) {
        let Self { head_count, kv_head_count, head_dim, hidden_size, .. } = *self;
        board.decide(Rule::HeadCount, head_count, (head_count == 0).then_some(SlmError::HeadCount));
        // With no heads, or a hidden size of 0, the rules that depend on them cannot be decided.
        if head_count == 0 {
            return;
        }
        let divides = kv_head_count != 0 && head_count.is_multiple_of(kv_head_count);
        let error = SlmError::KvHeadCount { found: kv_head_count, head_count };
        board.decide(Rule::KvHeadCount, kv_head_count, (!divides).then_some(error));
        if hidden_size == 0 {
            return;
        }
        let fits = head_count.checked_mul(head_dim) == Some(hidden_size);
        let error = SlmError::HeadDim { found: head_dim, head_count, hidden_size };
        board.decide(Rule::HeadDim, head_dim, (!fits).then_some(error));
    }

    fn check_sections(&self, file: u64, board: &mut Board) {
        let found = self.header_length;
        let fits = found as usize >= HEADER_BYTES && u64::from(found) <= file;
        let error = SlmError::HeaderLength { found: Some(found), file };
        board.decide(Rule::HeaderLength, found, (!fits).then_some(error));

        let (offset, length) = (self.tokenizer_offset, self.tokenizer_length);
        let fits = offset.checked_add(length).is_some_and(|end| end <= file);
        let error = SlmError::TokenizerRange { offset, length, file };
        board.decide(Rule::TokenizerRange, format!("{length} bytes at {offset}"), (!fits).then_some(error));
        if fits {
            let error = SlmError::TokenizerLimit { found: length };
            board.decide(Rule::TokenizerLimit, length, (length > MAX_TOKENIZER_BYTES).then_some(error));
        }

        let (offset, tensor_count) = (self.tensor_directory_offset, self.tensor_count);
        let error = SlmError::DirectoryOffset { found: offset };
        board.decide(Rule::DirectoryOffset, offset, (!offset.is_multiple_of(ALIGNMENT)).then_some(error));
        let end = offset.checked_add(u64::from(tensor_count) * ENTRY_BYTES);
        let error = SlmError::DirectoryRange { offset, tensor_count, file };
        let broken = end.is_none_or(|end| end > file).then_some(error);
        board.decide(Rule::DirectoryRange, format!("{tensor_count} x 64 bytes at {offset}"), broken);

        let found = self.tensor_data_offset;
        let fits = found.is_multiple_of(ALIGNMENT) && found <= file;
        board.decide(Rule::DataOffset, found, (!fits).then_some(SlmError::DataOffset { found, file }));

        let places = [Rule::HeaderLength, Rule::TokenizerRange, Rule::DirectoryOffset, Rule::DirectoryRange];
        if board.have_passed(&places) && board.has_passed(Rule::DataOffset) {
            board.decide(Rule::SectionOrder, "", self.misplaced_section());
        }
    }

    /// Refuses too few tensors here, before the required tensors of all layers are listed; too many are found by their
    /// names.
    fn check_tensor_count(&self, board: &mut Board) {
        let found = self.tensor_count;
        if board.has_passed(Rule::DirectoryRange) {
            let error = SlmError::TensorLimit { found };
            board.decide(Rule::TensorLimit, found, (found > MAX_TENSOR_COUNT).then_some(error));
        }
        let required = self.required_tensor_count();
        if board.have_passed(&[Rule::LayerCount, Rule::Flags]) && u64::from(found) < required {
            board.fail(SlmError::TensorMissing { found, required });
        }
    }

    fn misplaced_section(&self) -> Option<SlmError> {
        let sections = [
            ("tokenizer section", self.tokenizer_offset, u64::from(self.header_length)),
            ("tensor directory", self.tensor_directory_offset, self.tokenizer_end()),
            ("data section", self.tensor_data_offset, self.directory_end()),
        ];
        sections.into_iter().find_map(|(section, begin, end_before)| {
            (begin < end_before).then_some(SlmError::SectionOrder { section, begin, end_before })
        })
    }
}

/// `N` bytes at a constant offset inside `bytes`.
pub(super) fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
