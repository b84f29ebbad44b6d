//! Signals of Unix that end a process, received instead.

use std::io;

use tokio::signal::unix::{self, Signal, signal};

use super::types::SignalKind;

/// SIGXFSZ, which has the same number on all systems that have it.
const FILE_SIZE_EXCEEDED: i32 = 25;

/// The signals of this process from now on: none of them ends it any more.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes the signals over. Must be called within a runtime. Besides, a write beyond the limit on file sizes (`ulimit -f`)
    /// becomes an error instead of the end of the process.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn listen() -> io::Result<Self> {
        // The handler stays after its receiver is dropped.
        signal(unix::SignalKind::from_raw(FILE_SIZE_EXCEEDED)).map(drop)?;
        Ok(Self {
            interrupt: signal(unix::SignalKind::interrupt())?,
            terminate: signal(unix::SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::Interrupt,
            _ = self.terminate.recv() => SignalKind::Terminate,
        }
    }
}
