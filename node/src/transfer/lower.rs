//! Types of the crates below this one that stand in the interface of transfers, each with what a program does with it.

/// The number by which a gate knows again what it charged.
///
/// ```
/// use minimodel::transfer::{Account, Direction};
///
/// // A gate with an account for each direction.
/// let account = |direction| match direction {
///     Direction::Sent => Account(0),
///     Direction::Received => Account(1),
/// };
/// assert_eq!(account(Direction::Received), Account(1));
/// ```
pub use minimodel_swarm::driver::Account;

/// The picture of a transfer's chunks, as [`Control::chunk_map`](super::Control::chunk_map) gives it.
///
/// ```
/// use minimodel::transfer::{ChunkMap, Control};
///
/// /// One character a cell: here, on its way, missing, and missing without any peer that has it.
/// fn drawn(map: &ChunkMap) -> String {
///     let cell = |at: usize| match (map.have[at], map.in_flight[at], map.least_holders[at]) {
///         (255, ..) => '#',
///         (_, 1.., _) => '+',
///         (_, _, 0) => '!',
///         _ => '.',
///     };
///     (0..map.have.len()).map(cell).collect()
/// }
/// let map = ChunkMap { have: vec![255, 9, 0], in_flight: vec![0, 1, 0], least_holders: vec![255, 2, 0], ..ChunkMap::default() };
/// assert_eq!(drawn(&map), "#+!");
/// // This one does not run.
/// assert!(Control::default().chunk_map(100).is_none());
/// ```
pub use minimodel_swarm::driver::ChunkMap;

/// The congestion controller of an [`Endpoint`](super::Endpoint).
///
/// ```
/// use minimodel::transfer::{Congestion, Endpoint};
///
/// let compared = Endpoint { congestion: Congestion::Cubic, ..Endpoint::default() };
/// assert_ne!(compared.congestion, Endpoint::default().congestion);
/// ```
pub use minimodel_swarm::driver::Congestion;

/// The settings that a [`Control`](super::Control) changes while its transfer runs.
///
/// ```
/// use minimodel::transfer::{Control, Controls};
///
/// // No peer is served for now; everything else stays as it is.
/// let control = Control::default();
/// control.set_controls(Controls { slots: Some(0), ..control.controls() });
/// assert_eq!(control.controls().slots, Some(0));
/// ```
pub use minimodel_swarm::driver::Controls;

/// The direction of the bytes that a [`QuotaGate`] is asked for.
///
/// ```
/// use minimodel::transfer::Direction;
///
/// // Only what is sent counts against this quota.
/// let counted = |direction, bytes: u64| if direction == Direction::Sent { bytes } else { 0 };
/// assert_eq!((counted(Direction::Sent, 7), counted(Direction::Received, 7)), (7, 0));
/// ```
pub use minimodel_swarm::driver::Direction;

/// The failure of the network, of a worker, or of a peer that was asked for a manifest.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Error, Home, Manifest, Node, RunConsent, transfer::Endpoint};
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let other = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// # let taken = Endpoint { listen: Some(other.local_addr()?), ..Endpoint::default() };
/// # let share = Node::open(Home::at(folder.path()))?.share(manifest, &file).endpoint(taken);
/// # let share = share.start(&RunConsent::given([Action::Serve], "dialog"))?;
/// use minimodel::transfer::{DriverError, ShareError, TransferError};
///
/// // Another program has the port: the user names another one.
/// let Err(Error::Share(ShareError::Transfer(error))) = share.finish().await else { panic!() };
/// let TransferError::Driver(error) = error else { panic!() };
/// assert!(matches!(error, DriverError::Bind { address, .. } if address == other.local_addr()?));
/// # Ok(())
/// # }
/// ```
pub use minimodel_swarm::driver::DriverError;

/// The part of the file that one peer supplied, as a [`Summary`](super::Summary) has it.
///
/// ```
/// use minimodel::transfer::PeerShare;
///
/// let told = |share: &PeerShare| match &share.rejected {
///     Some(reason) => format!("banned: {reason}"),
///     None => format!("{} chunks, {} bytes", share.chunks, share.bytes),
/// };
/// assert_eq!(told(&PeerShare { chunks: 2, bytes: 32_768, rejected: None }), "2 chunks, 32768 bytes");
/// ```
pub use minimodel_swarm::driver::PeerShare;

/// A quota of one or several transfers.
///
/// ```
/// # let peer = minimodel::PeerId(minimodel_fixtures::fixture_signing_key().verifying_key().to_bytes());
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// use minimodel::PeerId;
/// use minimodel::transfer::{Account, Direction, Limits, QuotaGate, QuotaRefusal};
///
/// /// The bytes that are left of one quota for all.
/// #[derive(Debug)]
/// struct Left(AtomicU64);
///
/// impl QuotaGate for Left {
///     fn reserve(&self, _: Direction, _: PeerId, bytes: u64) -> Result<Account, QuotaRefusal> {
///         let taken = self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes));
///         taken.map(|_| Account(0)).map_err(|_| QuotaRefusal::UsedUp)
///     }
///
///     fn settle(&self, _: Direction, _: PeerId, _: Account, bytes: u64, moved: u64) {
///         self.0.fetch_add(bytes - moved, Relaxed);
///     }
/// }
///
/// let gate = Arc::new(Left(AtomicU64::new(1_000)));
/// let limits = Limits { gate: Some(gate.clone()), ..Limits::default() };
/// // The transfers that start with these limits ask it so.
/// let account = gate.reserve(Direction::Sent, peer, 600).expect("there is room");
/// assert_eq!(gate.reserve(Direction::Sent, peer, 600), Err(QuotaRefusal::UsedUp));
/// gate.settle(Direction::Sent, peer, account, 600, 100);
/// assert!(gate.reserve(Direction::Sent, peer, 600).is_ok());
/// # drop(limits);
/// ```
pub use minimodel_swarm::driver::QuotaGate;

/// The answer of a [`QuotaGate`] that has no room.
///
/// ```
/// use minimodel::transfer::QuotaRefusal;
///
/// // As a gate decides it, from what has moved and what is on its way.
/// let refusal = |quota: u64, moved: u64, bytes: u64| match moved + bytes <= quota {
///     true => QuotaRefusal::InFlight,
///     false => QuotaRefusal::UsedUp,
/// };
/// assert_eq!(refusal(1_000, 300, 600), QuotaRefusal::InFlight);
/// assert_eq!(refusal(1_000, 600, 600), QuotaRefusal::UsedUp);
/// ```
pub use minimodel_swarm::driver::QuotaRefusal;

/// A rate that several transfers share, and that may change while they run.
///
/// ```
/// use minimodel::transfer::{Control, Limits, RateLimit};
///
/// let all = RateLimit::new(Some(5_000_000));
/// let limits = Limits { shared_up: Some(all.clone()), ..Limits::default() };
/// let transfers = [Control::new(limits.clone()), Control::new(limits)];
/// // At night both go as fast as they can.
/// all.set(None);
/// assert_eq!(all.rate(), None);
/// # drop(transfers);
/// ```
pub use minimodel_swarm::driver::RateLimit;

/// What a share, or a fetch that went on to seed, has served.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Home, Manifest, Node, RunConsent, transfer::Endpoint};
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let listen = Endpoint { listen: Some("127.0.0.1:0".parse()?), ..Endpoint::default() };
/// # let share = Node::open(Home::at(folder.path()))?.share(manifest, &file).endpoint(listen);
/// # let mut share = share.start(&RunConsent::given([Action::Serve], "dialog"))?;
/// # share.offer().await.expect("the file is what its manifest says");
/// share.control().cancel();
/// let served: minimodel::transfer::Served = share.finish().await?;
/// assert_eq!((served.sent_bytes, served.is_changed), (0, false));
/// # Ok(())
/// # }
/// ```
pub use minimodel_swarm::driver::Served;

/// A peer that gave chunks of an artifact in an earlier run.
///
/// ```
/// use minimodel::transfer::EarlierPeer;
///
/// // Those that the user had named need no more consent than to fetch.
/// let to_dial = |known: Vec<EarlierPeer>, may_publish: bool| -> Vec<minimodel::SignedOffer> {
///     known.into_iter().filter(|it| it.was_named || may_publish).map(|it| it.offer).collect()
/// };
/// assert_eq!(to_dial(Vec::new(), true), []);
/// ```
pub use minimodel_swarm::machine::EarlierPeer;

/// The order of chunks in the [`FetchOptions`](super::FetchOptions).
///
/// ```
/// use minimodel::transfer::{FetchOptions, Order};
///
/// // For a program that reads the file from its beginning while it comes.
/// let mut options = FetchOptions::default();
/// assert_eq!(options.order, Order::Rarest);
/// options.order = Order::Sequential;
/// ```
pub use minimodel_swarm::machine::Order;

/// The condition on which [`repair`](super::repair()) writes to a file.
///
/// ```
/// use minimodel::transfer::RepairIf;
///
/// // Only a user who has seen how much is lost may let the rest be written over.
/// let condition = |is_agreed| if is_agreed { RepairIf::AnyIsGood } else { RepairIf::MostIsGood };
/// assert_eq!(condition(false), RepairIf::MostIsGood);
/// ```
pub use minimodel_swarm::store::RepairIf;

/// The figures in the question whether a file may be written over, from [`RepairError::PartlyOther`](super::RepairError::PartlyOther).
///
/// ```
/// use minimodel::transfer::{RepairError, Similarity};
///
/// let question = |error: &RepairError| match error {
///     RepairError::PartlyOther { similarity: Similarity { good, total, .. }, path } => {
///         format!("{good} of {total} chunks of `{}` are good. Write over the others?", path.display())
///     }
///     _ => String::new(),
/// };
/// let similarity = Similarity { good: 1, other: 8, total: 9, cut_bytes: 0 };
/// let error = RepairError::PartlyOther { path: "model.slm".into(), similarity };
/// assert_eq!(question(&error), "1 of 9 chunks of `model.slm` are good. Write over the others?");
/// ```
pub use minimodel_swarm::store::Similarity;

/// The failure of a disk, or of the files on it.
///
/// ```
/// use minimodel::transfer::{FetchError, StoreError};
///
/// let advice = |error: &FetchError| match error {
///     FetchError::Store(StoreError::NoSpace { needed, .. }) => format!("free {needed} bytes and resume"),
///     FetchError::Store(StoreError::Busy { .. }) => "another program fetches it just now".to_owned(),
///     _ => String::new(),
/// };
/// let full = StoreError::NoSpace { path: "model.slm.part".into(), needed: 4_096, free: Some(0) };
/// assert_eq!(advice(&full.into()), "free 4096 bytes and resume");
/// ```
pub use minimodel_swarm::store::StoreError;

/// The chunks that no peer is known to have supplied, as a [`Summary`](super::Summary) counts them.
///
/// ```
/// use minimodel::transfer::Supplied;
///
/// let told = |found: Supplied| match found.chunks {
///     0 => "every chunk came from a peer".to_owned(),
///     chunks => format!("{chunks} chunks, {} bytes were on the disk already", found.bytes),
/// };
/// assert_eq!(told(Supplied::default()), "every chunk came from a peer");
/// assert_eq!(told(Supplied { chunks: 2, bytes: 32_768 }), "2 chunks, 32768 bytes were on the disk already");
/// ```
pub use minimodel_swarm::store::Supplied;

/// The fault of a text that is no receipt.
///
/// ```
/// use minimodel::Receipt;
/// use minimodel::transfer::ReceiptError;
///
/// let read = Receipt::parse("an édited receipt".as_bytes());
/// assert!(matches!(read, Err(ReceiptError::ForbiddenByte { line: 1, .. })));
/// ```
pub use minimodel_verifier::receipt::ReceiptError;

/// What the user's router has granted: of [`WayEvent::Mapping`](super::WayEvent::Mapping).
///
/// ```
/// use minimodel::transfer::{MappingState, NoMapping};
///
/// fn shown(state: &MappingState) -> String {
///     match state {
///         MappingState::Mapped(mapping) => format!("{} by {}", mapping.external, mapping.by),
///         MappingState::Failed(why) => why.to_string(),
///         MappingState::Trying => "the router is asked".to_owned(),
///     }
/// }
/// assert!(shown(&MappingState::Failed(NoMapping::NoLocalPort)).contains("port 0"));
/// ```
pub use minimodel_reach::mapping::MappingState;

/// A mapping that the user's router keeps.
///
/// ```
/// use std::time::Duration;
///
/// use minimodel::transfer::{Mapping, MappingProtocol};
///
/// let by = MappingProtocol::Pcp;
/// let (external, router) = ("203.0.113.7:4433".parse()?, "192.168.1.1".parse()?);
/// let mapping = Mapping { external, by, router, lifetime: Duration::from_secs(3_600) };
/// assert_eq!(mapping.by.to_string(), "PCP");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub use minimodel_reach::mapping::Mapping;

/// The protocol by which a router granted a mapping.
///
/// ```
/// use minimodel::transfer::MappingProtocol;
///
/// assert_eq!(MappingProtocol::Upnp.to_string(), "UPnP");
/// ```
pub use minimodel_reach::mapping::MappingProtocol;

/// Why there is no mapping of the user's router.
///
/// ```
/// use minimodel::transfer::NoMapping;
///
/// let router = "192.168.1.1".parse()?;
/// assert!(NoMapping::Silent { router }.to_string().contains("192.168.1.1"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub use minimodel_reach::mapping::NoMapping;

/// A way by which peers are found that nobody named.
///
/// ```
/// use minimodel::transfer::Way;
///
/// let shown = |way| match way {
///     Way::Lan => "on this network",
///     Way::Dht => "in the DHT",
/// };
/// assert_eq!(shown(Way::Lan), "on this network");
/// ```
pub use minimodel_swarm::driver::Way;

/// Why an address that was found is of no use.
///
/// ```
/// use minimodel::transfer::KnockFailed;
///
/// assert_eq!(KnockFailed::Silent.to_string(), "nothing answers there");
/// ```
pub use minimodel_swarm::driver::KnockFailed;

/// What is wrong with the answer to a knock.
///
/// ```
/// use minimodel::transfer::{KnockError, KnockFailed};
///
/// assert!(KnockFailed::from(KnockError::Unproved).to_string().contains("does not know"));
/// ```
pub use minimodel_wire::KnockError;

/// Why the network at hand is of no use for now.
///
/// ```
/// use minimodel::transfer::{LanError, WayFault};
///
/// assert!(WayFault::from(LanError::NoPort).to_string().contains("port 0"));
/// ```
#[cfg(feature = "lan")]
pub use minimodel_reach::lan::LanError;

/// Why the public DHT is of no use for now.
///
/// ```
/// use minimodel::transfer::{DhtError, WayFault};
///
/// assert!(WayFault::from(DhtError::NoAnswer).to_string().contains("no node"));
/// ```
#[cfg(feature = "dht")]
pub use minimodel_reach::dht::DhtError;
