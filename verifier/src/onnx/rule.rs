//! The rules of the format, each with the name of its check, in the order of the report.

use crate::scan::rule::rules;

rules! {
    "ONNX"
    FileLength "onnx.file.length" "as many bytes as the file is said to have";
    Field "onnx.fields.key" "a field with a number above 0 and a wire type of protobuf 3";
    FieldLength "onnx.fields.length" "a field that ends inside its message";
    Depth "onnx.fields.depth" "at most 64 messages inside one another (a limit of this implementation)";
    Text "onnx.fields.text" "at most 65536 bytes in a name, key or shape (a limit of this implementation)";
    Model "onnx.model" "ir_version and graph, each once, as a loader merges two or keeps one";
    Domain "onnx.domain" "operators of ONNX alone: others need code of their own";
    TensorDuplicate "onnx.tensors.duplicate" "data_type and raw_data once, as a loader keeps one of two";
    Shape "onnx.tensors.shape" "no negative dimension, and fewer than 2^63 elements";
    TensorType "onnx.tensors.type" "a data type that is known here";
    TensorLength "onnx.tensors.length" "as many bytes of raw_data as data type and shape need";
    ExternalKey "onnx.external.key" "location, offset, length and checksum, each once";
    ExternalPath "onnx.external.path" "a relative path of one folder or more, without `..`";
    External "onnx.external" "all numbers in this file";
}
