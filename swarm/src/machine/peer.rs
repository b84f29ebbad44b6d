//! What the machine knows of one connected peer.

use std::time::Duration;

use minimodel_wire::{Bitfield, Consent, Nat, PeerId, SignedOffer};

use super::config::{Limits, Terms};
use super::outbox::Outbox;
use super::peer_download::Download;
use super::peer_upload::Upload;
use super::rate::Bucket;
use super::site::Site;
use super::time::Time;

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

/// How long a peer that we dialed may take to give us something.
const SETTLES: Duration = Duration::from_secs(60);

/// Who is at the other end of a new connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// The key that the other side proved.
    pub(super) id: PeerId,
    /// The site that the peer connected from, or where we dialed it.
    pub(super) site: Site,
    pub(super) dialed: bool,
}

/// How a peer got its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// At its first attempt, as far as is remembered.
    New,
    /// The peer was turned away for lack of a place before, and came back.
    Returned,
    /// The peer has no place: it is sent the offers of others and closed.
    Guest,
    /// The peer gave its place back, and is kept for introductions.
    Contact,
}

/// What a peer announced.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) have: Bitfield,
    /// The peer announced every chunk at once; seeds are not counted chunk by chunk.
    pub(super) is_seed: bool,
    /// The number of its chunks that we lack.
    pub(super) useful: u32,
    /// How routers translate its address, by its own word.
    pub(super) nat: Nat,
}

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) dialed: bool,
    /// The site that the peer connected from, or where we dialed it.
    pub(super) site: Site,
    pub(super) admission: Admission,
    pub(super) phase: Phase,
    pub(super) connected_at: Time,
    /// When the phase began.
    pub(super) since: Time,
    pub(super) consent: Consent,
    /// The peer's software name; text from outside.
    pub(super) software: String,
    pub(super) announced: Announced,
    pub(super) control: Bucket,
    pub(super) offer: Option<SignedOffer>,
    pub(super) down: Download,
    pub(super) up: Upload,
    /// Control frames to send.
    pub(super) outbox: Outbox,
}

impl Peer {
    /// A peer that has just connected, or was dialed.
    pub(super) fn new(arrival: Arrival, now: Time, terms: &Terms, limits: &Limits) -> Self {
        let Arrival { id, site, dialed } = arrival;
        Self {
            id,
            dialed,
            site,
            admission: Admission::New,
            phase: Phase::Hello,
            connected_at: now,
            since: now,
            consent: Consent::default(),
            software: String::new(),
            announced: Announced {
                have: Bitfield::new(terms.chunk_count),
                is_seed: false,
                useful: 0,
                nat: Nat::Unknown,
            },
            control: Bucket::new(now, limits.control_per_second.into(), limits.control_burst.into()),
            offer: None,
            down: Download::new(now, terms, limits),
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
        let asks = self.up.interested && self.up.idle.rounds == 0;
        let gives = self.is_source() && self.announced.useful > 0;
        self.phase == Phase::Ready && !asks && !gives
    }

    /// Returns true if the peer gave us bytes lately, or if we dialed it a moment ago: it may be about to.
    pub(super) fn is_giver(&self, now: Time) -> bool {
        self.down.given.1 > 0 || (self.dialed && now.since(self.connected_at) < SETTLES)
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
        self.may_be_asked() && self.down.backoff.not_before <= now && self.down.room() > 0
    }

    /// Returns true if the peer was let in to be sent the offers of others.
    pub(super) fn is_guest(&self) -> bool {
        self.admission == Admission::Guest
    }

    /// Returns true if the peer holds a place.
    pub(super) fn has_place(&self) -> bool {
        !matches!(self.admission, Admission::Guest | Admission::Contact)
    }
}
