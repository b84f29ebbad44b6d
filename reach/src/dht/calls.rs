use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::derive::{day, days_to_try, info_hash, place_seed};
use super::error::DhtError;
use super::round::{Cancel, DhtSettings, Ended, LIMIT, Round};
use super::seal::{open, seal};

/// Most addresses that one lookup reports.
pub const MAX_FOUND: usize = 32;

/// Calls to the public DHT. There is no socket and no thread but during a call.
///
/// A call blocks its thread for 15 s at most. Times are seconds since 1970.
#[derive(Debug)]
pub struct Dht {
    settings: DhtSettings,
    running: Arc<AtomicUsize>,
}

/// Where a peer is as a member of one swarm: an item that only those find and read who know both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The peer id.
    pub peer: [u8; 32],
    /// The swarm id.
    pub swarm: [u8; 32],
}

impl Dht {
    /// Makes one; nothing is sent.
    pub fn new(settings: DhtSettings) -> Self {
        Self { settings, running: Arc::default() }
    }

    /// Announces that a member of `swarm` is reached at UDP `port` of the public address of this machine, as nodes see it. `port` is that of
    /// the transfers as others reach it, mapped or observed, never that of the DHT. Nodes keep it for about half an hour; see
    /// [`Schedule`](super::Schedule).
    ///
    /// # Errors
    ///
    /// `port` is 0, no node can be run or none stored it, the time ran out, or the call was cancelled.
    pub fn announce(
        &self,
        swarm: &[u8; 32],
        port: u16,
        now_unix: u64,
        cancel: &Cancel,
    ) -> Result<(), DhtError> {
        if port == 0 {
            return Err(DhtError::NoPort);
        }
        let hash = info_hash(swarm, day(now_unix));
        let round = self.round(cancel)?;
        // The nodes nearest to the hash, without which the library could search without end.
        must_complete(&round.peers(&[hash], |_| ControlFlow::Continue(()))?)?;
        must_answer(&round)?;
        round.announce(hash, port)
    }

    /// Looks for members of `swarm` and passes each address to `report` as it arrives: public IPv4 addresses, none twice, at most
    /// [`MAX_FOUND`]. Returns how many there were; a search that takes too long ends with what there is.
    ///
    /// # Errors
    ///
    /// No node can be run or none answered, or the call was cancelled.
    pub fn look_up(
        &self,
        swarm: &[u8; 32],
        now_unix: u64,
        cancel: &Cancel,
        mut report: impl FnMut(SocketAddrV4),
    ) -> Result<usize, DhtError> {
        let hashes: Vec<[u8; 20]> =
            days_to_try(now_unix).into_iter().map(|day| info_hash(swarm, day)).collect();
        let round = self.round(cancel)?;
        let mut found = BTreeSet::new();
        round.peers(&hashes, |address| {
            if self.is_usable(address) && found.insert(address) {
                report(address);
            }
            if found.len() < MAX_FOUND { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if found.is_empty() {
            must_answer(&round)?;
        }
        Ok(found.len())
    }

    /// Publishes `offer` as what tells where the peer of `place` is. Replaces what was published before.
    ///
    /// # Errors
    ///
    /// The offer is too long, no node can be run or none stored it, the time ran out, or the call was cancelled.
    pub fn publish_where(
        &self,
        place: &Place,
        offer: &[u8],
        now_unix: u64,
        cancel: &Cancel,
    ) -> Result<(), DhtError> {
        let sealed = seal(offer, &place.peer, &place.swarm)?;
        let seed = place_seed(&place.peer, &place.swarm);
        let round = self.round(cancel)?;
        let mut newest: Option<i64> = None;
        must_complete(&round.items(&seed, |number, _| newest = newest.max(Some(number)))?)?;
        must_answer(&round)?;
        round.store(&seed, next_number(newest, now_unix)?, &sealed)
    }

    /// Looks for the newest offer at `place`: its bytes, of at most [`MAX_OFFER`](super::MAX_OFFER). The caller checks its signature and age. Returns `None` if
    /// there is none that opens.
    ///
    /// # Errors
    ///
    /// No node can be run or none answered, or the call was cancelled.
    pub fn find_where(&self, place: &Place, cancel: &Cancel) -> Result<Option<Vec<u8>>, DhtError> {
        let seed = place_seed(&place.peer, &place.swarm);
        let round = self.round(cancel)?;
        let mut newest: Option<(i64, Vec<u8>)> = None;
        round.items(&seed, |number, value| {
            if newest.as_ref().is_none_or(|(known, _)| *known < number)
                && let Some(offer) = open(value, &place.peer, &place.swarm)
            {
                newest = Some((number, offer));
            }
        })?;
        if newest.is_none() {
            must_answer(&round)?;
        }
        Ok(newest.map(|(_, offer)| offer))
    }

    fn round(&self, cancel: &Cancel) -> Result<Round, DhtError> {
        Round::open(&self.settings, &self.running, cancel)
    }

    fn is_usable(&self, address: SocketAddrV4) -> bool {
        let ip = *address.ip();
        address.port() != 0 && (is_public(ip) || self.settings.allow_local && ip.is_loopback())
    }
}

fn must_complete(ended: &Ended) -> Result<(), DhtError> {
    match ended {
        Ended::Complete | Ended::Enough => Ok(()),
        Ended::Late => Err(DhtError::TookTooLong { seconds: LIMIT.as_secs() }),
    }
}

fn must_answer(round: &Round) -> Result<(), DhtError> {
    if round.is_answered()? { Ok(()) } else { Err(DhtError::NoAnswer) }
}

/// The number of a new item: the time, or one above what is there, as from a clock that was ahead.
fn next_number(newest: Option<i64>, now_unix: u64) -> Result<i64, DhtError> {
    let now = i64::try_from(now_unix).unwrap_or(i64::MAX);
    match newest {
        Some(newest) => newest.checked_add(1).map(|next| next.max(now)).ok_or(DhtError::PlaceClosed),
        None => Ok(now),
    }
}

/// Returns true if a machine on the internet can have this address, by the registry of special addresses (RFC 6890).
fn is_public(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = match (a, b) {
        (0 | 240..=255, _) => true,
        (100, b) => b & 0xc0 == 64,
        (192, 0) => c == 0,
        (198, b) => b & 0xfe == 18,
        _ => false,
    };
    !is_special
        && !ip.is_private()
        && !ip.is_loopback()
        && !ip.is_link_local()
        && !ip.is_multicast()
        && !ip.is_documentation()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: H17
    #[test]
    fn special_addresses_are_not_public() {
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.9.9",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.251",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
        ];
        for ip in special {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.254",
        ] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn loopback_is_usable_in_tests_alone() {
        let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7);
        assert!(!Dht::new(DhtSettings::default()).is_usable(local));
        let tests = Dht::new(DhtSettings { allow_local: true, ..DhtSettings::default() });
        assert!(tests.is_usable(local) && !tests.is_usable(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)));
        assert!(!tests.is_usable("10.0.0.1:7".parse().unwrap()));
    }

    // Rows: H17
    #[test]
    fn the_number_of_an_item_grows_until_it_cannot() {
        assert_eq!(next_number(None, 100), Ok(100));
        assert_eq!(next_number(Some(50), 100), Ok(100));
        assert_eq!(next_number(Some(100), 100), Ok(101));
        assert_eq!(next_number(Some(5_000), 100), Ok(5_001));
        assert_eq!(next_number(Some(i64::MAX), 100), Err(DhtError::PlaceClosed));
    }
}
