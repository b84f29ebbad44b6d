//! The node of a transfer: where it listens, and the offer that names its addresses.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ed25519_dalek::SigningKey;
use minimodel_swarm::driver::{Congestion, DriverError, Incoming, Node, NodeSettings};
use minimodel_wire::SignedOffer;

use super::addresses;
use super::ways::WaysSettings;
use crate::clock::now_unix;

/// Lifetime of an offer: long enough to send the offer by mail, short enough that an old offer expires.
const OFFER_LIFETIME_SECONDS: u64 = 7 * 24 * 3600;

/// Where a transfer listens, and what its offers name.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let share = Node::open(Home::at(folder.path()))?.share(manifest, &file);
/// # let agreed = RunConsent::given([Action::Serve], "dialog");
/// use std::net::SocketAddr;
///
/// use minimodel::transfer::Endpoint;
///
/// // Behind a router that forwards a port.
/// let (inside, outside): (SocketAddr, SocketAddr) = ("127.0.0.1:0".parse()?, "203.0.113.7:4433".parse()?);
/// let endpoint = Endpoint { listen: Some(inside), advertise: vec![outside], ..Endpoint::default() };
/// let mut share = share.endpoint(endpoint).start(&agreed)?;
/// let offer = share.offer().await.expect("the file is what its manifest says");
/// assert_eq!(offer.offer().addresses, [outside]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// The UDP address; port 0 takes a free one. `None`: all addresses of this machine, and a free port.
    pub listen: Option<SocketAddr>,
    /// Addresses to name in offers instead of those of this machine.
    pub advertise: Vec<SocketAddr>,
    /// The port of an earlier run, tried first if no port is named, so that its offers stay valid. If another program has it, this
    /// run has another port, and [`Event::Offer`](crate::Event::Offer) says so.
    pub last_port: Option<u16>,
    /// Longest datagram, in bytes of UDP payload; `None`: as long as the path takes.
    pub max_datagram: Option<u16>,
    /// The congestion controller.
    pub congestion: Congestion,
    /// How the ways beyond offers are used, if the user agreed to them.
    pub ways: WaysSettings,
}

impl Endpoint {
    /// Returns true if the transfer leaves its address and its transport to the program.
    pub(super) fn names_nothing(&self) -> bool {
        self.listen.is_none()
            && self.advertise.is_empty()
            && self.max_datagram.is_none()
            && self.congestion == Congestion::default()
    }
}

/// Binds the node. Must be called within the runtime.
pub(super) fn bind(endpoint: &Endpoint, key: &SigningKey, incoming: Incoming) -> Result<Node, DriverError> {
    let settings = |listen: SocketAddr| NodeSettings {
        key: key.clone(),
        listen,
        advertise: endpoint.advertise.clone(),
        interfaces: addresses::of_this_machine,
        incoming,
        max_datagram: endpoint.max_datagram,
        congestion: endpoint.congestion,
    };
    if let Some(listen) = endpoint.listen {
        let again = endpoint.last_port.filter(|_| listen.port() == 0);
        let again = again.and_then(|port| Node::bind(settings(SocketAddr::new(listen.ip(), port))).ok());
        return again.map_or_else(|| Node::bind(settings(listen)), Ok);
    }
    // All addresses of both families; a machine without IPv6 listens on IPv4 alone.
    let anywhere = |port: u16| {
        Node::bind(settings(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)))
            .or_else(|_| Node::bind(settings(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))))
    };
    let again = endpoint.last_port.and_then(|port| anywhere(port).ok());
    again.map_or_else(|| anywhere(0), Ok)
}

/// The port of an earlier run, if `node` was to have it and another program has it now.
pub(super) fn taken_port(endpoint: &Endpoint, node: &Node) -> Option<u16> {
    let is_free_to_choose = endpoint.listen.is_none_or(|listen| listen.port() == 0);
    endpoint.last_port.filter(|&port| is_free_to_choose && port != node.local_address().port())
}

/// Signs the offer of a node.
pub(super) fn offer(node: &Node, swarm_id: [u8; 32]) -> Result<SignedOffer, DriverError> {
    node.offer(swarm_id, now_unix() + OFFER_LIFETIME_SECONDS)
}
