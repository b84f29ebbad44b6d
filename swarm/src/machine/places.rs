//! Places for peers (connections that a peer may hold), and eviction: a place is for a peer that uses it, and no site
//! gets more than its share.
//!
//! Keys are free and time passes by itself, so neither shows which peer deserves a place. A peer keeps its place by the
//! bytes that it moved, compared with other peers, and places are shared between sites, since addresses cost something.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::{CloseCode, PeerId};

use super::core::Machine;
use super::events::Conn;
use super::peer::Peer;
use super::site::{Network, Site};
use super::time::Time;

/// Peers turned away for lack of a place that are recognized when they come back.
const MAX_TURNED_AWAY: usize = 256;

/// The claim of a peer to a place, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// Nothing is known of the peer yet.
    New,
    /// The peer was turned away before and came back, as it was told to.
    Returned,
    /// The peer has read or delivered so many bytes, at least a chunk.
    Used(u64),
    /// The user named the peer.
    Named,
}

impl Claim {
    /// The claim without its number of bytes.
    fn class(self) -> Self {
        if let Self::Used(_) = self { Self::Used(0) } else { self }
    }
}

/// A peer that holds a place and may be evicted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) conn: Conn,
    pub(super) site: Site,
    pub(super) claim: Claim,
    /// The peer has nothing that we want, and it either wants nothing from us or had a slot and requested nothing.
    pub(super) is_idle: bool,
}

/// Counts of places, or of anything else, by site and by network.
#[derive(Debug, Default)]
pub(super) struct Held {
    sites: BTreeMap<Site, usize>,
    networks: BTreeMap<Network, usize>,
}

impl Held {
    pub(super) fn of(sites: impl IntoIterator<Item = Site>) -> Self {
        let mut held = Self::default();
        for site in sites {
            *held.sites.entry(site).or_default() += 1;
            *held.networks.entry(site.network()).or_default() += 1;
        }
        held
    }

    /// The count of the site's network, and that of the site.
    pub(super) fn by(&self, site: Site) -> (usize, usize) {
        let network = self.networks.get(&site.network()).copied().unwrap_or(0);
        (network, self.sites.get(&site).copied().unwrap_or(0))
    }

    /// The counts of two sites to compare: those of the sites within one network, otherwise those of their networks.
    fn compare(&self, one: Site, other: Site) -> (usize, usize) {
        let ((one_network, one_site), (other_network, other_site)) = (self.by(one), self.by(other));
        if one.network() == other.network() { (one_site, other_site) } else { (one_network, other_network) }
    }

    /// Returns true if `rich` would hold no less than `poor` after giving it one.
    pub(super) fn owes(&self, rich: Site, poor: Site) -> bool {
        let (rich, poor) = self.compare(rich, poor);
        rich > poor + 1
    }

    /// Returns true if `poor`, given one more, would hold no more than `rich` holds now.
    pub(super) fn spares(&self, rich: Site, poor: Site) -> bool {
        let (held, wanted) = self.compare(rich, poor);
        rich == poor || held > wanted
    }
}

/// Returns the holder to evict for a newcomer when all places are taken, or `None`.
///
/// The best `kept` of those that used their places always stay, chosen from each network and each site in turn, and so do
/// holders that the user named. Of the others one is evicted, in this order: an idle holder; of the network and site that
/// hold more than the newcomer's would, the holder with the lowest claim; a holder with a lower class of claim, as long
/// as the newcomer's site would then hold no more than that holder's holds now (any, for a newcomer that the user named).
pub(super) fn to_evict(holders: &[Holder], kept: usize, newcomer: (Site, Claim)) -> Option<Conn> {
    let (site, claim) = newcomer;
    let held = Held::of(holders.iter().map(|holder| holder.site));
    let best = best(holders, kept);
    let free =
        || holders.iter().filter(|holder| !best.contains(&holder.conn) && holder.claim != Claim::Named);
    // Of idle holders the oldest is evicted, since it was idle longest; of others the newest.
    let first = |holder: &&Holder| (Reverse(held.by(holder.site)), holder.claim, holder.conn);
    let last = |holder: &&Holder| (Reverse(held.by(holder.site)), holder.claim, Reverse(holder.conn));
    let idle = free().filter(|holder| holder.is_idle).min_by_key(first);
    let owing = || free().filter(|holder| held.owes(holder.site, site)).min_by_key(last);
    // A peer that used its place before gets one back, until such peers hold the part that is kept for them.
    let used = holders.iter().filter(|holder| holder.claim.class() == Claim::Used(0)).count();
    let is_heard = claim == Claim::Named || claim.class() != Claim::Used(0) || used < kept;
    let lesser = || {
        let is_less = |holder: &&Holder| is_heard && holder.claim.class() < claim.class();
        let is_even = |holder: &&Holder| claim == Claim::Named || held.spares(holder.site, site);
        free().filter(is_less).filter(is_even).min_by_key(|holder| (holder.claim.class(), last(holder)))
    };
    idle.or_else(owing).or_else(lesser).map(|holder| holder.conn)
}

/// The best `most` holders among those that used their places: the first of each network before the second of any, and
/// within a network the first of each site.
fn best(holders: &[Holder], most: usize) -> BTreeSet<Conn> {
    let used = |holder: &&Holder| matches!(holder.claim, Claim::Used(_));
    let mut ranked: Vec<(usize, &Holder)> = holders.iter().filter(used).map(|holder| (0, holder)).collect();
    // Called twice: it ranks within each site, and then, with that rank, within each network.
    let mut rank = |of: &dyn Fn(Site) -> (Network, Option<Site>)| {
        ranked.sort_by_key(|&(rank, holder)| (rank, Reverse(holder.claim), holder.conn));
        let mut before: BTreeMap<(Network, Option<Site>), usize> = BTreeMap::new();
        for (rank, holder) in &mut ranked {
            let before = before.entry(of(holder.site)).or_default();
            *rank = *before;
            *before += 1;
        }
    };
    rank(&|site| (site.network(), Some(site)));
    rank(&|site| (site.network(), None));
    ranked.sort_by_key(|&(rank, holder)| (rank, Reverse(holder.claim), holder.conn));
    ranked.into_iter().take(most).map(|(_, holder)| holder.conn).collect()
}

/// Peers that found no place and were told to come back.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    since: BTreeMap<PeerId, (Site, Time)>,
}

impl TurnedAway {
    /// Remembers a peer that found no place. Beyond the limit, the site with the most entries loses its oldest.
    pub(super) fn add(&mut self, now: Time, id: PeerId, site: Site) {
        self.since.entry(id).or_insert((site, now));
        if self.since.len() > MAX_TURNED_AWAY {
            let held = Held::of(self.since.values().map(|&(site, _)| site));
            let oldest = self
                .since
                .iter()
                .min_by_key(|&(&id, &(site, since))| (Reverse(held.by(site)), since, id))
                .map(|(&id, _)| id);
            oldest.and_then(|id| self.since.remove(&id));
        }
    }

    fn has(&self, id: PeerId) -> bool {
        self.since.contains_key(&id)
    }

    /// Forgets a peer that has a place now; returns true if it was turned away before.
    pub(super) fn take(&mut self, id: PeerId) -> bool {
        self.since.remove(&id).is_some()
    }
}

impl Machine {
    /// Returns true if there is no place for this key.
    pub(super) fn is_full_for(&self, id: PeerId, dialed: bool) -> bool {
        // Incoming connections never take the places that our own dials need.
        let limits = &self.swarm.config.limits;
        let kept = if dialed || !self.swarm.wants_chunks() { 0 } else { limits.max_dials };
        let places = limits.max_connections.saturating_sub(kept).max(1);
        self.places_taken() >= places && !self.swarm.peers.is_connected(id)
    }

    /// Places that are taken; guests take none.
    pub(super) fn places_taken(&self) -> usize {
        self.swarm.peers.len() - self.guests()
    }

    fn guests(&self) -> usize {
        self.swarm.peers.values().filter(|peer| peer.is_guest).count()
    }

    /// Returns true if an incoming peer without a place may stay as a guest, to be sent the offers of others. A guest of
    /// a site with more than its share is closed for it.
    pub(super) fn may_be_guest(&mut self, now: Time, site: Site) -> bool {
        if self.swarm.stopping {
            return false;
        }
        if self.guests() >= self.swarm.config.limits.max_guests {
            let guests = self.swarm.peers.iter().filter(|(_, peer)| peer.is_guest);
            let holder = |(&conn, peer): (&Conn, &Peer)| Holder {
                conn,
                site: peer.site,
                claim: Claim::New,
                is_idle: false,
            };
            let guests: Vec<Holder> = guests.map(holder).collect();
            if let Some(conn) = to_evict(&guests, 0, (site, Claim::New)) {
                self.drop_peer(now, conn, CloseCode::Busy);
            }
        }
        self.guests() < self.swarm.config.limits.max_guests
    }

    /// Evicts a peer for a newcomer, if one may be evicted. Peers that we dialed are never evicted.
    pub(super) fn make_room(&mut self, now: Time, id: PeerId, site: Site) {
        let newcomer = (site, self.claim_of(id, self.turned_away.has(id)));
        let holders = self.swarm.peers.iter().filter(|(_, peer)| !peer.dialed && !peer.is_guest);
        let holder = |(&conn, peer): (&Conn, &Peer)| {
            let claim = self.claim_of(peer.id, peer.has_returned);
            Holder { conn, site: peer.site, claim, is_idle: peer.does_nothing() }
        };
        let holders: Vec<Holder> = holders.map(holder).collect();
        if let Some(conn) = to_evict(&holders, self.swarm.config.limits.max_connections / 2, newcomer) {
            let turned_away = self.swarm.peers.get(&conn).map(|peer| (peer.id, peer.site));
            if let Some((id, site)) = turned_away {
                self.turned_away.add(now, id, site);
            }
            self.drop_peer(now, conn, CloseCode::Busy);
        }
    }

    fn claim_of(&self, id: PeerId, has_returned: bool) -> Claim {
        let used = self.standings.moved(id);
        if self.is_named(id) {
            Claim::Named
        } else if used >= self.least_use() {
            Claim::Used(used)
        } else if has_returned {
            Claim::Returned
        } else {
            Claim::New
        }
    }

    /// Returns true if the user named the peer as a source. The list of peers that may come is not looked at: every
    /// incoming peer is on it, so that it gives none a claim over the others.
    fn is_named(&self, id: PeerId) -> bool {
        let sources = self.swarm.config.controls.sources.as_ref();
        self.sources.is_by_user(id) || sources.is_some_and(|sources| sources.contains(&id))
    }

    /// Bytes that count as a use of a place: a chunk, since a peer that never reads one to its end can have less.
    pub(super) fn least_use(&self) -> u64 {
        let terms = &self.swarm.config.terms;
        u64::from(terms.chunk_size).min(terms.byte_count).max(1)
    }
}

#[cfg(test)]
mod tests;
