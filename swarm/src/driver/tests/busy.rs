//! Hashing and writing that take long.

use minimodel_wire::CloseCode;

use super::super::Report;
use super::live::{Live, settle};
use super::*;

// Rows: F3
#[tokio::test]
async fn busy_hashing_and_writing_does_not_delay_a_newcomer() {
    let (seeding, mut seeder) = session(1, Consent::SERVE, Memory::new());
    let slow = Arc::new(Memory::new());
    slow.keep_blocks.store(true, Ordering::Relaxed);
    let (node, key) = node(2);
    let mut inputs = Memory::new().inputs(Consent::FETCH | Consent::SERVE, &key);
    inputs.have = Bitfield::new(COUNT);
    inputs.sink = Some(slow.clone());
    let mut busy = Session::new(&node, inputs).unwrap();
    busy.tell(Input::Source(offer(&seeding)));
    let mut late = Live::fetcher(Controls::default(), &[]);
    let (mut has_come, mut is_met, mut is_over) = (false, false, false);
    let work = async {
        while !is_over {
            tokio::select! {
                _ = seeder.next() => {}
                event = busy.next() => is_over |= is_complete(&event),
                event = late.session.next() => {
                    is_met |= matches!(event, SessionEvent::Machine(Event::Joined { .. }));
                }
            }
            // At least a chunk's bytes have arrived, and none of it is kept.
            if !has_come && busy.traffic().received >= CHUNK as u64 {
                has_come = true;
                late.session.tell(Input::Source(offer(&node)));
            }
            if is_met && slow.keep_blocks.load(Ordering::Relaxed) {
                assert_eq!(busy.machine.have().ones(), 0, "nothing was ever in its way");
                slow.keep_blocks.store(false, Ordering::Relaxed);
            }
        }
    };
    timeout(PATIENCE, work).await.unwrap();
    assert!(is_met);
}

#[tokio::test]
async fn last_snapshot_counts_chunks_kept_after_the_stop() {
    let memory = Memory::new();
    let (blocks, kept) = (memory.keep_blocks.clone(), memory.kept.clone());
    blocks.store(true, Ordering::Relaxed);
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::new(100, Consent::FETCH, Controls::default(), memory);
    fetcher.session.tell(Input::Source(offer(&seeder.node)));
    let arrive = async {
        while fetcher.session.traffic().received < 2 * CHUNK as u64 {
            settle(&mut seeder, &mut fetcher).await;
        }
    };
    timeout(PATIENCE, arrive).await.unwrap();
    drop(fetcher.session.stop(CloseCode::ShuttingDown).await);
    assert_eq!(fetcher.have(), 0, "none was kept before the stop");
    blocks.store(false, Ordering::Relaxed);
    fetcher.session.finish_writing().await;
    let mut last = None;
    while let Ok(report) = fetcher.reports.try_recv() {
        if let Report::Snapshot(snapshot) = report {
            last = Some((snapshot.have_bytes, snapshot.progress.have));
        }
    }
    let kept = kept.lock().unwrap().len();
    assert!(kept > 0 && last == Some(((kept * CHUNK) as u64, kept as u32)), "{kept} {last:?}");
}
