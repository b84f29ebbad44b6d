//! The timed part of a run: CPU seconds of the senders between its ends, peak memory of all processes within it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::procfs;

/// Interval of memory samples: short peaks between two samples are missed, the resident peak never.
const EVERY: Duration = Duration::from_millis(20);

/// The most memory that one process of a side had, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Peak {
    pub(crate) anonymous: u64,
    pub(crate) resident: u64,
}

impl Peak {
    pub(crate) fn max(self, other: Self) -> Self {
        Self { anonymous: self.anonymous.max(other.anonymous), resident: self.resident.max(other.resident) }
    }
}

/// The role of a process in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Sender,
    Receiver,
}

type Watched = Arc<Mutex<Vec<(i32, Side, Peak)>>>;

/// An open window.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) start: Instant,
    before: f64,
    busy: f64,
    watched: Watched,
    over: Arc<AtomicBool>,
    sampler: JoinHandle<()>,
}

/// Measurements of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) sender_cpu: f64,
    pub(crate) sender: Peak,
    pub(crate) receiver: Peak,
    /// CPU seconds of the whole machine.
    pub(crate) busy: f64,
}

fn cpu(processes: &[Process]) -> f64 {
    processes.iter().map(Process::cpu).sum()
}

impl Window {
    /// Opens at this moment, on senders that are ready.
    pub(crate) fn open(senders: &[Process]) -> Self {
        let watched = Watched::default();
        for sender in senders {
            for pid in procfs::family(sender.pid()) {
                // Resets the resident peak of the set-up (proc(5), clear_refs).
                let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
                add(&watched, pid, Side::Sender);
            }
        }
        let over = Arc::new(AtomicBool::new(false));
        let (list, stop) = (watched.clone(), over.clone());
        let sampler = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                look(&list);
                std::thread::sleep(EVERY);
            }
        });
        let before = cpu(senders);
        Self { start: Instant::now(), before, busy: procfs::busy_seconds(), watched, over, sampler }
    }

    /// Watches a receiver's memory from now on.
    pub(crate) fn receiver(&self, process: &Process) {
        add(&self.watched, process.pid(), Side::Receiver);
    }

    /// Seconds from the opening to `at`.
    pub(crate) fn seconds(&self, at: Instant) -> f64 {
        at.duration_since(self.start).as_secs_f64()
    }

    /// Closes at this moment.
    pub(crate) fn close(self, senders: &[Process]) -> Seen {
        let sender_cpu = cpu(senders) - self.before;
        let busy = procfs::busy_seconds() - self.busy;
        look(&self.watched);
        self.over.store(true, Ordering::Relaxed);
        let _ = self.sampler.join();
        let list = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let of =
            |side| list.iter().filter(|row| row.1 == side).fold(Peak::default(), |most, row| most.max(row.2));
        Seen { sender_cpu, sender: of(Side::Sender), receiver: of(Side::Receiver), busy }
    }
}

fn add(watched: &Watched, pid: i32, side: Side) {
    watched.lock().unwrap_or_else(PoisonError::into_inner).push((pid, side, Peak::default()));
}

fn look(watched: &Watched) {
    for (pid, _, peak) in watched.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        if let Some(now) = procfs::memory(*pid) {
            *peak = peak.max(Peak { anonymous: now.anonymous, resident: now.resident_peak });
        }
    }
}
