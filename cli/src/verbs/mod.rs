//! One verb, one file: each has `run(args, context)`, answers through the printer, and fails with an exit class.

pub(crate) mod announce;
pub(crate) mod blame;
pub(crate) mod companion;
pub(crate) mod completions;
pub(crate) mod consent;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod fetch;
pub(crate) mod id;
pub(crate) mod import_peer_request;
pub(crate) mod inspect;
pub(crate) mod library;
pub(crate) mod limits;
pub(crate) mod manifest;
pub(crate) mod mirror;
pub(crate) mod open;
pub(crate) mod publisher;
pub(crate) mod sample;
pub(crate) mod seed;
pub(crate) mod status;
pub(crate) mod transfer;
pub(crate) mod verify_artifact;
pub(crate) mod verify_chunks;
pub(crate) mod verify_manifest;
pub(crate) mod write_import_receipt;
