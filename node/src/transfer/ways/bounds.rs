//! Bounds of knocks: whoever announces addresses decides where packets go.

use std::net::SocketAddr;
use std::time::Duration;

/// How long a knock counts.
const COUNTS: Duration = Duration::from_secs(600);
/// Knocks at one host, at all its ports and for all swarms, within that time.
const AT_A_HOST: usize = 8;
/// Knocks in all within that time: each is a handshake of a few packets.
const IN_ALL: usize = 128;

/// A knock of late.
#[derive(Debug)]
struct Knocked {
    address: SocketAddr,
    swarm: [u8; 32],
    /// Time since the start.
    at: Duration,
}

/// The knocks of late, which are as many as are allowed at most.
#[derive(Debug, Default)]
pub(super) struct KnockBounds(Vec<Knocked>);

impl KnockBounds {
    /// Counts a knock at `address` for a swarm; returns false if there were too many, or one for it less than `pause` ago.
    pub(super) fn take(
        &mut self,
        now: Duration,
        address: SocketAddr,
        swarm: [u8; 32],
        pause: Duration,
    ) -> bool {
        self.0.retain(|knock| now.saturating_sub(knock.at) < COUNTS);
        let at_host = self.0.iter().filter(|knock| knock.address.ip() == address.ip()).count();
        let is_soon = |knock: &Knocked| {
            (knock.address, knock.swarm) == (address, swarm) && now.saturating_sub(knock.at) < pause
        };
        if self.0.len() >= IN_ALL || at_host >= AT_A_HOST || self.0.iter().any(is_soon) {
            return false;
        }
        self.0.push(Knocked { address, swarm, at: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(host: u32, port: u16) -> SocketAddr {
        SocketAddr::new(std::net::Ipv4Addr::from(0x0a00_0000 + host).into(), port)
    }

    // Rows: H15
    #[test]
    fn one_host_and_all_hosts_are_knocked_at_so_often_and_no_more() {
        let mut bounds = KnockBounds::default();
        let mut knocks = |now: u64, address, swarm: u8| {
            bounds.take(Duration::from_secs(now), address, [swarm; 32], MINUTE)
        };
        let of_a_host = (1..=20).filter(|&port| knocks(0, at(1, port), 1)).count();
        assert_eq!(of_a_host, AT_A_HOST);
        assert!(!knocks(0, at(1, 1), 2), "another swarm at the same host");
        let others = (2..1_000).filter(|&host| knocks(1, at(host, 7), 1)).count();
        assert_eq!(others, IN_ALL - AT_A_HOST);
        assert!(!knocks(599, at(1, 1), 1), "the same again");
        assert!(knocks(601, at(1, 1), 1));
    }

    #[test]
    fn address_is_knocked_at_again_after_the_pause() {
        let mut bounds = KnockBounds::default();
        let mut knocks = |now: u64| bounds.take(Duration::from_secs(now), at(1, 1), [1; 32], MINUTE);
        assert_eq!([knocks(0), knocks(59), knocks(60), knocks(61)], [true, false, true, false]);
    }
}
