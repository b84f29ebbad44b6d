//! Checks of the machine's outputs against its inputs.

use minimodel_swarm::machine::{Ask, Breach, Conn, Consequence, Event, Input, Output, Req};
use minimodel_wire::{Consent, Decoder, Frame, PeerId};

use super::{Stage, World};
use crate::samples::{self, CHUNKS};

fn is_readable(frame: &Frame) {
    let mut decoder = Decoder::new(Some(CHUNKS));
    decoder.push(&frame.encode());
    assert_eq!(decoder.next(), Ok(Some(frame.clone())), "sends what it would not read");
}

impl World {
    /// Passes one input to the machine and takes all of its outputs.
    pub(super) fn tell(&mut self, input: Input) {
        let most =
            64 + 4 * (self.requests.len() + self.asks.len()) + (8 + CHUNKS as usize) * (self.links.len() + 1);
        self.machine.handle(self.now, input);
        let mut said = 0;
        while let Some(output) = self.machine.poll() {
            said += 1;
            self.heard(output);
        }
        assert!(said <= most, "{said} outputs at once, {most} are reason enough");
        assert_eq!(self.machine.check_invariants(), Ok(()));
        let requested: u64 = self.requests.values().map(|&(_, index, _)| len(index)).sum();
        assert!(requested <= self.most_requested, "{requested} bytes requested");
        assert_eq!(self.machine.have(), &self.have, "what is here");
        let wakeup = self.machine.wakeup();
        assert!(wakeup.is_none_or(|at| at > self.now), "wants to be woken at {wakeup:?}, now {:?}", self.now);
    }

    fn heard(&mut self, output: Output) {
        match output {
            Output::Dial { peer, addresses, pex_addresses } => {
                assert!(!self.banned.contains(&peer), "dials whom it banned");
                assert!(pex_addresses.len() <= 2, "dials {pex_addresses:?} because others say so");
                assert!(
                    !(addresses.is_empty() && pex_addresses.is_empty())
                        && (self.ours.contains(Consent::FETCH)
                            || self.ours.contains(Consent::SERVE | Consent::PUBLISH))
                );
                assert!(self.links.values().all(|link| link.peer != peer), "dials who is connected");
                // A peer that dialed in and left while it was being dialed may be dialed once more.
                self.dials.push_back(peer);
            }
            Output::Send { conn, frame } => {
                assert!(self.links.contains_key(&conn), "{frame:?} to {conn:?}, which is gone");
                is_readable(&frame);
                self.may_send(&frame);
            }
            Output::Introduce { sides: [asker, target] } => {
                let both = [&asker, &target].map(|side| self.links.get(&side.conn).map(|link| link.peer));
                assert!(both == [Some(asker.peer), Some(target.peer)] && asker.peer != target.peer);
                assert!(self.ours.contains(Consent::PUBLISH), "introduces without consent");
                for seen in samples::sources() {
                    is_readable(&asker.told_of(&target, seen));
                    is_readable(&target.told_of(&asker, seen));
                }
            }
            Output::Meet { peer, by, .. } => {
                assert!(!self.banned.contains(&peer), "meets whom it banned");
                assert!(self.links.values().all(|link| link.peer != peer), "meets who is connected");
                self.meetings.push_back((peer, by));
            }
            Output::TellObserved { conn } => {
                let told = self.links.contains_key(&conn) && self.ours.contains(Consent::PUBLISH);
                assert!(told, "says to {conn:?} where it is seen");
            }
            Output::Observed { conn, .. } => {
                let heard = self.links.contains_key(&conn) && self.ours.contains(Consent::PUBLISH);
                assert!(heard, "believes {conn:?} where it is seen");
            }
            Output::Close { conn, .. } => {
                assert!(self.links.remove(&conn).is_some(), "{conn:?} is closed twice");
                // A request for leaf hashes ends with its connection; no `Cancel` follows.
                self.leaves.take_if(|(_, asked)| *asked == conn);
            }
            Output::Request { conn, req, index } => self.may_request(conn, req, index),
            Output::Cancel { req } => {
                let was_leaves = self.leaves.take_if(|(leaves, _)| *leaves == req).is_some();
                let request = self.requests.remove(&req);
                let is_fine = was_leaves || request.is_some_and(|(_, _, stage)| stage == Stage::Asked);
                assert!(is_fine, "withdraws {req:?}, which is {request:?}");
            }
            Output::Keep { req, index, peer } => {
                let request = self.requests.get_mut(&req).expect("it was requested");
                assert_eq!((request.1, request.2), (index, Stage::Arrived));
                request.2 = Stage::Keeping;
                self.suppliers.insert(req, peer);
                assert!(!self.have.get(index), "stores what is here");
            }
            Output::Discard { req } => {
                let request = self.requests.remove(&req);
                assert_eq!(request.map(|request| request.2), Some(Stage::Arrived));
            }
            Output::RequestLeaves { conn, req, first, count } => {
                assert!(
                    self.links.get(&conn).is_some_and(|link| link.introduced && link.announced.is_full())
                );
                assert!(count > 0 && first.checked_add(count).is_some_and(|end| end <= CHUNKS));
                assert_eq!(self.leaves.replace((req, conn)), None, "one list at a time");
            }
            Output::Rescan => {
                assert!(!self.rescan);
                self.rescan = true;
            }
            Output::Reread { index } => {
                assert!(!self.have.get(index), "it is here");
                assert_eq!(self.reread.replace(index), None, "one at a time");
            }
            Output::Serve { ask, index } => {
                assert!(self.have.get(index), "serves what is not here");
                self.is_served(ask, Some(index));
            }
            Output::ServeLeaves { ask } => {
                assert!(self.have.is_full(), "a partial peer has no list");
                self.is_served(ask, None);
            }
            Output::ServeManifest { ask } => self.is_served(ask, None),
            Output::Refuse { ask, code } => {
                assert!(self.asks.remove(&ask).is_some(), "{ask:?} is refused twice: {code}");
            }
            Output::CheckOffer { check, offer } => {
                self.checks.push_back((check, offer));
                assert!(self.checks.len() <= 16, "so many checks at once");
            }
            Output::Event(event) => self.happened(&event),
        }
    }

    fn may_send(&self, frame: &Frame) {
        match frame {
            Frame::Have { indexes } => {
                assert!(self.ours.contains(Consent::SERVE));
                assert!((1..=256).contains(&indexes.len()));
                assert!(indexes.iter().all(|&index| self.have.get(index)), "announces what is not here");
            }
            Frame::Peers { offers } => assert!((1..=16).contains(&offers.len())),
            Frame::Unchoke => assert!(self.ours.contains(Consent::SERVE)),
            Frame::Interested => assert!(self.ours.contains(Consent::FETCH)),
            _ => {}
        }
    }

    fn may_request(&mut self, conn: Conn, req: Req, index: u32) {
        assert!(self.ours.contains(Consent::FETCH), "nobody agreed to fetch");
        assert!(!self.stopped && !self.have.get(index), "asks for chunk {index}, which is here");
        let link = self.links.get(&conn).expect("a connection that is there");
        assert!(link.introduced && link.announced.get(index), "asks {conn:?} for what it did not announce");
        assert!(!self.banned.contains(&link.peer), "asks whom it banned");
        let was = self.requests.insert(req, (conn, index, Stage::Asked));
        assert!(was.is_none(), "{req:?} twice");
    }

    fn is_served(&mut self, ask: Ask, index: Option<u32>) {
        assert!(self.ours.contains(Consent::SERVE), "nobody agreed to serve");
        let (conn, asked, is_served) = self.asks.get_mut(&ask).expect("somebody asked");
        assert!(self.links.contains_key(conn), "serves who is gone");
        assert_eq!((*asked, *is_served), (index, false), "answers {ask:?}");
        *is_served = true;
    }

    fn happened(&mut self, event: &Event) {
        match *event {
            Event::Banned { peer, breach, .. } => {
                // Breaches that a bad network path can cause never ban; the others need proof, or a repetition.
                let proof_only =
                    matches!(breach, Breach::BadChunk | Breach::MalformedChunk | Breach::BadLeaves);
                assert!(!proof_only || self.guilty.contains(&peer), "{peer} is banned for {breach:?}");
                let may_ban =
                    matches!(breach.consequence(), Consequence::Disconnect(_) | Consequence::Ban(_));
                assert!(may_ban, "{peer} is banned for {breach:?}");
                assert!(self.banned.insert(peer), "banned twice");
            }
            Event::Chunk { index, .. } => assert!(self.have.get(index), "a chunk that nobody proved"),
            Event::Complete => assert!(self.have.is_full()),
            Event::Joined { peer, .. } => assert!(!self.banned.contains(&peer)),
            _ => {}
        }
    }

    pub(super) fn keeping_for(&mut self, req: Req) -> Option<PeerId> {
        self.suppliers.remove(&req)
    }

    pub(super) fn chunk_len_of(&self, req: Req) -> u64 {
        self.requests.get(&req).map_or(0, |&(_, index, _)| len(index))
    }
}

fn len(index: u32) -> u64 {
    samples::terms().chunk_len(index).into()
}
