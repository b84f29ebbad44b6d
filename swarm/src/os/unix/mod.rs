//! What all Unix systems have alike: descriptors, modes and owners, signals, error numbers.

pub(super) mod errors;
pub(super) mod files;
pub(super) mod folder;
pub(super) mod hints;
pub(super) mod process;
pub(super) mod stat;
pub(super) mod text;
