//! One transfer alone at the bottleneck.

use std::time::Duration;

use super::link::Path;
use super::ms;
use super::network::{ENDLESS, Network};

struct Outcome {
    /// Link utilization after the start: delivered rate over the link's payload rate.
    rate: f64,
    /// Packets sent over packets delivered, from the beginning.
    packets: f64,
    /// Mean queueing delay after the start, in seconds.
    wait: f64,
}

/// Runs an endless transfer and measures it for `seconds`, from the end of the start: after twenty round trips, at
/// least a second.
fn alone(path: &Path, seconds: u64) -> Outcome {
    let mut network = Network::new(path.clone(), 7);
    let flow = network.own(Duration::ZERO, ENDLESS);
    let from = ms(((path.rtt * 20).as_millis() as u64).max(1000));
    network.run_until(from);
    network.link.take_waits();
    let end = from + Duration::from_secs(seconds);
    network.run_until(end);
    let sender = &network.senders[flow];
    let outcome = Outcome {
        rate: network.rate(flow, from, end) / path.payload_rate(),
        packets: sender.sent_packets as f64 * sender.mtu as f64 / sender.delivered as f64,
        wait: network.link.take_waits().0.as_secs_f64(),
    };
    println!("{path:?}: rate {:.3} packets {:.3} wait {:.4}", outcome.rate, outcome.packets, outcome.wait);
    outcome
}

#[test]
fn usual_path_is_filled_at_any_loss_with_few_excess_packets() {
    for (loss, least) in [(0.0, 0.97), (0.005, 0.96), (0.02, 0.94)] {
        let outcome = alone(&Path { loss, ..Path::usual() }, 5);
        assert!(outcome.rate > least, "{loss}: {}", outcome.rate);
        assert!(outcome.packets < 1.06, "{loss}: {}", outcome.packets);
        assert!(outcome.wait < 0.010, "{loss}: {}", outcome.wait);
    }
}

#[test]
fn a_gigabit_is_filled_over_any_distance() {
    for (rtt, loss, least) in
        [(1, 0.02, 0.95), (50, 0.0, 0.97), (50, 0.02, 0.95), (150, 0.0, 0.95), (150, 0.02, 0.93)]
    {
        let outcome = alone(&Path { rate: 1e9, rtt: ms(rtt), loss, ..Path::usual() }, 2);
        assert!(outcome.rate > least, "{rtt} ms {loss}: {}", outcome.rate);
        assert!(outcome.packets < 1.15, "{rtt} ms {loss}: {}", outcome.packets);
    }
}

#[test]
fn slow_links_are_filled_and_keep_a_modest_queue() {
    for (rate, rtt, longest) in
        [(1e6, 50, 0.15), (1e6, 1, 0.1), (10e6, 50, 0.035), (10e6, 150, 0.06), (50e6, 1, 0.004)]
    {
        let outcome = alone(&Path { rate, rtt: ms(rtt), ..Path::usual() }, 10);
        assert!(outcome.rate > 0.92, "{rate} {rtt} ms: {}", outcome.rate);
        assert!(outcome.packets < 1.08, "{rate} {rtt} ms: {}", outcome.packets);
        assert!(outcome.wait < longest, "{rate} {rtt} ms: {}", outcome.wait);
    }
}

#[test]
fn a_small_queue_is_not_overrun() {
    for (queue, loss, least) in [(16 << 10, 0.0, 0.9), (64 << 10, 0.0, 0.95), (64 << 10, 0.02, 0.93)] {
        let outcome = alone(&Path { queue, loss, ..Path::usual() }, 5);
        assert!(outcome.rate > least, "{queue} {loss}: {}", outcome.rate);
        assert!(outcome.packets < 1.06, "{queue} {loss}: {}", outcome.packets);
    }
}

#[test]
fn a_bloated_queue_stays_nearly_empty() {
    let outcome = alone(&Path { queue: 64 << 20, ..Path::usual() }, 5);
    assert!(outcome.rate > 0.97 && outcome.wait < 0.010, "{} {}", outcome.rate, outcome.wait);
}

#[test]
fn a_path_that_loses_very_much_is_used_all_the_same() {
    for (loss, least) in [(0.04, 0.85), (0.1, 0.6)] {
        let outcome = alone(&Path { loss, ..Path::usual() }, 10);
        assert!(outcome.rate > least, "{loss}: {}", outcome.rate);
    }
}

#[test]
fn late_acknowledgements_are_not_taken_for_a_queue() {
    for (jitter, loss, least) in
        [(2, 0.0, 0.95), (5, 0.01, 0.95), (20, 0.0, 0.93), (20, 0.01, 0.92), (50, 0.0, 0.5)]
    {
        let outcome = alone(&Path { jitter: ms(jitter), loss, ..Path::usual() }, 8);
        assert!(outcome.rate > least, "{jitter} ms {loss}: {}", outcome.rate);
        assert!(outcome.packets < 1.06, "{jitter} ms {loss}: {}", outcome.packets);
    }
}

#[test]
fn large_datagrams_and_short_round_trips_keep_the_rate() {
    let fast = Path { rate: 10e9, rtt: Duration::from_micros(100), queue: 4 << 20, ..Path::usual() };
    for mtu in [1200, 9000, 65507] {
        let outcome = alone(&Path { mtu, ..fast.clone() }, 1);
        assert!(outcome.rate > 0.97 && outcome.packets < 1.02, "{mtu}: {} {}", outcome.rate, outcome.packets);
        let outcome = alone(&Path { mtu, ..Path::usual() }, 5);
        assert!(outcome.rate > 0.95 && outcome.packets < 1.06, "{mtu}: {} {}", outcome.rate, outcome.packets);
    }
}

#[test]
fn sixty_four_mebibytes_arrive_soon_after_they_could() {
    for (loss, packets) in [(0.0, 1.06), (0.005, 1.07), (0.02, 1.09)] {
        let path = Path { loss, ..Path::usual() };
        let mut network = Network::new(path.clone(), 3);
        let flow = network.own(Duration::ZERO, 64 << 20);
        let took = network.finish(flow).as_secs_f64();
        let could = f64::from(64 << 20) / path.payload_rate();
        assert!(took < could + 0.65, "{loss}: {took} instead of {could}");
        let sent = network.senders[flow].sent_packets as f64 * f64::from(path.mtu);
        assert!(sent / f64::from(64 << 20) < packets, "{loss}: {}", sent / f64::from(64 << 20));
    }
}
