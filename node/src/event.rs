//! Events: what a program that uses this crate can show its user while work goes on.

use std::path::PathBuf;

use minimodel_wire::PeerId;

/// Progress, a note or a warning. It carries values; the program that shows it makes the sentence.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new identity was created. Its file is a secret that cannot be made again.
    IdentityCreated {
        /// The peer id.
        peer: PeerId,
        /// The file that holds the key.
        path: PathBuf,
    },
}

/// Receiver of events. It is called from the threads that do the work, so it must not block them for long.
pub trait Watcher: Send + Sync {
    /// Takes an event.
    fn tell(&self, event: Event);
}

/// Ignores all events.
impl Watcher for () {
    fn tell(&self, _: Event) {}
}

impl<F: Fn(Event) + Send + Sync> Watcher for F {
    fn tell(&self, event: Event) {
        self(event);
    }
}
