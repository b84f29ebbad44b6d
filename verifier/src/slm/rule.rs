//! The rules of the format, each with the name of its check, in the order of the report.

use crate::scan::rule::rules;

rules! {
    "`.slm` v1"
    FileLength "slm.file.length" "as many bytes as the file is said to have";
    HeaderLength "slm.header.length" "108 or more, inside the file";
    HeaderMagic "slm.header.magic" "SLM1";
    HeaderVersion "slm.header.version" "1";
    ModelType "slm.header.model_type" "1";
    Flags "slm.header.flags" "no bit but bit 0";
    VocabSize "slm.header.vocab_size" "260 or more";
    SpecialTokenCount "slm.header.special_token_count" "4 or more";
    HiddenSize "slm.header.hidden_size" "1 or more";
    LayerCount "slm.header.layer_count" "1 or more";
    HeadCount "slm.header.head_count" "1 or more";
    KvHeadCount "slm.header.kv_head_count" "a divisor of head_count";
    HeadDim "slm.header.head_dim" "1 or more, and head_count x head_dim = hidden_size";
    FfnSize "slm.header.ffn_size" "1 or more";
    MaxContext "slm.header.max_context" "1 or more";
    RopeTheta "slm.header.rope_theta" "finite and above 0";
    RmsNormEpsilon "slm.header.rms_norm_epsilon" "finite and above 0";
    TokenizerRange "slm.tokenizer.range" "a range inside the file";
    TokenizerLimit "slm.tokenizer.limit" "at most 67108864 bytes (a limit of this implementation)";
    DirectoryOffset "slm.directory.offset" "a multiple of 64";
    DirectoryRange "slm.directory.range" "a range inside the file";
    DataOffset "slm.data.offset" "a multiple of 64 inside the file";
    SectionOrder "slm.sections.order" "header, tokenizer, directory and data, none reaching into the next";
    TokenizerMagic "slm.tokenizer.magic" "BTOK or BPE1";
    TokenizerVersion "slm.tokenizer.version" "1";
    TokenizerLength "slm.tokenizer.length" "a whole head and as many whole records as it counts";
    TokenizerTrailing "slm.tokenizer.trailing" "no bytes after the last record";
    TokenizerVocab "slm.tokenizer.vocab_size" "the header's vocab_size, and 260 for BTOK";
    SpecialIds "slm.tokenizer.special_ids" "four different ids; 256, 257, 258, 259 for BTOK";
    IdRange "slm.tokenizer.id_range" "ids below vocab_size";
    DuplicateId "slm.tokenizer.duplicate_id" "one record an id";
    EmptyToken "slm.tokenizer.empty_token" "at least one byte a token";
    MergeOutput "slm.tokenizer.merge_output" "the id of a token";
    TensorMissing "slm.tensors.missing" "every required tensor";
    TensorLimit "slm.tensors.limit" "at most 131072 tensors (a limit of this implementation)";
    TensorUnknown "slm.tensors.unknown" "no tensor but the required ones";
    TensorDuplicate "slm.tensors.duplicate" "one entry a name hash";
    Dtype "slm.tensors.dtype" "1 (f32), 2 (q8_0) or 3 (q4_0)";
    Rank "slm.tensors.rank" "1 to 4";
    UnusedDims "slm.tensors.unused_dims" "0 or 1";
    TensorShape "slm.tensors.shape" "the shape that the header gives the tensor";
    BlockSize "slm.tensors.block_size" "even, above 0, a divisor of the row length";
    PayloadAlignment "slm.payload.alignment" "a multiple of 64";
    PayloadLength "slm.payload.length" "exactly what dtype and shape require";
    PayloadRange "slm.payload.range" "a range inside the file";
    ScalesOffset "slm.scales.offset" "0, as f32 has no scales";
    ScalesAlignment "slm.scales.alignment" "a multiple of 64";
    ScalesRange "slm.scales.range" "a range inside the file";
    Overlap "slm.payload.overlap" "ranges that overlap neither each other nor the sections before them";
    FileEnd "slm.file.end" "the first multiple of 64 after the last range";
    PayloadFinite "slm.payload.finite" "finite f32 values";
    ScalesFinite "slm.scales.finite" "finite scales";
    Padding "slm.padding" "zero bytes";
    Checksum "slm.checksum" "a value other than 0";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_spelled_like_check_names() {
        let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert!(names.iter().all(|name| name.starts_with("slm.") && name.is_ascii()));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rule::ALL.len());
        assert!(Rule::ALL.is_sorted());
    }
}
