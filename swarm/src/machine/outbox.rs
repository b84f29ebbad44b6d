//! Control frames that are still to be sent to one peer, and their rate limit.
//!
//! What we send to a peer often follows from what other peers do: which of them are interested, come and go, or renew
//! their offers. So the outbox keeps states and not frames: of several changes only the last is sent, indexes and offers
//! share frames, and all frames stay within a budget of a fifth of what a receiver lets pass. However fast other peers
//! change their state, they cannot make us flood an honest peer.

use std::collections::BTreeSet;
use std::time::Duration;

use minimodel_wire::Frame;

use super::events::Conn;
use super::rate::Bucket;
use super::time::Time;

/// Frames to one peer at once, and per second: a fifth of [`super::Limits::control_burst`] and
/// [`super::Limits::control_per_second`]. Hello, Bitfield, Bye and the first Peers are sent once and are not counted.
const BUDGET: (u64, u64) = (400, 100);
/// Pause before a frame beyond the budget is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// Indexes in one Have frame; the wire's own cap.
const HAVES_PER_FRAME: usize = 256;
/// Offers in one Peers frame; the wire's own cap.
pub(super) const OFFERS_PER_FRAME: usize = 16;
/// Shortest time between two frames of passed-on offers.
const OFFERS_EVERY: Duration = Duration::from_secs(1);
/// Lost chunks that wait for their DontHave. A chunk beyond that is reported by the reset code when the peer requests it.
const MAX_LOST: usize = 4_096;

/// A state of ours that the peer should know.
#[derive(Debug, Clone, Copy)]
struct Told {
    is: bool,
    /// The state that the peer believes; `None` after a refusal that said otherwise than the last frame.
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

/// Everything that one peer should still learn from us, and when.
#[derive(Debug)]
pub(super) struct Outbox {
    budget: Bucket,
    unchoked: Told,
    interested: Told,
    /// Chunks that became ours, and when the first of them is to be announced.
    haves: Vec<u32>,
    haves_at: Time,
    lost: BTreeSet<u32>,
    /// Members whose offers are to be passed on, and when the next frame of them may go out.
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

    /// Sets whether the peer may request chunks from us.
    pub(super) fn set_unchoked(&mut self, unchoked: bool) {
        self.unchoked.is = unchoked;
    }

    /// Notes that a request was refused with `Choked`: if the peer may request again, that must be sent.
    pub(super) fn refused_as_choked(&mut self) {
        if self.unchoked.said == Some(true) {
            self.unchoked.said = None;
        }
    }

    /// Sets whether we want chunks of the peer. Returns true if that changed: only then there may be a frame to send.
    pub(super) fn set_interested(&mut self, interested: bool) -> bool {
        std::mem::replace(&mut self.interested.is, interested) != interested
    }

    /// Queues a Have for a chunk that is ours since `now`; it waits for `delay`, so that others may share its frame.
    pub(super) fn have(&mut self, now: Time, index: u32, delay: Duration) {
        self.lost.remove(&index);
        if self.haves.is_empty() {
            self.haves_at = now + delay;
        }
        self.haves.push(index);
    }

    /// Queues a DontHave for a chunk that is not ours any more.
    pub(super) fn dont_have(&mut self, index: u32) {
        self.haves.retain(|&unsent| unsent != index);
        if self.lost.len() < MAX_LOST {
            self.lost.insert(index);
        }
    }

    /// Queues the offer of this member, as it will be when it is sent.
    pub(super) fn pass_on(&mut self, member: Conn) {
        self.members.insert(member);
    }

    /// Drops a member that is gone.
    pub(super) fn forget(&mut self, member: Conn) {
        self.members.remove(&member);
    }

    /// When [`Self::next`] has a frame to send; `None` when nothing waits.
    pub(super) fn next_at(&self, now: Time) -> Option<Time> {
        let is_due = self.unchoked.is_due() || self.interested.is_due() || !self.lost.is_empty();
        let at = [
            is_due.then_some(now),
            (!self.haves.is_empty()).then_some(self.haves_at),
            (!self.members.is_empty()).then_some(self.members_at),
        ];
        at.into_iter().flatten().min()
    }

    /// Returns the next thing to send at `now`, the most urgent first. The error is the time to try again, if the budget
    /// is used up.
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
    use super::super::harness::{Harness, SEED, TAKE, having};
    use super::*;

    const START: Time = Time::ZERO;

    fn after(ms: u64) -> Time {
        START + Duration::from_millis(ms)
    }

    /// Everything that is sent at this time.
    fn said(outbox: &mut Outbox, now: Time) -> Vec<Word> {
        std::iter::from_fn(|| outbox.next(now).ok().flatten()).collect()
    }

    fn frames(frames: impl IntoIterator<Item = Frame>) -> Vec<Word> {
        frames.into_iter().map(Word::Frame).collect()
    }

    // Rows: H1
    #[test]
    fn of_several_changes_of_a_state_the_last_alone_is_sent() {
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
        let mut harness = Harness::new(TAKE, having([]));
        harness.join(1, SEED, having(0..10));
        assert!(harness.frames(1).contains(&Frame::Interested));
        harness.machine.swarm.update_interest(Conn(1));
        assert!(harness.machine.swarm.announcer.is_empty());
        harness.machine.forget_claim(Conn(1), 3);
        assert!(!harness.machine.swarm.announcer.has(Conn(1)), "nine others are left");
        (0..10).for_each(|index| harness.machine.forget_claim(Conn(1), index));
        assert!(harness.machine.swarm.announcer.has(Conn(1)), "none is left");
    }

    // Rows: H1
    #[test]
    fn a_peer_that_was_refused_hears_that_it_may_ask_again() {
        let mut outbox = Outbox::new(START);
        outbox.set_unchoked(true);
        assert_eq!(said(&mut outbox, START), frames([Frame::Unchoke]));
        outbox.set_unchoked(false);
        outbox.refused_as_choked();
        outbox.set_unchoked(true);
        assert_eq!(said(&mut outbox, START), frames([Frame::Unchoke]));
    }

    // Rows: H1
    #[test]
    fn state_frames_stay_within_send_budget_and_the_last_gets_out() {
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

    // Rows: B8
    #[test]
    fn haves_wait_for_each_other_and_go_256_at_a_time() {
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

    // Rows: H1
    #[test]
    fn offers_are_sent_together_once_a_second_despite_renewals() {
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

    // Rows: H1
    #[test]
    fn lost_chunks_that_wait_are_bounded() {
        let mut outbox = Outbox::new(START);
        (0..100_000).for_each(|index| outbox.dont_have(index));
        assert_eq!(outbox.lost.len(), MAX_LOST);
    }
}
