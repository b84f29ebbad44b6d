//! The error of this crate: one variant for each area, which wraps that area's own error.

use crate::bans::BansError;
use crate::check::CheckError;
use crate::consent::ConsentError;
use crate::home::HomeError;
use crate::identity::IdentityError;
use crate::publishers::PublisherError;

/// A failure of this crate. It carries values such as paths and peer ids, and no advice.
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
}
