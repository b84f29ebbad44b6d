//! What the hostile side saw of the target's defence.

use std::fmt;

use quinn::ConnectionError;

/// How a connection ended, as the hostile side saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The target closed it with an application code.
    Closed(u64),
    /// The target closed it with a transport error code (RFC 9000 section 20; 0x100 and an alert for TLS).
    Transport(u64),
    /// The hostile side's own library found the target at fault, with a transport error code.
    Found(u64),
    /// The connection timed out.
    TimedOut,
    /// It was still open when the trick was over.
    Open,
    /// The connection could not be started, for this reason.
    Never(String),
}

impl Ended {
    pub(crate) fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Self::Closed(close.error_code.into_inner()),
            ConnectionError::ConnectionClosed(close) => Self::Transport(close.error_code.into()),
            ConnectionError::TransportError(error) => Self::Found(error.code.into()),
            ConnectionError::TimedOut | ConnectionError::Reset => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::Open,
            other => Self::Never(other.to_string()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code) => match minimodel_wire::CloseCode::try_from(*code) {
                Ok(known) => write!(f, "closed with {code}, {known}"),
                Err(_) => write!(f, "closed with {code}"),
            },
            Self::Transport(code) => write!(f, "closed with transport error {code:#x}"),
            Self::Found(code) => write!(f, "found transport error {code:#x}"),
            Self::TimedOut => f.write_str("silence"),
            Self::Open => f.write_str("still open"),
            Self::Never(why) => write!(f, "never connected: {why}"),
        }
    }
}

/// The result of one trick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How the connection ended.
    pub ended: Ended,
    /// Codes with which the target reset requests, in order.
    pub resets: Vec<u64>,
    /// Chunks that the target served whole.
    pub chunks: u32,
    /// Requests that the target sent.
    pub asked: u32,
    /// Code of the target's `Bye` frame, in the tricks that wait for one.
    pub bye: Option<u32>,
    /// Whether something succeeded that must not.
    pub granted: bool,
}

impl Seen {
    pub(crate) fn only(ended: Ended) -> Self {
        Self { ended, resets: Vec::new(), chunks: 0, asked: 0, bye: None, granted: false }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ended, resets, chunks, asked, bye: _, granted } = self;
        write!(f, "{ended}; {chunks} chunks taken, {} requests reset, {asked} requests heard", resets.len())?;
        if *granted { f.write_str("; it was granted what it must not be") } else { Ok(()) }
    }
}
