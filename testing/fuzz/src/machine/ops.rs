//! The steps of a run: each takes a few bytes.

use std::time::Duration;

use minimodel_swarm::machine::{
    Ask, Conn, Input, KeepOutcome, LeavesOutcome, OfferVerdict, QuotaRefusal, Req, RequestFault, Sent,
    ServeOutcome,
};
use minimodel_wire::{
    Bitfield, CloseCode, Frame, ManifestOnly, Meeting, Nat, NoMeeting, PROTOCOL_VERSION, ResetCode,
};

use super::{Link, MAX_CONNS, Stage, World};
use crate::handshake::bitfield;
use crate::samples::{self, CHUNK_BYTES, CHUNKS};
use crate::source::Source;

impl World {
    pub(super) fn step(&mut self, source: &mut Source<'_>) {
        match source.byte() % 32 {
            0 | 1 => self.comes_in(source, false),
            2 => self.dial_ends(source),
            3 | 4 => self.comes_in(source, true),
            5..=11 => self.frame(source),
            12 | 13 => self.progress(source),
            14..=16 => self.arrives(source),
            17..=19 => {
                let keeping = self.in_stage(Stage::Keeping);
                let how = source.byte();
                if let Some(req) = pick(&keeping, how >> 2) {
                    self.kept(req, how);
                }
            }
            20 => self.fails(source),
            21 | 22 => self.asks(source),
            23 => self.served(source),
            24..=26 => self.time(source),
            27 => self.closed(source),
            28 => {
                let offers = samples::offers();
                let offer = offers[source.below(offers.len())].clone();
                self.tell(if source.below(4) == 0 { Input::Listed(offer) } else { Input::Source(offer) });
            }
            29 => self.searched(source),
            30 => self.odd(source),
            _ => self.stale(source),
        }
    }

    /// A connection that a peer opened; with `introduces`, the Hello and the Bitfield follow.
    fn comes_in(&mut self, source: &mut Source<'_>, introduces: bool) {
        let who = source.byte();
        if self.links.len() < MAX_CONNS {
            let conn = self.connect(who & 7, false);
            if introduces {
                self.introduce(conn, who >> 3, source);
            }
        }
    }

    fn connect(&mut self, n: u8, dialed: bool) -> Conn {
        let conn = Conn(self.next_conn);
        self.next_conn += 1;
        let peer = samples::id(n);
        self.links.insert(conn, Link { peer, announced: Bitfield::new(CHUNKS), introduced: false });
        self.tell(Input::Connected { conn, peer, site: samples::site(n), dialed });
        conn
    }

    fn introduce(&mut self, conn: Conn, bits: u8, source: &mut Source<'_>) {
        // Most peers consent to everything.
        let consent = samples::consent(if bits < 8 { bits } else { 7 });
        self.say(conn, Frame::Hello(samples::hello(consent)));
        self.say(conn, Frame::Bitfield(bitfield(source.u32())));
        if bits & 0x10 != 0 {
            self.say(conn, Frame::Unchoke);
            self.say(conn, Frame::Interested);
        }
    }

    /// The result of a dial: a connection, a failure, another key.
    fn dial_ends(&mut self, source: &mut Source<'_>) {
        let how = source.byte();
        let Some(peer) = self.dials.pop_front() else { return self.meeting_ends(how) };
        let code = CloseCode::ALL.get(usize::from(how)).copied();
        match (how >> 5, (0..8).find(|&n| samples::id(n) == peer)) {
            (0..=4, Some(n)) if self.links.len() < MAX_CONNS => {
                let conn = self.connect(n, true);
                if how >> 5 < 3 {
                    self.introduce(conn, how, source);
                }
            }
            (5, _) => {
                let wrong_key = Some(samples::id(how & 7)).filter(|&other| other != peer);
                self.tell(Input::DialFailed { peer, wrong_key, code: None });
            }
            _ => self.tell(Input::DialFailed { peer, wrong_key: None, code }),
        }
    }

    /// The end of a meeting: a connection that either side dialed, or nothing.
    fn meeting_ends(&mut self, how: u8) {
        let Some((peer, by)) = self.meetings.pop_front() else { return };
        match (0..8).find(|&n| samples::id(n) == peer) {
            Some(n) if how < 128 && self.links.len() < MAX_CONNS => {
                self.connect(n, how < 64);
            }
            _ => self.tell(Input::MeetingEnded { peer, by, sent: Sent::default() }),
        }
    }

    fn frame(&mut self, source: &mut Source<'_>) {
        let (who, what, a) = (source.byte(), source.byte() % 22, source.byte());
        let index = u32::from(a) % (CHUNKS + u32::from(a == 0xff));
        let frame = match what {
            0 => Frame::Hello(samples::hello(samples::consent(a))),
            1 => Frame::Bitfield(bitfield(source.u32())),
            2 | 3 => Frame::Have { indexes: vec![index, u32::from(source.byte()) % CHUNKS] },
            4 => Frame::Have { indexes: (0..CHUNKS).rev().collect() },
            5 | 6 => Frame::DontHave { index },
            7 => Frame::Choke,
            8..=10 => Frame::Unchoke,
            11 | 12 => Frame::Interested,
            13 => Frame::NotInterested,
            14 => {
                let offers = samples::offers();
                let mut bytes = offers[usize::from(a) % offers.len()].to_bytes();
                if a & 0xc0 == 0xc0 {
                    bytes[40] ^= 1;
                }
                Frame::Peers { offers: vec![bytes.into()] }
            }
            15 => Frame::Bye { code: CloseCode::ALL[usize::from(a) % CloseCode::ALL.len()] },
            16 => Frame::Ignored { kind: 0x8000 },
            17 => Frame::Observed { address: samples::seen(a), nat: Nat::Same },
            18 => Frame::Introduce { peer: samples::id(a & 7) },
            19 => Frame::NoMeet { peer: samples::id(a & 7), reason: NoMeeting::NotConnected },
            20 => Frame::Meet(Meeting {
                peer: samples::id(a & 7),
                address: samples::seen(a % 4),
                offered_port: u16::from(a % 3),
                answers: a.is_multiple_of(2),
                delay: u16::from(a),
                nat: Nat::Varies,
            }),
            _ => {
                let swarm_id = [1 + a % 2; 32];
                let (version, software) = (PROTOCOL_VERSION, "fuzz/1".to_owned());
                Frame::ManifestOnly(ManifestOnly { version, swarm_id, software })
            }
        };
        if let Some(conn) = self.pick_conn(who) {
            self.say(conn, frame);
        }
    }

    /// Passes a frame to the machine, after noting what it announces.
    fn say(&mut self, conn: Conn, frame: Frame) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        match &frame {
            Frame::Bitfield(field) if !link.introduced => {
                (link.announced, link.introduced) = (field.clone(), true);
            }
            Frame::Have { indexes } => {
                for &index in indexes {
                    link.announced.set(index);
                }
            }
            Frame::DontHave { index } => {
                link.announced.clear(*index);
            }
            _ => {}
        }
        self.tell(Input::Frame { conn, frame });
    }

    fn progress(&mut self, source: &mut Source<'_>) {
        let asked = self.in_stage(Stage::Asked);
        let (which, much) = (source.byte(), source.u16());
        if let Some(req) = pick(&asked, which) {
            let len = self.chunk_len_of(req);
            self.tell(Input::Progress { req, received: u64::from(much).min(len) });
        }
    }

    fn arrives(&mut self, source: &mut Source<'_>) {
        let asked = self.in_stage(Stage::Asked);
        if let Some(req) = pick(&asked, source.byte()) {
            self.requests.entry(req).and_modify(|request| request.2 = Stage::Arrived);
            self.tell(Input::Arrived { req });
            let left = self.requests.get(&req).map(|request| request.2);
            assert_ne!(left, Some(Stage::Arrived), "{req:?} arrived and nobody wants it");
        }
    }

    pub(super) fn kept(&mut self, req: Req, how: u8) {
        let Some((_, index, _)) = self.requests.remove(&req) else { return };
        let peer = self.keeping_for(req);
        let outcome = match how & 3 {
            3 if how & 0xc == 0 => KeepOutcome::DiskFailed,
            2 => {
                self.guilty.extend(peer);
                KeepOutcome::BadProof { got: [how; 32] }
            }
            _ => {
                self.have.set(index);
                KeepOutcome::Kept
            }
        };
        self.tell(Input::Kept { req, outcome });
    }

    fn fails(&mut self, source: &mut Source<'_>) {
        let (which, how) = (source.byte(), source.byte());
        let asked = self.in_stage(Stage::Asked);
        let Some(req) = pick(&asked, which) else { return };
        let Some((conn, _, _)) = self.requests.remove(&req) else { return };
        let fault = match how % 12 {
            10 if how & 0x80 == 0 => RequestFault::Short,
            10 => {
                let peer = self.links.get(&conn).map(|link| link.peer);
                self.guilty.extend(peer);
                RequestFault::Malformed
            }
            11 if how & 0x80 == 0 => RequestFault::Lost,
            11 => RequestFault::HeldBack(refusal(how)),
            code => RequestFault::Reset(ResetCode::ALL[usize::from(code) % ResetCode::ALL.len()]),
        };
        self.tell(Input::Failed { req, fault });
    }

    fn asks(&mut self, source: &mut Source<'_>) {
        let (who, what) = (source.byte(), source.byte());
        let Some(conn) = self.pick_conn(who) else { return };
        let ask = Ask(self.next_ask);
        self.next_ask += 1;
        let index = u32::from(what & 0x1f) % CHUNKS;
        let (index, input) = match what >> 5 {
            0 => (None, Input::AskedLeaves { ask, conn }),
            1 => (None, Input::AskedManifest { ask, conn }),
            _ => (Some(index), Input::Asked { ask, conn, index }),
        };
        self.asks.insert(ask, (conn, index, false));
        self.tell(input);
    }

    fn served(&mut self, source: &mut Source<'_>) {
        let (which, how) = (source.byte(), source.byte());
        let serving: Vec<Ask> = self.asks.iter().filter(|(_, ask)| ask.2).map(|(&ask, _)| ask).collect();
        // A peer may also withdraw a request that waits.
        let waiting: Vec<Ask> = self.asks.keys().copied().collect();
        let Some(ask) = pick(if how & 8 == 0 { &serving } else { &waiting }, which) else { return };
        let Some((conn, index, is_served)) = self.asks.remove(&ask) else { return };
        let bytes = u64::from(CHUNK_BYTES) * u64::from(how >> 4) / 15;
        let outcome = match (how & 7, index) {
            (0..=4, _) if is_served => ServeOutcome::Done { bytes },
            (5, _) if is_served => ServeOutcome::TooSlow,
            (6, Some(index)) if is_served => {
                // The request waits until it is served after all, or refused.
                self.asks.insert(ask, (conn, Some(index), false));
                ServeOutcome::HeldBack { index, refusal: refusal(how) }
            }
            _ => ServeOutcome::Cancelled { bytes: if is_served { bytes } else { 0 } },
        };
        self.tell(Input::Served { ask, outcome });
    }

    fn closed(&mut self, source: &mut Source<'_>) {
        let (who, code) = (source.byte(), source.byte());
        let Some(conn) = self.pick_conn(who) else { return };
        self.gone(conn, CloseCode::ALL.get(usize::from(code)).copied());
    }

    /// Reports a closed connection, as the driver does.
    pub(super) fn gone(&mut self, conn: Conn, code: Option<CloseCode>) {
        self.links.remove(&conn);
        self.leaves.take_if(|(_, asked)| *asked == conn);
        self.tell(Input::Closed { conn, code });
    }

    /// Reports a chunk that the disk has lost.
    pub(super) fn loses(&mut self, index: u32) {
        self.have.clear(index);
        self.tell(Input::ChunkLost { index });
    }

    /// Answers a pending request for leaf hashes, a rescan or a reread; if there is none, one of the present chunks is
    /// lost.
    fn searched(&mut self, source: &mut Source<'_>) {
        let how = source.byte();
        if let Some((req, conn)) = self.leaves.take() {
            let outcome = match how % 4 {
                0 if how & 0x80 == 0 => LeavesOutcome::Short,
                0 => LeavesOutcome::Failed,
                1 => {
                    self.guilty.extend(self.links.get(&conn).map(|link| link.peer));
                    LeavesOutcome::BadProof
                }
                _ => LeavesOutcome::Proven,
            };
            self.tell(Input::Leaves { req, outcome });
        } else if std::mem::take(&mut self.rescan) {
            let bits = source.u32();
            let have: Vec<u32> = (0..CHUNKS).filter(|index| bits >> index & 1 == 1).collect();
            // A chunk that is being proven and written counts when that is done.
            let keeping = self.requests.values().filter(|request| request.2 == Stage::Keeping);
            let keeping: Vec<u32> = keeping.map(|request| request.1).collect();
            for &index in have.iter().filter(|index| !keeping.contains(index)) {
                self.have.set(index);
            }
            self.tell(Input::Rescanned { have });
        } else if let Some(index) = self.reread.take() {
            let is_good = how & 1 == 0;
            // A chunk that was requested from a peer meanwhile comes from that peer.
            if is_good && self.requests.values().all(|request| request.1 != index) {
                self.have.set(index);
            }
            self.tell(Input::Reread { index, is_good });
        } else {
            let held: Vec<u32> = self.have.iter_ones().collect();
            if let Some(index) = pick(&held, how) {
                self.loses(index);
            }
        }
    }

    /// Ends the oldest checks of signatures, if there are any.
    pub(super) fn offers_checked(&mut self, most: usize) {
        for _ in 0..most {
            let Some((check, offer)) = self.checks.pop_front() else { return };
            let verdict = offer.check().map_or(OfferVerdict::Forged, OfferVerdict::Good);
            self.tell(Input::OfferChecked { check, verdict });
        }
    }

    fn time(&mut self, source: &mut Source<'_>) {
        let how = source.byte();
        self.offers_checked(usize::from(how >> 6) + 1);
        let some = u32::from(how >> 2);
        match how & 3 {
            0 => self.now = self.now + Duration::from_millis(1) * some,
            1 => self.now = self.now + Duration::from_millis(100) * some,
            2 => self.now = self.now + Duration::from_secs(1) * (some * some),
            // As the driver does: a tick at the machine's wakeup time, several times in a row.
            _ => {
                for _ in 0..=some % 8 {
                    let Some(at) = self.machine.wakeup() else { return };
                    self.now = self.now.max(at);
                    self.tell(Input::Tick);
                }
            }
        }
        self.tell(Input::Tick);
    }

    pub(super) fn pick_conn(&self, which: u8) -> Option<Conn> {
        let conns: Vec<Conn> = self.links.keys().copied().collect();
        pick(&conns, which)
    }

    fn in_stage(&self, stage: Stage) -> Vec<Req> {
        self.requests.iter().filter(|(_, request)| request.2 == stage).map(|(&req, _)| req).collect()
    }
}

fn refusal(how: u8) -> QuotaRefusal {
    if how & 0x10 == 0 { QuotaRefusal::InFlight } else { QuotaRefusal::UsedUp }
}

fn pick<T: Copy>(from: &[T], which: u8) -> Option<T> {
    from.get(usize::from(which) % from.len().max(1)).copied()
}
