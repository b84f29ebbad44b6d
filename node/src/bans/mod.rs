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
use std::time::{Duration, Instant};

use minimodel_swarm::driver::{Ban, Bans};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;
use minimodel_wire::PeerId;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

pub use self::entry::BanEntry;
use self::ledger::Added;
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

/// Interval at which bans that wait for the next write are taken.
const GATHER_EVERY: Duration = Duration::from_millis(20);

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

    /// Writes bans to the ledger; blocks. Returns the time until it may be written, if that is later and the run has not ended.
    fn record(&self, bans: &[Ban], has_ended: bool) -> Option<Duration> {
        let now = now_unix();
        let entries = bans.iter().map(|ban| BanEntry::new(self.doing, &self.manifest, ban, now)).collect();
        let added =
            if has_ended { self.ledger.add(entries, now) } else { self.ledger.add_in_turn(entries, now) };
        match added {
            Ok(Added::Written) => None,
            Ok(Added::NotBefore(left)) => Some(left),
            Err(error) => {
                if let Some(ban) = bans.first() {
                    self.watcher.tell(Event::BanNotRecorded { peer: ban.peer, error });
                }
                None
            }
        }
    }

    /// Adds the bans that come until `until`; returns true if the run ended before.
    fn gather(&mut self, bans: &mut Vec<Ban>, until: Instant) -> bool {
        loop {
            match self.bans.try_recv() {
                Ok(ban) => bans.push(ban),
                Err(TryRecvError::Empty) if Instant::now() < until => std::thread::sleep(GATHER_EVERY),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
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
                let mut bans = vec![ban];
                let mut has_ended = self.gather(&mut bans, Instant::now());
                while let Some(left) = self.record(&bans, has_ended) {
                    has_ended = self.gather(&mut bans, Instant::now() + left);
                }
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

#[cfg(test)]
mod tests {
    use minimodel_swarm::machine::Breach;

    use super::*;

    // Rows: H6
    #[test]
    fn bans_that_come_together_are_written_together() {
        const COUNT: u8 = 200;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let text = &minimodel_fixtures::valid_manifests()[0].text;
        let manifest = Arc::new(Manifest::parse(text.as_bytes()).unwrap());
        let (mut recorder, bans) = BanRecorder::open(&home, Arc::new(()), "seed", &manifest, &[]).unwrap();
        let tell = bans.tell.unwrap();
        let ban = |n: u8| Ban {
            peer: PeerId([n; 32]),
            breach: Breach::WrongState,
            index: None,
            expected: None,
            got: None,
        };
        for n in 2..COUNT + 2 {
            tell.send(ban(n)).unwrap();
        }
        let mut gathered = vec![recorder.waiting().unwrap()];
        let long = Instant::now() + Duration::from_secs(3_600);
        drop(tell);
        // The end of the run ends the wait.
        assert!(recorder.gather(&mut gathered, long));
        assert_eq!(gathered.len(), usize::from(COUNT));
        assert_eq!(recorder.record(&gathered, false), None);
        let kept = || BanLedger::of(&home).unwrap().read(now_unix()).unwrap().entries.len();
        assert_eq!(kept(), usize::from(COUNT));
        // Another transfer writes the same file: it waits for its turn, and not at its end.
        let (other, _) = BanRecorder::open(&home, Arc::new(()), "seed", &manifest, &[]).unwrap();
        let left = other.record(&[ban(1)], false).unwrap();
        assert!(left > Duration::from_millis(500), "{left:?}");
        assert_eq!(kept(), usize::from(COUNT));
        assert_eq!(other.record(&[ban(1)], true), None);
        assert_eq!(kept(), usize::from(COUNT) + 1);
    }
}
