//! Control handles of a running transfer, held by a terminal or by the companion.

use std::sync::Arc;

use minimodel_swarm::driver::{Controls, Node, QuotaGate, RateLimit, Report};
use minimodel_wire::SignedOffer;
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;
use crate::progress::Progress;

/// Callback for the offer of a transfer, called as soon as there is one.
type OnOffer = Box<dyn Fn(&Node, &SignedOffer) -> Result<(), Failure>>;

/// Control handles of one running transfer: cancellation, live limits, report channel and progress bar.
pub(crate) struct TransferControl {
    /// Becomes true when the transfer is to shut down in order.
    pub(crate) stop: watch::Receiver<bool>,
    /// Live settings: which peers may connect and be dialed, and how much may move.
    pub(crate) controls: watch::Receiver<Controls>,
    /// Rate limits of sending.
    pub(crate) up: Vec<RateLimit>,
    /// Rate limits of receiving.
    pub(crate) down: Vec<RateLimit>,
    /// Quotas shared with other transfers, if any.
    pub(crate) gate: Option<Arc<dyn QuotaGate>>,
    /// Channel to which the driver reports.
    pub(crate) reports: mpsc::Sender<Report>,
    /// Progress bar, removed before the result is printed.
    pub(crate) progress: Option<Progress>,
    /// The port of an earlier run, tried first if no port is named, so that its offers stay valid.
    pub(crate) last_port: Option<u16>,
    /// Called with the offer of this transfer.
    pub(crate) on_offer: OnOffer,
}
