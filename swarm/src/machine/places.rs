//! Who may hold one of the places that there are for peers: whoever uses them, and no site more than its share.
//!
//! Keys cost nothing and time passes by itself, so that neither says who deserves a place. A place is kept by what was
//! moved over it, in comparison with the other peers, and is shared between sites: where one peer comes from costs
//! something.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::{CloseCode, PeerId};

use super::core::Machine;
use super::events::Conn;
use super::peer::Peer;
use super::site::{Network, Site};
use super::time::Time;

/// Peers that were turned away for want of a place and are known again when they come back.
const MAX_TURNED_AWAY: usize = 256;

/// What speaks for a peer; the later goes before the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// Nothing is known of it yet.
    New,
    /// It was turned away before, and came back as it was told.
    Returned,
    /// It has read from us, or brought us, so many bytes; a chunk at least.
    Used(u64),
    /// Our user named it.
    Named,
}

impl Claim {
    /// The same without its measure.
    fn class(self) -> Self {
        if let Self::Used(_) = self { Self::Used(0) } else { self }
    }
}

/// A peer that holds a place and may lose it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) conn: Conn,
    pub(super) site: Site,
    pub(super) claim: Claim,
    /// It wants nothing that it could be given and has nothing that we want, or it had its turn and asked for nothing.
    pub(super) is_idle: bool,
}

/// How many of something each site and each network holds.
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

    /// What its network holds, and what it holds itself.
    pub(super) fn by(&self, site: Site) -> (usize, usize) {
        let network = self.networks.get(&site.network()).copied().unwrap_or(0);
        (network, self.sites.get(&site).copied().unwrap_or(0))
    }

    /// What each of two sites holds where they differ: in their network, or else in their networks.
    fn compare(&self, one: Site, other: Site) -> (usize, usize) {
        let ((one_network, one_site), (other_network, other_site)) = (self.by(one), self.by(other));
        if one.network() == other.network() { (one_site, other_site) } else { (one_network, other_network) }
    }

    /// Whether `rich` would still hold no less than `poor` if it gave it one.
    pub(super) fn owes(&self, rich: Site, poor: Site) -> bool {
        let (rich, poor) = self.compare(rich, poor);
        rich > poor + 1
    }

    /// Whether `poor` would hold no more than `rich` has now if it was given one.
    pub(super) fn spares(&self, rich: Site, poor: Site) -> bool {
        let (held, wanted) = self.compare(rich, poor);
        rich == poor || held > wanted
    }
}

/// Who of the holders gives way to a newcomer where all places are taken; `None`: nobody.
///
/// The best of those who used their places, each network's and each site's in turn, keep `kept` of them in any case. Of
/// the others, in this order: whoever does nothing; of the network and the site that hold more than the newcomer's would,
/// whoever used its place least; whoever has less of a claim than the newcomer, as long as the newcomer's site does not
/// hold more already.
pub(super) fn gives_way(holders: &[Holder], kept: usize, newcomer: (Site, Claim)) -> Option<Conn> {
    let (site, claim) = newcomer;
    let held = Held::of(holders.iter().map(|holder| holder.site));
    let best = best(holders, kept);
    let free =
        || holders.iter().filter(|holder| !best.contains(&holder.conn) && holder.claim != Claim::Named);
    // Of several that do nothing, the first that came has done it for longest; of several that do something, it stays.
    let first = |holder: &&Holder| (Reverse(held.by(holder.site)), holder.claim, holder.conn);
    let last = |holder: &&Holder| (Reverse(held.by(holder.site)), holder.claim, Reverse(holder.conn));
    let idle = free().filter(|holder| holder.is_idle).min_by_key(first);
    let owing = || free().filter(|holder| held.owes(holder.site, site)).min_by_key(last);
    // Whoever used a place has one again, until those who did have the part that is kept for them.
    let used = holders.iter().filter(|holder| holder.claim.class() == Claim::Used(0)).count();
    let is_heard = claim == Claim::Named || claim.class() != Claim::Used(0) || used < kept;
    let lesser = || {
        let is_less = |holder: &&Holder| is_heard && holder.claim.class() < claim.class();
        let is_even = |holder: &&Holder| claim == Claim::Named || held.spares(holder.site, site);
        free().filter(is_less).filter(is_even).min_by_key(|holder| (holder.claim.class(), last(holder)))
    };
    idle.or_else(owing).or_else(lesser).map(|holder| holder.conn)
}

/// The best `most` of those who used their places: the first of each network before the second of any, and within a
/// network the first of each site.
fn best(holders: &[Holder], most: usize) -> BTreeSet<Conn> {
    let used = |holder: &&Holder| matches!(holder.claim, Claim::Used(_));
    let mut ranked: Vec<(usize, &Holder)> = holders.iter().filter(used).map(|holder| (0, holder)).collect();
    // Twice the same: a rank within the site, then with it one within the network.
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
    /// A peer found no place. Where too many are remembered, the site with most of them loses its oldest.
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

    /// It has a place now; whether it was turned away before.
    pub(super) fn take(&mut self, id: PeerId) -> bool {
        self.since.remove(&id).is_some()
    }
}

impl Machine {
    /// Whether there is no place for this key.
    pub(super) fn is_full_for(&self, id: PeerId, dialed: bool) -> bool {
        // Who comes to us never takes the places that our own dials need.
        let limits = &self.config.limits;
        let kept = if dialed || !self.wants_chunks() { 0 } else { limits.max_dials };
        let places = limits.max_connections.saturating_sub(kept).max(1);
        self.places_taken() >= places && !self.by_id.contains_key(&id)
    }

    /// Peers that hold a place; guests hold none.
    pub(super) fn places_taken(&self) -> usize {
        self.peers.len() - self.guests()
    }

    fn guests(&self) -> usize {
        self.peers.values().filter(|peer| peer.is_guest).count()
    }

    /// Whether a peer that came and found no place may stay for a word. A site with more guests than its share gives way.
    pub(super) fn may_be_guest(&mut self, now: Time, site: Site) -> bool {
        if self.stopping {
            return false;
        }
        if self.guests() >= self.config.limits.max_guests {
            let guests = self.peers.iter().filter(|(_, peer)| peer.is_guest);
            let holder = |(&conn, peer): (&Conn, &Peer)| Holder {
                conn,
                site: peer.site,
                claim: Claim::New,
                is_idle: false,
            };
            let guests: Vec<Holder> = guests.map(holder).collect();
            if let Some(conn) = gives_way(&guests, 0, (site, Claim::New)) {
                self.drop_peer(now, conn, CloseCode::Busy);
            }
        }
        self.guests() < self.config.limits.max_guests
    }

    /// Parts with whoever gives way to a newcomer, if somebody does. Peers that we dialed are never among them.
    pub(super) fn make_room(&mut self, now: Time, id: PeerId, site: Site) {
        let newcomer = (site, self.claim_of(id, self.turned_away.has(id)));
        let holders = self.peers.iter().filter(|(_, peer)| !peer.dialed && !peer.is_guest);
        let holder = |(&conn, peer): (&Conn, &Peer)| {
            let claim = self.claim_of(peer.id, peer.has_returned);
            Holder { conn, site: peer.site, claim, is_idle: peer.does_nothing() }
        };
        let holders: Vec<Holder> = holders.map(holder).collect();
        if let Some(conn) = gives_way(&holders, self.config.limits.max_connections / 2, newcomer) {
            let turned_away = self.peers.get(&conn).map(|peer| (peer.id, peer.site));
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

    /// Our user named the peer itself, to fetch from it. With a list of those who may come everybody who comes is on it,
    /// and has no more of a claim than the others.
    fn is_named(&self, id: PeerId) -> bool {
        let sources = self.config.controls.sources.as_ref();
        self.sources.is_by_user(id) || sources.is_some_and(|sources| sources.contains(&id))
    }

    /// Bytes that are a use of a place: a chunk, since less is what a peer can have that never reads one to its end.
    pub(super) fn least_use(&self) -> u64 {
        let terms = &self.config.terms;
        u64::from(terms.chunk_size).min(terms.byte_count).max(1)
    }
}

#[cfg(test)]
mod tests;
