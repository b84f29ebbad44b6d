//! Tests with the real program that must use the real clock or count what a process holds: each runs alone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by failing")]
#![allow(dead_code, reason = "these modules are those of the other tests, which use more of them")]

mod crowd;
mod demo;
#[path = "../cli/home.rs"]
mod home;
#[path = "../cli/hostile_peers/honest.rs"]
mod honest;
#[path = "../cli/swarm/model.rs"]
mod model;
#[path = "../cli/process.rs"]
mod process;
#[path = "../cli/swarm/record.rs"]
mod record;
mod siege;
mod supply;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps the other tests of this program waiting. What runs each test as a process of its own needs to know it too:
/// `.config/nextest.toml`.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
