//! Which ways a user agreed to, and how they are used.

use minimodel_swarm::driver::Knocks;

use crate::consent::Action;

/// The ways to be found and reached that a user agreed to.
///
/// ```
/// use minimodel::Action;
/// use minimodel::transfer::Ways;
///
/// let agreed = [Action::Serve, Action::Publish, Action::Lan];
/// let ways = Ways::of(|action| agreed.contains(&action));
/// assert!(ways.lan && !ways.dht && !ways.map);
/// // A way to be found is nothing by itself.
/// assert_eq!(Ways::of(|action| action == Action::Lan), Ways::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ways {
    /// The network at hand.
    pub lan: bool,
    /// The public DHT.
    pub dht: bool,
    /// A mapping of the user's router.
    pub map: bool,
}

impl Ways {
    /// The ways that the actions permit which `permits` names: to be found needs consent to serve and to publish, to look needs consent
    /// to fetch, and a mapping needs consent to serve.
    pub fn of(permits: impl Fn(Action) -> bool) -> Self {
        let serves = permits(Action::Serve);
        let is_of_use = permits(Action::Fetch) || (serves && permits(Action::Publish));
        Self {
            lan: is_of_use && permits(Action::Lan),
            dht: is_of_use && permits(Action::Dht),
            map: serves && permits(Action::Map),
        }
    }

    /// The actions that these ways are.
    pub fn actions(self) -> Vec<Action> {
        let ways = [(self.lan, Action::Lan), (self.dht, Action::Dht), (self.map, Action::Map)];
        ways.into_iter().filter(|(agreed, _)| *agreed).map(|(_, action)| action).collect()
    }

    /// Returns true if the user agreed to any.
    pub(in super::super) fn is_any(self) -> bool {
        self != Self::default()
    }

    /// Whose knocks are answered by a transfer of which others may learn if `publishes`.
    pub(in super::super) fn knocks(self, publishes: bool) -> Knocks {
        Knocks { from_lan: publishes && self.lan, from_anywhere: publishes && self.dht }
    }

    /// Returns true if peers may be found that nobody named.
    pub fn finds(self) -> bool {
        self.lan || self.dht
    }
}

/// How the ways are used. The default is what users want.
///
/// ```
/// use minimodel::transfer::{Endpoint, WaysSettings};
///
/// // The nodes of a DHT of one's own.
/// let ways = WaysSettings { dht_nodes: vec!["192.0.2.7:6881".to_owned()], ..WaysSettings::default() };
/// assert_ne!(Endpoint { ways, ..Endpoint::default() }.ways, WaysSettings::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaysSettings {
    /// The first nodes of the DHT, `host:port`; empty: the four public ones of the library.
    pub dht_nodes: Vec<String>,
    /// `None`: this machine's networks. For tests: everything on this machine.
    pub local: Option<LocalWays>,
}

/// Ways that do not leave this machine, for tests.
///
/// ```
/// use minimodel::transfer::{LocalWays, WaysSettings};
///
/// let local = Some(LocalWays { mdns_port: 35_353, router_ports: Some([35_351, 31_900]) });
/// let settings = WaysSettings { local, ..WaysSettings::default() };
/// assert!(settings.local.is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalWays {
    /// The UDP port of mDNS on loopback.
    pub mdns_port: u16,
    /// The UDP ports of a router at 127.0.0.1 for PCP and NAT-PMP, and for SSDP; `None`: there is no router.
    pub router_ports: Option<[u16; 2]>,
}
