//! Cost of each message of an unknown peer (the stranger) to the seeder and to the stranger: the figures of `docs/costs.md`.
//!
//! `cargo bench -p minimodel-benches --bench costs`. A real seeder runs in a thread of its own: its processor time is that
//! of the process without the stranger's thread. The stranger is a plain QUIC client with the same library, no cheaper
//! than an attacker's own client would be; bytes are those of UDP payloads.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a bench fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is the result")]

mod machine;
mod seeder;
mod stranger;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The cost of `times` messages: to the seeder (`ours`) and to the stranger (`theirs`).
pub(crate) struct Cost {
    pub(crate) what: &'static str,
    pub(crate) times: u32,
    pub(crate) ours: Duration,
    pub(crate) theirs: Duration,
    /// Bytes that the seeder received and sent, where there is a network.
    pub(crate) bytes: Option<(u64, u64)>,
}

impl Cost {
    fn print(&self) {
        let micros = |all: Duration| all.as_secs_f64() * 1e6 / f64::from(self.times);
        let bytes = self.bytes.map_or(["—".to_owned(), "—".to_owned()], |(came, went)| {
            [came, went].map(|all| (all / u64::from(self.times)).to_string())
        });
        println!(
            "| {} | {:.1} | {:.1} | {} | {} |",
            self.what,
            micros(self.theirs),
            micros(self.ours),
            bytes[0],
            bytes[1]
        );
    }
}

/// Processor time of this thread, and of all others of the process.
pub(crate) fn used() -> (Duration, Duration) {
    let of = |clock| {
        let time = clock_gettime(clock);
        Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
    };
    let (mine, all) = (of(ClockId::ThreadCPUTime), of(ClockId::ProcessCPUTime));
    (mine, all.saturating_sub(mine))
}

fn main() {
    println!("| message | theirs, us | ours, us | bytes in | bytes out |");
    println!("| --- | --- | --- | --- | --- |");
    machine::costs().iter().for_each(Cost::print);
    stranger::costs().iter().for_each(Cost::print);
}
