//! Count of proven bytes, stored by the worker and drawn by a thread of its own. So work that stands still is shown to
//! stand still, and counting costs one atomic store.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::estimate::Estimate;
use super::sink::{self, Sink, Snapshot};
use crate::printer::Printer;
use crate::settings::{Context, ProgressStyle};

/// Longest wait for the last drawing, in case the stream takes nothing.
const LAST_DRAWING: Duration = Duration::from_millis(500);

/// Progress of running work. Dropping it removes the bar.
#[derive(Debug)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
    /// Closed when the thread that draws has ended.
    ticker: Option<Receiver<()>>,
}

#[derive(Debug)]
struct Shared {
    proven_bytes: AtomicU64,
    total_bytes: u64,
    /// Missing chunks that no connected peer has.
    unheld: AtomicU32,
    /// Name of the work (`verify`), and a remark on it (`3 peers`).
    label: String,
    aside: Mutex<String>,
    /// Why no bytes move, as a name for programs.
    idle: Mutex<Option<&'static str>>,
    is_over: Mutex<bool>,
    over: Condvar,
}

/// A handle for the worker, which may be another thread.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    shared: Arc<Shared>,
}

impl Counter {
    /// Sets how many bytes are proven.
    pub(crate) fn set(&self, proven_bytes: u64) {
        self.shared.proven_bytes.store(proven_bytes, Ordering::Relaxed);
    }

    /// Sets how many missing chunks no connected peer has: while there are any, no time left is shown.
    pub(crate) fn set_unheld(&self, chunks: u32) {
        self.shared.unheld.store(chunks, Ordering::Relaxed);
    }

    /// Adds bytes.
    pub(crate) fn add(&self, proven_bytes: u64) {
        self.shared.proven_bytes.fetch_add(proven_bytes, Ordering::Relaxed);
    }

    /// Sets the remark after the numbers (`3 peers`); text from outside must be escaped.
    pub(crate) fn say(&self, aside: &str) {
        aside.clone_into(&mut self.shared.aside.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Counter {
    /// Sets why no bytes move; `None` while they do.
    pub(crate) fn idle(&self, cause: Option<&'static str>) {
        *self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner) = cause;
    }
}

/// A reader or writer that counts the bytes it passes on to or from the inner one.
#[derive(Debug)]
pub(crate) struct Counted<T> {
    counter: Counter,
    inner: T,
}

impl Counter {
    /// A reader or writer whose bytes are counted.
    pub(crate) fn count<T>(&self, inner: T) -> Counted<T> {
        Counted { counter: self.clone(), inner }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.counter.add(read as u64);
        Ok(read)
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.counter.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<S: Seek> Seek for Counted<S> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}

impl Progress {
    /// Begins to count towards `total_bytes`. `has_events`: the verb answers with a stream of events, so that JSON
    /// progress goes to stdout among them; otherwise it goes to stderr, where it disturbs no answer.
    pub(crate) fn start(context: &Context, label: &str, total_bytes: u64, has_events: bool) -> Self {
        let printer = &context.printer;
        let sink: Option<Box<dyn Sink>> = match context.settings.progress(has_events) {
            ProgressStyle::Bar => Some(Box::new(sink::Bar::new(Arc::clone(printer), total_bytes))),
            ProgressStyle::Plain => Some(Box::new(sink::Plain::new(Arc::clone(printer)))),
            ProgressStyle::Json => Some(Box::new(sink::Json::new(Arc::clone(printer), has_events))),
            ProgressStyle::None => None,
        };
        Self::with_sink(printer, label, total_bytes, sink)
    }

    fn with_sink(printer: &Printer, label: &str, total_bytes: u64, sink: Option<Box<dyn Sink>>) -> Self {
        let shared = Arc::new(Shared {
            proven_bytes: AtomicU64::new(0),
            total_bytes,
            unheld: AtomicU32::new(0),
            label: label.to_owned(),
            aside: Mutex::new(String::new()),
            idle: Mutex::new(None),
            is_over: Mutex::new(false),
            over: Condvar::new(),
        });
        let ticker = sink.and_then(|sink| {
            let shared = Arc::clone(&shared);
            let (drawing, ended) = channel();
            let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
                draw(&shared, sink);
                drop(drawing);
            });
            // The work goes on without a bar.
            let failed = |error| printer.detail(format!("no progress is shown: {error}"));
            thread.map_err(failed).ok().map(|_| ended)
        });
        Self { shared, ticker }
    }

    /// The worker's handle.
    pub(crate) fn counter(&self) -> Counter {
        Counter { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        *self.shared.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.over.notify_all();
        if let Some(ticker) = self.ticker.take() {
            // Waits for the last drawing, unless the stream still blocks an earlier one.
            let _ = ticker.recv_timeout(LAST_DRAWING);
        }
    }
}

/// The thread: draws at the sink's own pace until the work is over.
fn draw(shared: &Shared, mut sink: Box<dyn Sink>) {
    let start = Instant::now();
    let mut estimate = Estimate::new(shared.total_bytes);
    let mut last_drawn = Duration::ZERO;
    while !is_over_within(shared, sink::SAMPLE_EVERY) {
        let now = start.elapsed();
        estimate.sample(now, shared.proven_bytes.load(Ordering::Relaxed));
        if now.saturating_sub(last_drawn) >= sink.pace() {
            last_drawn = now;
            sink.tick(&snapshot(shared, &estimate));
        }
    }
    sink.end();
}

/// Waits at most `time` for the end of the work. No lock is held during a drawing, however long it takes.
fn is_over_within(shared: &Shared, time: Duration) -> bool {
    let is_over = shared.is_over.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = shared.over.wait_timeout_while(is_over, time, |is_over| !*is_over);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

fn snapshot<'a>(shared: &'a Shared, estimate: &Estimate) -> Snapshot<'a> {
    Snapshot {
        label: &shared.label,
        aside: shared.aside.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        proven_bytes: shared.proven_bytes.load(Ordering::Relaxed).min(shared.total_bytes),
        total_bytes: shared.total_bytes,
        bytes_per_second: estimate.bytes_per_second(),
        left: estimate.left(shared.unheld.load(Ordering::Relaxed)),
        idle: *shared.idle.lock().unwrap_or_else(PoisonError::into_inner),
    }
}
