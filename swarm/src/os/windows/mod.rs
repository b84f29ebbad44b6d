//! Windows: handles, access lists, names and error numbers.
//!
//! [`calls`] has all `unsafe` code; [`sddl`], [`names`] and [`hints`] call nothing, and are tested on every system.

#[cfg(windows)]
mod calls;
#[cfg(windows)]
pub(super) mod errors;
#[cfg(windows)]
pub(super) mod files;
#[cfg(windows)]
pub(super) mod folder;
pub(super) mod hints;
#[cfg(windows)]
pub(super) mod machine;
mod names;
#[cfg(windows)]
mod paths;
mod sddl;
#[cfg(windows)]
pub(super) mod stat;
#[cfg(windows)]
pub(super) mod text;
