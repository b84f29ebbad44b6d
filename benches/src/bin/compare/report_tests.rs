//! Tables from made-up figures that can be checked by hand.

use super::*;

fn facts(key: &'static str, label: &str) -> Facts {
    Facts { key, label: label.to_owned(), wire: "w", checked: "c", timed: "start to end", install: "i" }
}

fn run(finished: &[f64], sender_cpu: f64, receiver_cpu: f64) -> Run {
    let peak = Peak { anonymous: 10 << 10, resident: 20 << 10 };
    Run {
        finished: finished.to_vec(),
        sender_cpu,
        receiver_cpu,
        sender: peak,
        receiver: peak,
        foreign_cpu: 0.5,
    }
}

fn row(key: &'static str, label: &str, runs: Vec<Run>) -> Row {
    Row { facts: facts(key, label), version: "v 1".to_owned(), runs, failures: Vec::new() }
}

fn outcome(rows: Vec<Row>, receivers: usize) -> Outcome {
    let shape = Shape { senders: 1, receivers };
    Outcome { shape, size: 1_000_000_000, cores: 2, rows, work: vec![(0.5, 0.3), (0.7, 0.5), (0.6, 0.4)] }
}

#[test]
fn a_row_has_median_spread_rate_cpu_and_memory() {
    let runs = vec![run(&[2.0], 1.0, 2.0), run(&[1.0], 1.2, 2.2), run(&[4.0], 1.4, 2.4)];
    let text = outcome(vec![row("x", "X", runs)], 1).markdown();
    let line = "| X | 2.000 (1.000 - 4.000) | 500 | 1.20 | 2.20 | 10 (20) | 10 (20) | w | c |";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("took 12 % of its cores"), "0.5 of 2 x 2 s at the median: {text}");
    assert!(!text.contains("ratio"), "nothing of ours, no ratios: {text}");
}

#[test]
fn the_bound_and_the_ratios_use_the_raw_row_of_the_same_mtu() {
    let rows = vec![
        row("raw", "R", vec![run(&[0.3], 0.2, 0.2)]),
        row("raw-1452", "R14", vec![run(&[1.0], 1.0, 0.8)]),
        row("minimodel", "M", vec![run(&[1.5], 0.3, 2.0)]),
        row("minimodel-1452", "M14", vec![run(&[2.5], 1.5, 2.0)]),
        row("lt-tcp", "L", vec![run(&[3.0], 1.0, 1.0)]),
    ];
    let text = outcome(rows, 1).markdown();
    // (0.4 + 1.2 + 0.4) / 2 = 1.0 and (1.8 + 1.2 + 0.4) / 2 = 1.7
    assert!(text.contains("= 1.000 s.") && text.contains("= 1.700 s."), "{text}");
    assert!(text.contains("| M: wall over the work bound | 1.50 |"), "{text}");
    assert!(text.contains("| M14: wall over the work bound | 1.47 |"), "{text}");
    assert!(text.contains("| M: sender's CPU over raw quinn's sender | 1.50 |"), "{text}");
    assert!(text.contains("| M: rate over L | 2.00 |"), "{text}");
    assert!(text.contains("| M14: rate over L | 1.20 |"), "{text}");
    assert!(!text.contains("rate over R"), "{text}");
}

#[test]
fn several_receivers_are_judged_by_the_slowest() {
    let text = outcome(vec![row("x", "X", vec![run(&[1.0, 2.0, 2.0, 4.0], 1.0, 1.0)])], 4).markdown();
    assert!(text.contains("| X | 4.000 (4.000 - 4.000) | 1000 | 2.00 | 1.00 |"), "{text}");
    let header = text.lines().find(|line| line.starts_with("| program")).unwrap();
    let rule = text.lines().find(|line| line.starts_with("| ---")).unwrap();
    assert_eq!(header.matches('|').count(), rule.matches('|').count());
}

#[test]
fn a_program_that_never_came_through_is_told_and_not_a_row() {
    let mut failed = row("x", "X", Vec::new());
    failed.failures.push("no route".to_owned());
    let result = outcome(vec![failed], 1);
    let text = result.markdown();
    assert!(text.contains("- X failed in a run: no route"), "{text}");
    assert!(!text.contains("| X |"), "{text}");
    assert_eq!(result.json()["programs"][0]["median_wall_s"], Value::Null);
}

#[test]
fn raw_figures_keep_every_run() {
    let json = outcome(vec![row("x", "X", vec![run(&[1.0], 0.5, 0.6), run(&[2.0], 0.5, 0.6)])], 1).json();
    assert_eq!(json["programs"][0]["runs"][1]["finished_s"][0], 2.0);
    assert_eq!(json["programs"][0]["median_rate_mb_s"], 750.0);
}
