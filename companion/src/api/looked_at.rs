//! The one transfer whose map of chunks an event stream shows: when the map is made, and whether it is sent.

use std::time::Duration;

use tokio::time::Instant;

use super::answer::Api;
use crate::model::{ChunkMap, Event};

/// Least time from one map to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// The map that one client looks at. It is made anew only after the transfer changed, and sent only if it differs.
pub(super) struct LookedAt {
    id: u64,
    cells: u32,
    shown: Option<ChunkMap>,
    /// The transfer changed since the last map.
    is_due: bool,
    /// The next map is made no sooner.
    next: Instant,
}

impl LookedAt {
    pub(super) fn new(id: u64, cells: u32) -> Self {
        Self { id, cells, shown: None, is_due: true, next: Instant::now() }
    }

    /// Notes what the client is told of transfers.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Transfer { transfer } => self.is_due |= transfer.id == self.id,
            // What it was told is void.
            Event::Resync => (self.shown, self.is_due) = (None, true),
            _ => {}
        }
    }

    /// Waits until a map is to be made; for ever while the transfer does not change.
    pub(super) async fn due(&self) {
        if !self.is_due {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(self.next).await;
    }

    /// Makes the map; returns the event for it if it differs from the last one. A map that cannot be had now comes with the next
    /// change.
    pub(super) async fn look(&mut self, api: &Api) -> Option<Event> {
        let (id, cells) = (self.id, self.cells);
        let map = api.quick(move |service| service.chunks(id, cells)).await;
        (self.is_due, self.next) = (false, Instant::now() + PAUSE);
        let map = map.ok().filter(|map| self.shown.as_ref() != Some(map))?;
        self.shown = Some(map.clone());
        Some(Event::Chunks { id, map: Box::new(map) })
    }
}
