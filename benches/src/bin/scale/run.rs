//! One run: its world, its bound, and what it cost.

use std::time::{Duration, Instant};

use minimodel_sim::{Network, Plan, Tally, World};
use minimodel_swarm::machine::Limits;
use serde::{Deserialize, Serialize};

use super::bound::{Taker, fluid};
use super::settings::{CHUNK, Setting};

/// A run that needs this many times its bound is given up.
const GIVEN_UP: f64 = 30.0;

/// Parameters of one run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) setting: Setting,
    pub(super) leechers: u32,
    pub(super) chunks: u32,
    pub(super) seed: u64,
    pub(super) network: Network,
    pub(super) limits: Limits,
}

/// Results of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) setting: String,
    pub(super) leechers: u32,
    pub(super) chunks: u32,
    pub(super) seed: u64,
    /// Seconds of virtual time.
    pub(super) last_done: f64,
    pub(super) median_done: f64,
    pub(super) bound: f64,
    pub(super) ratio: f64,
    pub(super) target: f64,
    /// Files that the seeder sent.
    pub(super) seeder_sent: f64,
    /// Bytes of chunks that came, over those that were needed.
    pub(super) received: f64,
    pub(super) turns_a_leecher: f64,
    pub(super) frames_a_leecher: f64,
    /// Control frames with their packets' heads, over the file.
    pub(super) control: f64,
    pub(super) dials_a_leecher: f64,
    pub(super) struck: u64,
    pub(super) banned: u64,
    /// Peak resident bytes beyond those before the run; 0 where the system does not say.
    pub(super) memory_a_leecher: f64,
    pub(super) peak_memory: u64,
    pub(super) wall: f64,
    /// Hash over the machines' inputs; differs when the runs differed.
    pub(super) hash: u64,
}

impl Run {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.setting.name(), self.leechers)
    }

    /// Runs the simulation to its end.
    ///
    /// # Errors
    ///
    /// The simulation did not end.
    pub(super) fn go(&self) -> Result<Outcome, String> {
        let (began, before) = (Instant::now(), memory("VmRSS:"));
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let loss = self.network.packet_loss;
        let plans = self.setting.plans(self.leechers as usize, self.chunks, loss, &mut rng);
        let file = f64::from(self.chunks) * f64::from(CHUNK);
        let takers: Vec<Taker> = plans[1..]
            .iter()
            .map(|plan| Taker {
                up: plan.up as f64,
                down: plan.down as f64,
                came: plan.joins_at,
                left: None,
                finished: plan.quits_after.is_none(),
            })
            .collect();
        let seeder_up = plans[0].up as f64;
        let limit = Duration::from_secs_f64(fluid(file, seeder_up, &takers) * GIVEN_UP);
        let mut world = self.world(plans, rng.u64(..));
        self.finish(&mut world, limit)?;
        // The times at which peers left are known only now.
        let takers: Vec<Taker> = takers
            .iter()
            .zip(&world.peers[1..])
            .map(|(taker, peer)| Taker {
                left: left_at(&peer.plan, &peer.tally).filter(|&at| at <= world.now.since_start()),
                finished: peer.tally.complete_at.is_some(),
                ..*taker
            })
            .collect();
        let bound = fluid(file, seeder_up, &takers);
        let mut done: Vec<f64> = world.peers[1..]
            .iter()
            .filter_map(|peer| peer.tally.complete_at)
            .map(|at| at.since_start().as_secs_f64())
            .collect();
        done.sort_by(f64::total_cmp);
        let last_done = world.now.since_start().as_secs_f64();
        let peak_memory = memory("VmHWM:");
        let sum = |of: fn(&Tally) -> u64| world.peers.iter().map(|peer| of(&peer.tally)).sum::<u64>();
        let kept = sum(|tally| tally.chunks_from.values().copied().map(u64::from).sum());
        let all = f64::from(world.peers.len() as u32 - 1);
        Ok(Outcome {
            setting: self.setting.name().to_owned(),
            leechers: self.leechers,
            chunks: self.chunks,
            seed: self.seed,
            last_done,
            median_done: done[done.len() / 2],
            bound,
            ratio: last_done / bound,
            target: self.setting.target(),
            seeder_sent: world.peers[0].tally.sent_bytes as f64 / file,
            received: sum(|tally| tally.received_bytes) as f64 / (kept.max(1) * u64::from(CHUNK)) as f64,
            turns_a_leecher: world.record.steps as f64 / all,
            frames_a_leecher: sum(|tally| tally.frames) as f64 / all,
            control: sum(|tally| tally.frame_bytes) as f64 / all / file,
            dials_a_leecher: sum(|tally| tally.dials.len() as u64) as f64 / all,
            struck: sum(|tally| tally.struck.len() as u64),
            banned: sum(|tally| tally.banned.len() as u64),
            memory_a_leecher: peak_memory.saturating_sub(before) as f64 / all,
            peak_memory,
            wall: began.elapsed().as_secs_f64(),
            hash: world.record.hash(),
        })
    }

    fn world(&self, plans: Vec<Plan>, seed: u64) -> World {
        let mut world = World::new(u64::from(self.chunks) * u64::from(CHUNK), CHUNK.into(), seed);
        world.network = self.network;
        (world.settings.is_detailed, world.settings.says_lost, world.settings.check_every) =
            (false, false, u64::MAX);
        for plan in plans {
            world.add(Plan { limits: self.limits.clone(), ..plan });
        }
        world
    }

    /// Runs until the last leecher that stays has every chunk.
    fn finish(&self, world: &mut World, limit: Duration) -> Result<(), String> {
        let mut said = Instant::now();
        let mut first = 1;
        let is_finished =
            |plan: &Plan, tally: &Tally| plan.quits_after.is_some() || tally.complete_at.is_some();
        let is_done = world.run(limit, |world| {
            while world.peers.get(first).is_some_and(|peer| is_finished(&peer.plan, &peer.tally)) {
                first += 1;
            }
            if said.elapsed() >= Duration::from_secs(5) {
                said = Instant::now();
                let (name, at) = (self.name(), world.now.since_start().as_secs_f64());
                let left = world.peers[first..].iter().filter(|peer| !is_finished(&peer.plan, &peer.tally));
                let (turns, left) = (world.record.steps / 1_000, left.count());
                eprintln!("{name}: {at:.1} s simulated, {turns} thousand turns, {left} not done");
            }
            first == world.peers.len()
        });
        if is_done { Ok(()) } else { Err(format!("not done after {limit:?}")) }
    }
}

/// When a peer leaves, from the start of the run; `None`: it stays, or its completion decides and is not there yet.
fn left_at(plan: &Plan, tally: &Tally) -> Option<Duration> {
    let quits = plan.quits_after.map(|after| plan.joins_at + after);
    let lingers = plan.lingers.zip(tally.complete_at).map(|(after, at)| at.since_start() + after);
    quits.or(lingers)
}

/// A line of `/proc/self/status`, in bytes; 0 where there is none.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) << 10
}
