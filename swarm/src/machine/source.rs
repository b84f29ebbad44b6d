//! One known peer: its addresses, how we heard of it, and when it may be dialed.

use std::net::SocketAddr;

use super::found::{Found, Way};
use super::reach::BroughtBy;
use super::site::{Network, Site};
use super::time::Time;

/// Addresses of one peer that the user named; beyond it those named first are forgotten.
pub(super) const MAX_NAMED: usize = 16;
/// Addresses of one peer where it answered; beyond it the oldest are forgotten.
const MAX_ANSWERED: usize = 4;

/// How we heard of a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// Failed dials of its key before.
    pub(super) tries: u32,
    /// The site of the member that passed the offer on, or where the peer was found.
    pub(super) bringer: Site,
}

/// Where a peer was found.
#[derive(Debug, Clone)]
pub(super) struct FoundPlace {
    pub(super) way: Way,
    /// The address at which it answered, if anybody asked there.
    pub(super) direct: Option<SocketAddr>,
    /// Further addresses of its offer that may be dialed as passed-on ones.
    pub(super) others: Vec<SocketAddr>,
    /// When that offer expires.
    pub(super) expires_unix: u64,
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

/// Addresses at which a peer answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Answered {
    /// The latest first.
    at: Vec<SocketAddr>,
    /// It was not dialed at one of them yet.
    pub(super) is_fresh: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Addresses that the user named, the latest first.
    pub(super) named: Vec<SocketAddr>,
    /// Where the peer answered. It puts out no address that the user named: a forwarder can answer for the peer.
    pub(super) answered: Answered,
    /// Addresses of the newest passed-on offer that may be dialed.
    pub(super) pex_addresses: Vec<SocketAddr>,
    /// Passed-on addresses that are being dialed.
    pub(super) on_trial: Vec<SocketAddr>,
    /// When the newest passed-on offer expires.
    pub(super) expires_unix: u64,
    pub(super) by_user: bool,
    /// Site of the member that passed on an offer of the peer, the first or one after a try in vain; `None` only if the user named the
    /// peer first.
    pub(super) bringer: Option<Site>,
    pub(super) state: State,
    pub(super) is_out_of_budget: bool,
    /// Failed tries in a row.
    pub(super) tries: u32,
    /// The peer has brought a proven chunk: it exists, and it has the file.
    pub(super) has_brought: bool,
    /// How we learned of it first.
    pub(super) found: Found,
    /// The peer is shut out until then.
    pub(super) not_before: Time,
    /// It is left alone until then, for a second meeting, unless it answers somewhere else meanwhile.
    pub(super) rests_until: Time,
}

impl Source {
    /// A peer of which nothing else is known.
    pub(super) fn new(state: State) -> Self {
        Self {
            named: Vec::new(),
            answered: Answered::default(),
            pex_addresses: Vec::new(),
            on_trial: Vec::new(),
            expires_unix: 0,
            by_user: false,
            bringer: None,
            state,
            is_out_of_budget: false,
            tries: 0,
            has_brought: false,
            found: Found::PassedOn,
            not_before: Time::ZERO,
            rests_until: Time::ZERO,
        }
    }

    /// Returns true if the peer is known from passed-on offers alone, is waiting to be dialed and never brought a chunk.
    pub(super) fn may_be_evicted(&self) -> bool {
        !self.by_user && !self.has_brought && matches!(self.state, State::Waiting(_))
    }

    /// Takes the addresses of the place where the peer was found.
    pub(super) fn found_at(&mut self, place: FoundPlace) {
        if let Some(direct) = place.direct {
            let is_new = !self.answered.at.contains(&direct);
            self.answered.at.retain(|&address| address != direct);
            self.answered.at.insert(0, direct);
            self.answered.at.truncate(MAX_ANSWERED);
            // A connected peer is reached already, and one that is dialed there as well.
            self.answered.is_fresh |=
                self.state != State::Connected && (is_new || self.state != State::Dialing);
        }
        if place.expires_unix > self.expires_unix {
            (self.pex_addresses, self.expires_unix) = (place.others, place.expires_unix);
        }
    }

    /// Where to dial it besides passed-on addresses: the user's own addresses first, unless the last dial there failed.
    pub(super) fn own_addresses(&self) -> Vec<SocketAddr> {
        let answered = self.answered.at.iter().filter(|address| !self.named.contains(address));
        let (named, answered): (Vec<_>, Vec<_>) = (self.named.clone(), answered.copied().collect());
        if self.tries == 0 { [named, answered].concat() } else { [answered, named].concat() }
    }

    /// By which way we learned of the peer.
    pub(super) fn learned(&self) -> Found {
        if self.by_user { Found::Named } else { self.found }
    }

    /// The network that its passed-on addresses lead to first.
    pub(super) fn leads_to(&self) -> Option<Network> {
        self.pex_addresses.first().map(|address| Site::of(address.ip()).network())
    }

    /// Who brought its addresses.
    pub(super) fn brought_by(&self) -> BroughtBy {
        let by_member = !self.by_user && self.found == Found::PassedOn;
        self.bringer.filter(|_| by_member).map(Site::allocation)
    }
}
