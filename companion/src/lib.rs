//! The companion daemon: one user's models, shares, fetches, limits and consent log.
//!
//! [`Service`] is the complete set of its calls. [`Companion`] implements it in the daemon's process; elsewhere
//! [`client::Client`] implements it over the local interface, so a caller need not know which of the two it uses.

pub mod api;
pub mod client;
mod companion;
pub mod db;
pub mod doctor;
mod files;
pub mod folders;
pub mod history;
mod host;
pub mod library;
pub mod limits;
pub mod model;
mod os;
pub mod problem;
mod records;
mod service;
mod shell;

pub use companion::{Companion, Places, is_held};
pub use host::Host;
pub use problem::Problem;
pub use service::{Answer, Service};
