//! `/metrics`: the text that Prometheus reads.

use std::collections::BTreeSet;

use minimodel_companion::model::{Cause, Kind};

use crate::memory::Stands;
use crate::running::{Running, status};

fn scrape(running: &Running) -> String {
    let answer = running.request("GET /metrics", "", "");
    assert_eq!(status(&answer), 200, "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    body.to_owned()
}

#[test]
fn metrics_cover_every_transfer_with_labels_and_no_foreign_text() {
    let running = Running::new();
    running.memory.state().add(Kind::Share, Stands::Running);
    let id = running.memory.state().add(Kind::Fetch, Stands::Paused).id;
    running.memory.state().transfers.get_mut(&id).unwrap().cause = Some(Cause::Paused);
    let text = scrape(&running);
    for line in [
        "minimodel_build_info{version=\"0.0.0-\\\"test\\\\\"} 1",
        "minimodel_transfer_sent_bytes_total{transfer=\"1\",kind=\"share\"} 40",
        "minimodel_transfer_received_bytes_total{transfer=\"2\",kind=\"fetch\"} 30",
        "minimodel_transfer_down_bytes_per_second{transfer=\"1\",kind=\"share\"} 50",
        "minimodel_transfer_up_bytes_per_second{transfer=\"1\",kind=\"share\"} 60",
        "minimodel_transfer_peers{transfer=\"1\",kind=\"share\"} 1",
        "minimodel_transfer_have_bytes{transfer=\"1\",kind=\"share\"} 10",
        "minimodel_transfer_size_bytes{transfer=\"1\",kind=\"share\"} 20",
        "minimodel_transfer_state{transfer=\"1\",kind=\"share\",state=\"running\"} 1",
        "minimodel_transfer_state{transfer=\"1\",kind=\"share\",state=\"paused\"} 0",
        "minimodel_transfer_state{transfer=\"2\",kind=\"fetch\",state=\"paused\"} 1",
        "minimodel_transfer_run_seconds{transfer=\"1\",kind=\"share\"} 4.5",
        "minimodel_transfer_idle_seconds_total{transfer=\"1\",kind=\"share\",cause=\"no-source\"} 1.5",
        "minimodel_transfer_idle_seconds_total{transfer=\"1\",kind=\"share\",cause=\"rate-limit\"} 0.25",
        "minimodel_transfer_idle{transfer=\"1\",kind=\"share\",cause=\"no-source\"} 0",
        "minimodel_transfer_idle{transfer=\"1\",kind=\"share\",cause=\"consent-missing\"} 1",
        "minimodel_transfer_idle{transfer=\"2\",kind=\"fetch\",cause=\"paused\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n") && text.is_ascii(), "{text}");
    assert_eq!(text.matches("minimodel_transfer_state{").count(), 14);
    assert!(!text.contains("a-model") && !text.contains("script"), "{text}");
}

#[test]
fn the_page_names_every_metric_and_no_other() {
    let running = Running::new();
    running.memory.state().add(Kind::Share, Stands::Running);
    let text = scrape(&running);
    let given: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    let page = crate::documents::page();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `minimodel_"));
    let named: BTreeSet<String> =
        rows.map(|row| format!("minimodel_{}", row.split(['{', '`']).next().unwrap())).collect();
    assert_eq!(named.iter().map(String::as_str).collect::<BTreeSet<_>>(), given);
}
