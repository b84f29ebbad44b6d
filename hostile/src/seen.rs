//! What the hostile side saw of the other's defence.

use std::fmt;

use quinn::ConnectionError;

/// How a connection ended, as the hostile side saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The other side closed it with an application code.
    Closed(u64),
    /// The other side closed it with a transport error code (RFC 9000 section 20; 0x100 and an alert for TLS).
    Transport(u64),
    /// Our own library found the other side at fault, with a transport error code.
    Found(u64),
    /// Nothing came any more.
    TimedOut,
    /// It was still open when the trick was over.
    Open,
    /// We could not even begin, for this reason.
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

/// What came of one trick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How the connection ended.
    pub ended: Ended,
    /// Codes with which our requests were reset, in order.
    pub resets: Vec<u64>,
    /// Chunks that we were given whole.
    pub chunks: u32,
    /// Requests that we were sent.
    pub asked: u32,
    /// The code of the goodbye that it said in a frame, where that is looked at.
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
