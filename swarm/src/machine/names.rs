//! Identifiers that the machine and its driver share: connections, requests, upload requests.

/// A connection. The driver chooses the number and never reuses it within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conn(pub u64);

/// A request of ours to a peer. The machine chooses the number and never reuses it within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Req(pub u64);

/// An upload request: a peer's request to us. The driver chooses the number and never reuses it within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(pub u64);
