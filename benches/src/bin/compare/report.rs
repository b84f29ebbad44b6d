//! Figures to Markdown and JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::programs::{Facts, Run};
use crate::stage::Shape;
use crate::stats::{Spread, spread};
use crate::window::Peak;
use crate::work::Parts;

/// All runs of one program in one shape.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) facts: Facts,
    pub(crate) version: String,
    pub(crate) runs: Vec<Run>,
    pub(crate) failures: Vec<String>,
}

impl Row {
    fn over(&self, value: impl Fn(&Run) -> f64) -> Option<Spread> {
        spread(&self.runs.iter().map(value).collect::<Vec<_>>())
    }

    /// Seconds until the slowest receiver was done.
    pub(crate) fn wall(&self) -> Option<Spread> {
        self.over(Run::wall)
    }

    pub(crate) fn sender_cpu(&self) -> Option<f64> {
        Some(self.over(|run| run.sender_cpu)?.median)
    }

    pub(crate) fn receiver_cpu(&self) -> Option<f64> {
        Some(self.over(|run| run.receiver_cpu)?.median)
    }

    /// Megabytes (10^6) a second that all receivers got together; the slowest run is the low end.
    pub(crate) fn rate(&self, size: u64) -> Option<Spread> {
        self.over(|run| size as f64 * run.finished.len() as f64 / run.wall() / 1e6)
    }

    fn peak(&self, of: impl Fn(&Run) -> Peak) -> Peak {
        self.runs.iter().map(of).fold(Peak::default(), Peak::max)
    }

    fn json(&self, size: u64) -> Value {
        let runs: Vec<Value> = self.runs.iter().map(Run::json).collect();
        json!({"key": self.facts.key, "label": self.facts.label, "version": self.version, "wire": self.facts.wire,
               "checked": self.facts.checked, "timed": self.facts.timed, "runs": runs, "failures": self.failures,
               "median_wall_s": self.wall().map(|wall| wall.median),
               "median_rate_mb_s": self.rate(size).map(|rate| rate.median)})
    }
}

impl Run {
    fn wall(&self) -> f64 {
        self.finished.iter().copied().fold(0.0, f64::max)
    }

    /// The slowest receiver's time over the median one's.
    fn unevenness(&self) -> f64 {
        spread(&self.finished).map_or(1.0, |finished| self.wall() / finished.median)
    }

    fn json(&self) -> Value {
        let peak = |peak: Peak| json!({"anonymous_kib": peak.anonymous, "resident_kib": peak.resident});
        json!({"finished_s": self.finished, "sender_cpu_s": self.sender_cpu, "receiver_cpu_s": self.receiver_cpu,
               "foreign_cpu_s": self.foreign_cpu, "sender_peak": peak(self.sender), "receiver_peak": peak(self.receiver)})
    }
}

/// One shape's figures.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) shape: Shape,
    pub(crate) size: u64,
    pub(crate) cores: usize,
    pub(crate) rows: Vec<Row>,
    /// CPU seconds of one hash pass and of writing, each counted round.
    pub(crate) work: Vec<(f64, f64)>,
}

impl Outcome {
    fn row(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.facts.key == key && !row.runs.is_empty())
    }

    /// The share of all cores that other processes took, at the median of all runs.
    pub(crate) fn foreign(&self) -> Option<f64> {
        let runs = self.rows.iter().flat_map(|row| &row.runs);
        let shares: Vec<f64> = runs.map(|run| run.foreign_cpu / (run.wall() * self.cores as f64)).collect();
        Some(spread(&shares)?.median)
    }

    /// The parts of the work bound with this raw row's network part.
    fn parts(&self, raw: &str) -> Option<Parts> {
        let raw = self.row(raw)?;
        let median = |values: Vec<f64>| Some(spread(&values)?.median);
        Some(Parts {
            quinn: raw.sender_cpu()? + raw.receiver_cpu()?,
            sha256: median(self.work.iter().map(|work| work.0).collect())?,
            write: median(self.work.iter().map(|work| work.1).collect())?,
        })
    }

    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|row| row.json(self.size)).collect();
        let bound = |raw: &str| self.parts(raw).map(|parts| parts.json(self.cores));
        json!({"shape": self.shape.to_string(), "bytes": self.size, "programs": rows,
               "work_bound": {"raw": bound("raw"), "raw-1452": bound("raw-1452")}})
    }

    pub(crate) fn markdown(&self) -> String {
        let Shape { senders, receivers } = self.shape;
        let mut text = format!("### {senders} to {receivers}, {} bytes\n\n", self.size);
        self.main_table(&mut text);
        if let Some(foreign) = self.foreign() {
            let _ = writeln!(
                text,
                "Other work on this machine took {:.0} % of its cores during a run (median).\n",
                foreign * 100.0
            );
        }
        self.bounds(&mut text);
        self.ratios(&mut text);
        for row in &self.rows {
            for failure in &row.failures {
                let _ = writeln!(text, "- {} failed in a run: {failure}", row.facts.label);
            }
        }
        text
    }

    fn main_table(&self, text: &mut String) {
        let several = self.shape.receivers > 1;
        let uneven = if several { " slowest / median receiver |" } else { "" };
        let wall = if several { "wall s until all are done" } else { "wall s" };
        let _ = writeln!(
            text,
            "| program | {wall}, median (min - max) | MB/s |{uneven} CPU s, sender{} | CPU s, receiver{} | MiB, sender | MiB, receiver | on the wire | checked by the receiver when the clock stops |",
            if self.shape.senders > 1 { "s" } else { "" },
            if several { "s" } else { "" },
        );
        let _ = writeln!(text, "{}", "| --- ".repeat(if several { 10 } else { 9 }) + "|");
        for row in &self.rows {
            let (Some(wall), Some(rate)) = (row.wall(), row.rate(self.size)) else { continue };
            let mib = |peak: Peak| format!("{} ({})", peak.anonymous >> 10, peak.resident >> 10);
            let uneven = row.over(Run::unevenness).filter(|_| several);
            let _ = writeln!(
                text,
                "| {} | {:.3} ({:.3} - {:.3}) | {:.0} |{} {:.2} | {:.2} | {} | {} | {} | {} |",
                row.facts.label,
                wall.median,
                wall.low,
                wall.high,
                rate.median,
                uneven.map(|uneven| format!(" {:.2} |", uneven.median)).unwrap_or_default(),
                row.sender_cpu().unwrap_or_default(),
                row.receiver_cpu().unwrap_or_default(),
                mib(row.peak(|run| run.sender)),
                mib(row.peak(|run| run.receiver)),
                row.facts.wire,
                row.facts.checked,
            );
        }
        text.push('\n');
    }

    fn bounds(&self, text: &mut String) {
        for (raw, label) in [("raw", "loopback's datagrams"), ("raw-1452", "MTU 1452")] {
            if let Some(parts) = self.parts(raw) {
                let _ = writeln!(
                    text,
                    "Work bound, {label}: (raw quinn, both ends {:.2} + two SHA-256 passes 2 x {:.2} + writing {:.2}) CPU s / {} cores = {:.3} s.",
                    parts.quinn,
                    parts.sha256,
                    parts.write,
                    self.cores,
                    parts.bound(self.cores)
                );
            }
        }
        text.push('\n');
    }

    fn ratios(&self, text: &mut String) {
        let mut lines = Vec::new();
        for (ours, raw) in [("minimodel", "raw"), ("minimodel-1452", "raw-1452")] {
            let Some((row, wall)) = self.row(ours).and_then(|row| Some((row, row.wall()?.median))) else {
                continue;
            };
            let label = &row.facts.label;
            if let Some(parts) = self.parts(raw) {
                lines.push(format!(
                    "| {label}: wall over the work bound | {:.2} |",
                    wall / parts.bound(self.cores)
                ));
            }
            if let (Some(cpu), Some(floor)) = (row.sender_cpu(), self.row(raw).and_then(Row::sender_cpu)) {
                lines.push(format!("| {label}: sender's CPU over raw quinn's sender | {:.2} |", cpu / floor));
            }
            let others = self.rows.iter().filter(|row| !row.facts.key.starts_with("minimodel"));
            for other in others.filter(|row| !row.facts.key.starts_with("raw")) {
                if let Some(theirs) = other.wall() {
                    lines.push(format!(
                        "| {label}: rate over {} | {:.2} |",
                        other.facts.label,
                        theirs.median / wall
                    ));
                }
            }
        }
        if !lines.is_empty() {
            let _ = writeln!(text, "| ratio of medians | |\n| --- | --- |\n{}\n", lines.join("\n"));
        }
    }
}

/// What the clocks counted, and versions, once for all shapes.
pub(crate) fn notes(rows: &[Row]) -> String {
    let mut text = String::from("Timed, and versions:\n\n");
    for row in rows {
        let _ = writeln!(text, "- {}: {}. {}.", row.facts.label, row.facts.timed, row.version);
    }
    text
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
