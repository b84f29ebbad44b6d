//! Controls and rates that the user changes while bytes pass.

use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::{CloseCode, PeerId};
use tokio::sync::watch;

use super::super::{RateLimit, Report};
use super::path::Path;
use super::quota::Counter;
use super::*;

const MOMENT: Duration = Duration::from_millis(200);

/// A session whose controls and rate can be changed.
pub(super) struct Live {
    pub(super) node: Node,
    pub(super) key: SigningKey,
    pub(super) session: Session,
    pub(super) controls: watch::Sender<Controls>,
    pub(super) rate_limit: RateLimit,
    pub(super) reports: mpsc::Receiver<Report>,
}

impl Live {
    /// The rate limit is for what a seeder sends, and what a fetcher receives.
    pub(super) fn new(key: u8, consent: Consent, controls: Controls, memory: Memory) -> Self {
        let (node, key) = node(key);
        let mut inputs = memory.inputs(consent, &key);
        let (tell, reports) = mpsc::channel(1_000);
        inputs.reports = tell;
        let rate_limit = RateLimit::default();
        if consent.contains(Consent::SERVE) { &mut inputs.limits.up } else { &mut inputs.limits.down }
            .push(rate_limit.clone());
        inputs.config.controls = controls.clone();
        let (controls, receiver) = watch::channel(controls);
        inputs.outside.controls = receiver;
        let session = Session::new(&node, inputs).unwrap();
        Self { node, key, session, controls, rate_limit, reports }
    }

    pub(super) fn seeder(key: u8, controls: Controls) -> Self {
        Self::new(key, Consent::SERVE, controls, Memory::new())
    }

    pub(super) fn fetcher(controls: Controls, sources: &[&Self]) -> Self {
        let mut live = Self::new(100, Consent::FETCH, controls, Memory::new());
        for source in sources {
            live.session.tell(Input::Source(offer(&source.node)));
        }
        live
    }

    pub(super) fn have(&self) -> u32 {
        self.session.machine.have().ones()
    }
}

fn is_chunk(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Machine(Event::Chunk { .. }))
}

/// Runs both sessions until `count` more chunks are here.
pub(super) async fn chunks(seeder: &mut Live, fetcher: &mut Live, count: u32) {
    for _ in 0..count {
        work(&mut seeder.session, &mut fetcher.session, is_chunk).await;
    }
}

/// Runs both sessions until `count` chunks are here, and then lets no more bytes pass: the rate before is so low that
/// the change cannot come too late.
pub(super) async fn chunks_and_no_more(
    seeder: &mut Live,
    fetcher: &mut Live,
    rate_limit: RateLimit,
    count: u32,
) {
    rate_limit.set(Some(2 * CHUNK as u64));
    chunks(seeder, fetcher, count).await;
    rate_limit.set(Some(0));
    settle(seeder, fetcher).await;
}

/// Runs both sessions until `count` chunks are kept; those that have arrived may still be hashed and written.
async fn kept(seeder: &mut Live, fetcher: &mut Live, count: u32) {
    let work = async {
        while fetcher.have() < count {
            moment(seeder, fetcher).await;
        }
    };
    timeout(PATIENCE, work).await.unwrap();
    assert_eq!(fetcher.have(), count);
}

/// Runs both sessions for a moment, whatever happens.
async fn moment(seeder: &mut Live, fetcher: &mut Live) {
    let _ = timeout(MOMENT, work(&mut seeder.session, &mut fetcher.session, |_| false)).await;
}

/// Runs both sessions until nothing moves for a moment.
pub(super) async fn settle(seeder: &mut Live, fetcher: &mut Live) {
    loop {
        let before = fetcher.session.traffic();
        moment(seeder, fetcher).await;
        if fetcher.session.traffic() == before {
            return;
        }
    }
}

fn refusal(event: &SessionEvent) -> Option<(PeerId, CloseCode)> {
    match event {
        SessionEvent::Machine(Event::Refused { peer, code, by_peer: true }) => Some((*peer, *code)),
        _ => None,
    }
}

// Rows: I5
#[tokio::test]
async fn peer_removed_from_allow_list_is_closed_in_mid_transfer() {
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    let rate_limit = seeder.rate_limit.clone();
    chunks_and_no_more(&mut seeder, &mut fetcher, rate_limit, 2).await;
    seeder.controls.send_modify(|controls| controls.allow = Some(BTreeSet::new()));
    let end = work(&mut seeder.session, &mut fetcher.session, |one| refusal(one).is_some()).await;
    assert_eq!(refusal(&end), Some((seeder.node.id(), CloseCode::NotAllowed)));
    assert!(fetcher.have() < COUNT);
    assert_eq!((seeder.session.links.count(), seeder.session.serving.unanswered()), (0, 0));
}

// Rows: I5
#[tokio::test]
async fn removed_source_gives_no_more_and_another_gives_the_rest() {
    let (mut first, mut second) =
        (Live::seeder(1, Controls::default()), Live::seeder(2, Controls::default()));
    let mut fetcher = Live::fetcher(Controls::default(), &[&first]);
    let rate_limit = first.rate_limit.clone();
    chunks_and_no_more(&mut first, &mut fetcher, rate_limit, 2).await;
    let from_first = fetcher.have();
    assert!(from_first < COUNT && fetcher.session.downloading.under_way() > 0);
    let only = BTreeSet::from([second.node.id()]);
    fetcher.controls.send_modify(|controls| controls.sources = Some(only));
    moment(&mut first, &mut fetcher).await;
    assert_eq!(fetcher.session.downloading.under_way(), 0);
    first.rate_limit.set(None);
    fetcher.session.tell(Input::Source(offer(&second.node)));
    let mut suppliers = BTreeMap::<PeerId, u32>::new();
    let mut rest = async || loop {
        let event = tokio::select! {
            _ = first.session.next() => continue,
            _ = second.session.next() => continue,
            event = fetcher.session.next() => event,
        };
        if let SessionEvent::Machine(Event::Chunk { peer, .. }) = event {
            *suppliers.entry(peer).or_default() += 1;
        }
        if is_complete(&event) {
            return;
        }
    };
    timeout(PATIENCE, rest()).await.unwrap();
    assert_eq!(suppliers, BTreeMap::from([(second.node.id(), COUNT - from_first)]));
}

#[tokio::test]
async fn rate_is_cut_to_zero_and_raised_in_mid_transfer_on_each_side() {
    for is_up in [true, false] {
        let mut seeder = Live::seeder(1, Controls::default());
        let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
        let rate_limit = if is_up { seeder.rate_limit.clone() } else { fetcher.rate_limit.clone() };
        chunks_and_no_more(&mut seeder, &mut fetcher, rate_limit.clone(), 2).await;
        let bytes = fetcher.session.traffic().received;
        assert!(bytes < u64::from(COUNT) * CHUNK as u64, "{is_up}");
        moment(&mut seeder, &mut fetcher).await;
        assert_eq!(fetcher.session.traffic().received, bytes, "{is_up}");
        // First a low rate, then none.
        rate_limit.set(Some(CHUNK as u64 * 100));
        chunks(&mut seeder, &mut fetcher, 1).await;
        rate_limit.set(None);
        work(&mut seeder.session, &mut fetcher.session, is_complete).await;
    }
}

// Rows: B22
#[tokio::test]
async fn peer_gets_its_whole_quota_and_returns_after_a_raise() {
    let quota = Counter::new(5 * CHUNK as u64);
    let mut seeder = Live::seeder(1, Controls::default());
    seeder.session.serving.gate = Some(quota.clone());
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    let end = work(&mut seeder.session, &mut fetcher.session, |one| refusal(one).is_some()).await;
    assert_eq!(refusal(&end), Some((seeder.node.id(), CloseCode::BudgetUsed)));
    kept(&mut seeder, &mut fetcher, 5).await;
    quota.raise(10 * CHUNK as u64);
    drop(fetcher);
    let mut again = Live::fetcher(Controls::default(), &[&seeder]);
    work(&mut seeder.session, &mut again.session, |one| refusal(one).is_some()).await;
    kept(&mut seeder, &mut again, 5).await;
}

// Rows: B22
#[tokio::test]
async fn granted_chunks_arrive_before_goodbye_on_a_long_path() {
    let mut seeder = Live::seeder(1, Controls::default());
    seeder.session.serving.gate = Some(Counter::new(3 * CHUNK as u64));
    let path = Path::to(seeder.node.local_address()).await;
    let mut fetcher = Live::fetcher(Controls::default(), &[]);
    fetcher.session.tell(Input::Source(path.offer(&seeder)));
    seeder.rate_limit.set(Some(0));
    while seeder.session.serving.unanswered() < 4 {
        moment(&mut seeder, &mut fetcher).await;
    }
    path.is_cut.store(true, Ordering::Relaxed);
    seeder.rate_limit.set(None);
    while seeder.session.links.count() > 0 {
        moment(&mut seeder, &mut fetcher).await;
    }
    assert_eq!(fetcher.have(), 0, "all of it is on its way");
    path.is_cut.store(false, Ordering::Relaxed);
    let end = work(&mut seeder.session, &mut fetcher.session, |one| refusal(one).is_some()).await;
    assert_eq!(refusal(&end), Some((seeder.node.id(), CloseCode::BudgetUsed)));
    kept(&mut seeder, &mut fetcher, 3).await;
}

/// The code with which the other side's connection ended.
fn left(event: &SessionEvent) -> Option<CloseCode> {
    match event {
        SessionEvent::Machine(Event::Left { code, .. }) => *code,
        _ => None,
    }
}

// Rows: G4
#[tokio::test]
async fn each_connection_closes_with_its_own_code() {
    // The user's fetch is over, though chunks are missing: the other side learns no more than that it is over.
    let mut seeder = Live::seeder(1, Controls::default());
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    chunks(&mut seeder, &mut fetcher, 1).await;
    let drained = fetcher.session.stop(CloseCode::Done).await;
    drained.await;
    let end = timeout(PATIENCE, async { until_it(&mut seeder.session, |one| left(one).is_some()).await });
    assert_eq!(left(&end.await.unwrap()), Some(CloseCode::Done));

    // The seeder's file changed, which ends the share at once.
    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    chunks(&mut seeder, &mut fetcher, 1).await;
    seeder.session.tell(Input::SourceChanged);
    let drained = seeder.session.stop(CloseCode::ShuttingDown).await;
    drained.await;
    let end = timeout(PATIENCE, async { until_it(&mut fetcher.session, |one| left(one).is_some()).await });
    assert_eq!(left(&end.await.unwrap()), Some(CloseCode::SourceChanged));
}

async fn until_it(session: &mut Session, is_it: impl Fn(&SessionEvent) -> bool) -> SessionEvent {
    loop {
        let event = session.next().await;
        if is_it(&event) {
            return event;
        }
    }
}

// Rows: B22
#[tokio::test]
async fn rate_of_one_byte_per_second_delays_chunks_not_the_manifest() {
    let mut seeder = Live::seeder(1, Controls::default());
    seeder.rate_limit.set(Some(1));
    let text = Bytes::from(vec![b'm'; 40 << 10]);
    seeder.session.serving.manifest_text = text.clone();
    let (asking, _) = node(50);
    let (target, address) = (seeder.node.id(), seeder.node.local_address());
    let asked = async {
        let connection = asking.dialer.clone().dial(target, vec![address], Vec::new()).await.unwrap();
        let (mut control, _frames) = connection.open_bi().await.unwrap();
        let (version, software) = (minimodel_wire::PROTOCOL_VERSION, "test/1".to_owned());
        let only = minimodel_wire::ManifestOnly { version, swarm_id: [1; 32], software };
        control.write_all(&Frame::ManifestOnly(only).encode()).await.unwrap();
        loop {
            // The request may be there before the frame that permits it.
            if let Ok(text) = super::super::download::manifest(&connection).await {
                return text;
            }
        }
    };
    let got = async {
        tokio::select! {
            text = asked => text,
            () = async { loop { seeder.session.next().await; } } => unreachable!("it serves on"),
        }
    };
    // The manifest is done before the hello's deadline, at 64 KiB a second.
    assert!(timeout(Duration::from_secs(8), got).await.unwrap() == text);

    let mut fetcher = Live::fetcher(Controls::default(), &[&seeder]);
    let is_joined = |event: &SessionEvent| matches!(event, SessionEvent::Machine(Event::Joined { .. }));
    work(&mut seeder.session, &mut fetcher.session, is_joined).await;
    let moment = work(&mut seeder.session, &mut fetcher.session, |_| false);
    let _ = timeout(Duration::from_secs(1), moment).await;
    assert_eq!(fetcher.have(), 0, "a chunk takes hours");
    seeder.rate_limit.set(None);
    work(&mut seeder.session, &mut fetcher.session, is_complete).await;
}
