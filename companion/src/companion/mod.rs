//! The companion's reconciler: one thread repeatedly compares the desired state (transfer rows), what is permitted (the consent
//! log) and what runs (transfer threads).
//!
//! Every change of a desired state, a grant, a limit or the hour takes the same way: it is written down, then [`Core::reconcile`]
//! reconciles what should run with what runs. So a restart, a revocation and a pause are no special cases.

mod accounts;
mod announce;
mod consents;
mod desired;
mod grant_limits;
mod job;
mod moved_bytes;
mod outcome;
mod quota_leases;
mod reconcile;
mod row;
mod running;
mod service;
mod signers;
#[cfg(test)]
mod tests;
mod threads;
mod transfers;
mod view;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use minimodel::Home;
use minimodel::clock::now_unix;
use minimodel::consent::{ConsentBook, Head};
use minimodel::publishers::Publishers;
use minimodel_swarm::driver::{RateLimit, Snapshot};
use minimodel_verifier::Manifest;
use rustix::fs::{FlockOperation, flock};
use tokio::sync::{broadcast, watch};

use self::accounts::Accounts;
use self::row::TransferRow;
use self::running::RunningTransfer;
use self::threads::{start_lease_writer, start_reconciler};
use crate::db::{Db, DbError, Table};
use crate::host::Host;
use crate::library::Library;
use crate::limits::{schedule, store};
use crate::model::{Cause, Event, Limits, Rates};
use crate::problem::Problem;

/// Interval of the reconciler when nothing wakes it: grants expire and schedule hours pass without an event.
const RECONCILE_EVERY: Duration = Duration::from_millis(500);
/// Interval at which transferred bytes are written to the database.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// Time that running transfers have to stop in good order at shutdown.
const LAST_WORK: Duration = Duration::from_secs(8);
/// Events queued for a slow listener before it receives a notice that it missed some.
const WAITING_EVENTS: usize = 1_024;
/// Time to wait for another process to close the database: a verb holds it only for a moment.
const PATIENCE: Duration = Duration::from_secs(3);

const DATABASE: &str = "companion.redb";
/// Settings key of the newest line that this database has seen of the consent log.
const CONSENT_SEEN: &str = "consent-seen";

/// Folders of one home; all paths are absolute.
#[derive(Clone, Debug)]
pub struct Places {
    /// `companion/` in the state folder.
    pub folder: PathBuf,
    /// The state folder, which holds the consent log.
    pub state: PathBuf,
    /// The data folder.
    pub data: PathBuf,
}

impl Places {
    /// The folders below a state and a data folder.
    pub fn new(state: &Path, data: &Path) -> Self {
        Self { folder: state.join("companion"), state: state.to_owned(), data: data.to_owned() }
    }
}

/// Returns true if a process has the database of `places` open now.
pub fn is_held(places: &Places) -> bool {
    let file = std::fs::File::open(places.folder.join(DATABASE));
    file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// The companion. Dropping it stops all transfers in good order.
pub struct Companion {
    core: Arc<Core>,
    reconciler: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// The thread that writes quota leases before bytes move.
    lease_writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// State shared by all threads.
struct Core {
    db: Arc<Db>,
    library: Library,
    host: Arc<dyn Host>,
    home: Home,
    places: Places,
    /// Rate limits over all transfers together.
    up: RateLimit,
    down: RateLimit,
    inner: Mutex<Inner>,
    /// Parsed manifests by swarm id: every snapshot of a transfer needs one.
    manifests: Mutex<BTreeMap<String, Arc<Manifest>>>,
    offered: consents::OfferedPeers,
    publishers: Publishers,
    wakeup: Condvar,
    events: broadcast::Sender<Event>,
    asked_to_stop: watch::Sender<bool>,
    started_unix: u64,
    /// Whether transfers run in this process; if not, the state is only read and changed.
    is_running: bool,
}

/// Mutable state, under one lock.
struct Inner {
    rows: BTreeMap<u64, TransferRow>,
    running: BTreeMap<u64, RunningTransfer>,
    /// Runs of removed transfers by run number, kept until their threads have ended: they still hold files and ports.
    draining: BTreeMap<u64, (TransferRow, RunningTransfer)>,
    /// Last snapshots of ended runs, by transfer.
    last_snapshots: BTreeMap<u64, Box<Snapshot>>,
    retries: BTreeMap<u64, Retry>,
    book: ConsentBook,
    limits: Limits,
    accounts: Accounts,
    runs: u64,
    /// Why the consent log cannot be believed; `None` while it holds.
    log_fault: Option<Problem>,
    is_ending: bool,
    /// The reconciler must run now.
    is_stale: bool,
}

/// Backoff of a transfer that will be tried again.
#[derive(Clone, Debug)]
struct Retry {
    until: Instant,
    tries: u32,
    cause: Cause,
    /// The error of the last try.
    problem: Problem,
}

impl Companion {
    /// Opens the state of `places`, in the folders of `home`. With `is_running`, transfers run in this process from now on.
    ///
    /// # Errors
    ///
    /// Another process has the state open, or it cannot be read.
    pub fn open(places: Places, home: Home, host: Arc<dyn Host>, is_running: bool) -> Result<Self, Problem> {
        let folder = places.folder.clone();
        for ours in [&places.state, &places.data, &folder, &places.data.join("library")] {
            minimodel::private::check_folder(ours)?;
        }
        crate::files::create_folder(&folder)?;
        let db = Arc::new(open_db(&folder.join(DATABASE))?);
        let now = now_unix();
        // A log that cannot be believed grants nothing, and each reconcile reports it; the rest of the state can still be read.
        let mut book = ConsentBook::unread(&places.state, &places.data);
        if let Some(seen) = db.get::<Head>(Table::Settings, CONSENT_SEEN)? {
            book.remember(seen);
        }
        let _ = book.reload_if_changed();
        let rows = db.all::<TransferRow>(Table::Transfers)?;
        let limits = store::load(&db)?;
        let inner = Inner {
            rows: rows.into_iter().map(numbered).collect(),
            running: BTreeMap::new(),
            draining: BTreeMap::new(),
            last_snapshots: BTreeMap::new(),
            retries: BTreeMap::new(),
            book,
            limits,
            accounts: Accounts::load(&db, now)?,
            runs: 0,
            log_fault: None,
            is_ending: false,
            is_stale: true,
        };
        let publishers = Publishers::of(&places.state);
        let core = Arc::new(Core {
            library: Library::new(db.clone(), places.data.join("library")).knowing(publishers.clone()),
            db,
            host,
            home,
            places,
            up: RateLimit::new(None),
            down: RateLimit::new(None),
            inner: Mutex::new(inner),
            manifests: Mutex::new(BTreeMap::new()),
            offered: consents::OfferedPeers::default(),
            publishers,
            wakeup: Condvar::new(),
            events: broadcast::channel(WAITING_EVENTS).0,
            asked_to_stop: watch::channel(false).0,
            started_unix: now,
            is_running,
        });
        let head = core.lock().book.head();
        // The data folder keeps this head too; the next reconcile tries again.
        let _ = core.keep_head(head.as_ref());
        if is_running {
            // The doctor reports a link that cannot be mended now; the next start tries again.
            let _ = core.library.settle();
        }
        let lease_writer = is_running.then(|| start_lease_writer(&core)).transpose()?;
        let reconciler = is_running.then(|| start_reconciler(&core)).transpose()?;
        Ok(Self { core, reconciler: Mutex::new(reconciler), lease_writer: Mutex::new(lease_writer) })
    }

    /// Returns the broadcast sender of events; listeners subscribe to it.
    pub fn events(&self) -> broadcast::Sender<Event> {
        self.core.events.clone()
    }

    /// Becomes true when a client asked the companion to stop.
    pub fn asked_to_stop(&self) -> watch::Receiver<bool> {
        self.core.asked_to_stop.subscribe()
    }

    /// Accepts the consent log as it is now, although a newer or another log was seen ([`ConsentBook::restore`]). Returns how
    /// many seen lines are given up; 0 if the log has them all.
    ///
    /// # Errors
    ///
    /// The log's own hash chain is broken, or the disk failed.
    pub fn restore_log(&self) -> Result<usize, Problem> {
        let given_up = self.core.lock().book.restore("command", now_unix())?;
        let head = self.core.lock().book.head();
        self.core.keep_head(head.as_ref())?;
        Ok(given_up)
    }

    /// Stops all transfers in good order and writes what is left to write.
    pub fn end(&self) {
        let Some(reconciler) = self.reconciler.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let _ = self.core.events.send(Event::Stopping);
        {
            let mut inner = self.core.lock();
            inner.is_ending = true;
            inner.running.values().for_each(RunningTransfer::end);
        }
        self.core.wakeup.notify_all();
        // The panicking thread has already reported its panic.
        let _ = reconciler.join();
        if let Some(lease_writer) = self.lease_writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = lease_writer.join();
        }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        self.end();
    }
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the reconciler.
    fn wake(&self, inner: &mut Inner) {
        inner.is_stale = true;
        self.wakeup.notify_all();
    }

    /// Returns the manifest of a row, parsed once per swarm.
    fn manifest_of(&self, row: &TransferRow) -> Result<Option<Arc<Manifest>>, Problem> {
        let Some(text) = &row.manifest else { return Ok(None) };
        let mut known = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = known.get(&row.swarm_id) {
            return Ok(Some(manifest.clone()));
        }
        let manifest = Arc::new(row::parse(text)?);
        known.insert(row.swarm_id.clone(), manifest.clone());
        Ok(Some(manifest))
    }

    /// Returns the rate limits of this hour.
    fn rates(limits: &Limits) -> Rates {
        schedule::rates_at(limits, schedule::local_hour(now_unix()))
    }

    fn run_reconciler(self: &Arc<Self>) {
        let mut flushed = Instant::now();
        let mut kept = None;
        let mut inner = self.lock();
        loop {
            if inner.is_ending {
                break;
            }
            inner.is_stale = false;
            self.reconcile(&mut inner);
            let (head, accounts) = (inner.book.newest().cloned(), inner.accounts.clone());
            let is_due = flushed.elapsed() >= FLUSH_EVERY;
            if is_due || head != kept {
                // The disk may be slow: queries must not wait for it under the lock.
                drop(inner);
                if is_due {
                    flushed = Instant::now();
                    self.flush(&accounts);
                }
                if self.keep_head(head.as_ref()).is_ok() {
                    kept = head;
                }
                inner = self.lock();
            }
            let waited = self.wakeup.wait_timeout_while(inner, until_next_reconcile(), |inner| {
                !inner.is_stale && !inner.is_ending
            });
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let waited = self.wakeup.wait_timeout_while(inner, LAST_WORK, |inner| {
            !inner.running.is_empty() || !inner.draining.is_empty()
        });
        inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        let accounts = inner.accounts.clone();
        drop(inner);
        accounts.end_leases();
        self.flush(&accounts);
    }

    /// Writes transferred bytes to the database; after a disk error the next flush tries again. Call it without the lock of
    /// [`Inner`], since it waits for the disk.
    fn flush(&self, accounts: &Accounts) {
        let now = now_unix();
        accounts.turn(now);
        let _ = accounts.flush(&self.db, now);
    }

    /// Keeps the newest line of the consent log in the database, which a copy of the log does not bring along: so a log that was
    /// replaced by an older copy is detected.
    fn keep_head(&self, head: Option<&Head>) -> Result<(), DbError> {
        let Some(head) = head else { return Ok(()) };
        if self.db.get::<Head>(Table::Settings, CONSENT_SEEN)?.as_ref() == Some(head) {
            return Ok(());
        }
        self.db.change(|change| change.put(Table::Settings, CONSENT_SEEN, head))
    }

    fn save(&self, row: &TransferRow) -> Result<(), Problem> {
        let written = self
            .db
            .change::<_, DbError>(|change| change.put(Table::Transfers, &crate::db::number_key(row.id), row));
        written.map_err(Problem::from)
    }
}

/// Returns the time until the next reconcile: at each whole second of the clock, when grants expire, and every [`RECONCILE_EVERY`]
/// between.
fn until_next_reconcile() -> Duration {
    let second = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let into = second.map_or(0, |since| since.subsec_millis()) % RECONCILE_EVERY.subsec_millis();
    // One millisecond more, since rounding down could wake before the second begins.
    RECONCILE_EVERY - Duration::from_millis(into.into()) + Duration::from_millis(1)
}

/// Sets a row's id to its database key, whatever the row itself says.
fn numbered((key, row): (String, TransferRow)) -> (u64, TransferRow) {
    let id = key.parse().unwrap_or(row.id);
    (id, TransferRow { id, ..row })
}

fn open_db(path: &Path) -> Result<Db, Problem> {
    let begun = Instant::now();
    loop {
        match Db::open(path) {
            Err(DbError::Busy(_)) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            opened => return opened.map_err(Problem::from),
        }
    }
}
