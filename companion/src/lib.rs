//! The companion: a person's models, what they share with whom, what comes in, and what they agreed to.
//!
//! [`Service`] is everything that can be asked of it. In the process that runs it that is the companion itself; elsewhere
//! [`client::Client`] asks the same over the local interface, so whoever uses a `Service` need not know which it is.

pub mod api;
pub mod client;
mod clock;
mod companion;
pub mod consent;
pub mod db;
pub mod doctor;
mod files;
pub mod library;
pub mod limits;
mod private;
pub mod problem;
pub mod publishers;
pub mod runner;
mod service;
mod shell;

pub use companion::{Companion, Places, is_held};
pub use files::{check_folder, check_own};
pub use private::{Exposed, Others};
pub use problem::Problem;
pub use service::{Answer, Service};
