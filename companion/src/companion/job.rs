//! Jobs: the work of one run of a transfer, done by the library on the run's own thread.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use minimodel::clock::now_unix;
use minimodel::publishers::SignerVerdict;
use minimodel::transfer::{
    self, Consents, End, FetchOptions, FetchPlan, Run, SharePlan, Target, WaysSettings,
};
use minimodel::{Event, Watcher};
use minimodel_verifier::Manifest;
use minimodel_verifier::receipt::ConsentAction;
use minimodel_wire::SignedOffer;

use super::Core;
use super::row::{PlacedFile, TransferRow};
use super::running::Listening;
use crate::host::Host;
use crate::model::{Cause, Endpoint};
use crate::problem::{Problem, code};

/// Stall timeout of a fetch that waits without limit; finite, because the driver multiplies it.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Work of one run.
pub(super) enum Job {
    /// Asks the peer of an offer for the manifest.
    Manifest { offer: SignedOffer, endpoint: transfer::Endpoint },
    /// Serves a file.
    Share(SharePlan),
    /// Fetches a file.
    Fetch(Box<FetchPlan>),
}

/// Result of a job. A share has none: it goes on until it is cancelled.
pub(super) enum JobResult {
    /// The manifest of an offer.
    Manifest(String),
    /// The file is in its place, checked, with its receipt.
    Fetched(PlacedFile),
}

/// Why a job failed.
pub(super) enum JobError {
    /// The shared file no longer matches its manifest.
    SourceChanged,
    /// The share did not start, because the file ([`Cause::Disk`]: missing or unreadable) or the UDP address ([`Cause::Address`]) is
    /// unavailable; either may come back by itself.
    OutOfReach { cause: Cause, problem: Problem },
    /// Any other failure.
    Failed(Problem),
}

impl From<Problem> for JobError {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl Job {
    /// Does the work; blocks.
    pub(super) fn run(self, run: &Run, host: &dyn Host) -> Result<End<JobResult>, JobError> {
        let problem = |error: minimodel::Error| host.problem(error);
        match self {
            Self::Manifest { offer, endpoint } => {
                let manifest = transfer::fetch_manifest(run, &offer, &endpoint);
                let manifest = manifest.map_err(|error| problem(error.into()))?;
                Ok(manifest.map(|manifest| JobResult::Manifest(manifest.text())))
            }
            Self::Share(plan) => match transfer::share(run, &plan) {
                Ok(served) if served.is_changed => Err(JobError::SourceChanged),
                Ok(_) => Ok(End::Cancelled),
                Err(error) => {
                    let cause = if error.is_of_file() {
                        Some(Cause::Disk)
                    } else {
                        error.is_of_address().then_some(Cause::Address)
                    };
                    let problem = problem(error.into());
                    Err(match cause {
                        Some(cause) => JobError::OutOfReach { cause, problem },
                        None => JobError::Failed(problem),
                    })
                }
            },
            Self::Fetch(plan) => {
                // Neither a source, nor a way to find one, nor consent to serve: no peer can be reached. The companion tries a fetch without stall
                // timeout again later, because the user may name a source.
                let finds = plan.consents.ways().finds();
                if plan.sources.is_empty() && !finds && !plan.consents.permits(ConsentAction::Serve) {
                    return Err(JobError::Failed(Problem::new(
                        code::NOT_FOUND,
                        "no peer to fetch from",
                        "name at least one: an offer that their `minimodel seed` prints",
                    )));
                }
                let end = transfer::fetch(run, &plan).map_err(|error| problem(error.into()))?;
                Ok(end.map(|fetched| JobResult::Fetched(fetched.into())))
            }
        }
    }
}

/// A fetch as a row asks for it.
pub(super) struct FetchJob {
    pub(super) manifest: Arc<Manifest>,
    pub(super) publisher: SignerVerdict,
    pub(super) sources: Vec<SignedOffer>,
    /// The folder to fetch into.
    pub(super) out: PathBuf,
    /// Where the receipt goes, if not beside the file.
    pub(super) receipt: Option<PathBuf>,
    pub(super) endpoint: transfer::Endpoint,
    pub(super) consents: Consents,
    /// Requests chunks in file order instead of rarest first.
    pub(super) sequential: bool,
    /// Recomputes the rolling checksum.
    pub(super) full_check: bool,
    /// `None`: it waits without limit.
    pub(super) stall_timeout: Option<Duration>,
}

impl FetchJob {
    /// The job, if the manifest can be used.
    pub(super) fn job(self) -> Result<Job, minimodel::Error> {
        let target = Target::new(&self.out, &self.manifest, self.receipt.as_deref())?;
        let mut options = FetchOptions::default();
        options.endpoint = self.endpoint;
        options.order = if self.sequential { transfer::Order::Sequential } else { transfer::Order::Rarest };
        options.full_check = self.full_check;
        options.stall_timeout = self.stall_timeout.unwrap_or(PATIENCE);
        Ok(Job::Fetch(Box::new(FetchPlan {
            activity: "fetch",
            manifest: self.manifest,
            sources: self.sources,
            target,
            publisher: self.publisher,
            consents: self.consents,
            begun_unix: now_unix(),
            options,
        })))
    }
}

/// Returns true if the runs of a transfer use the shared endpoint.
pub(super) fn is_shared(row: &TransferRow) -> bool {
    row.endpoint == Endpoint::default()
}

/// Returns the port that most offers of the shared endpoint name, the lowest among equals. They differ where a transfer has
/// not run for long, and where two transfers of one swarm ran at once.
pub(super) fn shared_port<'a>(rows: impl Iterator<Item = &'a TransferRow>) -> Option<u16> {
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for port in rows.filter(|row| is_shared(row)).filter_map(|row| row.last_port) {
        *counts.entry(port).or_default() += 1;
    }
    counts.into_iter().max_by_key(|&(port, count)| (count, Reverse(port))).map(|(port, _)| port)
}

/// Where a run listens: where its row says, or at the port of its last run, so that earlier offers stay valid.
pub(super) fn endpoint(at: &Endpoint, last_port: Option<u16>, ways: WaysSettings) -> transfer::Endpoint {
    transfer::Endpoint {
        listen: at.listen,
        advertise: at.advertise.clone(),
        last_port,
        ways,
        ..transfer::Endpoint::default()
    }
}

/// Watcher of one run.
pub(super) struct JobWatcher {
    pub(super) core: Weak<Core>,
    /// The transfer.
    pub(super) id: u64,
    /// Number of the run.
    pub(super) run: u64,
}

impl Watcher for JobWatcher {
    fn tell(&self, event: Event) {
        let Some(core) = self.core.upgrade() else { return };
        match event {
            // Dropped unread: peers control their number, and nothing here needs them.
            Event::Swarm(_) => {}
            Event::Snapshot(snapshot) => core.take_snapshot(self.id, self.run, snapshot),
            Event::OfferRenewed(offer) => core.renewed(self.id, self.run, offer),
            Event::Way(event) => core.note_way(self.id, self.run, &event),
            Event::Offer { ref offer, port, taken_port } => {
                if core.offered(self.id, self.run, Listening { port, taken_port }, offer.clone()) {
                    core.checks.host.tell(event);
                }
            }
            other => core.checks.host.tell(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NewFetch;

    #[test]
    fn shared_port_is_the_one_that_most_offers_name() {
        let row = |last_port, listen| TransferRow {
            last_port,
            endpoint: Endpoint { listen, ..Endpoint::default() },
            ..TransferRow::fetch(NewFetch::default(), "ab".repeat(32), 7)
        };
        let own = Some(([127, 0, 0, 1], 0).into());
        let of = |rows: &[TransferRow]| shared_port(rows.iter());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[row(None, None), row(Some(9), own)]), None, "a port of its own");
        let most = [row(Some(7), None), row(Some(8), None), row(Some(8), None), row(None, None)];
        assert_eq!(of(&most), Some(8));
        assert_eq!(of(&[row(Some(8), None), row(Some(7), None)]), Some(7), "the lowest among equals");
    }
}
