//! Places for peers (connections that a peer may hold), and eviction: a place is for a peer that uses it, and no site
//! gets more than its share.
//!
//! Keys are free and time passes by itself, so neither shows which peer deserves a place. A peer keeps its place by the
//! bytes that it moved, compared with other peers, and places are shared between sites, since addresses cost something.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::PeerId;

use super::events::Conn;
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

/// A peer that has no place yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newcomer {
    pub(super) site: Site,
    pub(super) claim: Claim,
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
            *held.networks.entry(site.allocation()).or_default() += 1;
        }
        held
    }

    /// The count of the site's network, and that of the site.
    pub(super) fn by(&self, site: Site) -> (usize, usize) {
        let network = self.networks.get(&site.allocation()).copied().unwrap_or(0);
        (network, self.sites.get(&site).copied().unwrap_or(0))
    }

    /// The counts of two sites to compare: those of the sites within one network, otherwise those of their networks.
    fn compare(&self, one: Site, other: Site) -> (usize, usize) {
        let ((one_network, one_site), (other_network, other_site)) = (self.by(one), self.by(other));
        if one.allocation() == other.allocation() {
            (one_site, other_site)
        } else {
            (one_network, other_network)
        }
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
/// hold more than the newcomer's would, the holder with the lowest claim; a holder with a lower class of claim. The first and the
/// last only as long as the newcomer's site would then hold no more than that holder's holds now, or for a newcomer that the user
/// named.
pub(super) fn to_evict(holders: &[Holder], kept: usize, newcomer: Newcomer) -> Option<Conn> {
    let Newcomer { site, claim } = newcomer;
    let held = Held::of(holders.iter().map(|holder| holder.site));
    let best = best(holders, kept);
    let free =
        || holders.iter().filter(|holder| !best.contains(&holder.conn) && holder.claim != Claim::Named);
    // Of idle holders the oldest is evicted, since it was idle longest; of others the newest.
    let first = |holder: &&Holder| (Reverse(held.by(holder.site)), holder.claim, holder.conn);
    let last = |holder: &&Holder| (Reverse(held.by(holder.site)), holder.claim, Reverse(holder.conn));
    let is_even = |holder: &&Holder| claim == Claim::Named || held.spares(holder.site, site);
    let idle = free().filter(|holder| holder.is_idle).filter(is_even).min_by_key(first);
    let owing = || free().filter(|holder| held.owes(holder.site, site)).min_by_key(last);
    // A peer that used its place before gets one back, until such peers hold the part that is kept for them.
    let used = holders.iter().filter(|holder| holder.claim.class() == Claim::Used(0)).count();
    let is_heard = claim == Claim::Named || claim.class() != Claim::Used(0) || used < kept;
    let lesser = || {
        let is_less = |holder: &&Holder| is_heard && holder.claim.class() < claim.class();
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
    rank(&|site| (site.allocation(), Some(site)));
    rank(&|site| (site.allocation(), None));
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

    pub(super) fn has(&self, id: PeerId) -> bool {
        self.since.contains_key(&id)
    }

    /// Forgets a peer that has a place now; returns true if it was turned away before.
    pub(super) fn take(&mut self, id: PeerId) -> bool {
        self.since.remove(&id).is_some()
    }
}

#[cfg(test)]
mod tests;
