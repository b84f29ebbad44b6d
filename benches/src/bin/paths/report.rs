//! The tables.

use std::collections::BTreeSet;
use std::fmt::Write;

use minimodel_benches::link::payload::explanation;

use crate::cell::Run;
use crate::fairness::{FAIR, Pair};

/// The table of all cells: one row each, medians where there are several runs.
pub(crate) fn cells(runs: &[Run]) -> String {
    let mut text = String::from(
        "| Mbit/s | round trip ms | loss % | shape | congestion | from 20 % on | whole | MB/s whole | packets sent / \
         needed | queue drops | lost | fetch CPU s | seed CPU s | p99 late ms |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for cell in grouped(runs) {
        let first = cell[0];
        let median = |of: &dyn Fn(&Run) -> f64| median(cell.iter().map(|run| of(run)).collect());
        let per_cent = |share: f64| format!("{:.1} %", share * 100.0);
        let cut = if cell.iter().any(|run| run.is_cut_off) { " (cut off)" } else { "" };
        let steady = per_cent(median(&|run| run.steady_share));
        let spread = match cell.len() {
            1 => String::new(),
            _ => {
                let shares = || cell.iter().map(|run| run.steady_share * 100.0);
                format!(" ({:.1} to {:.1})", shares().fold(f64::MAX, f64::min), shares().fold(0.0, f64::max))
            }
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} to 1 | {} | {steady}{spread} | {}{cut} | {:.2} | {:.3} | {} | {} | {:.1} | {:.1} | {:.2} |",
            first.link.rate_mbit,
            first.link.rtt_ms,
            first.link.loss_percent,
            first.seeders,
            first.congestion.as_deref().unwrap_or("default"),
            per_cent(median(&|run| run.whole_share)),
            median(&|run| run.whole_rate) / 1e6,
            median(&|run| run.packet_ratio),
            median(&|run| run.queue_drops as f64),
            median(&|run| run.lost as f64),
            median(&|run| run.fetch_cpu_s),
            median(&|run| run.seed_cpu_s),
            median(&|run| run.health.late_p99_us as f64) / 1000.0,
        );
    }
    let _ = write!(
        text,
        "\nRates are shares of the link's payload rate. {} `whole`: from process start to receipt, so with start-up, \
         introduction and checks; `from 20 % on`: from the moment at which 20 % of the data had crossed the link to \
         its last packet, so without start-up. `packets sent` are all that the sending side handed to the link, \
         `needed` is the file in full packets. `cut off`: the transfer was stopped at the time limit, and the figures \
         are those of what had arrived.\n",
        explanation()
    );
    text
}

/// The table of the fairness runs.
pub(crate) fn pairs(pairs: &[Pair]) -> String {
    let mut text = String::from(
        "| Mbit/s | round trip ms | loss % | first | second | second starts | overlap s | shares | shares, second half | \
         within 40/60 | together | queue drops | p99 late ms |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let name = |choice: &Option<String>| choice.clone().unwrap_or_else(|| "default".into());
    let shares = |first: f64| format!("{:.0} / {:.0}", first * 100.0, (1.0 - first) * 100.0);
    for pair in pairs {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} s later | {:.1} | {} | {} | {} | {:.1} %{} | {} | {:.2} |",
            pair.link.rate_mbit,
            pair.link.rtt_ms,
            pair.link.loss_percent,
            name(&pair.congestion[0]),
            name(&pair.congestion[1]),
            pair.offset_s,
            pair.overlap_s,
            shares(pair.first_share),
            shares(pair.first_share_later),
            if pair.is_fair() { "yes" } else { "no" },
            pair.together * 100.0,
            if pair.is_cut_off { " (cut off)" } else { "" },
            pair.queue_drops,
            pair.health.late_p99_us as f64 / 1000.0,
        );
    }
    let _ = write!(
        text,
        "\nShares of what arrived while both ran, from the first data of the second to the last of whoever ends first; \
         neither may have less than {:.0} %. `together`: of the link's payload rate. {}\n",
        FAIR * 100.0,
        explanation()
    );
    text
}

/// Reasons to doubt the figures, a line each; empty without any.
pub(crate) fn doubts<'a>(of: impl IntoIterator<Item = (String, &'a [String])>) -> String {
    let mut text = String::new();
    for (name, doubts) in of {
        if !doubts.is_empty() {
            let _ = writeln!(text, "- {name}: {}", doubts.join("; "));
        }
    }
    if text.is_empty() { text } else { format!("\nTake with care:\n\n{text}") }
}

/// A cell in few words.
pub(crate) fn name(run: &Run) -> String {
    format!(
        "{} Mbit/s, {} ms, {} % loss, {} to 1, {}",
        run.link.rate_mbit,
        run.link.rtt_ms,
        run.link.loss_percent,
        run.seeders,
        run.congestion.as_deref().unwrap_or("default")
    )
}

/// The runs of each cell, cells in the order in which they were first run.
fn grouped(runs: &[Run]) -> Vec<Vec<&Run>> {
    let mut seen = BTreeSet::new();
    let names = runs.iter().map(name).filter(|name| seen.insert(name.clone())).collect::<Vec<_>>();
    names.iter().map(|wanted| runs.iter().filter(|run| name(run) == *wanted).collect()).collect()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() % 2 {
        0 => (numbers[middle - 1] + numbers[middle]) / 2.0,
        _ => numbers[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Health, LinkSpec};

    fn run(loss_percent: f64, steady_share: f64) -> Run {
        let link = LinkSpec { rate_mbit: 200, rtt_ms: 50.0, loss_percent, queue_bytes: 1 << 20 };
        let health = Health {
            emulator_cpu: 0.1,
            late_p50_us: 50,
            late_p99_us: 400,
            late_worst_us: 900,
            device_drops: 0,
            socket_drops: 0,
            idle: 0.5,
        };
        Run {
            link,
            seeders: 1,
            congestion: None,
            seed: 1,
            bytes: 1 << 20,
            is_cut_off: false,
            whole_s: 1.0,
            first_data_s: 0.1,
            last_data_s: 0.9,
            whole_rate: 1e6,
            steady_rate: 2e6,
            whole_share: 0.5,
            steady_share,
            packets_sent: 110,
            packets_needed: 100,
            packet_ratio: 1.1,
            queue_drops: 3,
            queue_fullest: 1,
            lost: 4,
            packets_back: 5,
            fetch_cpu_s: 0.2,
            seed_cpu_s: 0.3,
            health,
            by_seeder: vec![1],
        }
    }

    #[test]
    fn runs_of_a_cell_become_one_row_with_their_median() {
        let table = cells(&[run(0.0, 0.9), run(0.5, 0.7), run(0.0, 0.96), run(0.0, 0.95)]);
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| 200")).collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[0].starts_with(
            "| 200 | 50 | 0 | 1 to 1 | default | 95.0 % (90.0 to 96.0) | 50.0 % | 1.00 | 1.100 | 3 |"
        ));
        assert!(rows[1].starts_with("| 200 | 50 | 0.5 | 1 to 1 | default | 70.0 % | 50.0 % |"));
        let columns = |line: &str| line.matches('|').count();
        assert!(rows.iter().all(|row| columns(row) == columns(table.lines().next().unwrap())));
        assert!((median(vec![3.0, 1.0]) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_late_emulator_and_a_busy_machine_are_told() {
        let mut late = run(0.0, 0.9);
        assert_eq!(late.health.doubts(), Vec::<String>::new());
        late.health =
            Health { late_p99_us: 2500, device_drops: 7, socket_drops: 8, idle: 0.01, ..late.health };
        assert_eq!(late.health.doubts().len(), 4);
        let told = doubts([(name(&late), &late.health.doubts()[..]), ("quiet".into(), &[][..])]);
        assert!(
            told.contains("50 ms, 0 % loss") && told.contains("2.5 ms late") && !told.contains("quiet"),
            "{told}"
        );
        assert_eq!(doubts([("quiet".to_owned(), &[][..])]), "");
    }
}
