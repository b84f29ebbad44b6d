//! Ctrl-C and SIGTERM, received on a thread of their own, so that no blocking call delays them. Verbs that work through
//! one file stop between two reads or writes; transfers shut down in order. A second signal ends the process at once.

use std::io::{self, IsTerminal as _, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minimodel::transfer::Control;
use minimodel::transfer::runtime::check_spare_files;
use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::os::{SignalKind, Signals, end_this_process};

const NONE: u8 = 0;

/// Exit code of the signal that came; a process has one set of signals.
static CAME: AtomicU8 = AtomicU8::new(NONE);

/// The signal listener of the process; every step of a verb shares it.
static LISTENER: Mutex<Option<Interrupt>> = Mutex::new(None);

/// True while the user is asked; the process does nothing else meanwhile.
static IS_ASKING: AtomicBool = AtomicBool::new(false);

/// Runs `ask`. Meanwhile a signal ends the process at once, as it does without a listener.
pub(crate) fn while_asking<T>(ask: impl FnOnce() -> T) -> T {
    IS_ASKING.store(true, Ordering::Relaxed);
    let reply = ask();
    IS_ASKING.store(false, Ordering::Relaxed);
    reply
}

/// The exit code of the process, once a signal has come.
pub(crate) fn came() -> Option<Exit> {
    exit_of(CAME.load(Ordering::Relaxed))
}

/// The failure to end with, once a signal has come, of work that leaves nothing behind.
pub(crate) fn failure() -> Option<Failure> {
    came().map(stopped_by)
}

fn stopped_by(class: Exit) -> Failure {
    let signal = if class == Exit::Terminated { "SIGTERM" } else { "Ctrl-C" };
    let hint = "nothing was left behind; run the same command again";
    Failure::new(class, format!("stopped by {signal}"), hint)
}

fn exit_of(code: u8) -> Option<Exit> {
    match code {
        NONE => None,
        code if code == Exit::Terminated.code() => Some(Exit::Terminated),
        _ => Some(Exit::Interrupted),
    }
}

/// Whether a signal has come.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    /// 0, or the exit code that the signal asks for.
    code: Arc<AtomicU8>,
    /// Becomes true with the first signal.
    asked: watch::Receiver<bool>,
    /// Transfers that the first signal cancels.
    transfers: Arc<Mutex<Vec<Control>>>,
}

impl Interrupt {
    /// Starts to handle the signals, or returns the listener that does; it remembers a signal that came before.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        match &*listener {
            Some(interrupt) => Ok(interrupt.clone()),
            None => Ok(listener.insert(Self::start()?).clone()),
        }
    }

    fn start() -> Result<Self, Failure> {
        let (ask, asked) = watch::channel(false);
        let code = Arc::new(AtomicU8::new(NONE));
        let interrupt = Self { code, asked, transfers: Arc::default() };
        let ours = interrupt.clone();
        let start = || -> anyhow::Result<()> {
            check_spare_files()?;
            let runtime = Builder::new_current_thread().enable_io().build()?;
            let mut signals = {
                let _inside = runtime.enter();
                Signals::listen()?
            };
            let listen = async move {
                loop {
                    let exit = match signals.next().await {
                        SignalKind::Interrupt => Exit::Interrupted,
                        SignalKind::Terminate => Exit::Terminated,
                    };
                    let is_second = ours.code.swap(exit.code(), Ordering::Relaxed) != NONE;
                    if is_second || IS_ASKING.load(Ordering::Relaxed) {
                        std::process::exit(exit.code().into());
                    }
                    CAME.store(exit.code(), Ordering::Relaxed);
                    ask.send_replace(true);
                    let transfers = ours.transfers.lock().unwrap_or_else(PoisonError::into_inner);
                    transfers.iter().for_each(Control::cancel);
                }
            };
            std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(listen))?;
            Ok(())
        };
        start().map_err(|error| Failure::unexpected("cannot watch for Ctrl-C", &error))?;
        Ok(interrupt)
    }

    /// Ends the process in good order, as SIGTERM does, once stdin has ended: a program that holds the other end of a pipe
    /// takes it along, however that program ends. A terminal at stdin is refused, because its user may be asked.
    pub(crate) fn end_with_stdin(&self) -> Result<(), Failure> {
        if io::stdin().is_terminal() {
            let hint = "leave the flag away; it is for programs, which pass a pipe as stdin";
            return Err(Failure::new(
                Exit::Usage,
                "--end-with-stdin needs another stdin than a terminal",
                hint,
            ));
        }
        let wait = || {
            // An error ends it too: no program can hold the other end any more.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            end_this_process();
        };
        let started = std::thread::Builder::new().name("stdin".into()).spawn(wait);
        started.map(drop).map_err(|error| Failure::unexpected("cannot watch stdin", &error.into()))
    }

    /// The first signal cancels this transfer, also if it has come already.
    pub(crate) fn cancels(&self, transfer: &Control) {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        transfers.push(transfer.clone());
        if *self.asked.borrow() {
            transfer.cancel();
        }
    }

    /// Becomes true when a signal comes.
    pub(crate) fn asked(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }

    /// The exit code of the signal that came.
    pub(crate) fn exit(&self) -> Exit {
        exit_of(self.code.load(Ordering::Relaxed)).unwrap_or(Exit::Interrupted)
    }

    /// The failure to end with, once a signal has come.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.code.load(Ordering::Relaxed) == NONE {
            return Ok(());
        }
        Err(stopped_by(self.exit()))
    }

    /// A reader or writer that fails once a signal has come; [`check`](Self::check) then gives the failure.
    pub(crate) fn guard<T>(&self, inner: T) -> Guarded<T> {
        Guarded { interrupt: self.clone(), inner }
    }
}

/// A reader or writer made by [`Interrupt::guard`].
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    interrupt: Interrupt,
    inner: T,
}

impl<T> Guarded<T> {
    fn check(&self) -> io::Result<()> {
        // Not ErrorKind::Interrupted, which readers and writers are meant to try again.
        self.interrupt.check().map_err(|failure| io::Error::other(failure.error))
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.read(buffer)
    }
}

impl<W: Write> Write for Guarded<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<S: Seek> Seek for Guarded<S> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: G1
    #[test]
    fn a_signal_ends_reading_with_its_own_exit_code() {
        let interrupt = Interrupt {
            code: Arc::new(AtomicU8::new(NONE)),
            asked: watch::channel(false).1,
            transfers: Arc::default(),
        };
        let mut reader = interrupt.guard(&b"abc"[..]);
        assert_eq!(reader.read(&mut [0; 2]).unwrap(), 2);
        interrupt.code.store(Exit::Terminated.code(), Ordering::Relaxed);
        assert!(reader.read(&mut [0; 2]).is_err());
        assert_eq!(interrupt.check().unwrap_err().class, Exit::Terminated);
        interrupt.code.store(Exit::Interrupted.code(), Ordering::Relaxed);
        assert_eq!(interrupt.check().unwrap_err().class, Exit::Interrupted);
    }
}
