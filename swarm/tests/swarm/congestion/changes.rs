//! One transfer whose path, or whose amount of data to send, changes.

use std::time::Duration;

use minimodel_swarm::congestion::DelayController;

use super::link::Path;
use super::ms;
use super::network::{ENDLESS, Network};

#[test]
fn requests_that_pause_do_not_slow_what_follows() {
    let path = Path::usual();
    let mut network = Network::new(path.clone(), 5);
    let flow = network.own(Duration::ZERO, 50 << 20);
    network.finish(flow);
    // Application-limited: small writes with pauses, far below what the path carries.
    for _ in 0..30 {
        network.run_until(network.now + ms(150));
        network.feed(flow, 100_000);
    }
    let window = network.senders[flow].window() as f64;
    assert!((0.9..1.6).contains(&(window / path.fits())), "{}", window / path.fits());
    network.feed(flow, ENDLESS);
    let from = ms((network.now.as_millis() as u64).div_ceil(100) * 100 + 100);
    network.run_until(from + ms(1000));
    assert!(network.rate(flow, from, from + ms(1000)) > 0.9 * path.payload_rate());
}

#[test]
fn faster_link_is_filled_and_slower_one_is_not_overrun() {
    let path = Path { rate: 100e6, ..Path::usual() };
    let mut network = Network::new(path, 5);
    let flow = network.own(Duration::ZERO, ENDLESS);
    network.run_until(ms(3000));
    network.link.path.rate = 400e6;
    network.run_until(ms(7000));
    let faster = network.link.path.payload_rate();
    assert!(
        network.rate(flow, ms(5000), ms(7000)) > 0.9 * faster,
        "{}",
        network.rate(flow, ms(5000), ms(7000))
    );
    network.link.path.rate = 50e6;
    network.run_until(ms(8500));
    let sent = network.senders[flow].sent_packets;
    let delivered = network.senders[flow].delivered;
    network.link.take_waits();
    network.run_until(ms(12_000));
    let sender = &network.senders[flow];
    let slower = network.link.path.payload_rate();
    assert!(network.rate(flow, ms(8500), ms(12_000)) > 0.9 * slower);
    let packets =
        (sender.sent_packets - sent) as f64 * sender.mtu as f64 / (sender.delivered - delivered) as f64;
    assert!(packets < 1.1, "{packets}");
    assert!(network.link.take_waits().0 < ms(40));
}

#[test]
fn a_path_that_becomes_longer_is_filled_again() {
    let mut network = Network::new(Path::usual(), 5);
    let flow = network.own(Duration::ZERO, ENDLESS);
    network.run_until(ms(3000));
    network.link.path.rtt = ms(100);
    network.run_until(ms(9000));
    let rate = network.rate(flow, ms(6000), ms(9000)) / network.link.path.payload_rate();
    assert!(rate > 0.9, "{rate}");
}

#[test]
fn a_path_that_was_gone_for_seconds_is_started_anew() {
    let mut network = Network::new(Path::usual(), 5);
    let flow = network.own(Duration::ZERO, ENDLESS);
    network.run_until(ms(2000));
    network.link.path.loss = 1.0;
    network.run_until(ms(5000));
    network.link.path.loss = 0.0;
    network.run_until(ms(10_000));
    let rate = network.rate(flow, ms(8000), ms(10_000)) / network.link.path.payload_rate();
    assert!(rate > 0.9, "{rate}");
}

#[test]
fn persistent_congestion_leaves_the_least_window() {
    let mut controller = DelayController::new(Duration::ZERO, 1200, 14_720);
    for k in 1..200 {
        controller.on_ack(ms(k), 1200, false);
        controller.on_acks_end(ms(k + 20));
    }
    assert!(controller.window() > 20_000);
    controller.on_loss(ms(300), 1200, true);
    assert_eq!(controller.window(), 4 * 1200);
}

#[test]
fn the_window_always_allows_a_few_datagrams_whatever_their_size() {
    let mut controller = DelayController::new(Duration::ZERO, 1200, 14_720);
    assert_eq!(controller.window(), 14_720);
    controller.on_mtu(65_507);
    assert_eq!(controller.window(), 4 * 65_507);
    controller.on_loss(ms(10), 65_507, true);
    assert_eq!(controller.window(), 4 * 65_507);
    assert_eq!(DelayController::new(Duration::ZERO, 65_507, 14_720).window(), 4 * 65_507);
}

#[test]
fn congestion_mark_cuts_the_window_once_per_round_trip() {
    let mut controller = DelayController::new(Duration::ZERO, 1200, 14_720);
    for k in 1..400 {
        controller.on_ack(ms(k), 1200, false);
        controller.on_acks_end(ms(k + 20));
    }
    let before = controller.window();
    controller.on_mark(ms(420));
    let marked = controller.window();
    assert!(marked < before && marked as f64 >= 0.69 * before as f64, "{before} {marked}");
    controller.on_mark(ms(421));
    assert_eq!(controller.window(), marked);
}
