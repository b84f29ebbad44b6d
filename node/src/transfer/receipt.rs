//! The receipt of a transfer, with the same checks and the same form as the receipt of a local file.

use std::collections::BTreeMap;

use minimodel_swarm::driver::PeerShare;
use minimodel_verifier::manifest::{self, Acquisition};
use minimodel_verifier::receipt::{ImportRecord, PeerSupply, Receipt, RecordedCheck};
use minimodel_verifier::{Manifest, Report};
use minimodel_wire::PeerId;

use super::lower::ReceiptError;
use super::plan::FetchPlan;
use crate::clock;

/// Name and version of this program in receipts.
pub const TOOL_VERSION: &str = concat!("minimodel ", env!("CARGO_PKG_VERSION"));

/// What the end of a transfer adds to the receipt.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Whether the rolling checksum was recomputed.
    pub(super) checksum_recomputed: bool,
    /// Every check of the file; the checks of the manifest are made here.
    pub(super) checks: &'a Report,
    /// What each peer supplied; empty if no peer supplied anything.
    pub(super) peers: &'a BTreeMap<PeerId, PeerShare>,
    /// True if a fetch put the file together: chunks that no peer supplied were then found on disk.
    pub(super) is_fetched: bool,
}

/// Makes the receipt; it exists only when every check passed.
pub(super) fn make(plan: &FetchPlan, facts: &Facts<'_>) -> Result<Receipt, ReceiptError> {
    let manifest = &*plan.manifest;
    let mut checks = manifest::check(manifest.text().as_bytes());
    checks.extend(plan.publisher.check_of_import());
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
        started_utc: clock::utc(plan.begun_unix),
        finished_utc: clock::now_utc(),
        tool_version: TOOL_VERSION.to_owned(),
        checksum_recomputed: facts.checksum_recomputed,
        consents: plan.consents.for_receipt().to_vec(),
        peers: facts.peers.iter().map(supply).collect(),
        checks,
    };
    Receipt::new(manifest, import)
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
