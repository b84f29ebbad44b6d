//! The front door: a [`Node`] is one user's home folder and identity, from which shares and fetches start.

mod fetch;
mod running;
mod share;

use std::path::PathBuf;
use std::sync::Arc;

use minimodel_verifier::Manifest;
use minimodel_wire::{PeerId, SignedOffer};

pub use self::fetch::{Fetch, FetchBuilder};
pub use self::share::{Share, ShareBuilder};
use crate::error::Error;
use crate::home::Home;
use crate::identity::Identity;
use crate::transfer::SharedEndpoint;

/// One user: a home folder with an identity, bans, known publishers, consents and records of checks. Transfers of one home share
/// these, also with the command line if it has the same home. Those that name no address for themselves share one endpoint: one
/// UDP port, one thread for QUIC.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// use minimodel::{Home, Node};
///
/// let node = Node::open(Home::at(path))?;
/// println!("peers know this node as {}", node.peer_id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Node {
    home: Home,
    peer: PeerId,
    shared: SharedEndpoint,
}

/// What a fetch begins with: a manifest, or the offer of a peer that is asked for the manifest first.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.minimodel");
/// # std::fs::write(&path, &minimodel_fixtures::valid_manifests()[0].text)?;
/// # let typed = path.to_str().expect("a temporary path is text");
/// use minimodel::{Manifest, SignedOffer, Subject};
///
/// /// The subject that a user typed: an offer, or the path of a manifest.
/// fn read(typed: &str) -> Result<Subject, Box<dyn std::error::Error>> {
///     if typed.starts_with("mm1") {
///         return Ok(typed.parse::<SignedOffer>()?.into());
///     }
///     Ok(Manifest::parse(&std::fs::read(typed)?)?.into())
/// }
/// assert!(matches!(read(typed)?, Subject::Manifest(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Subject {
    /// The manifest is known.
    Manifest(Arc<Manifest>),
    /// The manifest comes from the peer of this offer, and is the one that the offer names.
    Offer(Box<SignedOffer>),
}

impl Node {
    /// Opens a home folder. A new one is created, with a new identity.
    ///
    /// # Errors
    ///
    /// The folder or the identity in it cannot be used, or other accounts have access to it.
    pub fn open(home: Home) -> Result<Self, Error> {
        home.state()?;
        let identity = Identity::load_or_create(&home, &())?;
        Ok(Self { peer: identity.peer_id(), home, shared: SharedEndpoint::default() })
    }

    /// The peer id, by which other peers know this user.
    pub fn peer_id(&self) -> PeerId {
        self.peer
    }

    /// The home folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// A share of a file that is here. Nothing happens before [`ShareBuilder::start`].
    pub fn share(&self, manifest: impl Into<Arc<Manifest>>, file: impl Into<PathBuf>) -> ShareBuilder {
        ShareBuilder::new(self.clone(), manifest.into(), file.into())
    }

    /// A fetch of a file. Nothing happens before [`FetchBuilder::start`].
    pub fn fetch(&self, subject: impl Into<Subject>) -> FetchBuilder {
        FetchBuilder::new(self.clone(), subject.into())
    }
}

impl Subject {
    fn swarm_id(&self) -> &[u8; 32] {
        match self {
            Self::Manifest(manifest) => manifest.swarm_id(),
            Self::Offer(offer) => &offer.offer().swarm_id,
        }
    }
}

impl From<Manifest> for Subject {
    fn from(manifest: Manifest) -> Self {
        Self::Manifest(Arc::new(manifest))
    }
}

impl From<Arc<Manifest>> for Subject {
    fn from(manifest: Arc<Manifest>) -> Self {
        Self::Manifest(manifest)
    }
}

impl From<SignedOffer> for Subject {
    fn from(offer: SignedOffer) -> Self {
        Self::Offer(Box::new(offer))
    }
}
