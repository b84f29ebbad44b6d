//! Integration tests of the verifier: one binary, one module a question.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod chunks;
mod formats;
mod manifest;
mod manifest_fixtures;
mod manifest_inputs;
mod manifest_properties;
mod manifest_rules;
mod manifest_sections;
mod manifest_signature;
mod manifest_v1;
mod onnx;
mod receipt;
mod request;
mod safetensors_files;
mod slm;
mod verify;
