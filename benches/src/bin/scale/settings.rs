//! The settings: the peers, their paths, and when they join and leave.
//!
//! The rates have the ratios of Bharambe, Herley and Padmanabhan, "Analyzing and Improving a BitTorrent Network's
//! Performance Mechanisms" (INFOCOM 2006), fifty times as fast: a seeder with fifteen times the upload rate of a leecher,
//! leechers whose downlink is nearly four times as fast as their uplink, and three classes of leechers where they differ.

use std::time::Duration;

use clap::ValueEnum;
use minimodel_sim::{MBIT, Network, Plan, Turns};

/// Bytes of a chunk.
pub(super) const CHUNK: u32 = 1 << 20;
/// Uplink of the seeder.
const SEEDER_UP: u64 = 300 * MBIT;
/// Uplink and downlink of a leecher where all are alike.
const ALIKE: (u64, u64) = (20 * MBIT, 75 * MBIT);
/// Uplink and downlink of the three classes: a third each.
const CLASSES: [(u64, u64); 3] =
    [(150 * MBIT, 300 * MBIT), (20 * MBIT, 75 * MBIT), (6_400_000 / 8, 39_200_000 / 8)];
/// Other leechers whose offers a leecher has from the start, in settings that give it any.
const KNOWN: usize = 4;
/// Overhead of a frame on the path, in bytes: the heads of its QUIC packet, of UDP and of IP, and its share of
/// acknowledgements.
const FRAME_HEADS: u64 = 75;
/// Peers that are there from the start join within this time.
const MOMENT: Duration = Duration::from_secs(1);
/// From a peer to the middle of the network, one way, in microseconds: 5 to 75 ms between two.
const DELAY: std::ops::Range<u64> = 2_500..37_500;

/// A setting: who takes part, and what they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Setting {
    /// Leechers alike, each with the offers of the seeder and of four others.
    Homogeneous,
    /// Three classes of rates, a third each, else the same.
    Heterogeneous,
    /// Leechers alike that come within a second and know nobody but the seeder.
    Flash,
    /// As flash, but half of them come one by one; as many as a fifth quit unfinished, and who is done leaves soon.
    Churn,
}

/// The paths of all settings, which lose this share of their packets.
pub(super) fn network(packet_loss: f64) -> Network {
    let (frame_heads, turns) = (Some(FRAME_HEADS), Turns::Streams);
    Network { packet_loss, frame_heads, turns, queued_pieces: 2, ..Network::default() }
}

impl Setting {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Homogeneous => "homogeneous",
            Self::Heterogeneous => "heterogeneous",
            Self::Flash => "flash",
            Self::Churn => "churn",
        }
    }

    /// The longest time that the last leecher may need, over the fluid bound.
    pub(super) fn target(self) -> f64 {
        if self == Self::Homogeneous { 1.15 } else { 1.3 }
    }

    /// The seeder, then the leechers; with churn those that quit come on top of `leechers`.
    pub(super) fn plans(self, leechers: usize, chunks: u32, loss: f64, rng: &mut fastrand::Rng) -> Vec<Plan> {
        // Rates are those of the bytes that arrive.
        let arrives = |rate: u64| (rate as f64 * (1.0 - loss)) as u64;
        let placed = |rng: &mut fastrand::Rng, plan: Plan, (up, down): (u64, u64)| Plan {
            delay: Duration::from_micros(rng.u64(DELAY)),
            joins_at: MOMENT.mul_f64(rng.f64()),
            ..plan.rates(arrives(up), arrives(down))
        };
        let seeder = placed(rng, Plan::seeder(), (SEEDER_UP, SEEDER_UP));
        let mut plans = vec![seeder.joins_at(Duration::ZERO)];
        for no in 0..leechers {
            let class = if self == Self::Heterogeneous { CLASSES[no % CLASSES.len()] } else { ALIKE };
            plans.push(placed(rng, Plan::leecher(), class));
        }
        if self == Self::Churn {
            // The time that a file takes at the uplink rate of a leecher.
            let span = Duration::from_secs_f64(f64::from(chunks) * f64::from(CHUNK) / ALIKE.0 as f64);
            for plan in plans.iter_mut().skip(1) {
                plan.lingers = Some(span.mul_f64(0.25 * rng.f64()));
            }
            for plan in plans.iter_mut().skip(1 + leechers / 2) {
                plan.joins_at = span.mul_f64(rng.f64());
            }
            for _ in 0..leechers / 5 {
                let mut plan = placed(rng, Plan::leecher(), ALIKE);
                plan.joins_at = span.mul_f64(0.5 * rng.f64());
                plan.quits_after = Some(span.mul_f64(0.1 + 0.4 * rng.f64()));
                plans.push(plan);
            }
        }
        let knows_others = matches!(self, Self::Homogeneous | Self::Heterogeneous);
        let others = if knows_others { KNOWN.min(leechers - 1) } else { 0 };
        for (no, plan) in plans.iter_mut().enumerate().skip(1) {
            plan.knows.push(0);
            while plan.knows.len() <= others {
                let other = rng.u32(1..=leechers as u32) as usize;
                if other != no && !plan.knows.contains(&other) {
                    plan.knows.push(other);
                }
            }
        }
        plans
    }
}
