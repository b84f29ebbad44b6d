//! Transfers through one bottleneck.

use super::link::Path;
use super::ms;
use super::network::{ENDLESS, Network};

/// Share of the first flow in what both deliver from the start of the second, which is `late` ms later; and bytes
/// sent over bytes delivered, of both together.
fn share(path: &Path, late: u64, seconds: u64) -> (f64, f64) {
    let mut network = Network::new(path.clone(), 11);
    let first = network.own(ms(0), ENDLESS);
    let second = network.own(ms(late), ENDLESS);
    let end = ms(late + seconds * 1000);
    network.run_until(end);
    let (a, b) = (network.rate(first, ms(late), end), network.rate(second, ms(late), end));
    let sent: u64 = network.senders.iter().map(|sender| sender.sent_packets * sender.mtu).sum();
    let delivered: u64 = network.senders.iter().map(|sender| sender.delivered).sum();
    println!("{path:?} {late}: {:.3}", a / (a + b));
    (a / (a + b), sent as f64 / delivered as f64)
}

#[test]
fn two_that_start_together_share_equally() {
    let usual = Path::usual();
    let paths = [
        usual.clone(),
        Path { loss: 0.005, ..usual.clone() },
        Path { queue: 64 << 10, ..usual.clone() },
        Path { queue: 8 << 20, ..usual.clone() },
        Path { rtt: ms(150), ..usual.clone() },
        Path { rate: 20e6, queue: 256 << 10, ..usual },
    ];
    for path in paths {
        let (share, packets) = share(&path, 0, 8);
        assert!((0.43..0.57).contains(&share), "{path:?}: {share}");
        assert!(packets < 1.06, "{path:?}: {packets}");
    }
}

#[test]
fn one_that_comes_later_gets_its_part() {
    let usual = Path::usual();
    let paths = [
        (usual.clone(), 0.40..0.60),
        (Path { loss: 0.005, ..usual.clone() }, 0.40..0.60),
        (Path { queue: 4 << 20, ..usual.clone() }, 0.40..0.62),
        (Path { rate: 20e6, queue: 256 << 10, ..usual }, 0.40..0.60),
    ];
    for (path, wanted) in paths {
        let (share, packets) = share(&path, 3000, 10);
        assert!(wanted.contains(&share), "{path:?}: {share}");
        assert!(packets < 1.06, "{path:?}: {packets}");
    }
}

#[test]
fn it_does_not_matter_when_the_second_comes() {
    for jitter in [0, 2] {
        for late in [30, 70, 100, 200, 300, 400, 500, 700, 1500, 3700, 4500] {
            let path = Path { jitter: ms(jitter), ..Path::usual() };
            let mut network = Network::new(path, late);
            let first = network.own(ms(0), ENDLESS);
            let second = network.own(ms(late), ENDLESS);
            let (from, end) = (ms(late / 100 * 100 + 3000), ms(late / 100 * 100 + 10_000));
            network.run_until(end);
            let (a, b) = (network.rate(first, from, end), network.rate(second, from, end));
            let share = a / (a + b);
            println!("{late} ms, jitter {jitter} ms: {share:.3}");
            assert!((0.38..0.64).contains(&share), "{late} ms, jitter {jitter} ms: {share}");
        }
    }
}

#[test]
fn four_share_equally_and_keep_a_modest_queue() {
    let mut network = Network::new(Path::usual(), 11);
    for _ in 0..4 {
        network.own(ms(0), ENDLESS);
    }
    network.run_until(ms(2000));
    network.link.take_waits();
    network.run_until(ms(10_000));
    let rates: Vec<f64> = (0..4).map(|flow| network.rate(flow, ms(2000), ms(10_000))).collect();
    let all: f64 = rates.iter().sum();
    assert!(all > 0.97 * network.link.path.payload_rate(), "{all}");
    for rate in &rates {
        assert!((0.17..0.35).contains(&(rate / all)), "{rates:?}");
    }
    assert!(network.link.take_waits().0 < ms(25));
}

#[test]
fn cubic_beside_it_is_not_starved_and_does_not_starve_it() {
    for late in [0, 3000] {
        let mut network = Network::new(Path::usual(), 11);
        let own = network.own(ms(0), ENDLESS);
        let cubic = network.cubic(ms(late), ENDLESS);
        let (from, end) = (ms(late + 2000), ms(late + 12_000));
        network.run_until(end);
        let (own, cubic) = (network.rate(own, from, end), network.rate(cubic, from, end));
        let share = own / (own + cubic);
        println!("{late}: {share:.3}");
        assert!((0.1..0.9).contains(&share), "{late}: {share}");
    }
}
