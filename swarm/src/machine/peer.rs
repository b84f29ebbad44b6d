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

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The peer's Hello is awaited.
    Hello,
    /// The peer's Hello was accepted; its Bitfield is awaited.
    Bitfield,
    /// Hello and Bitfield were accepted.
    Ready,
    /// The peer asked for the manifest and may do nothing else.
    ManifestOnly,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) dialed: bool,
    /// The site that the peer connected from, or where we dialed it.
    pub(super) site: Site,
    /// The peer was turned away for lack of a place before, and came back.
    pub(super) has_returned: bool,
    /// The peer has no place: it is sent the offers of others and closed.
    pub(super) is_guest: bool,
    pub(super) phase: Phase,
    pub(super) connected_at: Time,
    /// When the phase began.
    pub(super) since: Time,
    pub(super) consent: Consent,
    /// The peer's software name; text from outside.
    pub(super) software: String,
    pub(super) have: Bitfield,
    /// The peer announced every chunk at once; seeds are not counted chunk by chunk.
    pub(super) is_seed: bool,
    /// The number of its chunks that we lack.
    pub(super) useful: u32,
    pub(super) control: Bucket,
    pub(super) offer: Option<SignedOffer>,
    pub(super) down: Download,
    pub(super) up: Upload,
    /// Control frames to send.
    pub(super) outbox: Outbox,
}

/// Our download from a peer.
#[derive(Debug)]
pub(super) struct Download {
    /// The peer chokes us.
    pub(super) choked: bool,
    /// The user does not let us fetch from the peer.
    pub(super) disallowed: bool,
    pub(super) requests: BTreeSet<Req>,
    /// Requests in flight, and received chunks that are being proven and written.
    pub(super) open: u32,
    /// The driver reported requests that were lost with the connection.
    pub(super) was_cut: bool,
    /// Proven chunks that the peer supplied.
    pub(super) proven: u32,
    /// Refusals and stalls in a row, and the end of the peer's backoff.
    pub(super) refusals: u32,
    pub(super) not_before: Time,
    /// Chunks that the peer announced and then refused.
    pub(super) refused: Refusals,
    /// Times in a row that the peer's only request was withdrawn for another peer.
    pub(super) yielded: u32,
    /// Total bytes of the meter at the last rechoke, and the bytes received in earlier rounds, halved each round.
    pub(super) given: (u64, u64),
    pub(super) meter: Meter,
    pub(super) rtt: Duration,
    /// The pipeline depth: requests in flight that keep the peer's path full.
    pub(super) depth: u32,
    /// When the last byte came, or a request was made while none was open.
    pub(super) last_byte: Time,
    /// Beginning of the window of the minimum rate, and bytes in it.
    pub(super) window: (Time, u64),
    /// The peer was silent or very slow and has delivered nothing since: it gets one request at a time as a probe.
    pub(super) stalled: bool,
    /// How long the peer has owed us chunks without ever having sent a byte; a refusal or a choke sets it back.
    pub(super) mute_for: Duration,
    /// A quota shared with other sessions prevented our last request.
    pub(super) waits_for_quota: bool,
    /// The peer stands in the ready queue (`ReadyQueue`).
    pub(super) is_queued: bool,
}

/// Our upload to a peer.
#[derive(Debug)]
pub(super) struct Upload {
    /// The peer is interested.
    pub(super) interested: bool,
    /// The peer holds an upload slot.
    pub(super) unchoked: bool,
    /// The user does not let us serve the peer.
    pub(super) disallowed: bool,
    /// Length of a chunk that exceeded a quota; the peer is not served until a quota would cover it.
    pub(super) over_quota: Option<u32>,
    /// A quota shared with other sessions did not allow the next chunk at the last attempt.
    pub(super) quota_wait: Option<QuotaWait>,
    /// Requests that wait, oldest first.
    pub(super) waiting: VecDeque<(Ask, u32)>,
    /// Requests that are being answered, and since when.
    pub(super) active: BTreeMap<Ask, Time>,
    /// Payload bytes that the peer got from us; among peers with equally many answers under way, the least goes first.
    pub(super) bytes: u64,
    /// `bytes` at the last rechoke, and the rounds in a row in which the peer held a slot and requested nothing.
    pub(super) bytes_before: u64,
    pub(super) idle_rounds: u32,
    /// `bytes` at the last check for idle slots.
    pub(super) bytes_looked: u64,
    /// The peer's turn with a slot, from its first request on.
    pub(super) turn: Option<Turn>,
    /// The peer held a slot and requested nothing at the last check for idle slots.
    pub(super) was_idle: bool,
    /// Chunks that were sent to the peer at least once.
    pub(super) sent: Option<Bitfield>,
    /// How often each chunk was sent again.
    pub(super) repeats: BTreeMap<u32, u8>,
    /// Limits requests that are refused: an honest peer makes such requests only while a Choke is on its way.
    pub(super) wasted_asks: Bucket,
    /// Requests that may have crossed our last Choke and are refused without being counted: when we choke depends on
    /// other peers as well.
    pub(super) crossing: usize,
    /// Requests for leaf hashes, and for the manifest.
    pub(super) leaf_lists: u64,
    pub(super) manifests: u64,
    /// Requests that came before the peer's Hello was accepted.
    pub(super) early: Vec<(Ask, Early)>,
}

/// Why a quota shared with other sessions holds back a peer's next chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuotaWait {
    /// The quota is used up.
    UsedUp,
    /// Chunks in transfer to other peers take the room; it is tried again at this time.
    Until(Time),
}

/// Refused requests that are tolerated at once, and per second: a full pipeline and some more.
const WASTED_ASKS: (u64, u64) = (320, 16);

impl Upload {
    fn new(now: Time) -> Self {
        Self {
            interested: false,
            unchoked: false,
            disallowed: false,
            over_quota: None,
            quota_wait: None,
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
            wasted_asks: Bucket::new(now, WASTED_ASKS.1, WASTED_ASKS.0),
            crossing: 0,
            leaf_lists: 0,
            manifests: 0,
            early: Vec::new(),
        }
    }

    /// Counts one more copy of the chunk as sent to the peer.
    pub(super) fn count(&mut self, index: u32, chunk_count: u32) {
        if !self.sent.get_or_insert_with(|| Bitfield::new(chunk_count)).set(index) {
            let repeats = self.repeats.entry(index).or_default();
            *repeats = repeats.saturating_add(1);
        }
    }

    /// Takes back the last count of the chunk, which was not sent after all.
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
                disallowed: false,
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
                waits_for_quota: false,
                is_queued: false,
            },
            up: Upload::new(now),
            outbox: Outbox::new(now),
        }
    }

    /// Returns true if the peer consented to serve and the user lets us fetch from it.
    pub(super) fn is_source(&self) -> bool {
        self.phase == Phase::Ready && self.consent.contains(Consent::SERVE) && !self.down.disallowed
    }

    /// Returns true if the peer is a source and does not choke us.
    pub(super) fn may_be_asked(&self) -> bool {
        self.is_source() && !self.down.choked
    }

    /// Returns true if the peer has delivered and may be asked now, so that its further chunks are expected.
    pub(super) fn is_steady(&self) -> bool {
        self.may_be_asked() && self.down.proven > 0 && !self.down.stalled
    }

    /// Returns true if neither the user nor a quota keeps us from serving the peer.
    pub(super) fn may_be_served(&self) -> bool {
        !self.up.disallowed && self.up.over_quota.is_none()
    }

    /// Returns true if the peer is introduced and useless: it wants nothing from us, or had a slot and requested nothing;
    /// and it has nothing for us.
    pub(super) fn does_nothing(&self) -> bool {
        let asks = self.up.interested && self.up.idle_rounds == 0;
        let gives = self.is_source() && self.useful > 0;
        self.phase == Phase::Ready && !asks && !gives
    }

    /// Returns true if the peer is interested and may have a slot.
    pub(super) fn wants_slot(&self) -> bool {
        self.phase == Phase::Ready && self.up.interested && self.may_be_served()
    }

    /// Returns true if the peer is interested, may have a slot and has none.
    pub(super) fn waits_for_slot(&self) -> bool {
        self.wants_slot() && !self.up.unchoked
    }

    /// Returns true if the peer should have one more request in flight now.
    pub(super) fn has_room(&self, now: Time) -> bool {
        self.may_be_asked() && self.down.not_before <= now && self.room() > 0
    }

    /// How many more requests the peer should have in flight.
    fn room(&self) -> u32 {
        let down = &self.down;
        if down.stalled {
            return 1u32.saturating_sub(down.requests.len() as u32);
        }
        // Before the first proven chunk, unproven ones count as well: a liar gets no second round.
        let open = if down.proven == 0 { down.open } else { down.requests.len() as u32 };
        down.depth.saturating_sub(open)
    }

    /// Stops measuring the rate while no request is in flight.
    pub(super) fn pause_if_idle(&mut self, now: Time) {
        if self.down.requests.is_empty() {
            self.down.meter.pause(now);
        }
    }
}

impl Download {
    /// Returns true if the peer never delivered or is stalled, so that what it owes is not expected.
    pub(super) fn is_doubtful(&self) -> bool {
        self.proven == 0 || self.stalled
    }

    /// Open requests of a doubtful peer; 0 for any other.
    pub(super) fn doubted(&self) -> u32 {
        if self.is_doubtful() { self.open } else { 0 }
    }
}
