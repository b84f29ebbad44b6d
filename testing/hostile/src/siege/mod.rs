//! Many hostile connections at once, while an honest peer fetches from the same seeder.
//!
//! The seeder and the fetcher are the real binary. The besiegers are of five kinds, in equal shares and each from a few
//! loopback addresses; a besieger that is disconnected comes back under a new key.

mod besieger;
mod honest;
pub mod occupation;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::model::Model;
use crate::net::Target;
use honest::{Seeder, Stage};

/// The settings of a siege.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The binary under siege.
    pub minimodel: PathBuf,
    /// Hostile connections, as far as the seeder admits them.
    pub connections: usize,
    /// Size of the file, as `minimodel sample --bytes` spells it.
    pub size: String,
    /// Download rate of the honest fetcher, as `minimodel fetch --down` spells it; `None`: all it can. Where besiegers and
    /// seeder share a machine, a rate that leaves the processors some room is more telling.
    pub down: Option<String>,
    /// Whether a fetch without besiegers is measured first.
    pub compares: bool,
}

/// The results of a siege.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Besiegers.
    pub connections: usize,
    /// Handshakes that the besiegers began.
    pub attempts: usize,
    /// Most hostile connections that were open at once.
    pub most_open: usize,
    /// How long the honest fetch took without besiegers; `None` if that was not measured.
    pub alone: Option<Duration>,
    /// How long the honest fetch took with besiegers.
    pub besieged: Duration,
    /// Resident memory of the seeder before the siege, and the most during it, in bytes.
    pub memory: (u64, u64),
}

impl Figures {
    /// Share of the honest rate that was kept, 1 for all of it; `None` if it was not measured.
    pub fn rate_kept(&self) -> Option<f64> {
        Some(self.alone?.as_secs_f64() / self.besieged.as_secs_f64())
    }

    /// By how much the seeder's resident memory grew, in MiB.
    pub fn growth_mib(&self) -> u64 {
        self.memory.1.saturating_sub(self.memory.0) >> 20
    }
}

/// Counters that the besiegers share.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    attempts: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Counts {
    fn opened(&self) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_open.fetch_max(open, Ordering::Relaxed);
    }
}

/// Lays a siege and measures.
///
/// # Errors
///
/// The binary does not do what it should: above all, the honest fetch did not end with the whole file.
pub fn run(plan: &Plan) -> Result<Figures> {
    let stage = Stage::new(plan)?;
    let model = Model::read(&stage.manifest(), None)?;
    let seeder = Seeder::start(&stage)?;
    let target = Target::of(&seeder.offer()?)?;
    let alone = match plan.compares {
        true => Some(stage.fetch(&seeder, plan, "alone", || {})?),
        false => None,
    };
    let before = seeder.resident()?;

    let counts = Arc::new(Counts::default());
    let peak = Arc::new(PeakMemory::watch(seeder.status_path()));
    let mut siege = None;
    let begun =
        || siege = Some(besieger::Siege::lay(plan.connections, target, model.clone(), counts.clone()));
    let besieged = stage.fetch(&seeder, plan, "besieged", begun)?;
    siege.context("the honest fetch was over before anybody came")?.lift();
    let most = peak.most();
    seeder.stop()?;
    Ok(Figures {
        connections: plan.connections,
        attempts: counts.attempts.load(Ordering::Relaxed),
        most_open: counts.most_open.load(Ordering::Relaxed),
        alone,
        besieged,
        memory: (before, most.max(before)),
    })
}

/// Samples a process's memory until dropped.
struct PeakMemory {
    most: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl PeakMemory {
    fn watch(status: PathBuf) -> Self {
        let (most, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, over) = (most.clone(), is_over.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if let Ok(bytes) = honest::resident(&status) {
                    seen.fetch_max(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { most, is_over }
    }

    fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed) as u64
    }
}

impl Drop for PeakMemory {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Polls until `find` has a value of another process, at most for two minutes.
fn wait_until<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> Result<T> {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = find() {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}
