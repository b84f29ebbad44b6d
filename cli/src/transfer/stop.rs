//! Ctrl-C and SIGTERM during a transfer: the first asks for an orderly end, a second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::outlive_file_size_limit;

/// Whether and how the user asked to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// Becomes true once.
    pub(crate) asked: watch::Receiver<bool>,
    code: Arc<AtomicU8>,
}

impl Stop {
    /// Takes the signals over. Must be called within the runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::unexpected("cannot watch for Ctrl-C", &error.into());
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        outlive_file_size_limit().map_err(failed)?;
        let (ask, asked) = watch::channel(false);
        let code = Arc::new(AtomicU8::new(Exit::Interrupted.code()));
        let ours = code.clone();
        tokio::spawn(async move {
            loop {
                let exit = tokio::select! {
                    _ = interrupt.recv() => Exit::Interrupted,
                    _ = terminate.recv() => Exit::Terminated,
                };
                ours.store(exit.code(), Ordering::Relaxed);
                if ask.send_replace(true) {
                    // The record and the data are as safe as after a kill: nothing recorded is lost.
                    std::process::exit(exit.code().into());
                }
            }
        });
        Ok(Self { asked, code })
    }

    /// The exit code of the signal that came.
    pub(crate) fn exit(&self) -> Exit {
        if self.code.load(Ordering::Relaxed) == Exit::Terminated.code() {
            Exit::Terminated
        } else {
            Exit::Interrupted
        }
    }
}
