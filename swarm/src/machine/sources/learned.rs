//! What is learned of a peer: by the user, by members, from an earlier run, or where it was found.

use std::net::SocketAddr;

use minimodel_wire::{Offer, PeerId};

use super::super::found::Found;
use super::super::site::Site;
use super::super::source::{FoundPlace, Heard, MAX_NAMED, Source, State};
use super::super::time::Time;
use super::Sources;

impl Sources {
    /// Adds a peer, or its addresses, that the user named.
    pub(in super::super) fn name(&mut self, peer: PeerId, addresses: &[SocketAddr], at: Time) {
        self.evictions.forget();
        let source = self.entry(peer, at);
        source.by_user = true;
        source.named.retain(|address| !addresses.contains(address));
        source.named.splice(0..0, addresses.iter().copied());
        source.named.truncate(MAX_NAMED);
        self.expect(at, true);
    }

    /// Adds a peer from a passed-on offer. Its addresses replace those of an offer that expires sooner. A peer that is new
    /// to the table begins with its failed tries; one that waits is tried again if somebody else passes it on.
    pub(in super::super) fn hear(
        &mut self,
        peer: PeerId,
        addresses: Vec<SocketAddr>,
        expires_unix: u64,
        heard: Heard,
        at: Time,
    ) {
        let (is_new, is_elsewhere) = (!self.is_known(peer), self.waits_elsewhere(peer, heard.bringer, at));
        let source = self.entry(peer, at);
        if is_new {
            (source.tries, source.bringer) = (heard.tries, Some(heard.bringer));
        }
        if is_elsewhere {
            source.bringer = Some(heard.bringer);
            source.state = State::Waiting(at.max(source.not_before).max(source.rests_until));
        }
        if expires_unix > source.expires_unix {
            (source.pex_addresses, source.expires_unix) = (addresses, expires_unix);
        }
        self.expect(at, false);
    }

    /// Returns true if the peer waits for a later dial, and what is known of it came from another network than `bringer`'s: a member
    /// there that is connected to it now gives a reason to try again, at its own expense.
    pub(in super::super) fn waits_elsewhere(&self, peer: PeerId, bringer: Site, now: Time) -> bool {
        self.known.get(&peer).is_some_and(|source| {
            let is_late = matches!(source.state, State::Waiting(at) if at > now);
            is_late && source.brought_by().is_some_and(|known| known != bringer.allocation())
        })
    }

    /// Adds a peer of an earlier run, or of a list; one that the user names now keeps the addresses of that offer.
    pub(in super::super) fn recall(
        &mut self,
        offer: &Offer,
        found: Found,
        (named, passed_on): (Vec<SocketAddr>, Vec<SocketAddr>),
        at: Time,
    ) {
        let (peer, expires_unix) = (offer.peer, offer.expires_unix);
        let is_new = !self.is_known(peer);
        let source = self.entry(peer, at);
        if is_new || found == Found::Earlier {
            source.found = found;
        }
        if is_new {
            (source.named, source.pex_addresses, source.expires_unix) = (named, passed_on, expires_unix);
        }
        self.expect(at, false);
    }

    /// Adds a peer that was found; it is dialed soon, also where earlier dials failed. A user's own addresses of the peer stay.
    pub(in super::super) fn find(&mut self, peer: PeerId, place: FoundPlace, heard: Heard, at: Time) {
        let is_new = !self.is_known(peer);
        let source = self.entry(peer, at);
        if is_new {
            (source.tries, source.bringer, source.found) =
                (heard.tries, Some(heard.bringer), Found::By(place.way));
        }
        source.found_at(place);
        if let State::Waiting(due) = source.state {
            source.state = State::Waiting(due.min(at.max(source.not_before)));
        }
        let by_user = source.by_user;
        self.expect(at, by_user);
    }

    fn entry(&mut self, peer: PeerId, at: Time) -> &mut Source {
        let state = if self.is_banned(peer, at) { State::Ended } else { State::Waiting(at) };
        self.may_drop |= state == State::Ended;
        if !self.known.contains_key(&peer) {
            self.evictions.forget();
        }
        self.known.entry(peer).or_insert(Source::new(state))
    }
}
