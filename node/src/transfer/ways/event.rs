//! What is told of the ways.

use std::net::SocketAddr;
use std::sync::Arc;

use minimodel_swarm::driver::{KnockFailed, Way};
use minimodel_wire::PeerId;

use super::super::lower::MappingState;

/// Something happened on a way to be found or reached.
///
/// ```
/// use minimodel::transfer::WayEvent;
///
/// fn line(event: &WayEvent) -> Option<String> {
///     match event {
///         WayEvent::Found { peer, .. } => Some(format!("found {}", peer.short())),
///         WayEvent::Failed { fault, .. } => Some(fault.to_string()),
///         _ => None,
///     }
/// }
/// assert_eq!(line(&WayEvent::Asked), None);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum WayEvent {
    /// The router is asked for a mapping.
    Asked,
    /// A way to find others is used from now on.
    Begun {
        /// The way.
        way: Way,
        /// Others may find this machine there.
        is_found: bool,
    },
    /// What the router has granted, now or no more.
    Mapping(MappingState),
    /// A peer was found that knows the swarm.
    Found {
        /// The way.
        way: Way,
        /// The peer.
        peer: PeerId,
        /// Where its key answered; `None`: its offer was found, and nobody was asked.
        at: Option<SocketAddr>,
    },
    /// An address was found at which no member proved to be.
    NotProved {
        /// The way.
        way: Way,
        /// The address.
        at: SocketAddr,
        /// Why.
        why: KnockFailed,
    },
    /// A way that failed works again.
    Works {
        /// The way.
        way: Way,
    },
    /// A way is of no use for now. It is tried again.
    Failed {
        /// The way.
        way: Way,
        /// Why.
        fault: Arc<WayFault>,
    },
}

/// Why a way is of no use for now.
///
/// ```
/// use minimodel::transfer::WayFault;
///
/// fn is_for_good(fault: &WayFault) -> bool {
///     matches!(fault, WayFault::NotBuilt { .. })
/// }
/// assert!(is_for_good(&WayFault::NotBuilt { feature: "dht" }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WayFault {
    /// The network at hand.
    #[cfg(feature = "lan")]
    #[error(transparent)]
    Lan(#[from] minimodel_reach::lan::LanError),
    /// The public DHT.
    #[cfg(feature = "dht")]
    #[error(transparent)]
    Dht(#[from] minimodel_reach::dht::DhtError),
    /// The program was built without it.
    #[error("this program was built without the feature `{feature}`")]
    NotBuilt {
        /// The feature.
        feature: &'static str,
    },
    /// The system gives no thread.
    #[error("the system gives no thread for it: {reason}")]
    NoThread {
        /// Why.
        reason: String,
    },
}
