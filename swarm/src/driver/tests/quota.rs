//! Quotas that sessions share: no chunk moves without a reservation, and every reservation is settled.

use std::sync::Mutex;

use minimodel_wire::{CloseCode, PeerId};

use super::super::{Account, Direction, Idle, QuotaGate, QuotaRefusal};
use super::idle::until;
use super::live::{Live, chunks, chunks_and_no_more, settle};
use super::*;

const SIZE: u64 = CHUNK as u64;

#[derive(Debug, Default)]
struct Counts {
    most: u64,
    moved: u64,
    under_way: u64,
}

/// One quota for both ways and all peers.
#[derive(Debug, Default)]
pub(super) struct Counter(Mutex<Counts>);

impl Counter {
    pub(super) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self(Counts { most, ..Counts::default() }.into()))
    }

    pub(super) fn raise(&self, most: u64) {
        self.0.lock().unwrap().most = most;
    }

    /// Bytes transferred, and bytes in flight.
    fn counts(&self) -> (u64, u64) {
        let counts = self.0.lock().unwrap();
        (counts.moved, counts.under_way)
    }
}

impl QuotaGate for Counter {
    fn reserve(&self, _: Direction, _: PeerId, bytes: u64) -> Result<Account, QuotaRefusal> {
        let mut counts = self.0.lock().unwrap();
        if counts.moved + bytes > counts.most {
            return Err(QuotaRefusal::UsedUp);
        }
        if counts.moved + counts.under_way + bytes > counts.most {
            return Err(QuotaRefusal::InFlight);
        }
        counts.under_way += bytes;
        Ok(Account(7))
    }

    fn settle(&self, _: Direction, _: PeerId, account: Account, bytes: u64, moved: u64) {
        let mut counts = self.0.lock().unwrap();
        assert!(account == Account(7) && moved <= bytes);
        counts.under_way -= bytes;
        counts.moved += moved;
    }
}

fn is_budget_used(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Machine(Event::Refused { code: CloseCode::BudgetUsed, by_peer: true, .. }))
}

// Rows: B22
#[tokio::test]
async fn shares_under_one_quota_stay_within_it_and_close_when_it_ends() {
    let quota = Counter::new(5 * SIZE);
    for (key, most, got) in [(1, 5, 5), (2, 5, 0), (3, 7, 2)] {
        quota.raise(most * SIZE);
        let mut seeder = Live::seeder(key, Controls::default());
        seeder.session.serving.gate = Some(quota.clone());
        let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
        work(&mut seeder.session, &mut fetcher.session, is_budget_used).await;
        assert_eq!(fetcher.session.traffic().received, got * SIZE, "{key}");
        assert_eq!(quota.counts(), (most * SIZE, 0));
    }
}

// Rows: B22
#[tokio::test]
async fn fetch_stays_within_a_shared_quota_and_resumes_when_it_grows() {
    let quota = Counter::new(3 * SIZE);
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    fetcher.session.downloading.gate = Some(quota.clone());
    chunks(&mut seeder, &mut fetcher, 3).await;
    settle(&mut seeder, &mut fetcher).await;
    assert_eq!((fetcher.have(), quota.counts()), (3, (3 * SIZE, 0)));
    until(&mut fetcher, &mut seeder, Some(Idle::Quota)).await;
    quota.raise(u64::from(COUNT) * SIZE);
    fetcher.controls.send_modify(|controls| controls.quota_version += 1);
    work(&mut seeder.session, &mut fetcher.session, is_complete).await;
    assert_eq!(quota.counts(), (u64::from(COUNT) * SIZE, 0));
}

/// In the endgame the faster source takes requests over from the slower one; none of them may be paid twice.
// Rows: B22
#[tokio::test]
async fn quota_of_the_file_size_suffices_for_two_sources() {
    let quota = Counter::new(u64::from(COUNT) * SIZE);
    let (mut slow, mut fast) = (Live::seeder(1, Controls::default()), Live::seeder(2, Controls::default()));
    slow.rate_limit.set(Some(8 * SIZE));
    fast.rate_limit.set(Some(40 * SIZE));
    let mut fetcher = Live::fetcher(Controls::default(), &[&slow, &fast]);
    fetcher.session.downloading.gate = Some(quota.clone());
    let fetch = async {
        loop {
            tokio::select! {
                _ = slow.session.next() => {}
                _ = fast.session.next() => {}
                event = fetcher.session.next() => if is_complete(&event) { return },
            }
        }
    };
    timeout(PATIENCE, fetch).await.unwrap();
    assert_eq!(quota.counts(), (u64::from(COUNT) * SIZE, 0));
}

#[tokio::test]
async fn bytes_under_way_are_settled_when_either_session_ends_midway() {
    let (sent, received) = (Counter::new(u64::MAX), Counter::new(u64::MAX));
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    seeder.session.serving.gate = Some(sent.clone());
    fetcher.session.downloading.gate = Some(received.clone());
    let rate_limit = seeder.rate_limit.clone();
    chunks_and_no_more(&mut seeder, &mut fetcher, rate_limit, 2).await;
    assert!(sent.counts().1 > 0 && received.counts().1 > 0, "{sent:?} {received:?}");
    assert!(until(&mut seeder, &mut fetcher, Some(Idle::RateLimit)).await.unread > 0);
    for live in [&mut seeder, &mut fetcher] {
        drop(live.session.stop(minimodel_wire::CloseCode::ShuttingDown).await);
    }
    let is_settled = async {
        while sent.counts().1 > 0 || received.counts().1 > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, is_settled).await.unwrap();
    assert_eq!(sent.counts().0, seeder.session.traffic().sent);
    assert_eq!(received.counts().0, fetcher.session.traffic().received);
}
