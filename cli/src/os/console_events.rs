//! Events of the console and of the system that end a process on Windows, received instead.

use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
use tokio::sync::Notify;

use super::types::SignalKind;

/// This process asks itself to end: the system has no signal that a process sends to itself alone.
static END: Notify = Notify::const_new();

/// Ends this process in good order, as a system that shuts down asks it to.
pub(crate) fn end_this_process() {
    END.notify_one();
}

/// The events of this process from now on: none of them ends it at once any more. After the close of the console, the end of a
/// session or of the system, the system ends it some seconds later in any case.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: CtrlC,
    stop: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Signals {
    /// Takes the events over. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::Interrupt,
            _ = self.stop.recv() => SignalKind::Terminate,
            _ = self.close.recv() => SignalKind::Terminate,
            _ = self.logoff.recv() => SignalKind::Terminate,
            _ = self.shutdown.recv() => SignalKind::Terminate,
            () = END.notified() => SignalKind::Terminate,
        }
    }
}
