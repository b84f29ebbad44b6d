//! Dials, handshakes, requests and closes between two peers.

use std::net::SocketAddr;
use std::time::Duration;

use minimodel_swarm::machine::{Ask, Input, Req, ServeOutcome, Site};
use minimodel_wire::CloseCode;

use super::carry::conn_of;
use super::queue::Step;
use super::world::{End, Link, LinkNo, No, Side, World, address_of, no_of};

/// Time after which a dial to an absent peer fails.
const NO_ANSWER: Duration = Duration::from_secs(3);

impl World {
    /// The peer at this end, while the end is open.
    pub(super) fn open_at(&self, link: LinkNo, side: Side) -> Option<No> {
        let end = self.links.get(link as usize)?.as_ref()?.end(side);
        end.is_open.then_some(end.no)
    }

    pub(super) fn dial(&mut self, no: No, addresses: &[SocketAddr]) {
        self.tally.dials += 1;
        let Some(to) = addresses.first().map(|&address| no_of(address)) else { return };
        let Some(there) = self.peers.get(to as usize) else { return };
        // A peer without a machine is absent, or is the dialer itself, whose machine is taken out at this moment.
        if there.machine.is_none() {
            self.queue.push(self.now + NO_ANSWER, Step::Unreachable(no, to));
            return;
        }
        let delay = self.peers[no as usize].plan.delay + there.plan.delay;
        let end = |no| End { no, ..End::default() };
        let link = self.links.len() as LinkNo;
        self.links.push(Some(Box::new(Link { ends: [end(no), end(to)], unseen: 2, delay })));
        self.queue.push(self.now + delay * 2, Step::Connected(link, Side::Dialer));
        self.queue.push(self.now + delay * 3, Step::Connected(link, Side::Acceptor));
    }

    pub(super) fn connected(&mut self, link: LinkNo, side: Side) {
        let Some(ends) = self.links[link as usize].as_mut() else { return };
        ends.unseen -= 1;
        let (no, other, rtt) = (ends.end(side).no, ends.end(side.other()).no, ends.delay * 2);
        if self.peers[no as usize].machine.is_none() {
            self.close_end(link, side, None);
            return;
        }
        ends.end_mut(side).is_open = true;
        self.peers[no as usize].links.push(link);
        let conn = conn_of(link, side);
        let peer = self.peers[other as usize].id;
        let site = Site::of(address_of(other).ip());
        self.tell(no, Input::Connected { conn, peer, site, dialed: side == Side::Dialer });
        self.tell(no, Input::Rtt { conn, rtt });
    }

    pub(super) fn closed(&mut self, link: LinkNo, side: Side, code: Option<CloseCode>) {
        let Some(no) = self.open_at(link, side) else { return };
        self.forget_end(link, side);
        self.tell(no, Input::Closed { conn: conn_of(link, side), code });
    }

    /// Closes one peer's end; the other peer learns of it a path's delay later.
    pub(super) fn close_end(&mut self, link: LinkNo, side: Side, code: Option<CloseCode>) {
        self.push_over(link, Step::Closed(link, side.other(), code));
        self.forget_end(link, side);
    }

    fn forget_end(&mut self, link: LinkNo, side: Side) {
        let Some(ends) = self.links[link as usize].as_mut() else { return };
        let end = ends.end_mut(side);
        end.is_open = false;
        end.flows.clear();
        let peer = &mut self.peers[end.no as usize];
        peer.links.retain(|&other| other != link);
        peer.downloads.retain(|download| download.link != link);
        peer.asks.retain(|_, &mut (asked_over, _)| asked_over != link);
        if ends.unseen == 0 && ends.ends.iter().all(|end| !end.is_open) {
            self.links[link as usize] = None;
        }
    }

    pub(super) fn asked(&mut self, link: LinkNo, side: Side, req: Req, index: u32) {
        let Some(no) = self.open_at(link, side) else { return };
        let ask = Ask(self.next_ask);
        self.next_ask += 1;
        self.peers[no as usize].asks.insert(ask, (link, req));
        self.tell(no, Input::Asked { ask, conn: conn_of(link, side), index });
    }

    /// The other end withdrew its request.
    pub(super) fn stopped(&mut self, link: LinkNo, side: Side, req: Req) {
        let Some(no) = self.open_at(link, side) else { return };
        let asks = &self.peers[no as usize].asks;
        let Some(ask) = asks.iter().find(|&(_, &asked)| asked == (link, req)).map(|(&ask, _)| ask) else {
            return;
        };
        self.peers[no as usize].asks.remove(&ask);
        let bytes = self.drop_flow(no, link, req);
        self.tell(no, Input::Served { ask, outcome: ServeOutcome::Cancelled { bytes } });
    }

    /// Ends an answer, and returns how many of its bytes were sent.
    pub(super) fn drop_flow(&mut self, no: No, link: LinkNo, req: Req) -> u64 {
        let Some(ends) = self.links[link as usize].as_mut() else { return 0 };
        let flows = &mut ends.end_mut(ends.side_of(no)).flows;
        let Some(at) = flows.iter().position(|flow| flow.req == req) else { return 0 };
        flows.remove(at).map_or(0, |flow| flow.begun.into())
    }
}
