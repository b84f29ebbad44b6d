//! Types of the crates below this one that stand in its interface, each with what a program does with it.

/// The reason that a user is told while no byte moves.
///
/// ```
/// use minimodel::Idle;
///
/// let told = |idle| match idle {
///     Idle::NoSource => "looking for peers",
///     Idle::RateLimit | Idle::Quota => "held back by your limits",
///     _ => "waiting",
/// };
/// assert_eq!(told(Idle::Quota), "held back by your limits");
/// assert_eq!(Idle::NoSource.as_str(), "no-source");
/// ```
pub use minimodel_swarm::driver::Idle;

/// A row of the list of peers that a program shows.
///
/// ```
/// use minimodel::{PeerView, Snapshot};
///
/// fn fastest(now: &Snapshot) -> Option<&PeerView> {
///     now.peers.iter().max_by_key(|peer| peer.down_rate)
/// }
/// assert!(fastest(&Snapshot::default()).is_none());
/// ```
pub use minimodel_swarm::driver::PeerView;

/// The way to a connected peer, as a [`PeerView`] brings it.
///
/// ```
/// use minimodel::PeerPath;
///
/// fn is_far(path: &PeerPath) -> bool {
///     path.rtt.as_millis() > 200 && path.address.ip().is_ipv6()
/// }
/// # assert!(!is_far(&PeerPath { address: "[::1]:1".parse()?, rtt: Default::default(), found: Default::default(), over: Default::default() }));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub use minimodel_swarm::driver::PeerPath;

/// By which way a peer was found, as a [`PeerPath`] brings it.
///
/// ```
/// use minimodel::Found;
///
/// let told = |found| match found {
///     Found::Came => "it came".to_owned(),
///     Found::Named => "you named it".to_owned(),
///     Found::Earlier => "helped before".to_owned(),
///     Found::By(way) => format!("{way:?} led to it"),
///     Found::PassedOn => "a member told of it".to_owned(),
///     Found::Introduced(by) => format!("{} introduced it", by.short()),
/// };
/// assert_eq!(told(Found::default()), "it came");
/// ```
pub use minimodel_swarm::driver::Found;

/// What was sent in a meeting that led to nothing, of [`NotMet::NothingCame`].
///
/// ```
/// use minimodel::{Attempt, Nat};
///
/// fn is_hopeless(attempt: &Attempt) -> bool {
///     attempt.ours.nat == Nat::Varies && attempt.theirs == Nat::Varies
/// }
/// # let by = minimodel::PeerId([7; 32]);
/// assert!(!is_hopeless(&Attempt { by, ours: Default::default(), theirs: Nat::Same }));
/// ```
pub use minimodel_swarm::machine::Attempt;

/// What one side of a meeting sent.
///
/// ```
/// use minimodel::Sent;
///
/// assert_eq!(Sent::default().punches, 0);
/// ```
pub use minimodel_swarm::machine::Sent;

/// How routers translate a member's address, by its own word.
///
/// ```
/// use minimodel::Nat;
///
/// assert_eq!(Nat::Same.to_string(), "whose router translates the same way for all");
/// ```
pub use minimodel_wire::Nat;

/// Over what the packets of a connection go, as a [`PeerPath`] brings it.
///
/// ```
/// use minimodel::Over;
///
/// let is_translated = |over| matches!(over, Over::Mapped | Over::Punched);
/// assert!(!is_translated(Over::default()));
/// ```
pub use minimodel_swarm::driver::Over;

/// The figures that a program shows while a transfer runs, as [`Event::Snapshot`](crate::Event::Snapshot) brings them.
///
/// ```
/// use minimodel::Snapshot;
///
/// let told = |now: &Snapshot| match (now.time_left(), now.progress.unheld) {
///     (Some(left), _) => format!("{} s left", left.as_secs()),
///     (None, 0) => "nothing moves".to_owned(),
///     (None, unheld) => format!("{unheld} chunks that no connected peer has"),
/// };
/// let mut now = Snapshot { have_bytes: 400, total_bytes: 1_000, down_rate: 60, ..Snapshot::default() };
/// assert_eq!(told(&now), "10 s left");
/// now.progress.unheld = 3;
/// assert_eq!(told(&now), "3 chunks that no connected peer has");
/// ```
pub use minimodel_swarm::driver::Snapshot;

/// What a transfer left out or lost, as a [`Snapshot`] brings it.
///
/// ```
/// use minimodel::{Losses, Snapshot};
///
/// let Losses { untold, panics } = Snapshot::default().losses;
/// assert_eq!((untold, panics), (0, 0));
/// ```
pub use minimodel_swarm::driver::Losses;

/// How far others can reach the node, as far as other members have shown, as a [`Snapshot`] brings it.
///
/// ```
/// use minimodel::{Reach, Translation};
///
/// let told = |reach: &Reach| match (reach.visit_ipv4, reach.ipv4) {
///     (Some(visit), _) => format!("{} came unasked: others can reach this machine", visit.from),
///     (None, Translation::Varies) => "the router allots a port for each peer: only dialing out works".to_owned(),
///     (None, _) => "not known yet".to_owned(),
/// };
/// assert_eq!(told(&Reach::default()), "not known yet");
/// ```
pub use minimodel_swarm::driver::Reach;

/// How routers on the way translate the node's address.
///
/// ```
/// use minimodel::Translation;
///
/// let seen = Translation::Same("203.0.113.9:61000".parse()?);
/// assert_eq!(seen.address(), Some("203.0.113.9:61000".parse()?));
/// assert_eq!(Translation::Varies.address(), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub use minimodel_swarm::driver::Translation;

/// A peer that came from the public Internet although nothing was ever sent there.
///
/// ```
/// use minimodel::{Snapshot, Visit};
///
/// /// The last one, by either family.
/// fn last(now: &Snapshot) -> Option<Visit> {
///     let visits = [now.reach.visit_ipv4, now.reach.visit_ipv6];
///     visits.into_iter().flatten().max_by_key(|visit| visit.unix)
/// }
/// assert_eq!(last(&Snapshot::default()), None);
/// ```
pub use minimodel_swarm::driver::Visit;

/// The rule that a banned or struck peer broke.
///
/// ```
/// # let peer = minimodel::PeerId(minimodel_fixtures::fixture_signing_key().verifying_key().to_bytes());
/// use minimodel::{Breach, SwarmEvent};
///
/// /// Whether a peer sent bytes that are not of the file.
/// fn is_forgery(event: &SwarmEvent) -> bool {
///     matches!(event, SwarmEvent::Banned { breach: Breach::BadChunk | Breach::BadLeaves, .. })
/// }
/// assert!(is_forgery(&SwarmEvent::Banned { peer, breach: Breach::BadChunk, index: Some(3), got: None }));
/// assert!(!is_forgery(&SwarmEvent::Struck { peer, breach: Breach::NoAnswer }));
/// ```
pub use minimodel_swarm::machine::Breach;

/// What a breach leads to for the peer, with the close code that it hears.
///
/// ```
/// use minimodel::{Breach, Consequence};
///
/// let bans = |breach: Breach| matches!(breach.consequence(), Consequence::Ban(_));
/// assert!(bans(Breach::BadChunk) && !bans(Breach::NoAnswer));
/// ```
pub use minimodel_swarm::machine::Consequence;

/// Why a peer that does not answer could not be met either, in a [`SwarmEvent::NotMet`].
///
/// ```
/// use minimodel::{NotMet, SwarmEvent};
///
/// let is_blocked = |event: &SwarmEvent| matches!(event, SwarmEvent::NotMet { why: NotMet::NothingCame(_), .. });
/// assert!(!is_blocked(&SwarmEvent::Complete));
/// ```
pub use minimodel_swarm::machine::NotMet;

/// What happens between peers, as [`Event::Swarm`](crate::Event::Swarm) brings it.
///
/// ```
/// use minimodel::SwarmEvent;
///
/// let told = |event: SwarmEvent| match event {
///     SwarmEvent::Joined { peer, .. } => format!("{} is connected", peer.short()),
///     SwarmEvent::Banned { peer, breach, .. } => format!("{peer} is banned: {breach}"),
///     SwarmEvent::Complete => "every chunk is here".to_owned(),
///     _ => String::new(),
/// };
/// assert_eq!(told(SwarmEvent::Complete), "every chunk is here");
/// ```
pub use minimodel_swarm::machine::Event as SwarmEvent;

/// The counts in a [`Snapshot`].
///
/// ```
/// use minimodel::{Progress, Snapshot};
///
/// let told = |now: &Progress| format!("{} of {} chunks, {} peers", now.have, now.total, now.peers);
/// let progress = Progress { have: 3, total: 4, peers: 2, ..Progress::default() };
/// let now = Snapshot { progress, ..Snapshot::default() };
/// assert_eq!(told(&now.progress), "3 of 4 chunks, 2 peers");
/// ```
pub use minimodel_swarm::machine::Progress;

/// The publisher, license and size that a user is shown before they are asked.
///
/// ```
/// # let text = &minimodel_fixtures::valid_manifests()[0].text;
/// use minimodel::Manifest;
///
/// let manifest = Manifest::parse(text.as_bytes())?;
/// assert_eq!((manifest.model_id(), manifest.model_version()), ("sample-model", "1.0.0"));
/// println!("by {}, under {}", manifest.publisher_id(), manifest.license_route());
/// println!("{} bytes, signed: {}", manifest.byte_count(), manifest.is_signed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::Manifest;

/// The names of the files that belong to a model.
///
/// ```
/// # let text = &minimodel_fixtures::valid_manifests()[0].text;
/// use minimodel::{ArtifactName, Manifest};
///
/// let name: ArtifactName = Manifest::parse(text.as_bytes())?.artifact_name();
/// assert_eq!((name.file(), name.part()), ("sample-model-1.0.0.slm".into(), "sample-model-1.0.0.slm.part".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_verifier::artifact::{ArtifactName, Format};

/// The record that a fetch leaves beside its file, and that any program can read later.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # let models = folder.path().join("models");
/// # std::fs::create_dir(&models)?;
/// # std::fs::write(models.join("sample-model-1.0.0.slm"), minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let fetch = Node::open(Home::at(folder.path()))?.fetch(manifest).into_folder(&models);
/// # fetch.start(&RunConsent::given([Action::Fetch, Action::Import], "dialog"))?.finish().await?;
/// use minimodel::Receipt;
///
/// let receipt = Receipt::parse(&std::fs::read(models.join("sample-model-1.0.0.slm.receipt"))?)?;
/// assert_eq!(receipt.subject().model_id, "sample-model");
/// for consent in &receipt.import().consents {
///     println!("{} at {}, by {}", consent.action.as_str(), consent.at_utc, consent.by);
/// }
/// # Ok(())
/// # }
/// ```
pub use minimodel_verifier::receipt::Receipt;

/// The word of a peer that closed a connection.
///
/// ```
/// use minimodel::CloseCode;
///
/// let is_worth_another_try = |code| match code {
///     CloseCode::Busy | CloseCode::ShuttingDown => true,
///     CloseCode::LicenseMismatch | CloseCode::NotAllowed | CloseCode::Banned => false,
///     _ => false,
/// };
/// assert!(is_worth_another_try(CloseCode::Busy));
/// assert_eq!(CloseCode::LicenseMismatch.to_string(), "license mismatch");
/// ```
pub use minimodel_wire::CloseCode;

/// Why an offer must not name an address.
///
/// ```
/// use minimodel::{AddressFault, OfferError};
///
/// let is_left_out = |error: &OfferError| matches!(error, OfferError::Address { fault: AddressFault::NoPort, .. });
/// assert!(!is_left_out(&OfferError::Prefix));
/// ```
pub use minimodel_wire::AddressFault;

/// The fault of a key that no peer can have.
///
/// ```
/// use minimodel::PeerKeyFault;
///
/// let told = |fault| match fault {
///     PeerKeyFault::SmallOrder => "anyone could sign under it",
///     PeerKeyFault::NotCanonical => "it is not spelled as keys are",
/// };
/// assert_eq!(told(PeerKeyFault::SmallOrder), "anyone could sign under it");
/// ```
pub use minimodel_wire::KeyFault as PeerKeyFault;

/// The content of a [`SignedOffer`]: who serves what, where and until when.
///
/// ```
/// use minimodel::{Offer, SignedOffer};
///
/// fn told(offer: &SignedOffer) -> String {
///     let Offer { peer, addresses, .. } = offer.offer();
///     format!("{peer} at {} addresses", addresses.len())
/// }
/// assert!("mm1".parse::<SignedOffer>().map(|offer| told(&offer)).is_err());
/// ```
pub use minimodel_wire::Offer;

/// The fault of an offer that a user pasted.
///
/// ```
/// use minimodel::{OfferError, SignedOffer};
///
/// let advice = match "hello".parse::<SignedOffer>() {
///     Ok(_) => "",
///     Err(OfferError::Prefix) => "an offer begins with mm1",
///     Err(_) => "paste it again, whole",
/// };
/// assert_eq!(advice, "an offer begins with mm1");
/// ```
pub use minimodel_wire::OfferError;

/// The name of a peer in lists, logs and allow lists.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let node = minimodel::Node::open(minimodel::Home::at(folder.path()))?;
/// use minimodel::PeerId;
///
/// let text = node.peer_id().to_string();
/// assert_eq!(text.len(), 52);
/// assert_eq!(text.parse::<PeerId>()?, node.peer_id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_wire::PeerId;

/// The fault of a text that is no peer id.
///
/// ```
/// use minimodel::{PeerId, PeerIdError};
///
/// assert_eq!("bob".parse::<PeerId>(), Err(PeerIdError::Length { len: 3 }));
/// ```
pub use minimodel_wire::PeerIdError;

/// The text `mm1...` that one user sends another.
///
/// ```
/// # let key = minimodel_fixtures::fixture_signing_key();
/// # let peer = minimodel::PeerId(key.verifying_key().to_bytes());
/// # let (now, addresses) = (minimodel::clock::now_unix(), vec!["203.0.113.7:4433".parse()?]);
/// # let offer = minimodel_wire::Offer { peer, swarm_id: [7; 32], addresses, expires_unix: now + 3_600 };
/// # let pasted = SignedOffer::sign(offer, &key)?.to_string();
/// use minimodel::SignedOffer;
///
/// // The signature is checked by parsing, the time when it is used.
/// let offer: SignedOffer = pasted.parse()?;
/// offer.check_fresh(now)?;
/// assert_eq!(offer.offer().peer, peer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub use minimodel_wire::SignedOffer;

/// The name of an action, for a dialog and for what the user answered.
///
/// ```
/// use minimodel::Action;
///
/// let boxes = Action::ALL.map(Action::as_str);
/// assert_eq!(boxes, ["fetch", "import", "serve", "cache", "publish", "lan", "dht", "map", "executable"]);
/// assert_eq!(Action::from_word("serve"), Some(Action::Serve));
/// ```
pub use minimodel_verifier::receipt::ConsentAction as Action;
