//! The jobs that the companion starts: `Runner`, which the binary implements with the code of its verbs.
//!
//! A job blocks its thread until it ends or a stop is requested. It prints nothing and prompts for nothing: the user consented
//! before it started, and its progress goes to a channel of reports.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use minimodel::publishers::SignerVerdict;
use minimodel_swarm::driver::{Controls, QuotaGate, RateLimit, Report};
use minimodel_verifier::Manifest;
use minimodel_verifier::receipt::Consent;
use minimodel_wire::SignedOffer;
use tokio::sync::{mpsc, watch};

use crate::api::types::{Cause, Endpoint};
use crate::problem::Problem;

/// Callback that receives the UDP port on which a job listens and the offer that leads there.
pub type OnOffer = Arc<dyn Fn(u16, SignedOffer) + Send + Sync>;

/// Control handles of one running job: stop request, live controls, rate limits, quota, reports.
#[derive(Clone)]
pub struct JobControl {
    /// Becomes true to request a graceful stop.
    pub stop: watch::Receiver<bool>,
    /// The peers that may connect, the peers that may be dialed and asked, upload slots and byte allowances.
    pub controls: watch::Receiver<Controls>,
    /// Upload rate limits; a byte is sent when all of them permit it.
    pub up: Vec<RateLimit>,
    /// Download rate limits; a byte is received when all of them permit it.
    pub down: Vec<RateLimit>,
    /// Quota accounting, shared with all other transfers: counts transferred bytes against daily budgets and grants.
    pub gate: Arc<dyn QuotaGate>,
    /// Receives the driver's reports; when the channel is full, reports are dropped.
    pub reports: mpsc::Sender<Report>,
    /// Called with the job's port and offer.
    pub on_offer: OnOffer,
}

/// A file to be served.
pub struct ShareJob {
    /// The manifest of the file.
    pub manifest: Arc<Manifest>,
    /// The file.
    pub path: PathBuf,
    /// Where to listen.
    pub endpoint: Endpoint,
    /// The port of the last run, tried first where `endpoint` names none (or 0), so that earlier offers stay valid.
    pub last_port: Option<u16>,
    /// Whether peers may pass the offer on.
    pub publishes: bool,
    /// Its control handles.
    pub control: JobControl,
}

/// How serving ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareEnd {
    /// A stop was requested.
    Stopped,
    /// The file no longer matches its manifest.
    SourceChanged,
    /// It did not start, because the file ([`Cause::Disk`]: missing or unreadable) or the UDP address ([`Cause::Address`]) is
    /// unavailable; either may come back by itself.
    OutOfReach {
        /// Which of the two.
        cause: Cause,
        /// What went wrong.
        problem: Problem,
    },
}

/// A file to be fetched.
pub struct FetchJob {
    /// The manifest of the file.
    pub manifest: Arc<Manifest>,
    /// The verdict on the manifest's signer, from the publishers that were known when this run began.
    pub publisher: SignerVerdict,
    /// Offers of the peers to dial first.
    pub sources: Vec<SignedOffer>,
    /// The folder to fetch into.
    pub out: PathBuf,
    /// Where the receipt goes, if not beside the file.
    pub receipt: Option<PathBuf>,
    /// Where to listen, if it serves.
    pub endpoint: Endpoint,
    /// As in [`ShareJob::last_port`].
    pub last_port: Option<u16>,
    /// The user's consents, which the receipt lists; the fetch serves and publishes if `serve` and `publish` are among them.
    pub consents: Vec<Consent>,
    /// Requests chunks in file order instead of rarest first.
    pub sequential: bool,
    /// Recomputes the rolling checksum.
    pub full_check: bool,
    /// Time without a byte after which the fetch ends as stalled; `None`: it waits without limit.
    pub stall_timeout: Option<Duration>,
    /// Its control handles.
    pub control: JobControl,
}

/// How a fetch ended without a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchEnd {
    /// The file is in its place, checked, with its receipt.
    Done {
        /// The file.
        path: PathBuf,
        /// The receipt.
        receipt: PathBuf,
    },
    /// A stop was requested; resumable.
    Stopped,
}

/// Runs the companion's transfers and checks.
pub trait Runner: Send + Sync {
    /// This user's peer id, if there is an identity already.
    fn peer(&self) -> Option<String>;
    /// Where a fetch into `folder` puts the file of `manifest`.
    ///
    /// # Errors
    ///
    /// The manifest's chunk layout cannot be used.
    fn place(&self, folder: &Path, manifest: &Manifest) -> Result<PathBuf, Problem>;
    /// The fields of a manifest that the user sees before consent, as name and value. Text from outside is escaped.
    fn subject(&self, manifest: &Manifest) -> Vec<(String, String)>;
    /// Parses an offer and checks its signature, its expiry, and that it is for `manifest`, if that is known.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    fn offer(&self, text: &str, manifest: Option<&Manifest>) -> Result<SignedOffer, Problem>;
    /// Runs every check of a file.
    ///
    /// # Errors
    ///
    /// The file is not what the manifest says, or cannot be read.
    fn check(&self, manifest: &Manifest, path: &Path) -> Result<(), Problem>;
    /// Asks the peer of an offer for the manifest, from the address of `endpoint`, as the fetch will; blocks.
    ///
    /// # Errors
    ///
    /// The peer cannot be reached, or sent another manifest; the address cannot be bound.
    fn ask_manifest(
        &self,
        offer: &SignedOffer,
        endpoint: &Endpoint,
        control: &JobControl,
    ) -> Result<String, Problem>;
    /// Checks a file and serves it until a stop is requested; blocks.
    ///
    /// # Errors
    ///
    /// The failure that ended it.
    fn share(&self, job: ShareJob) -> Result<ShareEnd, Problem>;
    /// Fetches a file until it is in its place or a stop is requested; blocks.
    ///
    /// # Errors
    ///
    /// The failure that ended it; the partial file stays.
    fn fetch(&self, job: FetchJob) -> Result<FetchEnd, Problem>;
}
