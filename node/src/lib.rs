//! Peer-to-peer transfer of AI model files, as a library: from several peers at once, only with the user's consent, and with
//! every byte proven against a manifest. The command line and the companion daemon of `minimodel` stand on it.
//!
//! A [`Node`] is one user's home folder. It starts a [`Fetch`] from the offer of a peer, or a [`Share`] of a file that is here;
//! both are handles with a stream of [`Event`]s, a [`transfer::Control`] and an end. What the user agreed to is an argument that
//! cannot be left out.
//!
//! ```
//! # use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
//! use minimodel::transfer::Endpoint;
//! use minimodel::{Action, Home, Manifest, Node, RunConsent};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let bytes = slm_vec(&Shape::about(45_000, Quantization::Q4_0)?, 8);
//! # let text = ManifestText::of(&bytes, &ManifestOptions::default()).render();
//! # let (alice, bob) = (folder.path().join("alice"), folder.path().join("bob"));
//! # let (file, models) = (folder.path().join("model.slm"), folder.path().join("models"));
//! # std::fs::write(&file, &bytes)?;
//! // One user has a model file and its manifest, and agrees to serve it.
//! let manifest = Manifest::parse(text.as_bytes())?;
//! let listen = Endpoint { listen: Some("127.0.0.1:0".parse()?), ..Endpoint::default() };
//! let share = Node::open(Home::at(alice))?.share(manifest, &file).endpoint(listen.clone());
//! let mut share = share.start(&RunConsent::given([Action::Serve], "dialog"))?;
//! let offer = share.offer().await.expect("the file is what its manifest says");
//!
//! // Another user gets the offer, and agrees to fetch and to import what it offers.
//! let fetch = Node::open(Home::at(bob))?.fetch(offer).into_folder(&models).endpoint(listen);
//! let fetch = fetch.start(&RunConsent::given([Action::Fetch, Action::Import], "dialog"))?;
//! let imported = fetch.finish().await?;
//! assert_eq!(std::fs::read(&imported.path)?, bytes);
//!
//! share.control().cancel();
//! assert!(share.finish().await?.sent_bytes >= bytes.len() as u64);
//! # Ok(())
//! # }
//! ```
//!
//! The crate prints nothing, reads no environment variable and knows no exit code. A failure is an [`Error`] that carries values;
//! progress, notes and warnings are an [`Event`] that a [`Watcher`] is told.

pub mod bans;
pub mod check;
pub mod checks;
pub mod clock;
pub mod consent;
mod error;
mod event;
mod home;
pub mod identity;
pub mod input;
pub mod json;
pub mod link;
mod lower;
pub mod manifest;
mod node;
mod os;
pub mod private;
pub mod publishers;
pub mod receipt;
pub mod report;
pub mod source;
pub mod transfer;

pub use consent::{Action, RunConsent};
pub use error::Error;
pub use event::{Event, ShareCheck, Watcher};
pub use home::{Home, HomeError, HomeFolder};
pub use identity::{Identity, IdentityError};
pub use link::{Link, LinkError};
pub use lower::{
    AddressFault, ArtifactName, Attempt, Breach, CloseCode, Consequence, Format, Found, Idle, Losses,
    Manifest, Nat, NotMet, Offer, OfferError, Over, PeerId, PeerIdError, PeerKeyFault, PeerPath, PeerView,
    Progress, Reach, Receipt, Sent, SignedOffer, Snapshot, SwarmEvent, Translation, Visit,
};
pub use node::{Fetch, FetchBuilder, Node, Share, ShareBuilder, Subject};
