//! How much is sent because members say so.
//!
//! Keys cost nothing, and networks do not: so what counts is in whose network the member is that gave its word, and where it had
//! packets sent. Each kind of member has bounds of its own, and none uses up those of another.

use std::net::SocketAddr;
use std::time::Duration;

use super::reach::Reach;
use super::site::{Network, Site};
use super::time::Time;
use super::window::{Window, Windows};

/// Time within which an address, and a site, is met a few times.
pub(super) const LATELY: Duration = Duration::from_secs(600);
/// Meetings at one address within that time.
pub(super) const AT_AN_ADDRESS: u32 = 2;
/// Addresses of one site within that time, those where the peer answered as well: its other ports may be somebody else's.
pub(super) const AT_A_SITE: u32 = 32;
/// Most addresses, and most sites, that are remembered.
const MOST: usize = 512;
/// Meetings that others ask for, within a minute.
pub(super) const UNASKED: u32 = 16;
/// Of these by the word of one network's members, and with peers of one network.
pub(super) const UNASKED_BY_A_NETWORK: u32 = 8;
pub(super) const UNASKED_AT_A_NETWORK: u32 = 2;
const MINUTE: Duration = Duration::from_secs(60);

/// Whose word it is that a peer is to be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A member that dialed us.
    OfAStranger,
    /// A member that we dialed.
    OfADialed,
    /// A member that we asked for this very peer.
    Asked,
}

/// The bounds of one kind of word.
#[derive(Debug)]
struct Bounds {
    addresses: Windows<SocketAddr>,
    sites: Windows<Site>,
    reach: Reach,
    unasked: Window,
    unasked_by: Windows<Network>,
    unasked_at: Windows<Network>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            addresses: Windows::new(LATELY, AT_AN_ADDRESS, MOST),
            sites: Windows::new(LATELY, AT_A_SITE, MOST),
            reach: Reach::default(),
            unasked: Window::default(),
            unasked_by: Windows::new(MINUTE, UNASKED_BY_A_NETWORK, MOST),
            unasked_at: Windows::new(MINUTE, UNASKED_AT_A_NETWORK, MOST),
        }
    }
}

/// The bounds of all meetings.
#[derive(Debug, Default)]
pub(super) struct MeetingBounds([Bounds; 3]);

/// Addresses that were counted, and against what.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) addresses: Vec<SocketAddr>,
    by: Network,
    word: Word,
}

impl MeetingBounds {
    /// Counts a meeting by the word of a member in the network `by`, and returns those of its addresses that may be sent to; `None` if
    /// there are none.
    pub(super) fn take(
        &mut self,
        now: Time,
        word: Word,
        by: Network,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Option<Counted> {
        let bounds = &mut self.0[word as usize];
        let mut counted = Vec::new();
        for address in addresses {
            let site = Site::of(address.ip());
            let is_unasked = word != Word::Asked && counted.is_empty();
            if (is_unasked && !bounds.may_take_part(now, by, site.network()))
                || !bounds.may_send(now, by, address)
            {
                continue;
            }
            if is_unasked {
                bounds.unasked.add(now, MINUTE);
                bounds.unasked_by.add(now, by);
                bounds.unasked_at.add(now, site.network());
            }
            bounds.addresses.add(now, address);
            bounds.sites.add(now, site);
            bounds.reach.take(now, Some(by), address);
            counted.push(address);
        }
        (!counted.is_empty()).then_some(Counted { addresses: counted, by, word })
    }

    /// Takes back what was counted for the hour and the day at the site where the peer answered.
    pub(super) fn give_back(&mut self, now: Time, counted: &Counted, site: Site) {
        let reach = &mut self.0[counted.word as usize].reach;
        for &address in counted.addresses.iter().filter(|address| Site::of(address.ip()) == site) {
            reach.give_back(now, Some(counted.by), address);
        }
    }
}

impl Bounds {
    /// Returns true if we may take part in a meeting that others ask for.
    fn may_take_part(&mut self, now: Time, by: Network, at: Network) -> bool {
        self.unasked.may(now, MINUTE, UNASKED) && self.unasked_by.may(now, by) && self.unasked_at.may(now, at)
    }

    /// Returns true if packets may be sent to the address.
    fn may_send(&mut self, now: Time, by: Network, address: SocketAddr) -> bool {
        self.addresses.may(now, address)
            && self.sites.may(now, Site::of(address.ip()))
            && self.reach.may(now, Some(by), address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Time {
        Time::after_start(Duration::from_secs(second))
    }

    fn network(n: u8) -> Network {
        Site::of([8, 8, n, 8].into()).network()
    }

    fn address(n: u32, port: u16) -> SocketAddr {
        let [_, b, c, d] = n.to_be_bytes();
        SocketAddr::from(([11, b, c, d], port))
    }

    /// How many of these meetings take place.
    fn taken(
        bounds: &mut MeetingBounds,
        second: u64,
        word: Word,
        by: u8,
        addresses: impl Iterator<Item = SocketAddr>,
    ) -> usize {
        addresses.filter(|&address| bounds.take(at(second), word, network(by), [address]).is_some()).count()
    }

    // Rows: H14
    #[test]
    fn members_of_one_network_use_up_half_of_a_minute() {
        let mut bounds = MeetingBounds::default();
        let word = Word::OfAStranger;
        let hosts = |from: u32| (from..from + 50).map(|n| address(n << 8, 1));
        assert_eq!(taken(&mut bounds, 5, word, 1, hosts(0)), UNASKED_BY_A_NETWORK as usize);
        assert_eq!(taken(&mut bounds, 5, word, 2, hosts(100)), UNASKED_BY_A_NETWORK as usize);
        assert_eq!(taken(&mut bounds, 5, word, 3, hosts(200)), 0, "all of it");
        assert_eq!(taken(&mut bounds, 5, Word::OfADialed, 3, hosts(200)), UNASKED_BY_A_NETWORK as usize);
        assert_eq!(taken(&mut bounds, 5, Word::Asked, 3, hosts(300)), 50);
    }

    // Rows: H14
    #[test]
    fn keys_of_one_host_leave_meetings_to_those_of_others() {
        let mut bounds = MeetingBounds::default();
        let at_one = (0..50).map(|n| address(7, 1_000 + n));
        assert_eq!(taken(&mut bounds, 5, Word::OfAStranger, 1, at_one), UNASKED_AT_A_NETWORK as usize);
        // What was refused counts for nothing.
        let others = (1..50).map(|n| address(n << 8, 1));
        let left = UNASKED_BY_A_NETWORK - UNASKED_AT_A_NETWORK;
        assert_eq!(taken(&mut bounds, 5, Word::OfAStranger, 1, others), left as usize);
    }

    // Rows: H14
    #[test]
    fn liar_of_one_network_leaves_packets_of_the_hour_to_others() {
        for word in [Word::OfAStranger, Word::OfADialed, Word::Asked] {
            let mut bounds = MeetingBounds::default();
            let lies = |bounds: &mut MeetingBounds, by: u8| -> usize {
                let base = u32::from(by) << 16;
                (0..59)
                    .map(|n| {
                        taken(
                            bounds,
                            60 * n,
                            word,
                            by,
                            (0..9).map(|host| address(base + (((n as u32) * 9 + host) << 8), 1)),
                        )
                    })
                    .sum()
            };
            // Half of all is for the first, and a part is its own.
            assert_eq!(lies(&mut bounds, 1), 128 + 8);
            assert!(bounds.take(at(59 * 60), word, network(2), [address(0xff_0000, 1)]).is_some());
        }
    }

    // Rows: H14
    #[test]
    fn only_where_peer_answered_is_given_back_and_of_a_site_little() {
        let mut bounds = MeetingBounds::default();
        let mut meet = |n: u32, answers_at: u32| {
            let counted = bounds.take(at(5), Word::Asked, network(1), [address(7, 1_000 + n as u16)]);
            let site = Site::of(address(answers_at, 1).ip());
            counted.map(|counted| bounds.give_back(at(5), &counted, site)).is_some()
        };
        assert_eq!((0..100).filter(|&n| meet(n, 7)).count(), AT_A_SITE as usize);
        let mut bounds = MeetingBounds::default();
        let mut elsewhere = |n: u32| {
            let counted = bounds.take(at(5), Word::Asked, network(1), [address(n & 0xff, 1_000)]);
            counted.map(|counted| bounds.give_back(at(5), &counted, Site::of([9, 9, 9, 9].into()))).is_some()
        };
        assert_eq!((0..100).filter(|&n| elsewhere(n)).count(), 16, "an hour's worth of a network");
    }
}
