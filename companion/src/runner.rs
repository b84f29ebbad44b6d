//! What the companion needs done by whoever knows files, keys and sockets: the same code that the verbs run.
//!
//! A job blocks its thread until it ends or is told to stop. It prints nothing and asks nobody: what may be done was agreed
//! to before, and what happens is reported.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use minimodel_swarm::driver::{Controls, Gate, Report, Throttle};
use minimodel_verifier::Manifest;
use minimodel_verifier::receipt::Consent;
use minimodel_wire::SignedOffer;
use tokio::sync::{mpsc, watch};

use crate::api::types::{Cause, Endpoint};
use crate::problem::Problem;
use crate::publishers::Judged;

/// Told of the UDP port at which a job listens and of the offer that leads there.
pub type Offered = Arc<dyn Fn(u16, SignedOffer) + Send + Sync>;

/// How a running job is steered and watched.
#[derive(Clone)]
pub struct Reins {
    /// Becomes true when it is to end in good order.
    pub stop: watch::Receiver<bool>,
    /// Who may come, who may be asked, and how much.
    pub controls: watch::Receiver<Controls>,
    /// Rates of what is sent: all must let a byte pass.
    pub up: Vec<Throttle>,
    /// Rates of what is received.
    pub down: Vec<Throttle>,
    /// Counts what moves against days and grants, together with all other transfers.
    pub gate: Arc<dyn Gate>,
    /// Where the driver reports; a full channel drops pictures.
    pub reports: mpsc::Sender<Report>,
    /// Told of its offer.
    pub offered: Offered,
}

/// A file to be served.
pub struct ShareJob {
    /// What the file is.
    pub manifest: Arc<Manifest>,
    /// The file.
    pub path: PathBuf,
    /// Where to listen.
    pub endpoint: Endpoint,
    /// The port of the last run, tried first where `endpoint` names none (or 0), so that offers stay good.
    pub last_port: Option<u16>,
    /// Whether peers may pass the offer on.
    pub publishes: bool,
    /// How it is steered.
    pub reins: Reins,
}

/// How serving ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareEnd {
    /// It was told to.
    Stopped,
    /// The file is no longer the artifact.
    SourceChanged,
    /// It did not begin, for want of what may come back by itself: the file ([`Cause::Disk`]: it is not there, or cannot be
    /// read) or the UDP address ([`Cause::Address`]).
    OutOfReach {
        /// Which of the two.
        cause: Cause,
        /// What went wrong.
        problem: Problem,
    },
}

/// A file to be fetched.
pub struct FetchJob {
    /// What the file is.
    pub manifest: Arc<Manifest>,
    /// Who signed that, as it stood to what was known when this run began.
    pub publisher: Judged,
    /// Peers to begin with.
    pub sources: Vec<SignedOffer>,
    /// The folder.
    pub out: PathBuf,
    /// Where the receipt goes, if not beside the file.
    pub receipt: Option<PathBuf>,
    /// Where to listen, if it serves.
    pub endpoint: Endpoint,
    /// As in [`ShareJob::last_port`].
    pub last_port: Option<u16>,
    /// What was agreed to, for the receipt; `serve` and `publish` are done when they are among them.
    pub consents: Vec<Consent>,
    /// Chunks from the beginning of the file on.
    pub sequential: bool,
    /// Recompute the rolling checksum.
    pub full_check: bool,
    /// Without a byte for this long it ends as stalled; `None`: it waits.
    pub stall_timeout: Option<Duration>,
    /// How it is steered.
    pub reins: Reins,
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
    /// It was told to; resumable.
    Stopped,
}

/// Does the companion's work.
pub trait Runner: Send + Sync {
    /// This user's peer id, if there is an identity already.
    fn peer(&self) -> Option<String>;
    /// Where a fetch into `folder` puts the file of `manifest`.
    ///
    /// # Errors
    ///
    /// A manifest whose chunks cannot be used.
    fn place(&self, folder: &Path, manifest: &Manifest) -> Result<PathBuf, Problem>;
    /// What is shown of a manifest before anything is agreed to. Text from outside is escaped.
    fn subject(&self, manifest: &Manifest) -> Vec<(String, String)>;
    /// Reads an offer: its signature, its clock, and that it is for `manifest`, if that is known.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it.
    fn offer(&self, text: &str, manifest: Option<&Manifest>) -> Result<SignedOffer, Problem>;
    /// Every check of a file.
    ///
    /// # Errors
    ///
    /// The file is not what the manifest says, or cannot be read.
    fn check(&self, manifest: &Manifest, path: &Path) -> Result<(), Problem>;
    /// Asks the peer of an offer for the manifest, from the address of `endpoint`, as the fetch will; blocks.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or gave another; the address cannot be had.
    fn ask_manifest(
        &self,
        offer: &SignedOffer,
        endpoint: &Endpoint,
        reins: &Reins,
    ) -> Result<String, Problem>;
    /// Checks a file and serves it until told to stop; blocks.
    ///
    /// # Errors
    ///
    /// Whatever ended it.
    fn share(&self, job: ShareJob) -> Result<ShareEnd, Problem>;
    /// Fetches a file until it is in its place or it is told to stop; blocks.
    ///
    /// # Errors
    ///
    /// Whatever ended it; what is there stays.
    fn fetch(&self, job: FetchJob) -> Result<FetchEnd, Problem>;
}
