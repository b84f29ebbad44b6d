//! The configuration of one run, and every limit of the machine.

use std::collections::BTreeSet;
use std::time::Duration;

use minimodel_wire::{Consent, Hello, PeerId, SignedOffer};

use super::user_controls::Controls;

/// What both sides must agree on before a byte moves; the content of our Hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// SHA-256 of the manifest's canonical form.
    pub swarm_id: [u8; 32],
    /// SHA-256 of the artifact.
    pub artifact_sha256: [u8; 32],
    /// SHA-256 over the canonical lines that begin `license.`.
    pub license_sha256: [u8; 32],
    /// SHA-256 over the canonical lines that begin `evidence.`.
    pub evidence_sha256: [u8; 32],
    /// Bytes of the artifact.
    pub byte_count: u64,
    /// Bytes of a chunk; the last may be shorter.
    pub chunk_size: u32,
    /// Number of chunks, at least one.
    pub chunk_count: u32,
}

impl Terms {
    /// Bytes of chunk `index`; 0 when there is no such chunk.
    pub fn chunk_len(&self, index: u32) -> u32 {
        if index >= self.chunk_count {
            return 0;
        }
        let start = u64::from(index) * u64::from(self.chunk_size);
        let rest = self.byte_count.saturating_sub(start);
        u32::try_from(rest.min(u64::from(self.chunk_size))).unwrap_or(self.chunk_size)
    }

    /// Bytes that count as a use of a place: a chunk, since a peer that never reads one to its end can have less.
    pub(super) fn least_use(&self) -> u64 {
        u64::from(self.chunk_size).min(self.byte_count).max(1)
    }

    pub(super) fn hello(&self, consent: Consent, software: &str) -> Hello {
        Hello {
            version: minimodel_wire::PROTOCOL_VERSION,
            swarm_id: self.swarm_id,
            artifact_sha256: self.artifact_sha256,
            license_sha256: self.license_sha256,
            evidence_sha256: self.evidence_sha256,
            chunk_size: self.chunk_size,
            chunk_count: self.chunk_count,
            consent,
            software: software.to_owned(),
        }
    }
}

/// The order in which missing chunks are requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Rarest first; lowest index while no partial peer is connected and the user did not consent to publish.
    #[default]
    Rarest,
    /// Always the lowest index.
    Sequential,
}

/// Bytes of answers under way to all peers, one chunk at least. Half as much again is for peers that have read an answer
/// and have none under way.
pub(super) const UPLOAD_BYTES: u64 = 64 << 20;
/// Chunks that the daily budget has beyond its multiple of the file, for small files.
pub(super) const SPARE_CHUNKS: u64 = 64;

/// The configuration of one run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our own key.
    pub me: PeerId,
    /// The content of the swarm.
    pub terms: Terms,
    /// What the user agreed to.
    pub consent: Consent,
    /// Software name for the Hello: printable ASCII, at most 64 bytes.
    pub software: String,
    /// The user's controls at the beginning; [`super::Input::Controls`] changes them.
    pub controls: Controls,
    /// Our own signed offer, passed on to members if the user consented to publish.
    pub offer: Option<SignedOffer>,
    /// Order of requests.
    pub order: Order,
    /// Whether to look for chunks that are on disk without a record, by leaf hashes, before chunks are requested.
    pub rescan: bool,
    /// Whether the file on disk is to be repaired: no chunk is requested before the file was compared with leaf hashes,
    /// and none at all if no chunk of it is good.
    pub repairs: bool,
    /// Whether peers can connect to us, so that a fetch waits for them although no source is left.
    pub listening: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// Calendar time at [`super::Time::ZERO`], in seconds since 1970; offers expire by it.
    pub unix_at_start: u64,
    /// The limits.
    pub limits: Limits,
}

impl Config {
    /// Chunks that one key may take from us within a day.
    pub(super) fn day_budget(&self) -> u64 {
        u64::from(self.terms.chunk_count) * self.limits.upload_budget_files + SPARE_CHUNKS
    }

    /// Peers that may be dialed; `None`: every one. A session that only serves dials whom it lets in: those who introduce it, and whom
    /// it meets.
    pub(super) fn dials(&self) -> Option<&BTreeSet<PeerId>> {
        let Controls { allow, sources, .. } = &self.controls;
        if self.consent.contains(Consent::FETCH) { sources.as_ref() } else { allow.as_ref() }
    }

    /// Whether the peer may be dialed.
    pub(super) fn may_dial(&self, peer: PeerId) -> bool {
        self.dials().is_none_or(|dials| dials.contains(&peer))
    }
}

/// Limits and times, each with its reason. `Limits::default()` is what the programs use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes requested and not yet stored, over all peers: bounds memory whatever the file's size.
    pub memory_budget_bytes: u64,
    /// Requests in flight to one peer: two fewer than the streams that it lets us open, for leaf hashes and the manifest.
    pub max_pipeline: u32,
    /// Requests in flight to a peer that has not delivered a chunk yet, when chunks are small.
    pub first_pipeline: u32,
    /// A peer that owes us chunks and sends no byte for this long is stalled: its requests are hedged.
    pub first_byte: Duration,
    /// A peer that owes chunks and sends no byte for this long loses its requests and is struck. A chunk that takes longer
    /// than this and four times what its queue should take is hedged; after twice that it is withdrawn if no byte of it came.
    pub chunk_deadline: Duration,
    /// Window over which the minimum rates below are measured.
    pub slow_window: Duration,
    /// Bytes per second below which a peer counts as stalled: it gets one chunk at a time.
    pub slow_rate: u64,
    /// Bytes per second below which a peer is struck as well: no honest link is that slow and still useful.
    pub trickle_rate: u64,
    /// Time for the Hello after the handshake, and for the Bitfield after the Hello.
    pub hello: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// Peers beyond which passed-on offers are not dialed. The other places are for incoming connections: in a swarm of
    /// more members than places, peers would otherwise evict and dial each other without end.
    pub enough_peers: usize,
    /// Peers at once that get no place and are only sent the offers of others before `Busy`.
    pub max_guests: usize,
    /// Dials at once.
    pub max_dials: usize,
    /// First backoff before a peer is dialed again; doubles up to `dial_backoff_max`.
    pub dial_backoff: Duration,
    /// Longest backoff between two dials of one peer.
    pub dial_backoff_max: Duration,
    /// Upload slots: peers that are unchoked at once.
    pub upload_slots: usize,
    /// Interval of the rechoke (BEP 3).
    pub rechoke: Duration,
    /// Interval at which optimistic unchokes rotate. BEP 3 has 30 s; here the draw favours peers with few chunks, and ten
    /// seconds leave fewer of them behind.
    pub optimistic: Duration,
    /// Requests of one peer that wait or are answered at once: its stream limit.
    pub max_asks: usize,
    /// Requests of one peer that are answered at once when chunks are small; the least is two, or one while four or more
    /// peers are served.
    pub max_active_asks: usize,
    /// Chunks that a key may take from us within a day, in multiples of the file: endless valid uploads end here.
    pub upload_budget_files: u64,
    /// Control frames that a peer may send at once.
    pub control_burst: u32,
    /// Control frames per second by which that burst is refilled.
    pub control_per_second: u32,
    /// How long a Have waits for others to be sent in the same frame.
    pub have_delay: Duration,
    /// Strikes within `strike_window` that end a connection.
    pub strikes: u32,
    /// How long a strike counts.
    pub strike_window: Duration,
    /// Known peers beyond which no passed-on offer is added; the user's own sources are always added.
    pub max_known: usize,
    /// Useful passed-on offers that one key may send us within an hour, over all its connections.
    pub max_offers_per_peer: u32,
}

/// Bytes in flight to a peer that has sent no byte yet, since its path may be of any rate; but one chunk at least.
const FIRST_BYTES: u32 = 128 << 10;
/// Two chunks that are no more than this are in flight to it, so that the second follows the first without a round trip between.
const FIRST_TWO_BYTES: u32 = 512 << 10;
/// Most bytes in flight to a peer that has not delivered a chunk yet, once its rate shows that more would come soon.
const PAROLE_BYTES: u32 = 2 << 20;

/// Bytes being sent at once: to one peer, and to all peers together, but one chunk to each at least. More would make
/// every chunk late and none sooner.
const ACTIVE_BYTES: (usize, usize) = (4 << 20, 8 << 20);

impl Limits {
    /// Requests in flight to a peer that has sent no byte yet.
    pub(super) fn first_depth(&self, chunk_size: u32) -> u32 {
        let chunk = chunk_size.max(1);
        let least = if chunk <= FIRST_TWO_BYTES / 2 { 2 } else { 1 };
        (FIRST_BYTES / chunk).max(least).min(self.first_pipeline.max(1))
    }

    /// Most requests in flight to a peer that has not delivered a chunk yet, however fast its bytes come.
    pub(super) fn parole_depth(&self, chunk_size: u32) -> u32 {
        (PAROLE_BYTES / chunk_size.max(1)).clamp(1, self.first_pipeline.max(1))
    }

    /// Requests of one peer that are answered at once while `served` peers are served: at least two while these are few,
    /// so that the path never waits for the next chunk.
    pub(super) fn active_asks(&self, chunk_size: u32, served: usize) -> usize {
        let chunk = chunk_size.max(1) as usize;
        let alone = (ACTIVE_BYTES.0 / chunk).clamp(2, self.max_active_asks.max(2));
        // With four or more peers to send to, the uplink stays busy while one peer's next chunk is read.
        let least = if served < 4 { 2 } else { 1 };
        (ACTIVE_BYTES.1 / chunk / served.max(1)).clamp(least, alone)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_budget_bytes: 64 << 20,
            max_pipeline: 254,
            first_pipeline: 4,
            first_byte: Duration::from_secs(5),
            chunk_deadline: Duration::from_secs(20),
            slow_window: Duration::from_secs(10),
            slow_rate: 16 << 10,
            trickle_rate: 256,
            hello: Duration::from_secs(10),
            max_connections: 64,
            enough_peers: 32,
            max_guests: 16,
            max_dials: 8,
            dial_backoff: Duration::from_millis(500),
            dial_backoff_max: Duration::from_secs(60),
            upload_slots: 8,
            rechoke: Duration::from_secs(10),
            optimistic: Duration::from_secs(10),
            max_asks: 256,
            max_active_asks: 8,
            upload_budget_files: 16,
            control_burst: 2_000,
            control_per_second: 500,
            have_delay: Duration::from_millis(20),
            strikes: 3,
            strike_window: Duration::from_secs(600),
            max_known: 256,
            max_offers_per_peer: 128,
        }
    }
}
