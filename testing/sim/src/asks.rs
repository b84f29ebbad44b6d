//! Requests in transit: streams, refusals, cancels, leaf hashes.

use minimodel_swarm::machine::{Ask, Conn, Input, LeavesOutcome, Req, RequestFault, ServeOutcome};
use minimodel_wire::ResetCode;

use crate::connections::{conn_of, end_of};
use crate::peer::{Answer, Download, LinkNo, PeerNo};
use crate::plan::Behaviour;
use crate::step::{Side, Step, Wanted};
use crate::world::{World, ms};

/// Request streams that one side may have open in a connection.
const STREAMS: usize = 32;
/// Most requests of one peer within a second; more mean that its machine requests in a loop without waiting.
const MOST_REQUESTS_A_SECOND: u32 = 20_000;

impl World {
    pub(crate) fn request(&mut self, no: PeerNo, conn: Conn, req: Req, index: u32) {
        let (link, side) = end_of(conn);
        let is_here = self.peers[no].storage.has(index) && !self.peers[no].unreadable.contains(&index);
        if is_here && self.peers[no].is_honest() {
            self.fail(&format!("{no} asks for chunk {index}, which it has"));
        }
        if !self.paths.is_open(link, side) {
            self.fail(&format!("{no} asks for chunk {index} over {conn:?}, which is closed"));
        }
        let supplier = self.peers[self.paths.links[&link].peer(side.other())].id;
        let second = self.now.since_start().as_secs();
        let peer = &mut self.peers[no];
        *peer.tally.asked_of.entry(supplier).or_default() += 1;
        peer.tally.last_asked.insert(supplier, self.now);
        if self.settings.is_detailed {
            peer.tally.order.push(index);
            peer.tally.asked.push((self.now, supplier, index));
        }
        let (then, count) = peer.requests.asked_this_second;
        peer.requests.asked_this_second = (second, if then == second { count + 1 } else { 1 });
        if peer.requests.asked_this_second.1 > MOST_REQUESTS_A_SECOND {
            self.fail(&format!("{no} asks without end"));
        }
        peer.requests.downloads.insert(req, Download::new(link, index, self.now));
        let (open, waiting) = peer.requests.streams.entry(link).or_default();
        if *open < STREAMS {
            *open += 1;
            self.ask(link, side, req, index);
        } else {
            waiting.push_back((req, index));
        }
    }

    fn ask(&mut self, link: LinkNo, side: Side, req: Req, index: u32) {
        let no = self.paths.links[&link].peer(side);
        if self.peers[no].plan.behaviour == Behaviour::MuteAsker {
            return;
        }
        if let Some(delay) = self.paths.delay(link, side) {
            let at = self.arrival(link, delay);
            if let Some(download) = self.peers[no].requests.downloads.get_mut(&req) {
                download.asked_at = at;
            }
            self.queue.push(at, Step::AskIn(link, side.other(), req, Wanted::Chunk(index)));
        }
    }

    /// Frees a request stream of this end; the next waiting request takes it.
    pub(crate) fn stream_free(&mut self, link: LinkNo, side: Side) {
        if !self.paths.is_open(link, side) {
            return;
        }
        let no = self.paths.links[&link].peer(side);
        let (open, waiting) = self.peers[no].requests.streams.entry(link).or_default();
        if let Some((req, index)) = waiting.pop_front() {
            self.ask(link, side, req, index);
        } else {
            *open -= 1;
        }
    }

    pub(crate) fn cancel(&mut self, no: PeerNo, req: Req) {
        let Some(download) = self.peers[no].requests.downloads.remove(&req) else { return };
        let link = download.link;
        let age = self.now.since(download.sent_at);
        self.peers[no].tally.gave_up.push((download.sent_at, download.index, age));
        let Some(ends) = self.paths.links.get(&link) else { return };
        let (side, delay) = (ends.side_of(no), ends.delay);
        if let Some((_, waiting)) = self.peers[no].requests.streams.get_mut(&link) {
            let before = waiting.len();
            waiting.retain(|&(waits, _)| waits != req);
            if waiting.len() < before {
                return;
            }
        }
        let at = self.arrival(link, delay).max(download.asked_at);
        self.queue.push(at, Step::StopIn(link, side.other(), req));
        if download.index != u32::MAX {
            self.queue.push(at + delay, Step::StreamFree(link, side));
        }
    }

    pub(crate) fn asked(&mut self, link: LinkNo, side: Side, req: Req, wanted: Wanted) {
        if !self.paths.is_open(link, side) {
            return;
        }
        let no = self.paths.links[&link].peer(side);
        let code = match self.peers[no].plan.behaviour {
            Behaviour::Refuser | Behaviour::FreeRider => Some(ResetCode::NotHave),
            Behaviour::Claimer if matches!(wanted, Wanted::Chunk(index) if index % 2 == 1) => {
                Some(ResetCode::NotHave)
            }
            Behaviour::AlwaysBusy => Some(ResetCode::Busy),
            Behaviour::Teaser => Some(ResetCode::Choked),
            _ => None,
        };
        if let Some(code) = code {
            let delay = self.paths.links[&link].delay;
            let at = self.arrival(link, delay);
            self.queue.push(at, Step::ResetIn(link, side.other(), req, code));
            return;
        }
        let (ask, conn) = (Ask(self.numbers.next()), conn_of(link, side));
        let leaves = if let Wanted::Leaves(first, count) = wanted { (first, count) } else { (0, 0) };
        self.peers[no].requests.answers.insert(ask, Answer { link, req, flow: None, leaves });
        self.tell(
            no,
            match wanted {
                Wanted::Chunk(index) => Input::Asked { ask, conn, index },
                Wanted::Leaves(..) => Input::AskedLeaves { ask, conn },
            },
        );
    }

    pub(crate) fn refuse(&mut self, no: PeerNo, ask: Ask, code: ResetCode) {
        let Some(answer) = self.peers[no].requests.answers.remove(&ask) else { return };
        answer.flow.and_then(|flow| self.paths.flows.remove(&flow));
        let Some(ends) = self.paths.links.get(&answer.link) else { return };
        let (to, delay) = (ends.side_of(no).other(), ends.delay);
        let at = self.arrival(answer.link, delay);
        self.queue.push(at, Step::ResetIn(answer.link, to, answer.req, code));
    }

    pub(crate) fn serve_leaves(&mut self, no: PeerNo, ask: Ask) {
        let Some(answer) = self.peers[no].requests.answers.remove(&ask) else { return };
        let Some(ends) = self.paths.links.get(&answer.link) else { return };
        let (to, delay, behaviour) = (ends.side_of(no).other(), ends.delay, self.peers[no].plan.behaviour);
        let (first, count) = answer.leaves;
        let step = match self.peers[no].storage.store().is_some_and(|store| !store.knows_leaves(first, count))
        {
            true => Step::ResetIn(answer.link, to, answer.req, ResetCode::NotHave),
            false => Step::LeavesIn(answer.link, to, answer.req, !behaviour.is_lie()),
        };
        if behaviour != Behaviour::Mute {
            let at = self.arrival(answer.link, delay + ms(20));
            self.queue.push(at, step);
        }
    }

    pub(crate) fn leaves_in(&mut self, link: LinkNo, side: Side, req: Req, good: bool) {
        let Some(ends) = self.paths.links.get(&link).filter(|ends| ends.is_open(side)) else { return };
        let no = ends.peer(side);
        if self.peers[no].requests.downloads.remove(&req).is_some() {
            let outcome = if good { LeavesOutcome::Proven } else { LeavesOutcome::BadProof };
            self.tell(no, Input::Leaves { req, outcome });
        }
    }

    pub(crate) fn reset(&mut self, link: LinkNo, side: Side, req: Req, code: ResetCode) {
        let Some(ends) = self.paths.links.get(&link).filter(|ends| ends.is_open(side)) else { return };
        let no = ends.peer(side);
        let Some(download) = self.peers[no].requests.downloads.remove(&req) else { return };
        if download.index == u32::MAX {
            self.tell(no, Input::Leaves { req, outcome: LeavesOutcome::Failed });
            return;
        }
        self.stream_free(link, side);
        self.tell(no, Input::Failed { req, fault: RequestFault::Reset(code) });
    }

    pub(crate) fn stopped(&mut self, link: LinkNo, side: Side, req: Req) {
        let Some(ends) = self.paths.links.get(&link).filter(|ends| ends.is_open(side)) else { return };
        let no = ends.peer(side);
        let found = self.peers[no]
            .requests
            .answers
            .iter()
            .find(|(_, answer)| answer.link == link && answer.req == req)
            .map(|(&ask, answer)| (ask, answer.flow));
        let Some((ask, flow)) = found else { return };
        self.peers[no].requests.answers.remove(&ask);
        let bytes = flow.and_then(|flow| self.paths.flows.remove(&flow)).map_or(0, |flow| flow.sent);
        self.tell(no, Input::Served { ask, outcome: ServeOutcome::Cancelled { bytes } });
    }
}
