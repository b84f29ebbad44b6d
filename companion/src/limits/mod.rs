//! Limits: rates and their schedule, how they are stored, and the log of bytes moved.

pub mod ledger;
pub mod schedule;
pub mod store;
pub mod today;
pub mod usage;
