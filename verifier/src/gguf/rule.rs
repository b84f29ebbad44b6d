//! The rules of the format, each with the name of its check, in the order of the report.

use crate::scan::rule::rules;

rules! {
    "GGUF"
    FileLength "gguf.file.length" "as many bytes as the file is said to have";
    Magic "gguf.header.magic" "GGUF";
    Version "gguf.header.version" "2 or 3, little-endian";
    Counts "gguf.header.counts" "at most 65536 keys and 131072 tensors (limits of this implementation)";
    HeaderLength "gguf.header.length" "a header that ends inside the file";
    HeaderLimit "gguf.header.limit" "at most 134217728 bytes (a limit of this implementation)";
    KeyName "gguf.keys.name" "1 to 65535 printable ASCII characters";
    KeyDuplicate "gguf.keys.duplicate" "each key once";
    ValueType "gguf.values.type" "a type from 0 to 12, and no array in an array";
    Bool "gguf.values.bool" "0 or 1";
    TextLimit "gguf.values.text_limit" "texts of at most 1048576 bytes (a limit of this implementation)";
    Text "gguf.values.text" "UTF-8";
    Alignment "gguf.alignment" "a u32, a power of two, 8 to 65536";
    Tokenizer "gguf.tokenizer" "tokens as texts, scores as f32 and token_type as i32, of one length where they are there";
    Split "gguf.split" "split.no below split.count";
    Template "gguf.template" "no construct by which a template could reach beyond its text";
    TensorName "gguf.tensors.name" "at most 127 bytes";
    LongName "gguf.tensors.long_name" "at most 63 bytes, as most programs ask for";
    TensorDuplicate "gguf.tensors.duplicate" "each name once";
    Rank "gguf.tensors.rank" "at most 4 dimensions";
    Scalar "gguf.tensors.scalar" "at least 1 dimension";
    Dimensions "gguf.tensors.dimensions" "no 0, and fewer than 2^62 elements";
    TensorType "gguf.tensors.type" "a type that is known here";
    Rows "gguf.tensors.rows" "rows of whole blocks";
    Offset "gguf.tensors.offset" "the end of the tensor before it, padded";
    Range "gguf.tensors.range" "a range inside the file";
    DataEnd "gguf.data.end" "a file that ends where its last tensor ends, padded or not";
    Padding "gguf.padding" "zero bytes";
}
