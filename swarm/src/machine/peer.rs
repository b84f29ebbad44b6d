//! What the machine knows of one connected peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use minimodel_wire::{Bitfield, Consent, PeerId, SignedOffer};

use super::config::{Limits, Terms};
use super::early::Early;
use super::events::{Ask, Req};
use super::outbox::Outbox;
use super::rate::{Bucket, Meter};
use super::refusals::Refusals;
use super::site::Site;
use super::time::Time;
use super::turns::Turn;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for its Hello.
    Hello,
    /// Its Hello agrees with ours; waiting for its Bitfield.
    Bitfield,
    /// Everything may happen.
    Ready,
    /// It asked for the manifest and may do nothing else.
    ManifestOnly,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) dialed: bool,
    /// Where it came from, or where we found it.
    pub(super) site: Site,
    /// It was turned away for want of a place before, and came back.
    pub(super) has_returned: bool,
    /// There was no place for it: it hears of the others and goes.
    pub(super) is_guest: bool,
    pub(super) phase: Phase,
    pub(super) connected_at: Time,
    /// The phase began then.
    pub(super) since: Time,
    pub(super) consent: Consent,
    /// Its name for itself; text from outside.
    pub(super) software: String,
    pub(super) have: Bitfield,
    /// It announced every chunk at once; such peers are not counted chunk by chunk.
    pub(super) is_seed: bool,
    /// How many of its chunks we do not have.
    pub(super) useful: u32,
    pub(super) control: Bucket,
    pub(super) offer: Option<SignedOffer>,
    pub(super) down: Download,
    pub(super) up: Upload,
    /// What it is to be told.
    pub(super) outbox: Outbox,
}

/// Our side of what we take from a peer.
#[derive(Debug)]
pub(super) struct Download {
    /// It does not serve us now.
    pub(super) choked: bool,
    /// Our user does not want anything from it.
    pub(super) barred: bool,
    pub(super) requests: BTreeSet<Req>,
    /// Requests that are in flight, and chunks of it that are being proven and written.
    pub(super) open: u32,
    /// The driver said that requests were lost with the connection.
    pub(super) was_cut: bool,
    /// Chunks of it that were proven.
    pub(super) proven: u32,
    /// Times in a row that it turned requests away, and until when it is left alone for it.
    pub(super) refusals: u32,
    pub(super) not_before: Time,
    /// What it announced and then refused.
    pub(super) refused: Refusals,
    /// Times in a row that it gave its only request up for others.
    pub(super) yielded: u32,
    /// Bytes counted by the meter when upload slots were last dealt, and what it gave before, fading.
    pub(super) given: (u64, u64),
    pub(super) meter: Meter,
    pub(super) rtt: Duration,
    /// Requests in flight that keep it busy.
    pub(super) depth: u32,
    /// It owes us bytes since then.
    pub(super) last_byte: Time,
    /// Bytes and beginning of the window of the minimum rate.
    pub(super) window: (Time, u64),
    /// It was silent or very slow and delivered nothing since: one request at a time finds out whether it is back.
    pub(super) stalled: bool,
    /// How long it owed us chunks altogether and had never sent a byte, since it last refused one or choked us.
    pub(super) mute_for: Duration,
    /// A quota that we share with other sessions did not let us ask when we last would have.
    pub(super) held_back: bool,
    /// It waits for work; see `Hungry`.
    pub(super) hungry: bool,
}

/// Our side of what a peer takes from us.
#[derive(Debug)]
pub(super) struct Upload {
    /// It told us that it is interested.
    pub(super) interested: bool,
    /// We serve it now.
    pub(super) unchoked: bool,
    /// Our user does not let us serve it.
    pub(super) barred: bool,
    /// Bytes of a chunk that an allowance did not cover; nothing is given to it before one would.
    pub(super) spent: Option<u32>,
    /// A quota that we share with other sessions did not let its next chunk pass when that was last tried.
    pub(super) held_back: Option<HeldBack>,
    /// Asks that wait, oldest first.
    pub(super) waiting: VecDeque<(Ask, u32)>,
    /// Asks being answered, and since when.
    pub(super) active: BTreeMap<Ask, Time>,
    /// Payload bytes it got from us; the next answer goes to whoever got least.
    pub(super) bytes: u64,
    /// The same when slots were dealt last, and how many rounds it held a slot and asked for nothing.
    pub(super) bytes_before: u64,
    pub(super) idle_rounds: u32,
    /// The same when slots were looked at last.
    pub(super) bytes_looked: u64,
    /// Its turn, once it has asked in it.
    pub(super) turn: Option<Turn>,
    /// It held a slot and asked for nothing when slots were looked at last.
    pub(super) was_idle: bool,
    /// Chunks that were sent to it once.
    pub(super) sent: Option<Bitfield>,
    /// How often each chunk was sent again.
    pub(super) repeats: BTreeMap<u32, u8>,
    /// Asks that may be turned away: an honest peer asks in vain only while a Choke is on its way.
    pub(super) in_vain: Bucket,
    /// Asks that may have crossed our last Choke and are turned away without being counted: when we choke is for others
    /// to decide as well.
    pub(super) crossing: usize,
    /// Answers of leaf hashes, and manifests, that it asked for.
    pub(super) leaf_lists: u64,
    pub(super) manifests: u64,
    /// What it asked before it was introduced.
    pub(super) early: Vec<(Ask, Early)>,
}

/// Why its next chunk does not go to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBack {
    /// A quota of several sessions is used up.
    UsedUp,
    /// What others are being sent takes the room of it. Tried again at this time.
    Until(Time),
}

/// Asks in vain that are let pass at once, and a second: a full pipeline and some more.
const IN_VAIN: (u64, u64) = (320, 16);

impl Upload {
    fn new(now: Time) -> Self {
        Self {
            interested: false,
            unchoked: false,
            barred: false,
            spent: None,
            held_back: None,
            waiting: VecDeque::new(),
            active: BTreeMap::new(),
            bytes: 0,
            bytes_before: 0,
            bytes_looked: 0,
            idle_rounds: 0,
            turn: None,
            was_idle: false,
            sent: None,
            repeats: BTreeMap::new(),
            in_vain: Bucket::new(now, IN_VAIN.1, IN_VAIN.0),
            crossing: 0,
            leaf_lists: 0,
            manifests: 0,
            early: Vec::new(),
        }
    }

    /// One more copy of the chunk goes to the peer.
    pub(super) fn count(&mut self, index: u32, chunk_count: u32) {
        if !self.sent.get_or_insert_with(|| Bitfield::new(chunk_count)).set(index) {
            let repeats = self.repeats.entry(index).or_default();
            *repeats = repeats.saturating_add(1);
        }
    }

    /// The chunk that was counted last was not given after all.
    pub(super) fn uncount(&mut self, index: u32) {
        match self.repeats.get_mut(&index) {
            Some(repeats) if *repeats > 1 => *repeats -= 1,
            Some(_) => drop(self.repeats.remove(&index)),
            None => drop(self.sent.as_mut().map(|sent| sent.clear(index))),
        }
    }
}

impl Peer {
    pub(super) fn new(
        id: PeerId,
        dialed: bool,
        site: Site,
        now: Time,
        terms: &Terms,
        limits: &Limits,
    ) -> Self {
        let (chunk_count, chunk_size) = (terms.chunk_count, terms.chunk_size);
        Self {
            id,
            dialed,
            site,
            has_returned: false,
            is_guest: false,
            phase: Phase::Hello,
            connected_at: now,
            since: now,
            consent: Consent::default(),
            software: String::new(),
            have: Bitfield::new(chunk_count),
            is_seed: false,
            useful: 0,
            control: Bucket::new(now, limits.control_per_second.into(), limits.control_burst.into()),
            offer: None,
            down: Download {
                choked: true,
                barred: false,
                requests: BTreeSet::new(),
                open: 0,
                was_cut: false,
                proven: 0,
                refusals: 0,
                not_before: now,
                refused: Refusals::default(),
                yielded: 0,
                given: (0, 0),
                meter: Meter::default(),
                rtt: Duration::from_millis(100),
                depth: limits.first_depth(chunk_size),
                last_byte: now,
                window: (now, 0),
                stalled: false,
                mute_for: Duration::ZERO,
                held_back: false,
                hungry: false,
            },
            up: Upload::new(now),
            outbox: Outbox::new(now),
        }
    }

    /// It consented to serve, and our user lets us ask.
    pub(super) fn is_source(&self) -> bool {
        self.phase == Phase::Ready && self.consent.contains(Consent::SERVE) && !self.down.barred
    }

    /// The same, and it does not choke us.
    pub(super) fn may_be_asked(&self) -> bool {
        self.is_source() && !self.down.choked
    }

    /// It has delivered, and may be asked now: what it will bring is counted on.
    pub(super) fn is_steady(&self) -> bool {
        self.may_be_asked() && self.down.proven > 0 && !self.down.stalled
    }

    /// Neither our user's word nor an allowance keeps us from serving it.
    pub(super) fn may_be_served(&self) -> bool {
        !self.up.barred && self.up.spent.is_none()
    }

    /// It is introduced, and neither asks us for anything nor has anything for us; or it had a turn and asked nothing.
    pub(super) fn does_nothing(&self) -> bool {
        let asks = self.up.interested && self.up.idle_rounds == 0;
        let gives = self.is_source() && self.useful > 0;
        self.phase == Phase::Ready && !asks && !gives
    }

    /// It would ask, and may have a slot.
    pub(super) fn wants_slot(&self) -> bool {
        self.phase == Phase::Ready && self.up.interested && self.may_be_served()
    }

    /// It would ask, and has no slot.
    pub(super) fn waits_for_slot(&self) -> bool {
        self.wants_slot() && !self.up.unchoked
    }

    /// Whether it should have one more request in flight now.
    pub(super) fn has_room(&self, now: Time) -> bool {
        self.may_be_asked() && self.down.not_before <= now && self.room() > 0
    }

    /// How many more requests it should have in flight.
    fn room(&self) -> u32 {
        let down = &self.down;
        if down.stalled {
            return 1u32.saturating_sub(down.requests.len() as u32);
        }
        // On parole, what is not proven yet counts: a liar gets no second round.
        let open = if down.proven == 0 { down.open } else { down.requests.len() as u32 };
        down.depth.saturating_sub(open)
    }

    /// With nothing asked of it, its rate is not measured.
    pub(super) fn pause_if_idle(&mut self, now: Time) {
        if self.down.requests.is_empty() {
            self.down.meter.pause(now);
        }
    }
}

impl Download {
    /// It never delivered, or does not now: what it holds is not counted on.
    pub(super) fn is_doubtful(&self) -> bool {
        self.proven == 0 || self.stalled
    }

    /// Open requests that are not counted on.
    pub(super) fn doubted(&self) -> u32 {
        if self.is_doubtful() { self.open } else { 0 }
    }
}
