//! A transfer of a manifest alone, from the peer of an offer.

use std::sync::Arc;

use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::Run;
use super::end::End;
use super::endpoint::Endpoint;
use super::error::TransferError;
use super::reports::Reports;
use super::runtime::SOFTWARE;
use super::share::ShareError;
use crate::identity::Identity;

/// Asks the peer of an offer for the manifest that the offer names, and for nothing else, until the control cancels it.
///
/// # Errors
///
/// The peer cannot be reached or refuses, or its answer is not the manifest; or this machine has no room for a transfer.
pub fn fetch_manifest(
    run: &Run,
    offer: &SignedOffer,
    endpoint: &Endpoint,
) -> Result<End<Arc<Manifest>>, ShareError> {
    run.unless_paused(|| ask_for_manifest(run, offer, endpoint), |end| matches!(end, Ok(End::Cancelled)))
}

fn ask_for_manifest(
    run: &Run,
    offer: &SignedOffer,
    endpoint: &Endpoint,
) -> Result<End<Arc<Manifest>>, ShareError> {
    let identity = Identity::load_or_create(&run.home, &*run.watcher).map_err(TransferError::from)?;
    run.with_network(endpoint, &identity, None, |network| {
        let (node, offer, mut stop) = (network.node().clone(), offer.clone(), run.control.stop());
        network.run(&mut Reports::None, async move {
            tokio::select! {
                manifest = node.fetch_manifest(&offer, SOFTWARE) => Ok(End::Done(manifest.map_err(TransferError::from)?)),
                _ = stop.wait_for(|stop| *stop) => Ok(End::Cancelled),
            }
        })
    })
}
