//! One cell of the table: a fetch over a link, with the measurements of the link and of the machine.

use std::time::Duration;

use anyhow::{Context, Result};
use minimodel_benches::link::emulator::Outcome;
use minimodel_benches::link::model::Profile;
use minimodel_benches::link::payload::{MTU, PAYLOAD, packets_needed, payload_rate};
use minimodel_benches::link::stats::Timeline;
use serde::Serialize;

use crate::machine::Load;
use crate::programs::{Fetched, Program, Sample, Seeder};
use crate::site::{Site, Strays};

/// The share of the file after which start-up counts as over.
const STARTED: f64 = 0.2;

/// The link of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct LinkSpec {
    pub(crate) rate_mbit: u64,
    pub(crate) rtt_ms: f64,
    pub(crate) loss_percent: f64,
    pub(crate) queue_bytes: u64,
}

impl LinkSpec {
    pub(crate) fn profile(&self) -> Profile {
        Profile {
            bits_per_second: self.rate_mbit * 1_000_000,
            one_way: Duration::from_secs_f64(self.rtt_ms / 2000.0),
            loss: self.loss_percent / 100.0,
            queue_bytes: self.queue_bytes,
            mtu: MTU,
        }
    }
}

/// How well the emulator and the machine kept up.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Health {
    /// Share of a core that the emulator used.
    pub(crate) emulator_cpu: f64,
    pub(crate) late_p50_us: u64,
    pub(crate) late_p99_us: u64,
    pub(crate) late_worst_us: u64,
    /// Packets that a device lost because the emulator was late.
    pub(crate) device_drops: u64,
    /// Packets that a program's full socket buffer lost.
    pub(crate) socket_drops: u64,
    /// Share of all cores that was idle.
    pub(crate) idle: f64,
}

impl Health {
    pub(crate) fn of(outcome: &Outcome, before: Strays, after: Strays, idle: f64) -> Self {
        let micros = |late: Duration| u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        Self {
            emulator_cpu: outcome.cpu.as_secs_f64() / outcome.wall.as_secs_f64(),
            late_p50_us: micros(outcome.lateness.percentile(0.5)),
            late_p99_us: micros(outcome.lateness.percentile(0.99)),
            late_worst_us: micros(outcome.lateness.worst()),
            device_drops: after.device.saturating_sub(before.device),
            socket_drops: after.socket.saturating_sub(before.socket),
            idle,
        }
    }

    /// Reasons why the machine rather than the program may have determined the figures; empty without any.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.late_p99_us > 1000 {
            doubts.push(format!(
                "1 % of the packets came {:.1} ms late or more",
                self.late_p99_us as f64 / 1000.0
            ));
        }
        if self.device_drops > 0 {
            doubts.push(format!("the emulator was too slow for {} packets", self.device_drops));
        }
        if self.socket_drops > 0 {
            doubts.push(format!("{} packets found a socket buffer full", self.socket_drops));
        }
        if self.idle < 0.05 {
            doubts.push(format!("the machine was busy ({:.0} % idle)", self.idle * 100.0));
        }
        doubts
    }
}

/// Results of a run of a cell.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) link: LinkSpec,
    pub(crate) seeders: usize,
    pub(crate) congestion: Option<String>,
    pub(crate) seed: u64,
    /// Bytes of the file, or what had arrived of it where the transfer was cut off, judged by the packets.
    pub(crate) bytes: u64,
    pub(crate) is_cut_off: bool,
    /// From process start to receipt, or to the cut.
    pub(crate) whole_s: f64,
    /// From process start to the first and the last packet of data.
    pub(crate) first_data_s: f64,
    pub(crate) last_data_s: f64,
    /// Bytes of the file a second, from process start to receipt.
    pub(crate) whole_rate: f64,
    /// Bytes of the file a second, from the moment at which 20 % had arrived to the last packet of data.
    pub(crate) steady_rate: f64,
    /// Both as shares of what the link carries.
    pub(crate) whole_share: f64,
    pub(crate) steady_share: f64,
    pub(crate) packets_sent: u64,
    pub(crate) packets_needed: u64,
    pub(crate) packet_ratio: f64,
    pub(crate) queue_drops: u64,
    pub(crate) queue_fullest: u64,
    pub(crate) lost: u64,
    /// Packets of the fetching side.
    pub(crate) packets_back: u64,
    pub(crate) fetch_cpu_s: f64,
    pub(crate) seed_cpu_s: f64,
    pub(crate) health: Health,
    /// Bytes of IP that arrived from each seeder.
    pub(crate) by_seeder: Vec<u64>,
}

/// Everything that a run needs.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'a Program,
    pub(crate) sample: &'a Sample,
    pub(crate) seeders: Vec<&'a Seeder>,
    pub(crate) link: LinkSpec,
    pub(crate) congestion: Option<&'a str>,
    /// Seed of the losses.
    pub(crate) seed: u64,
    /// Number that no other fetch has.
    pub(crate) number: u64,
    pub(crate) limit: Duration,
}

/// Runs a fetch over the link.
pub(crate) async fn run(site: &mut Site, plan: &Plan<'_>) -> Result<Run> {
    let cpu = || plan.seeders.iter().map(|seeder| seeder.cpu()).sum::<f64>();
    let (served, strays, load) = (cpu(), site.strays(), Load::now());
    let running = site.start(plan.link.profile(), plan.seed)?;
    let seeders = plan.seeders.iter().copied();
    let fetch = plan.program.fetch(site, plan.number, plan.sample, seeders, plan.congestion)?;
    let begin = fetch.started.duration_since(running.since());
    let fetched = fetch.finish(plan.limit).await?;
    let outcome = site.stop(running)?;
    let health = Health::of(&outcome, strays, site.strays(), load.idle_since());
    let mut run = judge(plan, &outcome, &fetched, begin, health).context("no data arrived")?;
    run.seed_cpu_s = cpu() - served;
    Ok(run)
}

/// None where no data arrived.
fn judge(
    plan: &Plan<'_>,
    outcome: &Outcome,
    fetched: &Fetched,
    begin: Duration,
    health: Health,
) -> Option<Run> {
    let flows = plan.seeders.iter().filter_map(|seeder| outcome.flows.get(seeder.flow));
    let by_seeder: Vec<u64> = flows.clone().map(Timeline::total).collect();
    let data = Timeline::merged(flows);
    let (first, last) = (data.first?, data.last?);
    let in_full_packets = |wire: u64| (wire as f64 * f64::from(PAYLOAD) / f64::from(MTU)) as u64;
    let bytes = match fetched.done {
        Some(_) => plan.sample.bytes,
        None => in_full_packets(data.total()).min(plan.sample.bytes),
    };
    let whole = fetched.done.unwrap_or(plan.limit).as_secs_f64();
    let steady = last.saturating_sub(data.reached(STARTED)).as_secs_f64();
    let (whole_rate, steady_rate) = (bytes as f64 / whole, bytes as f64 * (1.0 - STARTED) / steady);
    let full = payload_rate(plan.link.profile().bits_per_second);
    let needed = packets_needed(bytes);
    Some(Run {
        link: plan.link,
        seeders: plan.seeders.len(),
        congestion: plan.congestion.map(ToOwned::to_owned),
        seed: plan.seed,
        bytes,
        is_cut_off: fetched.done.is_none(),
        whole_s: whole,
        first_data_s: first.saturating_sub(begin).as_secs_f64(),
        last_data_s: last.saturating_sub(begin).as_secs_f64(),
        whole_rate,
        steady_rate,
        whole_share: whole_rate / full,
        steady_share: steady_rate / full,
        packets_sent: outcome.down.packets,
        packets_needed: needed,
        packet_ratio: outcome.down.packets as f64 / needed as f64,
        queue_drops: outcome.down.dropped,
        queue_fullest: outcome.down.fullest,
        lost: outcome.down.lost,
        packets_back: outcome.up.packets,
        fetch_cpu_s: fetched.cpu,
        seed_cpu_s: 0.0,
        health,
        by_seeder,
    })
}
