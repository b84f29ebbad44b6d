//! The receipt of a transfer, with the same checks and the same form as the receipt of a local file.

use std::collections::BTreeMap;

use minimodel::clock;
use minimodel::publishers::SignerVerdict;
use minimodel_swarm::driver::PeerShare;
use minimodel_verifier::manifest::{self, Acquisition};
use minimodel_verifier::receipt::{Consent, ImportRecord, PeerSupply, Receipt, RecordedCheck};
use minimodel_verifier::{Manifest, Report};
use minimodel_wire::PeerId;

use crate::failure::Failure;
use crate::verbs::write_import_receipt::TOOL_VERSION;

/// Content of a receipt besides the manifest.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The verdict on the manifest's key.
    pub(crate) publisher: &'a SignerVerdict,
    /// The consents of the user.
    pub(crate) consents: &'a [Consent],
    /// When the import began.
    pub(crate) started_utc: &'a str,
    /// Whether the rolling checksum was recomputed.
    pub(crate) checksum_recomputed: bool,
    /// Every check of the file; the checks of the manifest are made here.
    pub(crate) checks: &'a Report,
    /// What each peer supplied; empty if no peer supplied anything.
    pub(crate) peers: &'a BTreeMap<PeerId, PeerShare>,
    /// True if a fetch put the file together: chunks that no peer supplied were then found on disk.
    pub(crate) is_fetched: bool,
}

/// Makes the receipt; it exists only when every check passed.
pub(crate) fn make(manifest: &Manifest, facts: &Facts<'_>) -> Result<Receipt, Failure> {
    let mut checks = manifest::check(manifest.text().as_bytes());
    checks.extend(facts.publisher.check_of_import());
    checks.extend(facts.checks.clone());
    let mut checks = RecordedCheck::all(&checks);
    checks.extend(found_on_disk(manifest, facts));
    let lane =
        if facts.peers.is_empty() { Acquisition::UserLocalFile } else { Acquisition::ConsentPeerTransfer };
    let supply = |(peer, share): (&PeerId, &PeerShare)| PeerSupply {
        id: peer.to_string(),
        bytes: share.bytes,
        chunks: share.chunks.into(),
        rejected: share.rejected.clone(),
    };
    let import = ImportRecord {
        lane,
        started_utc: facts.started_utc.to_owned(),
        finished_utc: clock::now_utc(),
        tool_version: TOOL_VERSION.to_owned(),
        checksum_recomputed: facts.checksum_recomputed,
        consents: facts.consents.to_vec(),
        peers: facts.peers.iter().map(supply).collect(),
        checks,
    };
    Receipt::new(manifest, import)
        .map_err(|error| Failure::unexpected("the receipt could not be made", &error.into()))
}

/// The check that records the chunks of a fetched file that no peer supplied.
fn found_on_disk(manifest: &Manifest, facts: &Facts<'_>) -> Option<RecordedCheck> {
    let supplied =
        |sum: (u64, u64), share: &PeerShare| (sum.0 + u64::from(share.chunks), sum.1 + share.bytes);
    let (chunks, bytes) = facts.peers.values().fold((0, 0), supplied);
    let is_short = facts.is_fetched && bytes < manifest.byte_count();
    is_short.then(|| {
        let rest = (manifest.chunk_count().saturating_sub(chunks), manifest.byte_count() - bytes);
        RecordedCheck::found_on_disk(rest.0, rest.1)
    })
}
