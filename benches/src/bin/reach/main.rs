//! Whether two real `minimodel` processes behind routers are connected, and when: namespaces of their own, an emulated link with
//! delay and loss, and the routers of the simulation in between.
//!
//! `cargo build --release -p minimodel-cli && cargo run --release -p minimodel-benches --bin reach -- --help`

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a line a pair on stdout and progress on stderr are the point"
)]

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod pair;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod setting;

use std::process::ExitCode;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("SKIPPED: there are no network namespaces here");
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use clap::Parser;

    let options = args::Options::parse();
    if let Err(error) = minimodel_benches::link::routed::Routed::is_possible() {
        eprintln!(
            "SKIPPED: no TUN device in a namespace can be made ({error}); root may, where /dev/net/tun is"
        );
        return ExitCode::SUCCESS;
    }
    match pair::run_all(&options) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(others) => {
            eprintln!("{others} went otherwise than the routers permit");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
