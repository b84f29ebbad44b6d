//! Who stops, steers and watches a transfer: a terminal, or the companion.

use std::sync::Arc;

use minimodel_swarm::driver::{Controls, Gate, Node, Report, Throttle};
use minimodel_wire::SignedOffer;
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;
use crate::progress::Progress;

/// Told of the offer that leads to a transfer, as soon as there is one.
type Offered = Box<dyn Fn(&Node, &SignedOffer) -> Result<(), Failure>>;

/// See the module.
pub(crate) struct Hands {
    /// Becomes true when the transfer is to end in good order.
    pub(crate) stop: watch::Receiver<bool>,
    /// Who may come, who may be asked, and how much.
    pub(crate) controls: watch::Receiver<Controls>,
    /// Rates of what is sent.
    pub(crate) up: Vec<Throttle>,
    /// Rates of what is received.
    pub(crate) down: Vec<Throttle>,
    /// Quotas that it shares with other transfers, if it does.
    pub(crate) gate: Option<Arc<dyn Gate>>,
    /// Where the driver reports.
    pub(crate) reports: mpsc::Sender<Report>,
    /// A bar, taken away before the end is told.
    pub(crate) progress: Option<Progress>,
    /// The port of an earlier run, tried first where no port is named: offers stay good.
    pub(crate) last_port: Option<u16>,
    /// Told of our offer.
    pub(crate) offered: Offered,
}
