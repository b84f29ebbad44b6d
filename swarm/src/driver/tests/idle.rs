//! Each cause of idleness, injected.

use super::super::{Idle, Report, Snapshot};
use super::live::{Live, chunks_and_no_more};
use super::path::Path;
use super::quota::Counter;
use super::*;

/// Runs both sessions until a snapshot of `one` names the cause; returns that snapshot.
pub(super) async fn until(one: &mut Live, other: &mut Live, cause: Option<Idle>) -> Box<Snapshot> {
    let work = async {
        loop {
            tokio::select! {
                _ = one.session.next() => {}
                _ = other.session.next() => {}
            }
            while let Ok(report) = one.reports.try_recv() {
                if let Report::Snapshot(snapshot) = report {
                    let idle: Duration = snapshot.idle_time.values().sum();
                    assert_eq!(idle + snapshot.busy_time, snapshot.elapsed);
                    if snapshot.idle == cause {
                        return snapshot;
                    }
                }
            }
        }
    };
    timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{cause:?} never came"))
}

/// An unrelated peer.
fn nobody() -> Live {
    Live::seeder(99, Controls::default())
}

/// A seeder and a fetcher in the middle of a transfer that moves no more, since the seeder's rate is 0.
async fn halted() -> (Live, Live) {
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    let rate_limit = seeder.rate_limit.clone();
    chunks_and_no_more(&mut seeder, &mut fetcher, rate_limit, 2).await;
    (seeder, fetcher)
}

#[tokio::test]
async fn without_anybody_a_fetch_has_no_source_and_a_share_no_demand() {
    let mut fetcher = Live::fetcher(Controls::default(), &[]);
    let snapshot = until(&mut fetcher, &mut nobody(), Some(Idle::NoSource)).await;
    assert_eq!(snapshot.peers.len(), 0);
    let mut seeder = nobody();
    until(&mut seeder, &mut fetcher, Some(Idle::NoDemand)).await;
}

#[tokio::test]
async fn fetch_without_a_slot_and_share_without_slots_are_choked() {
    let mut seeder = Live::seeder(1, Controls { slots: Some(0), ..Controls::default() });
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    let snapshot = until(&mut fetcher, &mut seeder, Some(Idle::Choked)).await;
    let peer = &snapshot.peers[0];
    assert!(peer.choking_us && peer.we_choke && !peer.interested);
    assert_eq!((peer.idle, peer.have, peer.requests), (Some(Idle::Choked), COUNT, 0));
    let snapshot = until(&mut seeder, &mut fetcher, Some(Idle::Choked)).await;
    assert!(snapshot.peers[0].interested && snapshot.peers[0].we_choke);
    seeder.controls.send_modify(|controls| controls.slots = None);
    work(&mut seeder.session, &mut fetcher.session, is_complete).await;
}

#[tokio::test]
async fn a_rate_of_our_own_is_named_as_such_by_the_side_that_has_it() {
    let (mut seeder, mut fetcher) = halted().await;
    until(&mut seeder, &mut fetcher, Some(Idle::RateLimit)).await;
    let snapshot = until(&mut fetcher, &mut seeder, Some(Idle::PeerSlow)).await;
    let silent_since = fetcher.session.silence.last_byte;
    assert_eq!(snapshot.peers[0].idle, Some(Idle::PeerSlow));
    assert!(snapshot.peers[0].requests > 0 && !snapshot.peers[0].choking_us);
    fetcher.rate_limit.set(Some(0));
    seeder.rate_limit.set(None);
    until(&mut fetcher, &mut seeder, Some(Idle::RateLimit)).await;
    let waits_since = fetcher.session.silence.last_byte;
    assert!(waits_since > silent_since);
    until(&mut fetcher, &mut seeder, Some(Idle::RateLimit)).await;
    assert!(fetcher.session.silence.last_byte > waits_since, "what our user wants is no stall");
    fetcher.rate_limit.set(Some(40 << 10));
    let snapshot = until(&mut fetcher, &mut seeder, None).await;
    assert!(snapshot.busy_time > Duration::ZERO && snapshot.peers[0].idle.is_none());
    assert!(snapshot.down_rate > 0 && snapshot.peers[0].down_rate > 0);
    fetcher.rate_limit.set(None);
    work(&mut seeder.session, &mut fetcher.session, is_complete).await;
}

#[tokio::test]
async fn limits_on_bytes_are_a_quota_on_both_sides() {
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    let (sent, received) = (Counter::new(u64::MAX), Counter::new(CHUNK as u64));
    seeder.session.serving.gate = Some(sent.clone());
    fetcher.session.downloading.gate = Some(received.clone());
    let snapshot = until(&mut fetcher, &mut seeder, Some(Idle::Quota)).await;
    assert_eq!((snapshot.received_bytes, snapshot.peers.len()), (CHUNK as u64, 1));
    sent.raise(CHUNK as u64);
    received.raise(u64::MAX);
    fetcher.controls.send_modify(|controls| controls.quota_version += 1);
    let snapshot = until(&mut seeder, &mut fetcher, Some(Idle::Quota)).await;
    assert_eq!(snapshot.peers.len(), 0, "whoever asked was told so");
    until(&mut fetcher, &mut seeder, Some(Idle::Quota)).await;
    sent.raise(u64::MAX);
    seeder.controls.send_modify(|controls| controls.quota_version += 1);
    until(&mut seeder, &mut fetcher, Some(Idle::NoDemand)).await;
}

#[tokio::test]
async fn remainder_below_one_chunk_is_a_quota_for_fetch_and_share() {
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    let received = Counter::new(2 * CHUNK as u64 - 1);
    seeder.session.serving.gate = Some(Counter::new(4 * CHUNK as u64 - 1));
    fetcher.session.downloading.gate = Some(received.clone());
    let snapshot = until(&mut fetcher, &mut seeder, Some(Idle::Quota)).await;
    assert_eq!((snapshot.received_bytes, snapshot.peers[0].idle), (CHUNK as u64, Some(Idle::Quota)));
    until(&mut seeder, &mut fetcher, Some(Idle::NoDemand)).await;
    received.raise(u64::MAX);
    fetcher.controls.send_modify(|controls| controls.quota_version += 1);
    let snapshot = until(&mut seeder, &mut fetcher, Some(Idle::Quota)).await;
    assert_eq!(snapshot.sent_bytes, 3 * CHUNK as u64);
}

#[tokio::test]
async fn a_disk_that_does_not_take_chunks_or_give_them_is_named() {
    let memory = Memory::new();
    let blocks = memory.keep_blocks.clone();
    blocks.store(true, Ordering::Relaxed);
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::new(100, Consent::FETCH, Controls::default(), memory);
    fetcher.session.tell(Input::Source(offer(&seeder.node)));
    until(&mut fetcher, &mut seeder, Some(Idle::Disk)).await;
    blocks.store(false, Ordering::Relaxed);
    work(&mut seeder.session, &mut fetcher.session, is_complete).await;
    // No whole-file check reports a verdict here.
    until(&mut fetcher, &mut seeder, Some(Idle::Checking)).await;

    let memory = Memory::new();
    let blocks = memory.read_blocks.clone();
    blocks.store(true, Ordering::Relaxed);
    let mut seeder = Live::new(2, Consent::SERVE, Controls::default(), memory);
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    let snapshot = until(&mut seeder, &mut fetcher, Some(Idle::Disk)).await;
    assert!(snapshot.peers[0].asks > 0);
    until(&mut fetcher, &mut seeder, Some(Idle::PeerSlow)).await;
    blocks.store(false, Ordering::Relaxed);
    work(&mut seeder.session, &mut fetcher.session, is_complete).await;
}

#[tokio::test]
async fn dead_path_is_congestion_on_both_sides_and_not_a_slow_peer() {
    let mut seeder = Live::seeder(1, Controls::default());
    let path = Path::to(seeder.node.local_address()).await;
    let mut fetcher = Live::fetcher(Controls::default(), &[]);
    fetcher.session.tell(Input::Source(path.offer(&seeder)));
    let rate_limit = seeder.rate_limit.clone();
    chunks_and_no_more(&mut seeder, &mut fetcher, rate_limit, 2).await;
    assert!(fetcher.have() < COUNT);
    path.is_cut.store(true, Ordering::Relaxed);
    // A small send window, so that the seeder cannot hand the rest to its own QUIC and take it for sent.
    seeder.session.links.connections().iter().for_each(|connection| connection.set_send_window(8 << 10));
    seeder.rate_limit.set(None);
    let snapshot = until(&mut fetcher, &mut seeder, Some(Idle::Congestion)).await;
    assert_eq!(snapshot.peers[0].idle, Some(Idle::Congestion));
    let snapshot = until(&mut seeder, &mut fetcher, Some(Idle::Congestion)).await;
    assert!(snapshot.peers[0].asks > 0);
    path.is_cut.store(false, Ordering::Relaxed);
    work(&mut seeder.session, &mut fetcher.session, is_complete).await;
}

#[tokio::test]
async fn peer_that_requests_and_does_not_read_is_slow_not_congested() {
    let mut seeder = Live::seeder(1, Controls::default());
    let (target, address) = (seeder.node.id(), seeder.node.local_address());
    let hello = hello(seeder.session.downloading.terms());
    let asking = tokio::spawn(async move {
        let (node, _) = node(50);
        let connection = node.dialer.clone().dial(target, vec![address], Vec::new()).await.unwrap();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        let frames = [Frame::Hello(hello), Frame::Bitfield(Bitfield::new(COUNT)), Frame::Interested];
        for frame in frames {
            send.write_all(&frame.encode()).await.unwrap();
        }
        // Reads the seeder's Hello, its Bitfield and its Unchoke.
        let mut frames = minimodel_wire::Decoder::new(Some(COUNT));
        loop {
            frames.push(&recv.read_chunk(1 << 10, true).await.unwrap().unwrap().bytes);
            let mut said = std::iter::from_fn(|| frames.next().unwrap());
            if said.any(|frame| frame == Frame::Unchoke) {
                break;
            }
        }
        let mut unread = Vec::new();
        for index in 0..COUNT {
            let (mut send, answer) = connection.open_bi().await.unwrap();
            send.write_all(&minimodel_wire::Request::Chunk { index }.encode()).await.unwrap();
            send.finish().unwrap();
            unread.push(answer);
        }
        std::future::pending::<()>().await;
    });
    let mut fetcher = Live::fetcher(Controls::default(), &[]);
    let settled = async {
        while seeder.session.machine.progress().served == 0 {
            seeder.session.next().await;
        }
    };
    timeout(PATIENCE, settled).await.unwrap();
    seeder.session.links.connections().iter().for_each(|connection| connection.set_send_window(8 << 10));
    let snapshot = until(&mut seeder, &mut fetcher, Some(Idle::PeerSlow)).await;
    assert!(snapshot.peers[0].asks > 0 && snapshot.peers[0].sent_bytes > 0);
    asking.abort();
}
