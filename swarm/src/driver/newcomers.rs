//! Places of newcomers: how many incoming connections may be under way at once, which clients must first prove their address,
//! and which newcomer gives way when no place is free.
//!
//! A *newcomer* is an incoming connection that is not introduced yet: its handshake is under way, or its Hello has not
//! been accepted. Only newcomers are counted by address, so that any number of honest peers may sit behind one NAT or
//! on one machine, as long as no more than a few connect at the same moment; an honest peer is a newcomer for two round
//! trips. Only proven addresses are counted, so that an attacker cannot use up another site's places with forged ones;
//! unproven addresses are bounded over all together.
//!
//! A newcomer that has not said its Hello *waits*. Waiting costs an attacker nothing, so a place is not held by it: at a limit
//! the oldest of those who hold most gives way to a proven newcomer, at once to one from where fewer wait, and after
//! [`GRACE`] to any other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::transport::{MAX_INCOMING, RETRY_BEYOND};
use crate::machine::{Network, Site, Time};

/// Newcomers at once from one site whose address is proven, and from all sites of one network: an eighth of all
/// handshakes, so that an attacker who controls a whole network cannot take them all.
const MAX_PER_SITE: usize = 8;
const MAX_PER_NETWORK: usize = MAX_INCOMING / 8;
/// Newcomers that a site may have although its network is at its limit, until that network has twice its limit: a few
/// hosts cannot keep their neighbours out.
const KEPT_PER_SITE: usize = 2;
/// Time that a waiting newcomer has before one from where as many wait may take its place: two round trips of 250 ms. A site
/// may begin 16 handshakes a second (`arrivals.rs`), which is one place every half second.
const GRACE: Duration = Duration::from_millis(500);

/// The decision about a first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    LetIn,
    /// A Retry: the client must prove that it receives at its address (RFC 9000 section 8.1.2).
    Prove,
    Ignore,
}

/// The newcomers of a node, shared by its clones.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingHandshakes(Arc<Mutex<Newcomers>>);

#[derive(Debug, Default)]
struct Newcomers {
    /// In the order of their arrival.
    all: BTreeMap<u64, Newcomer>,
    next: u64,
    unproven: usize,
    waiting: usize,
    sites: BTreeMap<Site, usize>,
    networks: BTreeMap<Network, usize>,
}

#[derive(Debug)]
struct Newcomer {
    site: Site,
    is_proven: bool,
    since: Time,
    /// Ends the newcomer; `None` once it has said its Hello.
    gives_way: Option<oneshot::Sender<()>>,
}

impl Newcomers {
    /// True if the site, or its network, has all the newcomers that it may have.
    fn is_full(&self, site: Site) -> bool {
        let (of_site, of_network) = self.of(site);
        of_site >= MAX_PER_SITE || is_crowded(of_site, of_network)
    }

    /// Newcomers of a site, and of its network.
    fn of(&self, site: Site) -> (usize, usize) {
        let count = |count: Option<&usize>| count.copied().unwrap_or(0);
        (count(self.sites.get(&site)), count(self.networks.get(&site.network())))
    }

    /// Returns the newcomer that gives way to one of `site`, where a limit is reached and one does.
    fn that_gives_way(&self, site: Site, now: Time) -> Option<u64> {
        let (of_site, of_network) = self.of(site);
        if of_site >= MAX_PER_SITE {
            self.oldest(now, of_site, |newcomer| (newcomer.site == site).then_some(site))
        } else if is_crowded(of_site, of_network) {
            let network = site.network();
            let of = |newcomer: &Newcomer| (newcomer.site.network() == network).then_some(newcomer.site);
            self.oldest(now, of_site, of)
        } else {
            self.oldest(now, of_network, |newcomer| Some(newcomer.site.network()))
        }
    }

    /// Returns the oldest waiting newcomer of the largest group, if it has had its time or its group is larger than the one
    /// that now has `own` would be. `group`: that of a newcomer, if it is in question.
    fn oldest<G: Ord>(&self, now: Time, own: usize, group: impl Fn(&Newcomer) -> Option<G>) -> Option<u64> {
        let mut groups: BTreeMap<G, (usize, u64)> = BTreeMap::new();
        let waiting =
            self.all.iter().filter(|(_, newcomer)| newcomer.is_proven && newcomer.gives_way.is_some());
        for (&number, newcomer) in waiting {
            if let Some(group) = group(newcomer) {
                groups.entry(group).or_insert((0, number)).0 += 1;
            }
        }
        let &(count, number) =
            groups.values().max_by_key(|(count, number)| (*count, std::cmp::Reverse(*number)))?;
        let is_due = self.all.get(&number).is_some_and(|newcomer| now.since(newcomer.since) >= GRACE);
        (is_due || count > own + 1).then_some(number)
    }

    fn add(&mut self, newcomer: Newcomer) -> u64 {
        let number = self.next;
        self.next += 1;
        self.count(&newcomer, true);
        self.all.insert(number, newcomer);
        number
    }

    /// Removes a newcomer, unless it gave way before.
    fn remove(&mut self, number: u64) -> Option<Newcomer> {
        let newcomer = self.all.remove(&number)?;
        self.count(&newcomer, false);
        Some(newcomer)
    }

    /// Changes a newcomer, unless it gave way before.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Newcomer)) {
        if let Some(mut newcomer) = self.remove(number) {
            change(&mut newcomer);
            self.count(&newcomer, true);
            self.all.insert(number, newcomer);
        }
    }

    fn count(&mut self, newcomer: &Newcomer, is_added: bool) {
        if newcomer.is_proven {
            step(&mut self.sites, newcomer.site, is_added);
            step(&mut self.networks, newcomer.site.network(), is_added);
        }
        let one = |count: &mut usize| if is_added { *count += 1 } else { *count -= 1 };
        if !newcomer.is_proven {
            one(&mut self.unproven);
        }
        if newcomer.gives_way.is_some() {
            one(&mut self.waiting);
        }
    }
}

/// True if a network has all the newcomers that it may have, as far as one of its sites is concerned.
fn is_crowded(of_site: usize, of_network: usize) -> bool {
    (of_network >= MAX_PER_NETWORK && of_site >= KEPT_PER_SITE) || of_network >= 2 * MAX_PER_NETWORK
}

/// Steps a counter by one; it is removed at zero.
fn step<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K, is_added: bool) {
    match counts.entry(key) {
        Entry::Occupied(mut count) if is_added => *count.get_mut() += 1,
        Entry::Occupied(count) if *count.get() == 1 => drop(count.remove()),
        Entry::Occupied(mut count) => *count.get_mut() -= 1,
        Entry::Vacant(count) if is_added => drop(count.insert(1)),
        Entry::Vacant(_) => {}
    }
}

impl PendingHandshakes {
    /// Decides about a first packet.
    pub(super) fn verdict(&self, address: IpAddr, is_proven: bool, now: Time) -> Verdict {
        let (newcomers, site) = (self.lock(), Site::of(address));
        let is_full = newcomers.is_full(site) || newcomers.waiting >= MAX_INCOMING;
        match is_proven {
            true if is_full && newcomers.that_gives_way(site, now).is_none() => Verdict::Ignore,
            false if is_full || newcomers.unproven >= RETRY_BEYOND => Verdict::Prove,
            _ => Verdict::LetIn,
        }
    }

    /// Takes a place for a newcomer until it is dropped; at a limit another gives way. The receiver hears when this one must.
    pub(super) fn take(&self, address: IpAddr, is_proven: bool, now: Time) -> (Place, oneshot::Receiver<()>) {
        let (mut newcomers, site) = (self.lock(), Site::of(address));
        if is_proven
            && (newcomers.is_full(site) || newcomers.waiting >= MAX_INCOMING)
            && let Some(oldest) = newcomers.that_gives_way(site, now)
            && let Some(gives_way) = newcomers.remove(oldest).and_then(|newcomer| newcomer.gives_way)
        {
            // An error says that it has just ended.
            let _ = gives_way.send(());
        }
        let (gives_way, must_go) = oneshot::channel();
        let number = newcomers.add(Newcomer { site, is_proven, since: now, gives_way: Some(gives_way) });
        (Place { pending: self.clone(), number }, must_go)
    }

    fn lock(&self) -> MutexGuard<'_, Newcomers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one newcomer, released on drop.
#[derive(Debug)]
pub(super) struct Place {
    pending: PendingHandshakes,
    number: u64,
}

impl Place {
    /// From here on the place counts for its site: the address is proven.
    pub(super) fn prove(&self) {
        self.pending.lock().change(self.number, |newcomer| newcomer.is_proven = true);
    }

    /// From here on the newcomer waits no more: it has said its Hello, and its session judges it.
    pub(super) fn introduce(&self) {
        self.pending.lock().change(self.number, |newcomer| newcomer.gives_way = None);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pending.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::ZERO;

    fn at(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn later() -> Time {
        Time::after_start(GRACE)
    }

    /// Takes places for `count` newcomers of a proven address.
    fn hold(pending: &PendingHandshakes, address: IpAddr, count: usize, now: Time) -> Vec<Place> {
        (0..count).map(|_| pending.take(address, true, now).0).collect()
    }

    /// Returns which of these places are lost.
    fn lost(pending: &PendingHandshakes, places: &[Place]) -> Vec<usize> {
        let newcomers = pending.lock();
        (0..places.len()).filter(|&n| !newcomers.all.contains_key(&places[n].number)).collect()
    }

    // Rows: B16
    #[test]
    fn address_holds_eight_newcomer_places_and_forged_address_none() {
        let pending = PendingHandshakes::default();
        let mut forged: Vec<_> = (0..RETRY_BEYOND).map(|_| pending.take(at(1), false, NOW)).collect();
        assert_eq!(pending.verdict(at(2), false, NOW), Verdict::Prove);
        assert_eq!(pending.verdict(at(1), true, NOW), Verdict::LetIn, "it was not it that took them");
        let held = hold(&pending, at(1), MAX_PER_SITE, NOW);
        assert_eq!(pending.verdict(at(1), true, NOW), Verdict::Ignore);
        assert_eq!(pending.verdict(at(2), true, NOW), Verdict::LetIn);
        forged.clear();
        assert_eq!(pending.verdict(at(2), false, NOW), Verdict::LetIn);
        assert_eq!(pending.verdict(at(1), false, NOW), Verdict::Prove, "perhaps it is not from there");
        // The newcomers were introduced, or disconnected.
        drop(held);
        assert_eq!(pending.verdict(at(1), false, NOW), Verdict::LetIn);
        let newcomers = pending.lock();
        assert_eq!((newcomers.unproven, newcomers.waiting, newcomers.all.len()), (0, 0, 0));
        assert_eq!((newcomers.sites.len(), newcomers.networks.len()), (0, 0));
    }

    // Rows: B16
    #[test]
    fn all_addresses_of_one_ipv6_site_count_together() {
        let pending = PendingHandshakes::default();
        let at = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        let _held: Vec<_> = (0..MAX_PER_SITE as u16).map(|n| pending.take(at(n), true, NOW)).collect();
        assert_eq!(pending.verdict(at(99), true, NOW), Verdict::Ignore);
        assert_eq!(pending.verdict("2001:db8:0:2::1".parse().unwrap(), true, NOW), Verdict::LetIn);
    }

    // Rows: B16, H2
    #[test]
    fn silent_newcomer_gives_way_to_the_next_of_its_site() {
        let pending = PendingHandshakes::default();
        let first = pending.take(at(1), true, NOW);
        let rest = hold(&pending, at(1), MAX_PER_SITE - 1, later());
        let (_place, _) = pending.take(at(1), true, later());
        assert!(first.1.blocking_recv().is_ok(), "the oldest was not ended");
        assert_eq!(lost(&pending, &[first.0]), [0]);
        assert_eq!(lost(&pending, &rest), [0; 0]);
        assert_eq!(pending.verdict(at(1), true, later()), Verdict::Ignore, "each has a moment");
    }

    // Rows: B16
    #[test]
    fn newcomer_that_said_its_hello_gives_way_to_none() {
        let pending = PendingHandshakes::default();
        let held = hold(&pending, at(1), MAX_PER_SITE, NOW);
        held.iter().for_each(Place::introduce);
        assert_eq!(pending.verdict(at(1), true, later()), Verdict::Ignore);
        drop(held);
        assert_eq!(pending.verdict(at(1), true, later()), Verdict::LetIn);
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
                while pending.verdict(n(host), true, NOW) == Verdict::LetIn {
                    held.push(pending.take(n(host), true, NOW).0);
                }
            }
            assert_eq!(held.len() - lost(&pending, &held).len(), 2 * MAX_PER_NETWORK);
            assert_eq!(pending.verdict([192, 0, 3, 1].into(), true, NOW), Verdict::LetIn);
        }
    }

    // Rows: H2
    #[test]
    fn four_hosts_do_not_keep_their_neighbours_out() {
        let pending = PendingHandshakes::default();
        let n = |host: u8| IpAddr::from([192, 0, 2, host]);
        let held: Vec<_> = (1..=4).flat_map(|host| hold(&pending, n(host), MAX_PER_SITE, NOW)).collect();
        assert_eq!(pending.verdict(n(1), true, NOW), Verdict::Ignore);
        let mut neighbours = Vec::new();
        while pending.verdict(n(5), true, NOW) == Verdict::LetIn {
            neighbours.extend(hold(&pending, n(5), 1, NOW));
        }
        // Beyond what each site may have in any case, those who hold most give way, until all hold about alike.
        assert_eq!((neighbours.len(), lost(&pending, &neighbours).len()), (MAX_PER_SITE - 2, 0));
        assert_eq!(lost(&pending, &held).len(), MAX_PER_SITE - 2 - KEPT_PER_SITE);
    }

    // Rows: B16, H2
    #[test]
    fn four_networks_that_hold_all_places_keep_no_other_out() {
        let pending = PendingHandshakes::default();
        let mut held = Vec::new();
        for (network, host) in (0..4).flat_map(|network| (0..32).map(move |host| (network, host))) {
            held.extend(hold(&pending, [198, 51, network, host].into(), KEPT_PER_SITE, NOW));
        }
        assert_eq!(pending.lock().waiting, MAX_INCOMING);
        assert_eq!(pending.verdict(at(1), false, NOW), Verdict::Prove);
        assert_eq!(pending.verdict(at(1), true, NOW), Verdict::LetIn);
        let newcomers = hold(&pending, at(1), 2, NOW);
        assert_eq!(pending.lock().waiting, MAX_INCOMING);
        assert_eq!((lost(&pending, &newcomers).len(), lost(&pending, &held).len()), (0, 2));
    }

    // Rows: B16
    #[test]
    fn places_of_as_many_networks_pass_on_after_a_moment() {
        let pending = PendingHandshakes::default();
        let n = |n: usize| IpAddr::from([10, (n >> 8) as u8, n as u8, 1]);
        let held: Vec<_> = (0..MAX_INCOMING).flat_map(|host| hold(&pending, n(host), 1, NOW)).collect();
        assert_eq!(pending.verdict(at(1), true, NOW), Verdict::Ignore);
        assert_eq!(pending.verdict(at(1), true, later()), Verdict::LetIn);
        let _place = hold(&pending, at(1), 1, later());
        assert_eq!(lost(&pending, &held), [0]);
    }

    // Rows: B16
    #[test]
    fn proven_handshake_counts_for_its_address_until_introduced() {
        let pending = PendingHandshakes::default();
        let mut places: Vec<_> = (0..MAX_PER_SITE - 1).map(|_| pending.take(at(1), false, NOW).0).collect();
        places.iter().for_each(Place::prove);
        assert_eq!(pending.verdict(at(1), true, NOW), Verdict::LetIn);
        places.push(pending.take("::ffff:192.0.2.1".parse().unwrap(), true, NOW).0);
        assert_eq!(pending.verdict(at(1), true, NOW), Verdict::Ignore);
    }
}
