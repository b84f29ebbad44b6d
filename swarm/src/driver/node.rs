//! A node: a bound UDP socket with a key, which one session uses, or any number of them.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use minimodel_wire::limits::MAX_OFFER_ADDRESSES;
use minimodel_wire::{CloseCode, Offer, PeerId, SignedOffer};
use quinn::VarInt;

use super::accept::Listener;
use super::blocking::BlockingThreads;
use super::congestion::Congestion;
use super::dial::Dialer;
use super::error::DriverError;
use super::observed::{Observations, Reach};
use super::own_addresses::{Interfaces, OwnAddresses, heard_at};
use super::routes::Routes;
use super::tls::Credentials;
use super::transport;
use crate::machine::Scope;

/// Settings of a node: its key, its addresses and its transport.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// The node's key.
    pub key: SigningKey,
    /// Where to listen; the same socket dials.
    pub listen: SocketAddr,
    /// Addresses to name in offers instead of the ones found.
    pub advertise: Vec<SocketAddr>,
    /// Finds the addresses of this machine, named in offers when `listen` is a wildcard. Asked for each offer: they change
    /// while a shared node lives.
    pub interfaces: fn() -> Interfaces,
    /// Which incoming connections it answers.
    pub incoming: Incoming,
    /// Longest datagram, in bytes; `None`: as long as the path takes. A value below what every path takes has no
    /// effect.
    pub max_datagram: Option<u16>,
    /// The congestion controller, which keeps sending within what the path carries.
    pub congestion: Congestion,
}

/// The incoming connections that a node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// None: first packets are ignored.
    Ignored,
    /// Those of one session, which serves. It also answers what is for another swarm, and its end closes the socket's
    /// connections, also those that are still shaking hands.
    OneSession,
    /// Those of all sessions that serve, each by the swarm id of its Hello. A peer that asks for another swarm hears `Busy`
    /// and may come again; while no session serves, first packets are ignored.
    ManySessions,
}

/// A bound socket with a key. Clones are the same socket, which is closed with the last of them and of its sessions.
#[derive(Debug, Clone)]
pub struct Node {
    pub(super) dialer: Dialer,
    /// `None`: no incoming connections are answered.
    pub(super) listener: Option<Listener>,
    pub(super) blocking: BlockingThreads,
    settings: Arc<NodeSettings>,
    interfaces: Arc<OwnAddresses>,
    local: SocketAddr,
}

impl Node {
    /// Binds the socket. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound, or a key that the TLS library does not take.
    pub fn bind(settings: NodeSettings) -> Result<Self, DriverError> {
        let credentials = Credentials::new(&settings.key)?;
        let serves = settings.incoming != Incoming::Ignored;
        let server = if serves { Some(transport::server(credentials.server()?)?) } else { None };
        let (endpoint, puncher) =
            transport::endpoint(settings.listen, server.clone(), settings.max_datagram)?;
        let is_shared = settings.incoming == Incoming::ManySessions;
        let listener = server.map(|server| Listener::new(server, is_shared));
        let local =
            endpoint.local_addr().map_err(|source| DriverError::Bind { address: settings.listen, source })?;
        let NodeSettings { max_datagram, congestion, .. } = settings;
        let (routes, observations) = (Routes::default(), Arc::new(Observations::new(settings.listen.port())));
        let dialer =
            Dialer { endpoint, puncher, credentials, serves, max_datagram, congestion, routes, observations };
        if let Some(listener) = listener.as_ref().filter(|_| is_shared) {
            listener.start(&dialer);
        }
        let interfaces = Arc::new(OwnAddresses::new(settings.interfaces));
        let (blocking, settings) = (BlockingThreads::new(), Arc::new(settings));
        Ok(Self { dialer, listener, blocking, settings, interfaces, local })
    }

    pub(super) fn key(&self) -> &SigningKey {
        &self.settings.key
    }

    /// The node's peer id.
    pub fn id(&self) -> PeerId {
        PeerId(self.settings.key.verifying_key().to_bytes())
    }

    /// The bound address, with the port that the system chose.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// The addresses that the node's offers name, best first: those to be advertised; or else those of this machine, and
    /// of each family of which they are private, before them the address that leads here from outside.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let (all, mut addresses) = self.own_addresses();
        self.dialer.observations.set_own(all.clone(), &addresses);
        if self.settings.advertise.is_empty() {
            with_observed(&mut addresses, self.reach().outside().into_iter(), &all);
        } else {
            addresses.clone_from(&self.settings.advertise);
        }
        addresses.truncate(MAX_OFFER_ADDRESSES);
        addresses
    }

    /// All addresses at which the socket hears, and those of them that offers name, best first.
    fn own_addresses(&self) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        if !self.local.ip().is_unspecified() {
            return (vec![self.local], vec![self.local]);
        }
        let Interfaces { all, named } = self.interfaces.look();
        (heard_at(&all, self.local), heard_at(&named, self.local))
    }

    /// A number that is another one after each change of this machine's addresses or of its mapping. The machine is looked at for it,
    /// once in two seconds at most.
    pub(super) fn moves(&self) -> u64 {
        let changes = if self.local.ip().is_unspecified() { self.interfaces.changes() } else { 0 };
        changes + self.dialer.observations.mappings()
    }

    /// Notes the address at which this machine's router says that it lets others in, or that there is none. Offers name it, and those
    /// that members get once one of them sees this node at that host.
    pub fn set_mapped(&self, mapped: Option<SocketAddr>) {
        self.dialer.observations.set_mapped(mapped);
    }

    /// The mapping that no member has confirmed.
    pub(super) fn unconfirmed(&self) -> Option<SocketAddr> {
        self.dialer.observations.unconfirmed(self.dialer.observations.now())
    }

    /// The public IPv4 address at which others reach this node, as far as is known.
    pub fn public_ipv4(&self) -> Option<SocketAddrV4> {
        self.addresses().into_iter().find_map(|address| match address {
            SocketAddr::V4(address) if Scope::of((*address.ip()).into()) == Scope::Public => Some(address),
            _ => None,
        })
    }

    /// An offer that names public addresses alone, for those whom the user does not know; `None`: there is none, or none that a
    /// member has confirmed.
    pub fn public_offer(&self, swarm_id: [u8; 32], expires_unix: u64) -> Option<SignedOffer> {
        let unconfirmed = self.unconfirmed();
        let is_meant = |at: &SocketAddr| Scope::of(at.ip()) == Scope::Public && Some(*at) != unconfirmed;
        let addresses: Vec<SocketAddr> = self.addresses().into_iter().filter(is_meant).collect();
        if addresses.is_empty() {
            return None;
        }
        let offer = Offer { peer: self.id(), swarm_id, addresses, expires_unix };
        SignedOffer::sign(offer, &self.settings.key).ok()
    }

    /// How far the node can be reached, as far as other members have shown.
    pub fn reach(&self) -> Reach {
        self.dialer.observations.reach(self.dialer.observations.now())
    }

    /// An offer for a swarm at [`Self::addresses`], signed with the node's key.
    ///
    /// # Errors
    ///
    /// An address that no offer may name, or no address at all.
    pub fn offer(&self, swarm_id: [u8; 32], expires_unix: u64) -> Result<SignedOffer, DriverError> {
        let offer = Offer { peer: self.id(), swarm_id, addresses: self.addresses(), expires_unix };
        Ok(SignedOffer::sign(offer, &self.settings.key)?)
    }

    /// After a session has closed its connections: for `grace` the closes are repeated to peers that have not received
    /// them. A node of that one session closes all connections that are left, too.
    pub(super) async fn drain(&self, code: CloseCode, grace: Duration) {
        if self.settings.incoming != Incoming::ManySessions {
            self.dialer.endpoint.close(VarInt::from_u32(code.into()), b"");
        }
        let _ = tokio::time::timeout(grace, self.dialer.endpoint.wait_idle()).await;
    }
}

/// Adds the addresses at which other members see this node, after the public ones. `own`: all addresses of this machine, of which
/// those that are not named yet are not for others; a family of which a public address is named needs none that is seen.
fn with_observed(
    addresses: &mut Vec<SocketAddr>,
    observed: impl Iterator<Item = SocketAddr>,
    own: &[SocketAddr],
) {
    let is_public = |address: &SocketAddr| Scope::of(address.ip()) == Scope::Public;
    let is_needed = |seen: &SocketAddr| {
        let is_named = addresses.iter().any(|at| is_public(at) && at.is_ipv4() == seen.is_ipv4());
        !is_named && own.iter().all(|at| at.ip() != seen.ip())
    };
    let new: Vec<SocketAddr> = observed.filter(is_needed).collect();
    let public = addresses.iter().take_while(|address| is_public(address)).count();
    addresses.splice(public..public, new);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|address| address.parse().unwrap()).collect()
    }

    /// What offers name.
    fn named(named: &str, observed: &str, own: &str) -> Vec<SocketAddr> {
        let mut addresses = at(named);
        with_observed(&mut addresses, at(observed).into_iter(), &at(own));
        addresses
    }

    // Rows: H13
    #[test]
    fn observed_address_stands_between_public_and_private_ones() {
        let home = "[2001:db8::7]:1 192.168.1.7:1";
        assert_eq!(named(home, "8.8.4.4:6", home), at("[2001:db8::7]:1 8.8.4.4:6 192.168.1.7:1"));
        assert_eq!(
            named("192.168.1.7:1", "[2001:db8::7]:6 8.8.4.4:6", ""),
            at("[2001:db8::7]:6 8.8.4.4:6 192.168.1.7:1")
        );
    }

    // Rows: H13
    #[test]
    fn observed_address_is_not_named_beside_an_own_public_one() {
        assert_eq!(named("203.0.113.9:1", "8.8.4.4:6", ""), at("203.0.113.9:1"));
        // The machine's own temporary address is what members see of a machine that has both.
        let (lasting, temporary) = ("10.0.0.7:1", "[2001:db8::a]:1");
        assert_eq!(named(lasting, temporary, &format!("{lasting} {temporary}")), at(lasting));
    }
}
