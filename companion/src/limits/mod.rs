//! What may move, when and to whom: rates and their schedule, where they are kept, and the log of what moved.

pub mod ledger;
pub mod schedule;
pub mod store;
pub mod today;
