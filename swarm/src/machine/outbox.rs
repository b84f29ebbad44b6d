//! What is still to be said to one peer on the control stream, and how much may be said.
//!
//! What we send to a peer often follows from what other peers do: who is interested, who comes and goes, which offers
//! are renewed. So states are kept, not frames: of several changes the last alone is sent, indexes and offers go
//! together, and all of it within a budget that is a fifth of what a receiver lets pass. However fast others change
//! their minds, no honest peer is flooded by another.

use std::collections::BTreeSet;
use std::time::Duration;

use minimodel_wire::Frame;

use super::events::Conn;
use super::rate::Bucket;
use super::time::Time;

/// Frames to one peer, at once and a second: a fifth of what [`super::Limits::control_burst`] and
/// [`super::Limits::control_per_second`] let pass. Hello, Bitfield, Bye and the first Peers, which are sent once, are
/// not counted.
const BUDGET: (u64, u64) = (400, 100);
/// What the budget does not let pass is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// Indexes in one Have frame; the wire's own cap.
const HAVES_PER_FRAME: usize = 256;
/// Offers in one Peers frame; the wire's own cap.
pub(super) const OFFERS_PER_FRAME: usize = 16;
/// Passed-on offers go out this often at most.
const OFFERS_EVERY: Duration = Duration::from_secs(1);
/// Lost chunks that wait to be told. What is beyond it is told to a peer that asks, by the code of the refusal.
const MAX_LOST: usize = 4_096;

/// A state of ours that the peer is told of.
#[derive(Debug, Clone, Copy)]
struct Told {
    is: bool,
    /// What the peer believes; `None` when a refusal said otherwise than the last frame.
    said: Option<bool>,
}

impl Told {
    /// Both sides start choked and not interested.
    const NEW: Self = Self { is: false, said: Some(false) };

    fn is_due(self) -> bool {
        self.said != Some(self.is)
    }

    fn say(&mut self, yes: Frame, no: Frame) -> Frame {
        self.said = Some(self.is);
        if self.is { yes } else { no }
    }
}

/// What one peer is to be told, and when.
#[derive(Debug)]
pub(super) struct Outbox {
    budget: Bucket,
    unchoked: Told,
    interested: Told,
    /// Chunks that became ours, and when the first of them is to be told.
    haves: Vec<u32>,
    haves_at: Time,
    lost: BTreeSet<u32>,
    /// Members whose offer is to be passed on, and when the next of them may be.
    members: BTreeSet<Conn>,
    members_at: Time,
}

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// This frame.
    Frame(Frame),
    /// The offers of these members, as far as they are still here.
    Offers(Vec<Conn>),
}

impl Outbox {
    pub(super) fn new(now: Time) -> Self {
        Self {
            budget: Bucket::new(now, BUDGET.1, BUDGET.0),
            unchoked: Told::NEW,
            interested: Told::NEW,
            haves: Vec::new(),
            haves_at: now,
            lost: BTreeSet::new(),
            members: BTreeSet::new(),
            members_at: now,
        }
    }

    /// Whether the peer may ask us for chunks.
    pub(super) fn set_unchoked(&mut self, unchoked: bool) {
        self.unchoked.is = unchoked;
    }

    /// A request was refused with `Choked`: that the peer may ask again must be said.
    pub(super) fn refused_as_choked(&mut self) {
        if self.unchoked.said == Some(true) {
            self.unchoked.said = None;
        }
    }

    /// Whether we want chunks of the peer. True if that is another than before: only then there may be something to say.
    pub(super) fn set_interested(&mut self, interested: bool) -> bool {
        std::mem::replace(&mut self.interested.is, interested) != interested
    }

    /// The chunk is ours since `now`; others may go with it for `delay`.
    pub(super) fn have(&mut self, now: Time, index: u32, delay: Duration) {
        self.lost.remove(&index);
        if self.haves.is_empty() {
            self.haves_at = now + delay;
        }
        self.haves.push(index);
    }

    /// The chunk is not ours any more.
    pub(super) fn dont_have(&mut self, index: u32) {
        self.haves.retain(|&unsent| unsent != index);
        if self.lost.len() < MAX_LOST {
            self.lost.insert(index);
        }
    }

    /// The offer of this member, as it is when it is sent, goes to the peer.
    pub(super) fn pass_on(&mut self, member: Conn) {
        self.members.insert(member);
    }

    /// The member is gone.
    pub(super) fn forget(&mut self, member: Conn) {
        self.members.remove(&member);
    }

    /// When [`Self::next`] has something to say; `None` when nothing waits.
    pub(super) fn next_at(&self, now: Time) -> Option<Time> {
        let is_due = self.unchoked.is_due() || self.interested.is_due() || !self.lost.is_empty();
        let at = [
            is_due.then_some(now),
            (!self.haves.is_empty()).then_some(self.haves_at),
            (!self.members.is_empty()).then_some(self.members_at),
        ];
        at.into_iter().flatten().min()
    }

    /// The next thing to say at `now`, and nothing beyond the budget. What others wait for first goes first.
    pub(super) fn next(&mut self, now: Time) -> Result<Option<Word>, Time> {
        if self.next_at(now).is_none_or(|at| at > now) {
            return Ok(None);
        }
        if !self.budget.try_take(now, 1) {
            return Err(now + TRY_AGAIN);
        }
        let frame = if self.unchoked.is_due() {
            self.unchoked.say(Frame::Unchoke, Frame::Choke)
        } else if self.interested.is_due() {
            self.interested.say(Frame::Interested, Frame::NotInterested)
        } else if let Some(index) = self.lost.pop_first() {
            Frame::DontHave { index }
        } else if !self.haves.is_empty() && self.haves_at <= now {
            let rest = self.haves.split_off(self.haves.len().min(HAVES_PER_FRAME));
            Frame::Have { indexes: std::mem::replace(&mut self.haves, rest) }
        } else {
            self.members_at = now + OFFERS_EVERY;
            let mut members = std::mem::take(&mut self.members);
            if let Some(&rest) = members.iter().nth(OFFERS_PER_FRAME) {
                self.members = members.split_off(&rest);
            }
            return Ok(Some(Word::Offers(members.into_iter().collect())));
        };
        Ok(Some(Word::Frame(frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, SEED, TAKE, having};
    use super::*;

    const START: Time = Time::ZERO;

    fn after(ms: u64) -> Time {
        START + Duration::from_millis(ms)
    }

    /// All that is said at this time.
    fn said(outbox: &mut Outbox, now: Time) -> Vec<Word> {
        std::iter::from_fn(|| outbox.next(now).ok().flatten()).collect()
    }

    fn frames(frames: impl IntoIterator<Item = Frame>) -> Vec<Word> {
        frames.into_iter().map(Word::Frame).collect()
    }

    #[test]
    fn h1_of_several_changes_of_a_state_the_last_alone_is_sent() {
        let mut outbox = Outbox::new(START);
        outbox.set_unchoked(true);
        outbox.set_interested(true);
        outbox.set_unchoked(false);
        assert_eq!(said(&mut outbox, START), frames([Frame::Interested]));
        outbox.set_unchoked(true);
        outbox.set_interested(false);
        assert_eq!(said(&mut outbox, START), frames([Frame::Unchoke, Frame::NotInterested]));
        assert_eq!(outbox.next_at(START), None);
    }

    #[test]
    fn what_does_not_change_our_interest_is_no_word_to_the_peer() {
        let mut desk = Desk::new(TAKE, having([]));
        desk.join(1, SEED, having(0..10));
        assert!(desk.frames(1).contains(&Frame::Interested));
        desk.machine.update_interest(Conn(1));
        assert!(desk.machine.unsaid.is_empty() && desk.machine.next_word.is_none());
        desk.machine.forget_claim(Conn(1), 3);
        assert!(desk.machine.unsaid.is_empty(), "nine others are left");
        (0..10).for_each(|index| desk.machine.forget_claim(Conn(1), index));
        assert!(desk.machine.unsaid.contains(&Conn(1)), "none is left");
    }

    #[test]
    fn h1_a_peer_that_was_refused_hears_that_it_may_ask_again() {
        let mut outbox = Outbox::new(START);
        outbox.set_unchoked(true);
        assert_eq!(said(&mut outbox, START), frames([Frame::Unchoke]));
        outbox.set_unchoked(false);
        outbox.refused_as_choked();
        outbox.set_unchoked(true);
        assert_eq!(said(&mut outbox, START), frames([Frame::Unchoke]));
    }

    #[test]
    fn h1_no_more_is_sent_than_the_budget_lets_pass_and_the_last_state_gets_through() {
        let mut outbox = Outbox::new(START);
        let mut sent = 0;
        for ms in 0..10_000 {
            outbox.set_unchoked(ms % 2 == 0);
            sent += said(&mut outbox, after(ms)).len() as u64;
        }
        assert!(sent <= BUDGET.0 + 10 * BUDGET.1, "{sent}");
        assert!(sent >= BUDGET.0 + 9 * BUDGET.1, "{sent}: not held back for good either");
        outbox.set_unchoked(true);
        outbox.unchoked.said = Some(false);
        let later = after(11_000);
        assert_eq!(said(&mut outbox, later), frames([Frame::Unchoke]));
    }

    #[test]
    fn b8_haves_wait_for_each_other_and_go_256_at_a_time() {
        let mut outbox = Outbox::new(START);
        for index in 0..300 {
            outbox.have(START, index, Duration::from_millis(20));
        }
        assert_eq!(said(&mut outbox, after(19)), []);
        assert_eq!(outbox.next_at(after(19)), Some(after(20)));
        let expected = [(0..256).collect(), (256..300).collect()];
        assert_eq!(said(&mut outbox, after(20)), frames(expected.map(|indexes| Frame::Have { indexes })));
    }

    #[test]
    fn a_chunk_that_comes_and_goes_is_told_as_it_is() {
        let mut outbox = Outbox::new(START);
        let delay = Duration::from_millis(20);
        outbox.have(START, 3, delay);
        outbox.dont_have(3);
        assert_eq!(said(&mut outbox, START), frames([Frame::DontHave { index: 3 }]));
        outbox.dont_have(4);
        outbox.have(START, 4, delay);
        assert_eq!(said(&mut outbox, after(20)), frames([Frame::Have { indexes: vec![4] }]));
    }

    #[test]
    fn h1_offers_go_together_once_a_second_however_often_they_are_renewed() {
        let mut outbox = Outbox::new(START);
        let mut frames = 0;
        for ms in 0..5_000 {
            for member in 0..20 {
                outbox.pass_on(Conn(member));
            }
            for word in said(&mut outbox, after(ms)) {
                let Word::Offers(members) = word else { panic!("{word:?}") };
                assert!(members.len() <= OFFERS_PER_FRAME);
                frames += 1;
            }
        }
        assert_eq!(frames, 5);
    }

    #[test]
    fn h1_lost_chunks_that_wait_are_bounded() {
        let mut outbox = Outbox::new(START);
        (0..100_000).for_each(|index| outbox.dont_have(index));
        assert_eq!(outbox.lost.len(), MAX_LOST);
    }
}
