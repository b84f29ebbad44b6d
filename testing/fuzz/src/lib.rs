//! Properties that hold for any bytes: one entry function for each fuzz target.
//!
//! Each function takes bytes from anywhere and panics when a property breaks. The same functions run three ways: over the
//! committed corpus and over mutations of it as ordinary tests (`tests/corpus.rs`), and for any length of time under
//! libFuzzer (`libfuzzer/`). `README.md` says what each target checks and what was run.
//!
//! ```
//! let target = minimodel_fuzz::TARGETS.iter().find(|target| target.name == "offer").unwrap();
//! (target.run)(b"\x01mm1aaaa");
//! ```

#![allow(clippy::panic, clippy::expect_used, reason = "a broken property ends the run")]

mod frame;
mod handshake;
mod machine;
mod manifest;
mod offer;
mod proof;
mod receipt;
mod request;
mod samples;
mod seeds;
mod slm;
mod source;
mod state;

pub use frame::frame;
pub use handshake::handshake;
pub use machine::machine;
pub use manifest::manifest;
pub use offer::offer;
pub use proof::{Claim, proof};
pub use receipt::receipt;
pub use request::request;
pub use seeds::seeds;
pub use slm::slm;
pub use source::Source;
pub use state::state;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its corpus and of its libFuzzer binary.
    pub name: &'static str,
    /// Its entry function.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 10] = [
    Target { name: "frame", run: frame },
    Target { name: "handshake", run: handshake },
    Target { name: "machine", run: machine },
    Target { name: "manifest", run: manifest },
    Target { name: "offer", run: offer },
    Target { name: "proof", run: proof },
    Target { name: "receipt", run: receipt },
    Target { name: "request", run: request },
    Target { name: "slm", run: slm },
    Target { name: "state", run: state },
];
