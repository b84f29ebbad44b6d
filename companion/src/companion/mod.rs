//! The companion's reconciler: one thread repeatedly compares the desired state (transfer rows), what is permitted (the consent
//! log) and what runs (transfer threads).
//!
//! Every change of a desired state, a grant, a limit or the hour takes the same way: it is written down, then [`Core::reconcile`]
//! reconciles what should run with what runs. So a restart, a revocation and a pause are no special cases.
//!
//! [`State`] is under one lock and holds parts: the rows ([`TransferTable`](table::TransferTable)), the runs
//! ([`Runs`](running::Runs)), the backoffs, the consent log and the limits. They decide; [`Core`] connects them with the library,
//! the disk and the threads. The locks of [`Accounts`], [`Manifests`] and the offered peers are taken within it, for moments,
//! and none of them while another is held or over I/O. Under the lock of [`State`] rows, consents and library entries are written,
//! since no other call may come between; moved bytes and the newest line of the log are written without it.

mod accounts;
mod announce;
mod checks;
mod chunks;
mod consents;
mod desired;
mod global_limits;
mod grant_limits;
mod job;
mod manifests;
mod moved_bytes;
mod offered;
mod outcome;
mod permits;
mod placing;
mod quota_leases;
mod reconcile;
mod retries;
mod row;
mod running;
mod service;
mod signers;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod threads;
mod transfers;
mod view;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use minimodel::Home;
use minimodel::clock::{now_ns, now_unix};
use minimodel::consent::ConsentBook;
use minimodel::publishers::Publishers;
use minimodel::transfer::SharedEndpoint;
use tokio::sync::{broadcast, watch};

use self::accounts::Accounts;
use self::announce::Announcements;
use self::checks::Checks;
use self::consents::{ConsentState, keep_head};
use self::global_limits::GlobalLimits;
use self::job::shared_port;
use self::manifests::Manifests;
use self::retries::Retries;
use self::running::Runs;
use self::signers::Signers;
use self::state::State;
use self::table::TransferTable;
use self::threads::{start_lease_writer, start_reconciler};
use crate::db::{self, DATABASE, Db, DbError};
use crate::history::Histories;
use crate::host::Host;
use crate::library::Library;
use crate::model::Event;
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
    db::is_held(&places.folder)
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
    state: Mutex<State>,
    wakeup: Condvar,
    accounts: Accounts,
    manifests: Arc<Manifests>,
    library: Library,
    signers: Signers,
    checks: Checks,
    announcements: Announcements,
    places: Places,
    /// The endpoint of all transfers that name no address of their own.
    shared: SharedEndpoint,
    events: broadcast::Sender<Event>,
    asked_to_stop: watch::Sender<bool>,
    started_unix: u64,
    /// Whether transfers run in this process; if not, the state is only read and changed.
    is_running: bool,
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
        let accounts = Accounts::load(&db, now_unix())?;
        let manifests = Arc::new(Manifests::default());
        let book = ConsentBook::unread(&places.state, &places.data);
        let mut consents = ConsentState::open(book, accounts.clone(), manifests.clone(), &db)?;
        let mut table = TransferTable::load(db.clone())?;
        let ended = consents.end_leftovers(&db, &mut table);
        if is_running {
            ended?;
        }
        let head = consents.book.head();
        let is_there = |id| table.get(id).is_some();
        let state = State {
            rates: Histories::load(&db, is_there, now_unix())?,
            table,
            runs: Runs::default(),
            retries: Retries::default(),
            consents,
            limits: GlobalLimits::load(db.clone())?,
            is_ending: false,
            is_stale: true,
        };
        let publishers = Publishers::of(&places.state);
        let core = Arc::new(Core {
            shared: SharedEndpoint::at_port(shared_port(state.table.all())),
            library: Library::new(db.clone(), places.data.join("library")).knowing(publishers.clone()),
            db,
            state: Mutex::new(state),
            wakeup: Condvar::new(),
            accounts,
            manifests,
            signers: Signers::new(publishers),
            checks: Checks { host, home },
            announcements: Announcements::below(&folder),
            places,
            events: broadcast::channel(WAITING_EVENTS).0,
            asked_to_stop: watch::channel(false).0,
            started_unix: now_unix(),
            is_running,
        });
        // The data folder keeps this head too; the next reconcile tries again.
        let _ = keep_head(&core.db, head.as_ref());
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
        let given_up = self.core.lock().consents.book.restore("command", now_unix())?;
        let head = self.core.lock().consents.book.head();
        keep_head(&self.core.db, head.as_ref())?;
        Ok(given_up)
    }

    /// Stops all transfers in good order and writes what is left to write.
    pub fn end(&self) {
        let Some(reconciler) = self.reconciler.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        self.core.notify(Event::Stopping);
        {
            let mut state = self.core.lock();
            state.is_ending = true;
            state.runs.end_all();
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
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the reconciler.
    fn wake(&self, state: &mut State) {
        state.is_stale = true;
        self.wakeup.notify_all();
    }

    /// Sends an event to the listeners, if there are any.
    fn notify(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn run_reconciler(self: &Arc<Self>) {
        let mut flushed = Instant::now();
        let mut kept = None;
        let mut state = self.lock();
        loop {
            if state.is_ending {
                break;
            }
            state.is_stale = false;
            self.reconcile(&mut state);
            state.sample_rates(now_unix());
            let head = state.consents.book.newest().cloned();
            let is_due = flushed.elapsed() >= FLUSH_EVERY;
            if is_due || head != kept {
                // The disk may be slow: queries must not wait for it under the lock.
                drop(state);
                if is_due {
                    flushed = Instant::now();
                    self.flush(false);
                }
                if keep_head(&self.db, head.as_ref()).is_ok() {
                    kept = head;
                }
                state = self.lock();
            }
            let waited = self.wakeup.wait_timeout_while(state, until_next_reconcile(), |state| {
                !state.is_stale && !state.is_ending
            });
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let waited = self.wakeup.wait_timeout_while(state, LAST_WORK, |state| !state.runs.are_over());
        drop(waited.unwrap_or_else(PoisonError::into_inner).0);
        self.accounts.end_leases();
        self.flush(true);
    }

    /// Writes transferred bytes to the database, and rates once a minute; after a disk error the next flush tries again. Call it
    /// without the lock of [`State`], since it waits for the disk.
    fn flush(&self, is_end: bool) {
        let now = now_unix();
        self.accounts.turn(now);
        let _ = self.accounts.flush(&self.db, now);
        let rates = self.lock().rates.take_unwritten(now, is_end);
        let _ = rates.map(|rates| rates.write(&self.db));
    }
}

/// Returns the time until the next reconcile: at each whole second of the clock, when grants expire, and every [`RECONCILE_EVERY`]
/// between.
fn until_next_reconcile() -> Duration {
    let into = now_ns().unsigned_abs() % RECONCILE_EVERY.as_nanos();
    // One millisecond more, since a timer that rounds down could wake before the second begins.
    RECONCILE_EVERY - Duration::from_nanos(u64::try_from(into).unwrap_or(0)) + Duration::from_millis(1)
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
