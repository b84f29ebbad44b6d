//! One known peer: its addresses, how we heard of it, and when it may be dialed.

use std::net::SocketAddr;

use super::site::Site;
use super::time::Time;

/// How we heard of a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// Failed dials of its key before.
    pub(super) tries: u32,
    /// The site of the member that passed the offer on.
    pub(super) bringer: Site,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// To be dialed at this time.
    Waiting(Time),
    Dialing,
    Connected,
    /// Refused for good, banned, or found with another key.
    Ended,
}

#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Addresses that the user named, the latest first.
    pub(super) named: Vec<SocketAddr>,
    /// Addresses of the newest passed-on offer that may be dialed.
    pub(super) pex_addresses: Vec<SocketAddr>,
    /// Passed-on addresses that are being dialed.
    pub(super) on_trial: Vec<SocketAddr>,
    /// When the newest passed-on offer expires.
    pub(super) expires_unix: u64,
    pub(super) by_user: bool,
    /// Site of the member that first passed on an offer of the peer; `None` only if the user named the peer first.
    pub(super) bringer: Option<Site>,
    pub(super) state: State,
    pub(super) is_out_of_budget: bool,
    /// Failed tries in a row.
    pub(super) tries: u32,
    /// The peer has brought a proven chunk: it exists, and it has the file.
    pub(super) has_brought: bool,
    /// It had brought one in an earlier run, and is dialed before others.
    pub(super) is_earlier: bool,
    /// The peer is shut out until then.
    pub(super) not_before: Time,
}

impl Source {
    /// A peer of which nothing else is known.
    pub(super) fn new(state: State) -> Self {
        Self {
            named: Vec::new(),
            pex_addresses: Vec::new(),
            on_trial: Vec::new(),
            expires_unix: 0,
            by_user: false,
            bringer: None,
            state,
            is_out_of_budget: false,
            tries: 0,
            has_brought: false,
            is_earlier: false,
            not_before: Time::ZERO,
        }
    }

    /// Returns true if the peer is known from passed-on offers alone, is waiting to be dialed and never brought a chunk.
    pub(super) fn may_be_evicted(&self) -> bool {
        !self.by_user && !self.has_brought && matches!(self.state, State::Waiting(_))
    }
}
