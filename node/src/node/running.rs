//! A transfer on a thread of its own, and the queue of its events.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minimodel_wire::SignedOffer;
use tokio::sync::{Notify, oneshot, watch};

use super::Node;
use crate::error::Error;
use crate::event::{Event, Watcher};
use crate::transfer::{Control, Run, StartError};

/// Reports of the swarm that wait to be taken; more are dropped.
const MOST_REPORTS: usize = 1_024;

/// A running transfer that ends in a `T`. It needs no particular async runtime.
pub(super) struct Running<T> {
    queue: Arc<Queue>,
    control: Control,
    end: Option<oneshot::Receiver<Result<T, Error>>>,
}

impl<T: Send + 'static> Running<T> {
    /// Starts `work` on a thread called `name`.
    pub(super) fn start(
        name: &str,
        node: &Node,
        control: Control,
        work: impl FnOnce(&Run) -> Result<T, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let queue = Arc::new(Queue::default());
        let run = Run {
            home: node.home.clone(),
            watcher: queue.clone(),
            control: control.clone(),
            shared: Some(node.shared.clone()),
        };
        let (tell, end) = oneshot::channel();
        let (ours, name) = (queue.clone(), name.to_owned());
        let work = move || {
            // Closed also by a panic in the work.
            let _closing = Closing(ours);
            // The program that dropped the handle does not wait for the end of the transfer.
            let _ = tell.send(work(&run));
        };
        std::thread::Builder::new().name(name).spawn(work).map_err(StartError::from)?;
        Ok(Self { queue, control, end: Some(end) })
    }

    pub(super) async fn next(&mut self) -> Option<Event> {
        self.queue.next().await
    }

    pub(super) async fn offer(&mut self) -> Option<SignedOffer> {
        let mut offer = self.queue.offer.subscribe();
        let known = offer.wait_for(|(offer, is_closed)| offer.is_some() || *is_closed).await;
        known.ok().and_then(|known| known.0.clone())
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    pub(super) async fn finish(mut self) -> Result<T, Error> {
        match self.end.take() {
            Some(end) => end.await.unwrap_or(Err(Error::Panicked)),
            None => Err(Error::Panicked),
        }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.control.cancel();
    }
}

/// Events that wait to be taken.
struct Queue {
    waiting: Mutex<Waiting>,
    told: Notify,
    /// The newest offer, and whether the transfer has ended.
    offer: watch::Sender<(Option<SignedOffer>, bool)>,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    is_closed: bool,
}

impl Default for Queue {
    fn default() -> Self {
        let waiting = Mutex::default();
        Self { waiting, told: Notify::new(), offer: watch::channel((None, false)).0 }
    }
}

impl Queue {
    async fn next(&self) -> Option<Event> {
        loop {
            let told = self.told.notified();
            {
                let mut waiting = self.waiting();
                match waiting.events.pop_front() {
                    Some(event) => return Some(event),
                    None if waiting.is_closed => return None,
                    None => {}
                }
            }
            told.await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Queue {
    fn tell(&self, event: Event) {
        if let Event::Offer { offer, .. } | Event::OfferRenewed(offer) = &event {
            self.offer.send_modify(|known| known.0 = Some(offer.clone()));
        }
        let is_report = event.is_report();
        let mut waiting = self.waiting();
        if !is_report || waiting.events.len() < MOST_REPORTS {
            waiting.events.push_back(event);
        }
        drop(waiting);
        self.told.notify_one();
    }
}

/// Closes a queue when the thread of its transfer ends.
struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.waiting().is_closed = true;
        self.0.told.notify_one();
        self.0.offer.send_modify(|known| known.1 = true);
    }
}
