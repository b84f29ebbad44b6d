//! The rules of the format, each with the name of its check, in the order of the report.

use crate::scan::rule::rules;

rules! {
    "safetensors"
    FileLength "safetensors.file.length" "as many bytes as the file is said to have";
    HeaderLength "safetensors.header.length" "2 to 100000000 bytes, inside the file";
    HeaderBegin "safetensors.header.begin" "{ as its first byte";
    HeaderJson "safetensors.header.json" "a JSON object of tensors, each with dtype, shape and data_offsets";
    MetadataDuplicate "safetensors.metadata.duplicate" "each key once, as a loader keeps one value of two";
    MetadataLimit "safetensors.metadata.limit" "at most 16777216 bytes (a limit of this implementation)";
    TensorDuplicate "safetensors.tensors.duplicate" "each name once, as a loader keeps one tensor of two";
    TensorFields "safetensors.tensors.fields" "no field but dtype, shape and data_offsets";
    Dtype "safetensors.tensors.dtype" "a number format that is known here";
    Range "safetensors.tensors.range" "a range inside the file, its begin no later than its end";
    Length "safetensors.tensors.length" "as many bytes as dtype and shape need";
    Contiguous "safetensors.tensors.contiguous" "a range that begins where the one before it ends";
    DataEnd "safetensors.data.end" "a file that ends where its last tensor ends";
}
