//! Dials of peers that do not answer: what goes out, for how long, and that a long path is not taken for silence.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::PeerId;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::*;

/// A peer that does not answer is reported by then. These tests pause the clock, which then moves on only while nothing
/// else is to be done: no busy machine makes a dial longer.
const REPORTED: Duration = Duration::from_secs(5);
/// Most datagrams that one attempt sends to an address that does not answer.
const MOST_DATAGRAMS: usize = 10;

async fn silent() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

/// Counts the datagrams that have come and were not read.
async fn came(socket: &UdpSocket) -> usize {
    let mut count = 0;
    while timeout(Duration::from_millis(200), socket.recv(&mut [0; 1 << 16])).await.is_ok() {
        count += 1;
    }
    count
}

fn stranger() -> PeerId {
    PeerId(SigningKey::from_bytes(&[99; 32]).verifying_key().to_bytes())
}

// Rows: H4, B21
#[tokio::test(start_paused = true)]
async fn silent_address_gets_few_datagrams_and_dial_fails_in_5_s() {
    let (node, _) = node(1);
    let (named, first, second) = (silent().await, silent().await, silent().await);
    let at = |socket: &UdpSocket| socket.local_addr().unwrap();
    let begun = Instant::now();
    let pex_addresses = vec![at(&first), at(&second)];
    let ended = node.dialer.clone().dial(stranger(), vec![at(&named)], pex_addresses).await;
    let took = begun.elapsed();
    assert!(ended.is_err());
    assert!(took < REPORTED, "{took:?}");
    let counts = [came(&named).await, came(&first).await, came(&second).await];
    println!("datagrams: {counts:?} in {took:?}");
    assert!(counts[0] <= MOST_DATAGRAMS, "{counts:?}");
    // Both addresses may be ports of one victim.
    assert!(counts[1] + counts[2] <= MOST_DATAGRAMS && counts[1] > 0 && counts[2] > 0, "{counts:?}");
    assert_eq!([came(&named).await, came(&first).await, came(&second).await], [0; 3], "and none follows");
}

// Rows: H4
#[tokio::test(start_paused = true)]
async fn sixteen_named_addresses_that_do_not_answer_are_told_as_soon() {
    let (node, _) = node(1);
    let mut sockets = Vec::new();
    for _ in 0..16 {
        sockets.push(silent().await);
    }
    let addresses = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let begun = Instant::now();
    assert!(node.dialer.clone().dial(stranger(), addresses, Vec::new()).await.is_err());
    assert!(begun.elapsed() < REPORTED, "{:?}", begun.elapsed());
    for socket in &sockets {
        let count = came(socket).await;
        assert!((1..=MOST_DATAGRAMS).contains(&count), "{count}");
    }
}

/// Relays datagrams in both directions, each after `delay`; drops the first `lost` of them.
async fn long_way(to: SocketAddr, delay: Duration, mut lost: usize) -> SocketAddr {
    let outside = Arc::new(silent().await);
    let address = outside.local_addr().unwrap();
    tokio::spawn(async move {
        let mut inside: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
        let mut datagram = vec![0; 1 << 16];
        while let Ok((len, from)) = outside.recv_from(&mut datagram).await {
            if lost > 0 {
                lost -= 1;
                continue;
            }
            if let Entry::Vacant(place) = inside.entry(from) {
                let socket = place.insert(Arc::new(silent().await)).clone();
                let outside = outside.clone();
                tokio::spawn(async move {
                    let mut datagram = vec![0; 1 << 16];
                    while let Ok(len) = socket.recv(&mut datagram).await {
                        let (bytes, outside) = (datagram[..len].to_vec(), outside.clone());
                        tokio::spawn(async move {
                            tokio::time::sleep(delay).await;
                            outside.send_to(&bytes, from).await
                        });
                    }
                });
            }
            let (bytes, socket) = (datagram[..len].to_vec(), inside[&from].clone());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                socket.send_to(&bytes, to).await
            });
        }
    });
    address
}

// Rows: H4
#[tokio::test(flavor = "multi_thread")]
async fn path_of_300_ms_is_no_silence_even_if_first_datagram_is_lost() {
    let (seeding, mut seeder) = session(1, Consent::SERVE, Memory::new());
    let (node, _) = node(2);
    for (delay, lost) in [(150, 0), (150, 1), (450, 0)] {
        let address = long_way(seeding.local_address(), Duration::from_millis(delay), lost).await;
        let (target, dialer) = (seeding.id(), node.dialer.clone());
        for is_pex in [false, true] {
            let (named, heard) = if is_pex { (vec![], vec![address]) } else { (vec![address], vec![]) };
            let mut dialing = tokio::spawn(dialer.clone().dial(target, named, heard));
            let ended = loop {
                tokio::select! {
                    _ = seeder.next() => {}
                    ended = &mut dialing => break ended.unwrap(),
                }
            };
            assert!(ended.is_ok(), "{delay} ms one way, {lost} lost, from another peer: {is_pex}: {ended:?}");
        }
    }
}
