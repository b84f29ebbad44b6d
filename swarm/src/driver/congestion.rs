//! Adapter that hands a congestion controller to quinn: minimodel's own, or one of quinn's to compare with.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quinn::Connection;
use quinn::congestion::{BbrConfig, Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::RttEstimator;

use crate::congestion::DelayController;

/// Which congestion controller a node uses for all its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// minimodel's own, [`DelayController`].
    #[default]
    Own,
    /// quinn's CUBIC (RFC 9438), to compare with.
    Cubic,
    /// quinn's experimental BBR, to compare with.
    Bbr,
}

impl Congestion {
    /// Returns a factory of controllers. `first_window`: in bytes.
    pub(super) fn factory(self, first_window: u64) -> Arc<dyn ControllerFactory + Send + Sync> {
        match self {
            Self::Own => Arc::new(DelayControllerFactory { first_window }),
            Self::Cubic => {
                let mut config = CubicConfig::default();
                config.initial_window(first_window);
                Arc::new(config)
            }
            Self::Bbr => {
                let mut config = BbrConfig::default();
                config.initial_window(first_window);
                Arc::new(config)
            }
        }
    }
}

/// A window larger than anything in flight, and small enough for arithmetic without overflow.
const BOUNDLESS: u64 = 1 << 40;

struct DelayControllerFactory {
    first_window: u64,
}

impl ControllerFactory for DelayControllerFactory {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let controller = DelayController::new(Duration::ZERO, current_mtu, self.first_window);
        Box::new(Adapter {
            since: now,
            first_window: controller.window(),
            controller,
            is_closing: Arc::default(),
        })
    }
}

#[derive(Clone)]
struct Adapter {
    /// Origin of the controller's times.
    since: Instant,
    first_window: u64,
    controller: DelayController,
    /// Shared by all clones of this adapter.
    is_closing: Arc<AtomicBool>,
}

/// Opens the window of a connection that is about to be closed: quinn holds the close frame back while data waits for
/// the window, and no longer accepts the acknowledgements that would open it.
pub(super) fn make_way(connection: &Connection) {
    if let Ok(adapter) = connection.congestion_state().into_any().downcast::<Adapter>() {
        adapter.is_closing.store(true, Ordering::Relaxed);
    }
}

impl Adapter {
    fn time(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.since)
    }
}

impl Controller for Adapter {
    fn on_ack(&mut self, _: Instant, sent: Instant, bytes: u64, app_limited: bool, _: &RttEstimator) {
        self.controller.on_ack(self.time(sent), bytes, app_limited);
    }

    fn on_end_acks(&mut self, now: Instant, _in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        self.controller.on_acks_end(self.time(now));
    }

    fn on_congestion_event(&mut self, now: Instant, _sent: Instant, is_persistent: bool, lost_bytes: u64) {
        let now = self.time(now);
        // quinn reports an ECN mark as a loss of zero bytes.
        if lost_bytes == 0 {
            self.controller.on_mark(now);
        } else {
            self.controller.on_loss(now, lost_bytes, is_persistent);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.controller.on_mtu(new_mtu);
    }

    fn window(&self) -> u64 {
        if self.is_closing.load(Ordering::Relaxed) { BOUNDLESS } else { self.controller.window() }
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.controller.window();
        metrics.pacing_rate = Some(self.controller.rate().saturating_mul(8));
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.first_window
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_window_leaves_room_beside_the_longest_probe() {
        for congestion in [Congestion::Own, Congestion::Cubic, Congestion::Bbr] {
            let controller = congestion.factory(131_014).build(Instant::now(), 1200);
            assert_eq!(controller.window(), 131_014, "{congestion:?}");
            assert_eq!(controller.initial_window(), 131_014, "{congestion:?}");
        }
    }

    #[test]
    fn the_window_of_a_copy_opens_the_way_of_the_one_in_use() {
        let used = Congestion::Own.factory(100_000).build(Instant::now(), 1200);
        let copy = used.clone_box().into_any().downcast::<Adapter>().unwrap();
        copy.is_closing.store(true, Ordering::Relaxed);
        assert_eq!(used.window(), BOUNDLESS);
    }

    #[test]
    fn zero_loss_is_a_mark_and_persistent_loss_resets_the_window() {
        let start = Instant::now();
        let mut controller = Congestion::Own.factory(100_000).build(start, 1200);
        controller.on_congestion_event(start, start, false, 1200);
        assert_eq!(controller.window(), 100_000);
        controller.on_congestion_event(start, start, false, 0);
        assert_eq!(controller.window(), 4 * 1200);
        let mut controller = Congestion::Own.factory(100_000).build(start, 1200);
        controller.on_congestion_event(start, start, true, 1200);
        assert_eq!(controller.window(), 4 * 1200);
        controller.on_mtu_update(9000);
        assert_eq!(controller.window(), 4 * 9000);
    }
}
