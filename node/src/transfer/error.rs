//! What keeps a transfer of any kind from running.

use minimodel_swarm::driver::DriverError;

use super::runtime::StartError;
use crate::bans::BansError;
use crate::identity::IdentityError;

/// Why a transfer of any kind did not start or could not go on: the part that the errors of a share, a fetch and a repair have in
/// common.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Error, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let share = Node::open(Home::at(folder.path()))?.share(manifest, &file);
/// # std::fs::write(folder.path().join("data/identity.key"), "damaged")?;
/// # let share = share.start(&RunConsent::given([Action::Serve], "dialog"))?;
/// use minimodel::transfer::{ShareError, TransferError};
///
/// let Err(Error::Share(ShareError::Transfer(error))) = share.finish().await else { panic!() };
/// let advice = match error {
///     TransferError::Identity(_) => "put the copy of the identity back",
///     TransferError::Bans(_) => "look at the state folder",
///     TransferError::Start(_) => "end another transfer",
///     TransferError::Driver(_) => "look at the network",
/// };
/// assert_eq!(advice, "put the copy of the identity back");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is no identity to use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The folder of the ledger of bans cannot be used.
    #[error(transparent)]
    Bans(#[from] BansError),
    /// The machine has no room for another transfer.
    #[error("cannot start a transfer: {0}")]
    Start(#[from] StartError),
    /// The network, or a worker.
    #[error(transparent)]
    Driver(#[from] DriverError),
}
