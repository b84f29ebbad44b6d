//! Types of the interface that are the same on every system.

/// An operating system, for texts that name its own programs and folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalKind {
    /// Ctrl-C.
    Interrupt,
    /// The system, or a program, asks this process to end.
    Terminate,
}
