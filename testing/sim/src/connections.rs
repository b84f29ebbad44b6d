//! Dials, meetings, handshakes, frames and closes between two peers, and what breaks their paths.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use minimodel_swarm::machine::{
    Bucket, Conn, Input, Limits, Req, RequestFault, Sent, Side as Introduced, Site, Time,
};
use minimodel_wire::{CloseCode, Frame, NoMeeting, PeerId, WireAddress};

use crate::attempts::{Attempt, BETWEEN_PUNCHES, DIAL_ENDS, DIALS, MEETING_ENDS, MEETS, Met, PUNCHES};
use crate::hostile::bent;
use crate::internet::{RouterNo, Transit};
use crate::nat::Router;
use crate::network::is_across;
use crate::paths::Link;
use crate::peer::{LinkNo, PeerNo};
use crate::pipes::time_for;
use crate::process::IDLE;
use crate::step::{Side, Step};
use crate::world::{World, ms, secs};

/// Each side names the connection by its own number.
pub(crate) fn conn_of(link: LinkNo, side: Side) -> Conn {
    Conn(link * 2 + u64::from(side == Side::Acceptor))
}

pub(crate) fn end_of(conn: Conn) -> (LinkNo, Side) {
    (conn.0 / 2, if conn.0.is_multiple_of(2) { Side::Dialer } else { Side::Acceptor })
}

impl World {
    pub(crate) fn dial(&mut self, no: PeerNo, expected: PeerId, addresses: &[SocketAddr]) {
        self.peers[no].tally.dials.push((expected, self.now));
        if let Some(&to) = addresses.first().filter(|_| self.has_routers()) {
            self.dial_through(no, expected, to);
            return;
        }
        let run = self.peers[no].process.run;
        let failed = |wrong_key| Input::DialFailed { peer: expected, wrong_key, code: None };
        let found = addresses.iter().filter_map(|address| self.paths.addresses.get(address)).min().copied();
        let is_there = |to: &usize| {
            *to != no
                && self.peers[*to].process.online
                && self.peers[*to].plan.listening
                && !self.faults.is_split(self.now, no, *to)
        };
        let Some(to) = found.filter(is_there) else {
            self.queue.push(self.now + secs(3), Step::Tell(no, run, failed(None)));
            return;
        };
        let delay = self.peers[no].plan.delay + self.peers[to].plan.delay;
        if self.peers[to].id != expected {
            let wrong_key = Some(self.peers[to].id);
            self.queue.push(self.now + delay * 2, Step::Tell(no, run, failed(wrong_key)));
            return;
        }
        let seen_at = [no, to].map(|no| self.peers[no].address);
        self.join_by_link([no, to], [run, self.peers[to].process.run], seen_at);
    }

    /// Begins a connection from the first of these peers to the second, whose handshake is not done yet.
    pub(crate) fn join_by_link(&mut self, peers: [PeerNo; 2], runs: [u32; 2], seen_at: [SocketAddr; 2]) {
        let link = self.numbers.next();
        let delay = self.peers[peers[0]].plan.delay + self.peers[peers[1]].plan.delay;
        let ends = Link {
            peers,
            runs,
            seen_at,
            open: [false; 2],
            unseen: 2,
            delay,
            on_path: [0; 2],
            blocked_until: Time::ZERO,
            control_at: [Time::ZERO; 2],
            frames: [None, None],
        };
        self.paths.links.insert(link, ends);
        self.queue.push(self.now + delay * 2, Step::Connected(link, Side::Dialer));
        self.queue.push(self.now + delay * 3, Step::Connected(link, Side::Acceptor));
    }

    pub(crate) fn connected(&mut self, link: LinkNo, side: Side) {
        let Some(ends) = self.paths.links.get_mut(&link) else { return };
        ends.unseen -= 1;
        let (no, other, run) = (ends.peer(side), ends.peer(side.other()), ends.runs[side.at()]);
        let site = Site::of(ends.seen_at[side.other().at()].ip());
        if !self.peers[no].process.online || self.peers[no].process.run != run {
            self.close_end(link, side, None);
            return;
        }
        if let Some(ends) = self.paths.links.get_mut(&link) {
            ends.open[side.at()] = true;
        }
        let (conn, rtt) =
            (conn_of(link, side), (self.peers[no].plan.delay + self.peers[other].plan.delay) * 2);
        let dialed = side == Side::Dialer;
        self.tell(no, Input::Connected { conn, peer: self.peers[other].id, site, dialed });
        self.tell(no, Input::Rtt { conn, rtt });
    }

    pub(crate) fn closed(&mut self, link: LinkNo, side: Side, code: Option<CloseCode>) {
        if !self.paths.is_open(link, side) {
            return;
        }
        let no = self.paths.links[&link].peer(side);
        let lost: Vec<Req> = self.peers[no]
            .requests
            .downloads
            .iter()
            .filter(|(_, download)| download.link == link)
            .map(|(&req, _)| req)
            .collect();
        self.forget_end(link, side);
        if code == Some(CloseCode::BadChunk)
            && let Some(store) = self.peers[no].storage.store()
        {
            // Either the other peer lies or this peer's disk is bad.
            store.suspect();
        }
        for req in lost {
            if self.settings.says_lost {
                self.tell(no, Input::Failed { req, fault: RequestFault::Lost });
            }
        }
        self.tell(no, Input::Closed { conn: conn_of(link, side), code });
    }

    /// H1: whatever other peers do, an honest peer sends at most a quarter of the frames that its receiver permits.
    fn count_frame(&mut self, no: PeerNo, link: LinkNo, side: Side, frame: &Frame) {
        let (now, is_honest) = (self.now, self.peers[no].is_honest());
        let Some(ends) = self.paths.links.get_mut(&link) else { return };
        let budget = ends.frames[side.at()].get_or_insert_with(|| {
            let limits = Limits::default();
            Bucket::new(now, u64::from(limits.control_per_second / 4), u64::from(limits.control_burst / 4))
        });
        if !budget.try_take(now, 1) && is_honest {
            self.fail(&format!("H1: {no} sends more frames than it may, the last {frame:?}"));
        }
    }

    /// Counts the bytes of a frame, and takes their time on both links; the frame itself goes ahead of waiting pieces.
    fn weigh(&mut self, no: PeerNo, other: PeerNo, frame: &Frame) {
        let Some(heads) = self.network.frame_heads else { return };
        let (now, bytes) = (self.now, heads + frame.encode().len() as u64);
        let peer = &mut self.peers[no];
        peer.tally.frames += 1;
        peer.tally.frame_bytes += bytes;
        peer.access.up_free_at = peer.access.up_free_at.max(now) + time_for(bytes, peer.plan.up);
        let peer = &mut self.peers[other];
        peer.access.down_free_at = peer.access.down_free_at.max(now) + time_for(bytes, peer.plan.down);
    }

    pub(crate) fn send(&mut self, no: PeerNo, conn: Conn, frame: Frame) {
        let (link, side) = end_of(conn);
        let Some(delay) = self.paths.delay(link, side) else { return };
        if frame == Frame::Unchoke {
            let other = self.paths.links[&link].peer(side.other());
            let id = self.peers[other].id;
            *self.peers[no].tally.unchoked.entry(id).or_default() += 1;
        }
        self.count_frame(no, link, side, &frame);
        if let Frame::Bitfield(_) = frame {
            self.queue.push(self.now + ms(200), Step::Mischief(link, side));
        }
        for frame in bent(self.peers[no].plan.behaviour, frame) {
            self.weigh(no, self.paths.links[&link].peer(side.other()), &frame);
            let at = self.arrival_in_order(link, side.other(), delay);
            self.queue.push(at, Step::FrameIn(link, side.other(), frame));
        }
    }

    /// When a message that is sent now arrives over this path.
    pub(crate) fn arrival(&mut self, link: LinkNo, delay: Duration) -> Time {
        let late = self.network.lateness(delay, &mut self.rng, &mut self.counts);
        let blocked = self.paths.links.get(&link).map_or(Time::ZERO, |ends| ends.blocked_until);
        if blocked > self.now { blocked + delay + late } else { self.now + delay + late }
    }

    /// When a control frame that is sent now arrives: the control stream keeps its order.
    pub(crate) fn arrival_in_order(&mut self, link: LinkNo, side: Side, delay: Duration) -> Time {
        let at = self.arrival(link, delay);
        let Some(ends) = self.paths.links.get_mut(&link) else { return at };
        let last = &mut ends.control_at[side.at()];
        *last = at.max(*last);
        *last
    }

    /// Both ends learn at once that the connection is gone.
    pub(crate) fn cut(&mut self, link: LinkNo) {
        for side in [Side::Dialer, Side::Acceptor] {
            self.queue.push(self.now, Step::ClosedAt(link, side, None));
        }
    }

    /// Starts a partition: connections across it stand still, and end if it lasts as long as the idle timeout.
    pub(crate) fn split(&mut self, side: u64, until: Time) {
        self.counts.partitions += 1;
        self.faults.split(side, until);
        let across: Vec<LinkNo> = self
            .paths
            .links
            .iter()
            .filter(|(_, ends)| is_across(side, ends.peers[0], ends.peers[1]))
            .map(|(&link, _)| link)
            .collect();
        for link in across {
            if let Some(ends) = self.paths.links.get_mut(&link) {
                ends.blocked_until = until;
            }
            if until.since(self.now) >= IDLE {
                for side in [Side::Dialer, Side::Acceptor] {
                    self.queue.push(self.now + IDLE, Step::ClosedAt(link, side, None));
                }
            }
        }
    }

    /// Moves the peer to another address: its paths are silent while they are validated anew, and have other delays
    /// afterwards.
    pub(crate) fn rebind(&mut self, no: PeerNo, delay: Duration) {
        self.counts.rebinds += 1;
        self.peers[no].plan.delay = delay;
        for (link, side) in self.paths.ends_of(no) {
            let other = self.paths.links[&link].peer(side.other());
            let one_way = delay + self.peers[other].plan.delay;
            let now = self.now;
            if let Some(ends) = self.paths.links.get_mut(&link) {
                ends.delay = one_way;
                ends.blocked_until = ends.blocked_until.max(now + one_way * 3 + ms(100));
            }
            for side in [side, side.other()] {
                let rtt = Input::Rtt { conn: conn_of(link, side), rtt: one_way * 2 };
                let no = self.paths.links[&link].peer(side);
                self.queue.push(now + one_way * 4, Step::Tell(no, self.peers[no].process.run, rtt));
            }
        }
    }

    /// Counts a message on its arrival; breaks its connection if that is its fate.
    pub(crate) fn message(&mut self, link: LinkNo) {
        if self.faults.breaks() {
            self.counts.cuts += 1;
            self.cut(link);
        }
    }

    /// Adds a router with this address in the network of another one, or in the Internet. From then on each packet of a dial is
    /// simulated.
    pub fn router(&mut self, router: Router, ip: IpAddr, outer: Option<RouterNo>) -> RouterNo {
        self.attempts.internet.add(router, ip, outer)
    }

    /// Puts a peer behind a router, at the same address as before.
    pub fn inside(&mut self, no: PeerNo, router: RouterNo) {
        self.attempts.internet.place(no, self.peers[no].address, Some(router));
    }

    /// Puts a peer behind routers of its own, the one at home first. The last has the address that the peer had.
    pub fn behind(&mut self, no: PeerNo, routers: &[Router]) {
        let address = self.peers[no].address.ip();
        let mut outer = None;
        for &router in routers.iter().rev() {
            let ip = if outer.is_none() { address } else { IpAddr::from([100, 64, 0, no as u8]) };
            outer = Some(self.router(router, ip, outer));
        }
        if let Some(home) = outer {
            self.inside(no, home);
        }
    }

    /// Returns true if some peer is behind a router.
    pub(crate) fn has_routers(&self) -> bool {
        self.attempts.internet.has_routers()
    }

    /// Dials a peer through the routers.
    pub(crate) fn dial_through(&mut self, no: PeerNo, peer: PeerId, to: SocketAddr) {
        let run = self.peers[no].process.run;
        let id = self.attempt(Attempt { no, run, peer, to, by: None });
        for after in DIALS {
            self.queue.push(self.now + ms(after), Step::Sends(id, true));
        }
        self.queue.push(self.now + DIAL_ENDS, Step::Ends(id));
    }

    /// Meets a peer through the routers.
    pub(crate) fn meet(&mut self, meeting: Attempt, dials: bool, delay: Duration) {
        let id = self.attempt(meeting);
        let start = self.now + delay;
        for punch in 0..PUNCHES {
            self.queue.push(start + ms(punch * BETWEEN_PUNCHES), Step::Sends(id, false));
        }
        for after in MEETS.into_iter().filter(|_| dials) {
            self.queue.push(start + ms(after), Step::Sends(id, true));
        }
        self.queue.push(start + MEETING_ENDS, Step::Ends(id));
    }

    fn attempt(&mut self, attempt: Attempt) -> u64 {
        let id = self.numbers.next();
        self.attempts.under_way.insert(id, attempt);
        id
    }

    /// Sends a packet of an attempt: the first of a handshake, or one that only opens routers.
    pub(crate) fn sends(&mut self, id: u64, is_handshake: bool) {
        let Some(&Attempt { no, to, run, .. }) = self.attempts.under_way.get(&id) else { return };
        if self.peers[no].process.run != run {
            return;
        }
        let internet = &mut self.attempts.internet;
        let Some(transit) = internet.leave(self.now, no, to, &mut self.rng) else { return };
        let Some(other) = internet.toward(&transit) else { return };
        if self.rng.f64() >= self.network.packet_loss {
            let delay = self.peers[no].plan.delay + self.peers[other].plan.delay;
            let at = self.now + delay + self.network.lateness(delay, &mut self.rng, &mut self.counts);
            self.queue.push(at, Step::Arrives(id, transit, is_handshake));
        }
    }

    /// A packet of an attempt reaches the routers in front of whom it is for.
    pub(crate) fn arrives(&mut self, id: u64, transit: Transit, is_handshake: bool) {
        let Some(&Attempt { no, run, peer, .. }) = self.attempts.under_way.get(&id) else { return };
        let internet = &mut self.attempts.internet;
        let Some((other, _)) = internet.arrive(self.now, transit) else { return };
        let Some(there) = self.peers.get(other) else { return };
        if !is_handshake || !there.process.online || !there.plan.listening || there.id != peer {
            return;
        }
        // The answers come back through the entries that the packets before them made.
        let _ = internet.leave(self.now, other, transit.from, &mut self.rng);
        self.attempts.under_way.retain(|_, one| (one.no, one.peer) != (no, peer));
        let runs = [run, self.peers[other].process.run];
        self.join_by_link([no, other], runs, [transit.from, transit.to]);
    }

    /// An attempt is given up.
    pub(crate) fn ends(&mut self, id: u64) {
        let Some(Attempt { no, run, peer, by, .. }) = self.attempts.under_way.remove(&id) else {
            return;
        };
        let input = match by {
            Some(by) => Input::MeetingEnded { peer, by, sent: Sent::default() },
            None => Input::DialFailed { peer, wrong_key: None, code: None },
        };
        self.queue.push(self.now, Step::Tell(no, run, input));
    }

    /// Tells two peers of each other.
    pub(crate) fn introduce(&mut self, no: PeerNo, sides: [Introduced; 2]) {
        let [asker, target] = sides;
        let seen = |conn: Conn| {
            let (link, side) = end_of(conn);
            WireAddress::seen(self.paths.links.get(&link)?.seen_at[side.other().at()])
        };
        let both = (seen(asker.conn), seen(target.conn));
        if let (Some(first), Some(second)) = both {
            self.send(no, asker.conn, asker.told_of(&target, second));
            self.send(no, target.conn, target.told_of(&asker, first));
        } else {
            self.send(no, asker.conn, Frame::NoMeet { peer: target.peer, reason: NoMeeting::NoAddress });
        }
    }

    /// How the introductions to this peer ended, oldest first.
    pub fn met(&self, no: PeerNo) -> &[Met] {
        self.attempts.ended.get(&no).map_or(&[], |ended| ended)
    }
}
