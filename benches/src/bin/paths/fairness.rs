//! Two transfers through one bottleneck: the share of each while both run.

use std::time::Duration;

use anyhow::{Context, Result};
use minimodel_benches::link::emulator::Outcome;
use minimodel_benches::link::payload::{MTU, PAYLOAD, payload_rate};
use minimodel_benches::link::stats::Timeline;
use serde::Serialize;

use crate::cell::{Health, LinkSpec};
use crate::machine::Load;
use crate::programs::{Program, Sample, Seeder};
use crate::site::Site;

/// The smaller share must reach this.
pub(crate) const FAIR: f64 = 0.4;

/// Two transfers that shared a link.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pair {
    pub(crate) link: LinkSpec,
    pub(crate) congestion: [Option<String>; 2],
    pub(crate) seed: u64,
    /// How much later the second was started.
    pub(crate) offset_s: f64,
    /// Time in which both moved data: from the later of their first packets of data to the earlier of their last.
    pub(crate) overlap_s: f64,
    /// The first's share of what arrived in the overlap.
    pub(crate) first_share: f64,
    /// The first's share of what arrived in the second half of the overlap.
    pub(crate) first_share_later: f64,
    /// Share of what the link carries that both had together in the overlap.
    pub(crate) together: f64,
    /// Packets that both seeders sent.
    pub(crate) packets_sent: u64,
    pub(crate) queue_drops: u64,
    pub(crate) is_cut_off: bool,
    pub(crate) health: Health,
    /// Bytes of IP of each that arrived in each second since the link started.
    pub(crate) by_second: [Vec<u64>; 2],
}

impl Pair {
    /// Neither has less than 40 % over the whole overlap.
    pub(crate) fn is_fair(&self) -> bool {
        (FAIR..=1.0 - FAIR).contains(&self.first_share)
    }
}

/// Two seeders, and the controllers that both ends of each transfer use.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'a Program,
    pub(crate) sample: &'a Sample,
    pub(crate) seeders: [&'a Seeder; 2],
    pub(crate) congestion: [Option<&'a str>; 2],
    pub(crate) link: LinkSpec,
    pub(crate) seed: u64,
    /// Number of the first fetch; the second has the next. No other fetch has either.
    pub(crate) number: u64,
    pub(crate) offset: Duration,
    pub(crate) limit: Duration,
}

/// Runs both transfers.
pub(crate) async fn run(site: &mut Site, plan: &Plan<'_>) -> Result<Pair> {
    let (strays, load) = (site.strays(), Load::now());
    let running = site.start(plan.link.profile(), plan.seed)?;
    let start = |site: &Site, which: usize| {
        let number = plan.number + which as u64;
        plan.program.fetch(site, number, plan.sample, [plan.seeders[which]], plan.congestion[which])
    };
    let first = start(site, 0)?;
    let late = async {
        tokio::time::sleep(plan.offset).await;
        start(site, 1)?.finish(plan.limit).await
    };
    let (first, second) = tokio::try_join!(first.finish(plan.limit), late)?;
    let outcome = site.stop(running)?;
    let health = Health::of(&outcome, strays, site.strays(), load.idle_since());
    let is_cut_off = first.done.is_none() || second.done.is_none();
    judge(plan, &outcome, is_cut_off, health).context("the transfers did not overlap")
}

/// None where the transfers did not overlap.
fn judge(plan: &Plan<'_>, outcome: &Outcome, is_cut_off: bool, health: Health) -> Option<Pair> {
    let flow = |which: usize| outcome.flows.get(plan.seeders[which].flow);
    let flows = [flow(0)?, flow(1)?];
    let shares = Shares::of(flows)?;
    let wire_rate = shares.bytes as f64 / shares.overlap.as_secs_f64();
    let full = payload_rate(plan.link.profile().bits_per_second);
    Some(Pair {
        link: plan.link,
        congestion: plan.congestion.map(|choice| choice.map(ToOwned::to_owned)),
        seed: plan.seed,
        offset_s: plan.offset.as_secs_f64(),
        overlap_s: shares.overlap.as_secs_f64(),
        first_share: shares.first,
        first_share_later: shares.first_later,
        together: wire_rate * f64::from(PAYLOAD) / f64::from(MTU) / full,
        packets_sent: outcome.down.packets,
        queue_drops: outcome.down.dropped,
        is_cut_off,
        health,
        by_second: flows.map(|flow| flow.buckets.chunks(100).map(|second| second.iter().sum()).collect()),
    })
}

/// Shares of two flows in their overlap.
#[derive(Debug, PartialEq)]
struct Shares {
    overlap: Duration,
    bytes: u64,
    first: f64,
    first_later: f64,
}

impl Shares {
    fn of(flows: [&Timeline; 2]) -> Option<Self> {
        let from = flows[0].first?.max(flows[1].first?);
        let to = flows[0].last?.min(flows[1].last?);
        let overlap = to.checked_sub(from).filter(|overlap| !overlap.is_zero())?;
        let first_of = |from| {
            let [first, second] = flows.map(|flow| flow.between(from, to));
            let both = first + second;
            (both > 0).then(|| (first as f64 / both as f64, both))
        };
        let (first, bytes) = first_of(from)?;
        let (first_later, _) = first_of(from + overlap / 2)?;
        Some(Self { overlap, bytes, first, first_later })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(from: u64, to: u64, bytes: impl Fn(u64) -> u32) -> Timeline {
        let mut flow = Timeline::default();
        (from..to).for_each(|at| flow.record(Duration::from_millis(at), bytes(at)));
        flow
    }

    #[test]
    fn shares_are_those_of_the_time_in_which_both_ran() {
        // The first runs alone for 2 s, has three quarters of the next second and half of the one after.
        let first = flow(0, 4000, |at| if (2000..3000).contains(&at) { 3000 } else { 1000 });
        let second = flow(2000, 6000, |_| 1000);
        let shares = Shares::of([&first, &second]).unwrap();
        assert_eq!(shares.overlap, Duration::from_millis(1999));
        assert!((shares.first - 4.0 / 6.0).abs() < 0.01, "{shares:?}");
        assert!((shares.first_later - 0.5).abs() < 0.01, "{shares:?}");
        assert_eq!(Shares::of([&first, &flow(4000, 5000, |_| 1000)]), None);
        assert_eq!(Shares::of([&first, &Timeline::default()]), None);
    }
}
