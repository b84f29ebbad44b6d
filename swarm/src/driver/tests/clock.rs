//! Wrong calendars: deadlines, strikes and bans go by the monotonic clock.

use std::collections::BTreeSet;

use minimodel_wire::PeerId;

use super::super::{RateLimit, Report};
use super::*;

const YEAR: u64 = 365 * 24 * 3_600;
const NOW: u64 = 1_780_000_000;

/// A member of the swarm whose calendar says `now` and which has the offers `knows`; its own offer is valid until the
/// day after [`NOW`].
fn member(key: u8, consent: Consent, now: u64, knows: &[&SignedOffer]) -> (Node, Session, SignedOffer) {
    member_with(key, consent, now, knows, |_| {})
}

/// Such a member, with some inputs of its session changed.
fn member_with(
    key: u8,
    consent: Consent,
    now: u64,
    knows: &[&SignedOffer],
    change: impl FnOnce(&mut SessionInputs),
) -> (Node, Session, SignedOffer) {
    let (node, signing) = node(key);
    let offer = node.offer([1; 32], NOW + 24 * 3_600).unwrap();
    let mut inputs = Memory::new().inputs(consent, &signing);
    inputs.sink = consent.contains(Consent::FETCH).then(|| Arc::new(Memory::new()) as Arc<dyn ChunkSink>);
    inputs.have = if consent.contains(Consent::FETCH) { Bitfield::new(COUNT) } else { Bitfield::full(COUNT) };
    (inputs.config.unix_at_start, inputs.config.offer) = (now, Some(offer.clone()));
    change(&mut inputs);
    let mut session = Session::new(&node, inputs).unwrap();
    for source in knows {
        session.tell(Input::Source((*source).clone()));
    }
    (node, session, offer)
}

// Rows: C5
#[tokio::test]
async fn share_running_longer_than_its_offer_is_found_by_later_peers() {
    const DAYS: u64 = 8 * 24 * 3_600;
    let all = Consent::FETCH | Consent::SERVE | Consent::PUBLISH;
    let (tell, mut reports) = mpsc::channel(1_000);
    let of_seeder = |inputs: &mut SessionInputs| inputs.reports = tell;
    let (seeding, mut seeder, offer) = member_with(1, Consent::SERVE | Consent::PUBLISH, NOW, &[], of_seeder);
    seeder.calendar.sleep(Duration::from_secs(DAYS));
    // No peer is connected, and nothing happens.
    let renewing = async {
        loop {
            tokio::select! {
                _ = seeder.next() => {}
                Some(report) = reports.recv() => {
                    if let Report::Offer(renewed) = report {
                        return renewed;
                    }
                }
            }
        }
    };
    let renewed = timeout(PATIENCE, renewing).await.unwrap();
    assert!(offer.check_fresh(NOW + DAYS).is_err() && renewed.check_fresh(NOW + DAYS).is_ok());
    assert_eq!(renewed.offer().addresses, offer.offer().addresses);

    // One newcomer has the old offer and uploads nothing; the last one knows only that newcomer.
    let gives_nothing = |inputs: &mut SessionInputs| inputs.limits.up = vec![RateLimit::new(Some(0))];
    let (_between, mut between, its_offer) = member_with(2, all, NOW + DAYS, &[&offer], gives_nothing);
    let (_last, mut last, _) = member(3, all, NOW + DAYS, &[&its_offer]);
    let mut seen = Seen::default();
    let work = async {
        while !seen.joined.contains(&seeding.id()) {
            tokio::select! {
                _ = seeder.next() => {}
                _ = between.next() => {}
                event = last.next() => seen.see(&event),
            }
        }
    };
    timeout(PATIENCE, work).await.unwrap();
    assert_eq!(seen.blamed, []);
}

/// Events that one session reported.
#[derive(Default)]
struct Seen {
    joined: Vec<PeerId>,
    is_complete: bool,
    blamed: Vec<Event>,
}

impl Seen {
    fn see(&mut self, event: &SessionEvent) {
        let SessionEvent::Machine(event) = event else { return };
        match event {
            Event::Joined { peer, .. } => self.joined.push(*peer),
            Event::Complete => self.is_complete = true,
            Event::Struck { .. } | Event::Banned { .. } | Event::Refused { .. } => {
                self.blamed.push(event.clone());
            }
            _ => {}
        }
    }
}

/// A seeder; a member that knows it; and a last member that knows only the one between, and hears of the seeder from it
/// if both find the seeder's offer fresh.
async fn swarm(calendars: [u64; 3]) -> ([PeerId; 2], [Seen; 3]) {
    let all = Consent::FETCH | Consent::SERVE | Consent::PUBLISH;
    let [first, second, third] = calendars;
    let (seeding, mut seeder, offer) = member(1, Consent::SERVE | Consent::PUBLISH, first, &[]);
    let (between, mut member_between, its_offer) = member(2, all, second, &[&offer]);
    let (_last, mut last_member, _) = member(3, all, third, &[&its_offer]);
    let mut seen = [Seen::default(), Seen::default(), Seen::default()];
    let work = async {
        while !(seen[1].is_complete && seen[2].is_complete) {
            let (who, event) = tokio::select! {
                event = seeder.next() => (0, event),
                event = member_between.next() => (1, event),
                event = last_member.next() => (2, event),
            };
            seen[who].see(&event);
        }
    };
    timeout(PATIENCE, work).await.unwrap();
    ([seeding.id(), between.id()], seen)
}

// Rows: E16
#[tokio::test]
async fn calendar_off_by_a_year_changes_only_which_offers_are_fresh() {
    for off in [
        [0, 0, 0],
        [1, 0, 0],
        [-1, 0, 0],
        [0, 1, 0],
        [0, -1, 0],
        [0, 0, 1],
        [0, 0, -1],
        [1, -1, 1],
        [-1, 1, -1],
    ] {
        let calendars = off.map(|years: i64| NOW.saturating_add_signed(years * YEAR as i64));
        let ([seeder, between], seen) = swarm(calendars).await;
        for one in &seen {
            assert_eq!(one.blamed, [], "{off:?}");
        }
        // A peer that the user named is dialed whatever the calendar says, and is lost by no deadline.
        assert!(seen[1].joined.contains(&seeder) && seen[2].joined.contains(&between), "{off:?}");
        let came_once = |one: &Seen| one.joined.iter().collect::<BTreeSet<_>>().len() == one.joined.len();
        assert!(seen.iter().all(came_once), "{off:?}");
        // A peer that only members named is dialed if its offer is fresh by the calendars of both that read it.
        let is_told = off[1] <= 0 && off[2] <= 0;
        assert!(is_told || !seen[2].joined.contains(&seeder), "{off:?}");
    }
}
