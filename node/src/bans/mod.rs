//! The ban ledger: which keys were banned, for what and until when, kept from one run to the next.
//!
//! A ban applies to one key and one content, and ends after a day. A key that was banned for three contents is banned
//! for every content until its entries are too old. Only a provable breach bans a key, so an entry states what the peer
//! sent and what was expected. Addresses are never banned: many people may share one. `blame.jsonl` in the state folder
//! holds one entry per line; `docs/blame.md` has the rules and the fields.

mod entry;
mod ledger;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use minimodel_swarm::driver::{Ban, Bans};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;
use minimodel_wire::PeerId;
use tokio::sync::mpsc;

pub use self::entry::BanEntry;
pub use self::ledger::{BanLedger, FILE_NAME, KnownBans};
use crate::clock::now_unix;
use crate::event::{Event, Watcher};
use crate::home::{Home, HomeError};

/// Longest wait at the end of a run for the last bans to be written, in case the disk hangs.
const LAST_BANS: Duration = Duration::from_secs(2);

/// Why bans could not be read or recorded.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # std::fs::create_dir_all(home.state()?.join(minimodel::bans::FILE_NAME))?;
/// use minimodel::bans::{BanLedger, BansError};
///
/// // A folder has the name of the file: the program names it, and its user moves it away.
/// let read = BanLedger::of(&home)?.read(minimodel::clock::now_unix());
/// assert!(matches!(read, Err(BansError::Read { path, .. }) if path.ends_with("state/blame.jsonl")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum BansError {
    /// The folder of the ledger cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The ledger could not be read.
    #[error("the record of bans `{}` could not be read", path.display())]
    Read {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The ledger could not be written.
    #[error("the record of bans `{}` could not be written", path.display())]
    Write {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that records bans could not be started.
    #[error("no thread for the record of bans: {0}")]
    NoThread(io::Error),
}

/// Ban keeping of one run: earlier bans are loaded at its start, new bans are recorded as they happen.
pub(crate) struct BanRecorder {
    ledger: BanLedger,
    watcher: Arc<dyn Watcher>,
    /// Name of the work, as entries have it.
    doing: &'static str,
    manifest: Arc<Manifest>,
    bans: mpsc::UnboundedReceiver<Ban>,
}

impl BanRecorder {
    /// Loads the bans for this content, and tells the watcher which peers among `named` are banned. The ledger only helps
    /// later runs: if it cannot be read or written, the watcher is told and the transfer goes on. `doing`: what runs, as
    /// entries name it (`fetch`, `seed`).
    ///
    /// # Errors
    ///
    /// There is no state folder.
    pub(crate) fn open(
        home: &Home,
        watcher: Arc<dyn Watcher>,
        doing: &'static str,
        manifest: &Arc<Manifest>,
        named: &[PeerId],
    ) -> Result<(Self, Bans), BansError> {
        let ledger = BanLedger::of(home)?;
        let (now, swarm) = (now_unix(), hex(manifest.swarm_id()));
        let known = ledger.read(now).map(|known| known.banned(&swarm, now)).unwrap_or_else(|error| {
            watcher.tell(Event::BansUnknown(error));
            BTreeMap::new()
        });
        for &peer in named {
            if let Some(left) = known.get(&peer) {
                watcher.tell(Event::PeerBanned { peer, until_unix: now.saturating_add(left.as_secs()) });
            }
        }
        let (tell, bans) = mpsc::unbounded_channel::<Ban>();
        let recorder = Self { ledger, watcher, doing, manifest: manifest.clone(), bans };
        Ok((recorder, Bans { known, tell: Some(tell) }))
    }

    /// The next ban; `None` once the run has ended.
    pub(crate) async fn next(&mut self) -> Option<Ban> {
        self.bans.recv().await
    }

    /// Writes a ban to the ledger; blocks.
    fn record(&self, ban: &Ban) {
        let entry = BanEntry::new(self.doing, &self.manifest, ban, now_unix());
        if let Err(error) = self.ledger.add(entry, now_unix()) {
            self.watcher.tell(Event::BanNotRecorded { peer: ban.peer, error });
        }
    }

    /// A ban that waits, if there is one.
    pub(crate) fn waiting(&mut self) -> Option<Ban> {
        self.bans.try_recv().ok()
    }

    /// Records bans on a thread of its own from here on, and before them the one that was taken.
    ///
    /// # Errors
    ///
    /// There is no thread.
    pub(crate) fn on_a_thread(mut self, taken: Option<Ban>) -> Result<BanThread, BansError> {
        let (done, ended) = std_mpsc::channel();
        let write = move || {
            let mut next = taken.or_else(|| self.bans.blocking_recv());
            while let Some(ban) = next {
                self.record(&ban);
                next = self.bans.blocking_recv();
            }
            let _ = done.send(());
        };
        let started = std::thread::Builder::new().name("bans".to_owned()).spawn(write);
        started.map_err(BansError::NoThread)?;
        Ok(BanThread(ended))
    }
}

/// The thread of a [`BanRecorder`].
#[derive(Debug)]
pub(crate) struct BanThread(std_mpsc::Receiver<()>);

impl BanThread {
    /// Waits until the bans of a run that has ended are on disk.
    pub(crate) fn end(self) {
        let _ = self.0.recv_timeout(LAST_BANS);
    }
}
