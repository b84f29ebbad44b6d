//! Reports for people: a table that grows run by run, then files and a plot.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::run::{Outcome, Run};

const COLUMNS: [&str; 13] = [
    "setting",
    "leechers",
    "last done",
    "median",
    "fluid bound",
    "ratio",
    "target",
    "seeder sent",
    "received",
    "control",
    "turns/leecher",
    "memory/leecher",
    "wall",
];

pub(super) fn head(runs: &[Run]) {
    let (chunks, seed) = runs.first().map_or((0, 0), |run| (run.chunks, run.seed));
    println!(
        "Time until the last leecher has all {chunks} chunks of 1 MiB, over the fluid lower bound; the real scheduler on\n\
         modelled paths in virtual time, seed {seed}. Seeder sent: files. Received, control: over the file a leecher.\n"
    );
    println!("| {} |", COLUMNS.join(" | "));
    println!("|{}", " --- |".repeat(COLUMNS.len()));
}

pub(super) fn row(outcome: &Outcome) {
    let cells = [
        outcome.setting.clone(),
        outcome.leechers.to_string(),
        format!("{:.1} s", outcome.last_done),
        format!("{:.1} s", outcome.median_done),
        format!("{:.1} s", outcome.bound),
        format!("{:.3}", outcome.ratio),
        format!("{:.2}", outcome.target),
        format!("{:.2}", outcome.seeder_sent),
        format!("{:.3}", outcome.received),
        format!("{:.2} %", outcome.control * 100.0),
        format!("{:.0}", outcome.turns_a_leecher),
        format!("{:.0} KiB", outcome.memory_a_leecher / 1024.0),
        format!("{:.1} s", outcome.wall),
    ];
    println!("| {} |", cells.join(" | "));
    if outcome.struck + outcome.banned > 0 {
        eprintln!(
            "{} {}: {} struck, {} banned",
            outcome.setting, outcome.leechers, outcome.struck, outcome.banned
        );
    }
}

/// # Errors
///
/// A file cannot be written.
pub(super) fn write(folder: &Path, outcomes: &[Outcome]) -> Result<(), String> {
    let at = |name: &str| folder.join(name);
    let io = |name: &str, fault: std::io::Error| format!("{}: {fault}", folder.join(name).display());
    fs::create_dir_all(folder).map_err(|fault| io("", fault))?;
    let json = serde_json::to_vec_pretty(outcomes).map_err(|fault| fault.to_string())?;
    fs::write(at("scale.json"), json).map_err(|fault| io("scale.json", fault))?;
    fs::write(at("scale.csv"), csv(outcomes)).map_err(|fault| io("scale.csv", fault))?;
    let mut series: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for outcome in outcomes {
        let point = (f64::from(outcome.leechers), outcome.ratio);
        match series.iter_mut().find(|(name, _)| *name == outcome.setting) {
            Some((_, points)) => points.push(point),
            None => series.push((outcome.setting.clone(), vec![point])),
        }
    }
    let title = "Time until the last leecher is done, over the fluid lower bound";
    minimodel_benches::plot::lines(&at("scale.svg"), title, "leechers", "ratio", true, &series)
}

fn csv(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "setting,leechers,chunks,seed,last_done_s,median_done_s,bound_s,ratio,seeder_sent_files,received,control,\
         turns_a_leecher,frames_a_leecher,dials_a_leecher,memory_a_leecher_bytes,peak_memory_bytes,wall_s,hash\n",
    );
    for o in outcomes {
        let _ = writeln!(
            text,
            "{},{},{},{},{:.3},{:.3},{:.3},{:.4},{:.3},{:.4},{:.5},{:.0},{:.0},{:.1},{:.0},{},{:.1},{:016x}",
            o.setting,
            o.leechers,
            o.chunks,
            o.seed,
            o.last_done,
            o.median_done,
            o.bound,
            o.ratio,
            o.seeder_sent,
            o.received,
            o.control,
            o.turns_a_leecher,
            o.frames_a_leecher,
            o.dials_a_leecher,
            o.memory_a_leecher,
            o.peak_memory,
            o.wall,
            o.hash
        );
    }
    text
}
