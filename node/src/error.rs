//! The error of this crate: one variant for each area, which wraps that area's own error.

use std::path::PathBuf;

use minimodel_verifier::Report;

use crate::bans::BansError;
use crate::check::CheckError;
use crate::consent::ConsentError;
use crate::home::HomeError;
use crate::identity::IdentityError;
use crate::publishers::PublisherError;
use crate::transfer::{
    FetchError, MissingConsent, RepairError, ShareError, StartError, TargetError, UnusableOffer,
};

/// A failure of this crate. It carries values such as paths and peer ids, and no advice.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let node = minimodel::Node::open(minimodel::Home::at(folder.path()))?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::transfer::FetchError;
/// use minimodel::{Action, Error, RunConsent};
///
/// let agreed = RunConsent::given([Action::Fetch, Action::Import], "dialog");
/// let fetch = node.fetch(manifest).into_folder(folder.path().join("models")).start(&agreed)?;
/// let advice = match fetch.finish().await {
///     Ok(_) | Err(Error::Cancelled) => "",
///     Err(Error::Fetch(FetchError::NoPeers)) => "ask a friend for an offer",
///     Err(Error::Publisher(_)) => "another key has signed the manifest",
///     Err(_) => "try again",
/// };
/// assert_eq!(advice, "ask a friend for an offer");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folders of the user.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The durable bans.
    #[error(transparent)]
    Bans(#[from] BansError),
    /// A full check of a file.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The known publishers, or the refusal of a manifest for its signer.
    #[error(transparent)]
    Publisher(#[from] PublisherError),
    /// The consent log.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// A fetch.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A share, or the question for a manifest.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A repair.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// The place of a file.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// An offer.
    #[error(transparent)]
    Offer(#[from] UnusableOffer),
    /// A consent of the user is missing.
    #[error(transparent)]
    MissingConsent(#[from] MissingConsent),
    /// A file is not what its manifest describes.
    #[error("`{}` is not the artifact that its manifest describes", path.display())]
    NotTheArtifact {
        /// The file.
        path: PathBuf,
        /// Every check of it.
        report: Box<Report>,
    },
    /// The transfer was cancelled; everything proven so far is kept.
    #[error("the transfer was cancelled")]
    Cancelled,
    /// The thread of a transfer ended by a fault of this program; other transfers go on.
    #[error("a transfer ended by a fault of this program")]
    Panicked,
    /// The machine has no room for another transfer.
    #[error("cannot start a transfer: {0}")]
    Start(#[from] StartError),
}
