use std::collections::VecDeque;
use std::net::SocketAddr;

use super::interfaces::LanInterfaces;
use super::record::Record;

/// Most announcements that are remembered; the oldest gives way. Only those that name a swarm that is looked for count.
const MAX_REMEMBERED: usize = 256;
/// Most addresses that are read of one announcement.
const MAX_ADDRESSES: usize = 4;

/// A member that announces a swarm which is looked for: a suggestion, to be proven by a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanFound {
    /// The swarm that the member claims to belong to.
    pub swarm: [u8; 32],
    /// Where it claims to be: one to four private or link-local addresses, in a fixed order.
    pub addresses: Vec<SocketAddr>,
}

/// One announcement as it came in, before anything of it is checked.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    /// The full name of the service instance.
    pub(super) instance: String,
    /// The name of its host.
    pub(super) host: String,
    /// What its TXT record says, if that is of ours.
    pub(super) record: Option<Record>,
    /// Its addresses with its port.
    pub(super) addresses: Vec<SocketAddr>,
}

/// Compares announcements with the swarms that are looked for.
///
/// Invariant: a member is reported once for each swarm and set of addresses, until one of these changes or it left.
pub(super) struct Matcher {
    wanted: Vec<[u8; 32]>,
    interfaces: LanInterfaces,
    own_host: String,
    remembered: VecDeque<(String, LanFound)>,
}

impl Matcher {
    pub(super) fn new(wanted: Vec<[u8; 32]>, interfaces: LanInterfaces, own_host: String) -> Self {
        Self { wanted, interfaces, own_host, remembered: VecDeque::new() }
    }

    /// Takes an announcement and passes what is new of it to `report`, which returns false if it cannot take it now. What was not taken is
    /// reported when the announcement comes again.
    pub(super) fn seen(&mut self, announcement: Announcement, mut report: impl FnMut(LanFound) -> bool) {
        // A conflict appends a number to the name of a host, hence the prefix.
        if announcement.host.starts_with(&self.own_host) {
            return;
        }
        let Some(record) = announcement.record else { return };
        let addresses = self.near(announcement.addresses);
        if addresses.is_empty() {
            return;
        }
        let named: Vec<[u8; 32]> = self.wanted.iter().filter(|swarm| record.names(swarm)).copied().collect();
        for swarm in named {
            let entry = (announcement.instance.clone(), LanFound { swarm, addresses: addresses.clone() });
            if !self.remembered.contains(&entry) && report(entry.1.clone()) {
                self.remember(entry);
            }
        }
    }

    /// Forgets an announcement that was withdrawn or that expired.
    pub(super) fn left(&mut self, instance: &str) {
        self.remembered.retain(|(known, _)| known != instance);
    }

    fn near(&self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        addresses.retain(|address| address.port() != 0 && self.interfaces.is_near(address.ip()));
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        addresses
    }

    fn remember(&mut self, entry: (String, LanFound)) {
        self.remembered.retain(|(instance, found)| *instance != entry.0 || found.swarm != entry.1.swarm);
        if self.remembered.len() == MAX_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 8] = [7; 8];
    const A: [u8; 32] = [0xaa; 32];
    const B: [u8; 32] = [0xbb; 32];

    fn matcher(wanted: &[[u8; 32]]) -> Matcher {
        Matcher::new(wanted.to_vec(), LanInterfaces::Private, "self".to_owned())
    }

    fn announcement(instance: &str, swarms: &[[u8; 32]], addresses: &[&str]) -> Announcement {
        Announcement {
            instance: instance.to_owned(),
            host: format!("{instance}.local."),
            record: Some(Record::new(SALT, swarms)),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        }
    }

    fn found(matcher: &mut Matcher, announcement: Announcement) -> Vec<LanFound> {
        let mut found = Vec::new();
        matcher.seen(announcement, |one| {
            found.push(one);
            true
        });
        found
    }

    #[test]
    fn a_wanted_swarm_is_reported_once() {
        let mut matcher = matcher(&[A]);
        let one = announcement("x", &[A, B], &["10.0.0.2:5000"]);
        let first = found(&mut matcher, one.clone());
        assert_eq!(first, [LanFound { swarm: A, addresses: vec!["10.0.0.2:5000".parse().unwrap()] }]);
        assert!(found(&mut matcher, one).is_empty());
    }

    #[test]
    fn both_swarms_of_one_announcement_are_reported() {
        let swarms: Vec<[u8; 32]> = found(&mut matcher(&[A, B]), announcement("x", &[A, B], &["10.0.0.2:1"]))
            .iter()
            .map(|one| one.swarm)
            .collect();
        assert_eq!(swarms, [A, B]);
    }

    #[test]
    fn changed_addresses_are_reported_again() {
        let mut matcher = matcher(&[A]);
        for address in ["10.0.0.2:1", "10.0.0.3:1", "10.0.0.2:1"] {
            assert_eq!(found(&mut matcher, announcement("x", &[A], &[address])).len(), 1, "{address}");
        }
        assert_eq!(matcher.remembered.len(), 1);
    }

    #[test]
    fn a_member_that_left_is_reported_when_it_is_back() {
        let mut matcher = matcher(&[A]);
        let one = announcement("x", &[A], &["10.0.0.2:1"]);
        found(&mut matcher, one.clone());
        matcher.left("x");
        assert_eq!(found(&mut matcher, one).len(), 1);
    }

    #[test]
    fn a_report_that_was_not_taken_comes_again() {
        let mut matcher = matcher(&[A]);
        let one = announcement("x", &[A], &["10.0.0.2:1"]);
        matcher.seen(one.clone(), |_| false);
        assert_eq!(found(&mut matcher, one).len(), 1);
    }

    // Rows: H15
    #[test]
    fn unwanted_own_and_foreign_announcements_are_ignored() {
        let mut matcher = matcher(&[A]);
        let mut foreign = announcement("z", &[A], &["10.0.0.2:1"]);
        foreign.record = None;
        let ignored = [
            announcement("x", &[B], &["10.0.0.2:1"]),
            announcement("self-2", &[A], &["10.0.0.2:1"]),
            foreign,
        ];
        for one in ignored {
            assert!(found(&mut matcher, one).is_empty());
        }
    }

    // Rows: H15
    #[test]
    fn public_addresses_and_port_zero_are_dropped() {
        let mut matcher = matcher(&[A]);
        let far = ["203.0.113.1:1", "[2001:db8::1]:1", "127.0.0.1:1", "100.64.0.1:1", "10.0.0.2:0"];
        assert!(found(&mut matcher, announcement("x", &[A], &far)).is_empty());
        let mixed = found(&mut matcher, announcement("x", &[A], &["203.0.113.1:1", "[fd00::1]:1"]));
        assert_eq!(mixed[0].addresses, ["[fd00::1]:1".parse().unwrap()]);
    }

    // Rows: H15
    #[test]
    fn addresses_beyond_four_are_dropped() {
        let many: Vec<String> = (1..200).map(|i| format!("10.0.0.{i}:1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(
            found(&mut matcher(&[A]), announcement("x", &[A], &many))[0].addresses.len(),
            MAX_ADDRESSES
        );
    }

    // Rows: H15
    #[test]
    fn a_thousand_members_are_found_and_256_remembered() {
        let mut matcher = matcher(&[A]);
        for i in 0..1000 {
            assert_eq!(found(&mut matcher, announcement(&i.to_string(), &[A], &["10.0.0.2:1"])).len(), 1);
        }
        assert_eq!(matcher.remembered.len(), MAX_REMEMBERED);
    }
}
