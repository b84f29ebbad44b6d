//! Events: what a program that uses this crate can show its user while work goes on.

use std::path::PathBuf;

use minimodel_wire::PeerId;

use crate::bans::BansError;
use crate::checks::NotRecorded;

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
    /// The bans of earlier runs could not be read, so this run does not know them.
    BansUnknown(BansError),
    /// A peer that the user named is banned and is not asked.
    PeerBanned {
        /// The peer.
        peer: PeerId,
        /// End of the ban, in seconds since 1970.
        until_unix: u64,
    },
    /// A ban could not be recorded, so later runs will not know it.
    BanNotRecorded {
        /// The banned peer.
        peer: PeerId,
        /// Why.
        error: BansError,
    },
    /// A full check has read this much of its file.
    CheckProgress {
        /// Bytes read.
        read_bytes: u64,
        /// Bytes of the file.
        total_bytes: u64,
    },
    /// A file passed every check, and the next share of it need not read it.
    CheckRecorded {
        /// The file.
        path: PathBuf,
    },
    /// A file passed every check, and a later share reads it all the same.
    CheckNotRecorded {
        /// The file.
        path: PathBuf,
        /// Why.
        why: NotRecorded,
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
