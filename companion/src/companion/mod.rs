//! The companion itself: what is wanted (rows), what was agreed to (the consent log) and what runs (threads), brought
//! together again and again by one thread.
//!
//! Every change of a wish, a grant, a limit or the hour goes the same way: it is written down, and then [`Core::look`]
//! compares what should run with what runs. So a restart, a revocation and a pause are no special cases.

mod accounts;
mod agreeing;
mod ahead;
mod announce;
mod bounds;
mod jobs;
mod live;
mod outcome;
mod row;
mod service;
mod signed;
mod threads;
mod transfers;
mod view;
mod wish;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use minimodel_swarm::driver::{Snapshot, Throttle};
use minimodel_verifier::Manifest;
use rustix::fs::{FlockOperation, flock};
use tokio::sync::{broadcast, watch};

use self::accounts::Accounts;
use self::live::Live;
use self::row::Row;
use self::threads::{start_ahead, start_looker};
use crate::api::types::{Cause, Event, Limits, Rates};
use crate::clock::now_unix;
use crate::consent::{ConsentBook, Head};
use crate::db::{Db, DbError, Table};
use crate::library::Library;
use crate::limits::{schedule, store};
use crate::problem::Problem;
use crate::publishers::Publishers;
use crate::runner::Runner;

/// How often everything is looked at although nothing happened: grants end and hours pass.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often what moved is written down.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// Transfers have this long to end in good order.
const LAST_WORK: Duration = Duration::from_secs(8);
/// Events that may wait for a slow listener before it is told that it missed some.
const WAITING_EVENTS: usize = 1_024;
/// Another process may have the state open for the moment that a verb takes.
const PATIENCE: Duration = Duration::from_secs(3);

const DATABASE: &str = "companion.redb";
/// The setting with the newest line that was seen of the consent log.
const CONSENT_SEEN: &str = "consent-seen";

/// Where things are; all absolute.
#[derive(Clone, Debug)]
pub struct Places {
    /// `companion/` in the state folder.
    pub folder: PathBuf,
    /// The state folder, which has the consent log.
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

/// Whether a process has the state of `places` open now.
pub fn is_held(places: &Places) -> bool {
    let file = std::fs::File::open(places.folder.join(DATABASE));
    file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// The companion. Dropping it ends what runs, in good order.
pub struct Companion {
    core: Arc<Core>,
    looker: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Writes what is to move before it moves.
    ahead: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// What all threads share.
struct Core {
    db: Arc<Db>,
    library: Library,
    runner: Arc<dyn Runner>,
    places: Places,
    /// Of all transfers together.
    up: Throttle,
    down: Throttle,
    inner: Mutex<Inner>,
    /// Manifests that were read, by swarm: they are looked at for every picture.
    manifests: Mutex<BTreeMap<String, Arc<Manifest>>>,
    offered: agreeing::Offered,
    publishers: Publishers,
    wake: Condvar,
    events: broadcast::Sender<Event>,
    asked_to_stop: watch::Sender<bool>,
    started_unix: u64,
    /// Whether transfers run in this process; otherwise the state is only read and changed.
    is_running: bool,
}

/// What changes.
struct Inner {
    rows: BTreeMap<u64, Row>,
    lives: BTreeMap<u64, Live>,
    /// Runs of transfers that were forgotten, until their threads have ended: they still hold files and ports.
    leaving: BTreeMap<u64, (Row, Live)>,
    /// The last pictures of runs that ended.
    pasts: BTreeMap<u64, Box<Snapshot>>,
    retries: BTreeMap<u64, Retry>,
    book: ConsentBook,
    limits: Limits,
    accounts: Accounts,
    runs: u64,
    /// Why the consent log cannot be believed, while it cannot.
    log_fault: Option<Problem>,
    is_ending: bool,
    /// Something changed that the looker should see at once.
    is_stale: bool,
}

/// A transfer that tries again later.
#[derive(Clone, Debug)]
struct Retry {
    until: Instant,
    tries: u32,
    cause: Cause,
    /// What went wrong the last time.
    problem: Problem,
}

impl Companion {
    /// Opens the state of `places`; `is_running`: transfers run in this process, from now on.
    ///
    /// # Errors
    ///
    /// Another process has it open, or it cannot be read.
    pub fn open(places: Places, runner: Arc<dyn Runner>, is_running: bool) -> Result<Self, Problem> {
        let folder = places.folder.clone();
        for ours in [&places.state, &places.data, &folder, &places.data.join("library")] {
            crate::files::check_folder(ours)?;
        }
        crate::files::create_folder(&folder)?;
        let db = Arc::new(open_db(&folder.join(DATABASE))?);
        let now = now_unix();
        // A log that cannot be believed grants nothing, and every look says so; what is here can still be looked at.
        let mut book = ConsentBook::unread(&places.state, &places.data);
        if let Some(seen) = db.get::<Head>(Table::Settings, CONSENT_SEEN)? {
            book.remember(seen);
        }
        let _ = book.reload_if_changed();
        let rows = db.all::<Row>(Table::Transfers)?;
        let limits = store::load(&db)?;
        let inner = Inner {
            rows: rows.into_iter().map(numbered).collect(),
            lives: BTreeMap::new(),
            leaving: BTreeMap::new(),
            pasts: BTreeMap::new(),
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
            runner,
            places,
            up: Throttle::new(None),
            down: Throttle::new(None),
            inner: Mutex::new(inner),
            manifests: Mutex::new(BTreeMap::new()),
            offered: agreeing::Offered::default(),
            publishers,
            wake: Condvar::new(),
            events: broadcast::channel(WAITING_EVENTS).0,
            asked_to_stop: watch::channel(false).0,
            started_unix: now,
            is_running,
        });
        let head = core.lock().book.head();
        // The data folder has it as well; the next look tries again.
        let _ = core.keep_head(head.as_ref());
        core.complete_shares();
        if is_running {
            // A link that cannot be mended now is told of by the doctor, and mended at another start.
            let _ = core.library.settle();
        }
        let ahead = is_running.then(|| start_ahead(&core)).transpose()?;
        let looker = is_running.then(|| start_looker(&core)).transpose()?;
        Ok(Self { core, looker: Mutex::new(looker), ahead: Mutex::new(ahead) })
    }

    /// What happens, for whoever listens.
    pub fn events(&self) -> broadcast::Sender<Event> {
        self.core.events.clone()
    }

    /// Becomes true when a client asked the companion to stop.
    pub fn asked_to_stop(&self) -> watch::Receiver<bool> {
        self.core.asked_to_stop.subscribe()
    }

    /// Takes the consent log as it is, although a newer or another one was seen ([`ConsentBook::restore`]); gives how many
    /// lines that were seen are given up, 0 where the log is the one that it was.
    ///
    /// # Errors
    ///
    /// A log that does not hold in itself, or the disk's.
    pub fn restore_log(&self) -> Result<usize, Problem> {
        let given_up = self.core.lock().book.restore("command", now_unix())?;
        let head = self.core.lock().book.head();
        self.core.keep_head(head.as_ref())?;
        Ok(given_up)
    }

    /// Ends everything that runs, in good order, and writes down what is left to write.
    pub fn end(&self) {
        let Some(looker) = self.looker.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let _ = self.core.events.send(Event::Stopping);
        {
            let mut inner = self.core.lock();
            inner.is_ending = true;
            inner.lives.values().for_each(Live::end);
        }
        self.core.wake.notify_all();
        // A panic there was told by its thread already.
        let _ = looker.join();
        if let Some(ahead) = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = ahead.join();
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

    /// Something changed: the looker looks now.
    fn stir(&self, inner: &mut Inner) {
        inner.is_stale = true;
        self.wake.notify_all();
    }

    /// The manifest of a row, read once.
    fn manifest_of(&self, row: &Row) -> Result<Option<Arc<Manifest>>, Problem> {
        let Some(text) = &row.manifest else { return Ok(None) };
        let mut known = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = known.get(&row.swarm_id) {
            return Ok(Some(manifest.clone()));
        }
        let manifest = Arc::new(row::parse(text)?);
        known.insert(row.swarm_id.clone(), manifest.clone());
        Ok(Some(manifest))
    }

    /// The rates that hold at this hour.
    fn rates(limits: &Limits) -> Rates {
        schedule::rates_at(limits, schedule::local_hour(now_unix()))
    }

    fn look_until_the_end(self: &Arc<Self>) {
        let mut flushed = Instant::now();
        let mut kept = None;
        let mut inner = self.lock();
        loop {
            if inner.is_ending {
                break;
            }
            inner.is_stale = false;
            self.look(&mut inner);
            let (head, accounts) = (inner.book.head(), inner.accounts.clone());
            let is_due = flushed.elapsed() >= FLUSH_EVERY;
            if is_due || head != kept {
                // The disk may take its time: nobody who asks how things stand waits for it.
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
            let waited = self
                .wake
                .wait_timeout_while(inner, until_next_look(), |inner| !inner.is_stale && !inner.is_ending);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let waited = self.wake.wait_timeout_while(inner, LAST_WORK, |inner| {
            !inner.lives.is_empty() || !inner.leaving.is_empty()
        });
        inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        let accounts = inner.accounts.clone();
        drop(inner);
        accounts.end_ahead();
        self.flush(&accounts);
    }

    /// What moved is written down; a disk that does not take it is asked again the next time. Not under the lock of
    /// [`Inner`]: it waits for the disk.
    fn flush(&self, accounts: &Accounts) {
        let now = now_unix();
        accounts.turn(now);
        let _ = accounts.flush(&self.db, now);
    }

    /// Keeps the newest line of the consent log where no copy of the log comes: an older log is known by it.
    fn keep_head(&self, head: Option<&Head>) -> Result<(), DbError> {
        let Some(head) = head else { return Ok(()) };
        if self.db.get::<Head>(Table::Settings, CONSENT_SEEN)?.as_ref() == Some(head) {
            return Ok(());
        }
        self.db.change(|change| change.put(Table::Settings, CONSENT_SEEN, head))
    }

    fn save(&self, row: &Row) -> Result<(), Problem> {
        let written = self
            .db
            .change::<_, DbError>(|change| change.put(Table::Transfers, &crate::db::number_key(row.id), row));
        written.map_err(Problem::from)
    }
}

/// At the beginning of each second of the clock, when grants end, and as often between as [`LOOK_EVERY`] says.
fn until_next_look() -> Duration {
    let second = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let into = second.map_or(0, |since| since.subsec_millis()) % LOOK_EVERY.subsec_millis();
    // Early by less than a millisecond would be before the second.
    LOOK_EVERY - Duration::from_millis(into.into()) + Duration::from_millis(1)
}

/// A row's number is its key, whatever it says itself.
fn numbered((key, row): (String, Row)) -> (u64, Row) {
    let id = key.parse().unwrap_or(row.id);
    (id, Row { id, ..row })
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
