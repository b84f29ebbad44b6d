//! The same transfer by `minimodel` and by what people use today: real processes in turn (A B C A B C ...), on the same
//! file and folder, one uncounted round first. `benches/compare/README.md` says how to install what is compared.
//!
//! `cargo run --release -p minimodel-benches --bin compare -- --shape 1to1,3to1,1to4 --out figures`

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is the answer, and a long run tells where it is"
)]

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod compare;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod procfs;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(target_os = "linux")]
mod stats;
#[cfg(target_os = "linux")]
mod window;
#[cfg(target_os = "linux")]
mod work;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    match compare::run(&clap::Parser::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("compare: CPU seconds and memory of other processes are read from Linux's /proc");
    ExitCode::FAILURE
}
