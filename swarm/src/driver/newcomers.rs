//! Places of newcomers: how many incoming connections may be under way at once, and which clients must first prove their
//! address.
//!
//! A *newcomer* is an incoming connection that is not introduced yet: its handshake is under way, or its Hello has not
//! been accepted. Only newcomers are counted by address, so that any number of honest peers may sit behind one NAT or
//! on one machine, as long as no more than a few connect at the same moment; an honest peer is a newcomer for two round
//! trips. Only proven addresses are counted, so that an attacker cannot use up another site's places with forged ones;
//! unproven addresses are bounded over all together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::transport::{MAX_INCOMING, RETRY_BEYOND};
use crate::machine::{Network, Site};

/// Newcomers at once from one site whose address is proven, and from all sites of one network: an eighth of all
/// handshakes, so that an attacker who controls a whole network cannot take them all.
const MAX_PER_SITE: usize = 8;
const MAX_PER_NETWORK: usize = MAX_INCOMING / 8;
/// Newcomers that a site may have although its network is at its limit, until that network has twice its limit: a few
/// hosts cannot keep their neighbours out.
const KEPT_PER_SITE: usize = 2;

/// The decision about a first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    LetIn,
    /// A Retry: the client must prove that it receives at its address (RFC 9000 section 8.1.2).
    Prove,
    Ignore,
}

/// Counters of newcomers, shared by its clones.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingHandshakes(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    unproven: usize,
    sites: BTreeMap<Site, usize>,
    networks: BTreeMap<Network, usize>,
}

impl Counts {
    /// True if the site, or its network, has all the newcomers that it may have.
    fn is_full(&self, site: Site) -> bool {
        let of_site = self.sites.get(&site).copied().unwrap_or(0);
        let of_network = self.networks.get(&site.network()).copied().unwrap_or(0);
        let is_crowded = of_network >= MAX_PER_NETWORK && of_site >= KEPT_PER_SITE;
        of_site >= MAX_PER_SITE || is_crowded || of_network >= 2 * MAX_PER_NETWORK
    }

    fn add(&mut self, site: Site) {
        *self.sites.entry(site).or_default() += 1;
        *self.networks.entry(site.network()).or_default() += 1;
    }

    fn remove(&mut self, site: Site) {
        less_one(&mut self.sites, site);
        less_one(&mut self.networks, site.network());
    }
}

/// Decrements a counter, and removes it at zero.
fn less_one<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl PendingHandshakes {
    /// Decides about a first packet, while `handshakes` are under way.
    pub(super) fn verdict(&self, address: IpAddr, is_proven: bool, handshakes: usize) -> Verdict {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if handshakes >= MAX_INCOMING {
            return Verdict::Ignore;
        }
        match (is_proven, counts.is_full(Site::of(address))) {
            (true, true) => Verdict::Ignore,
            (true, false) => Verdict::LetIn,
            (false, is_full) if is_full || counts.unproven >= RETRY_BEYOND => Verdict::Prove,
            (false, _) => Verdict::LetIn,
        }
    }

    /// Counts a newcomer until its place is dropped.
    pub(super) fn take(&self, address: IpAddr, is_proven: bool) -> Place {
        let mut place = Place { pending: self.clone(), site: Site::of(address), is_proven: false };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unproven += 1;
        if is_proven {
            place.prove();
        }
        place
    }
}

/// The place of one newcomer in the counts, released on drop.
#[derive(Debug)]
pub(super) struct Place {
    pending: PendingHandshakes,
    site: Site,
    is_proven: bool,
}

impl Place {
    /// From here on the place counts for its site: the address is proven.
    pub(super) fn prove(&mut self) {
        if !std::mem::replace(&mut self.is_proven, true) {
            let mut counts = self.pending.0.lock().unwrap_or_else(PoisonError::into_inner);
            counts.unproven -= 1;
            counts.add(self.site);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.pending.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_proven {
            counts.remove(self.site);
        } else {
            counts.unproven -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    // Rows: B16
    #[test]
    fn address_holds_eight_newcomer_places_and_forged_address_none() {
        let pending = PendingHandshakes::default();
        let mut forged: Vec<_> = (0..RETRY_BEYOND).map(|_| pending.take(at(1), false)).collect();
        assert_eq!(pending.verdict(at(2), false, 8), Verdict::Prove);
        assert_eq!(pending.verdict(at(1), true, 8), Verdict::LetIn, "it was not it that took them");
        let held: Vec<_> = (0..MAX_PER_SITE).map(|_| pending.take(at(1), true)).collect();
        assert_eq!(pending.verdict(at(1), true, 16), Verdict::Ignore);
        assert_eq!(pending.verdict(at(2), true, 16), Verdict::LetIn);
        forged.clear();
        assert_eq!(pending.verdict(at(2), false, 8), Verdict::LetIn);
        assert_eq!(pending.verdict(at(1), false, 8), Verdict::Prove, "perhaps it is not from there");
        // The newcomers were introduced, or disconnected.
        drop(held);
        assert_eq!(pending.verdict(at(1), false, 0), Verdict::LetIn);
        let counts = pending.0.lock().unwrap();
        assert_eq!((counts.unproven, counts.sites.len(), counts.networks.len()), (0, 0, 0));
    }

    // Rows: B16
    #[test]
    fn all_addresses_of_one_ipv6_site_count_together() {
        let pending = PendingHandshakes::default();
        let at = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        let _held: Vec<_> = (0..MAX_PER_SITE as u16).map(|n| pending.take(at(n), true)).collect();
        assert_eq!(pending.verdict(at(99), true, 8), Verdict::Ignore);
        assert_eq!(pending.verdict("2001:db8:0:2::1".parse().unwrap(), true, 8), Verdict::LetIn);
    }

    // Rows: B16, H2
    #[test]
    fn one_network_cannot_hold_all_handshakes_by_many_addresses() {
        for n in [
            |n: usize| IpAddr::from([192, 0, 2, n as u8]),
            |n: usize| IpAddr::from([0x2001, 0xdb8, 7, n as u16, 0, 0, 0, 1]),
        ] {
            let pending = PendingHandshakes::default();
            let mut held = Vec::new();
            for host in 0..250 {
                while pending.verdict(n(host), true, held.len()) == Verdict::LetIn {
                    held.push(pending.take(n(host), true));
                }
            }
            assert_eq!(held.len(), 2 * MAX_PER_NETWORK);
            assert_eq!(pending.verdict([192, 0, 3, 1].into(), true, held.len()), Verdict::LetIn);
        }
    }

    // Rows: H2
    #[test]
    fn four_hosts_do_not_keep_their_neighbours_out() {
        let pending = PendingHandshakes::default();
        let n = |host: u8| IpAddr::from([192, 0, 2, host]);
        let mut held = Vec::new();
        for host in 1..=4 {
            held.extend((0..MAX_PER_SITE).map(|_| pending.take(n(host), true)));
        }
        assert_eq!(pending.verdict(n(1), true, held.len()), Verdict::Ignore);
        for _ in 0..KEPT_PER_SITE {
            assert_eq!(pending.verdict(n(5), true, held.len()), Verdict::LetIn);
            held.push(pending.take(n(5), true));
        }
        assert_eq!(pending.verdict(n(5), true, held.len()), Verdict::Ignore);
    }

    // Rows: B16
    #[test]
    fn beyond_the_most_handshakes_nobody_is_answered() {
        let pending = PendingHandshakes::default();
        assert_eq!(pending.verdict(at(1), true, MAX_INCOMING - 1), Verdict::LetIn);
        for is_proven in [false, true] {
            assert_eq!(pending.verdict(at(1), is_proven, MAX_INCOMING), Verdict::Ignore);
        }
    }

    // Rows: B16
    #[test]
    fn proven_handshake_counts_for_its_address_until_introduced() {
        let pending = PendingHandshakes::default();
        let mut places: Vec<_> = (0..MAX_PER_SITE - 1).map(|_| pending.take(at(1), false)).collect();
        places.iter_mut().for_each(Place::prove);
        assert_eq!(pending.verdict(at(1), true, 0), Verdict::LetIn);
        places.push(pending.take("::ffff:192.0.2.1".parse().unwrap(), true));
        assert_eq!(pending.verdict(at(1), true, 0), Verdict::Ignore);
    }
}
