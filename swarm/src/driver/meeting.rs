//! A meeting: both sides of an introduction send to each other at once, so that the router of each lets the other's packets in.

use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::PeerId;
use quinn::Connection;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::dial::Dialer;
use super::transport::Path;
use crate::machine::Sent;

/// How long both sides try: with the half second in which the dial was silent, the user hears within five seconds that there is no
/// way.
const MEETS: Duration = Duration::from_millis(4_300);
/// Packets that only open a router: one at once, the others in steady intervals.
const PUNCHES: u32 = 16;
const BETWEEN_PUNCHES: Duration = Duration::from_millis(125);
/// Round trip that a handshake assumes: its first packets may be lost until both routers are open, and are soon sent again.
const FIRST_RTT: Duration = Duration::from_millis(100);

/// Where and how a peer is to be met.
#[derive(Debug, Clone)]
pub(super) struct Rendezvous {
    /// Where a member sees it, and perhaps another port there.
    pub(super) addresses: Vec<SocketAddr>,
    /// Whether it answers connections.
    pub(super) dials: bool,
    /// How long to wait before the first packet.
    pub(super) delay: Duration,
}

impl Dialer {
    /// Meets a peer: sends packets that open the way to here, and dials if the peer answers connections. Returns the connection
    /// that was dialed, or else what was sent; the peer may have connected to us meanwhile.
    pub(super) async fn meet(self, peer: PeerId, at: Rendezvous) -> Result<Connection, Sent> {
        let Rendezvous { addresses, dials, delay } = at;
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let sent = Sent {
            nat: self.observations.nat(addresses.first().is_some_and(SocketAddr::is_ipv4)),
            after_ms: u32::try_from(delay.as_millis()).unwrap_or(u32::MAX),
            punches: PUNCHES.saturating_mul(count),
            dials: if dials { count } else { 0 },
            lasted_ms: MEETS.as_millis() as u32,
        };
        let start = Instant::now() + delay;
        let end = start + MEETS;
        sleep_until(start).await;
        addresses.iter().for_each(|&address| self.observations.dialed(address));
        let punching = async {
            for _ in 0..PUNCHES {
                addresses.iter().for_each(|&address| self.puncher.send(address));
                sleep(BETWEEN_PUNCHES).await;
            }
            sleep_until(end).await;
        };
        let mut attempts = JoinSet::new();
        for &address in addresses.iter().filter(|_| dials) {
            let dialer = self.clone();
            attempts.spawn(async move {
                let path = Path { first_rtt: Some(FIRST_RTT), ..dialer.path(address) };
                dialer.attempt(peer, path, end).await
            });
        }
        let dialing = async {
            loop {
                match attempts.join_next().await {
                    Some(Ok(Ok(connection))) => return connection,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = punching => Err(sent),
            connection = dialing => Ok(connection),
        }
    }
}
