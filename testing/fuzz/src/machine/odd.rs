//! Rare and late inputs: breaches that the driver saw, lost chunks, changes by the user, and inputs for connections and
//! requests that are gone or withdrawn.

use std::time::Duration;

use minimodel_swarm::machine::{
    Ask, Breach, Check, Conn, Input, LeavesOutcome, OfferVerdict, Req, RequestFault, ServeOutcome,
};
use minimodel_wire::{CloseCode, Frame};

use super::World;
use crate::samples::{self, CHUNKS};
use crate::source::Source;

/// The breaches that the driver may report.
const BREACHES: [Breach; 7] = [
    Breach::Malformed(CloseCode::Malformed),
    Breach::Malformed(CloseCode::ProtocolViolation),
    Breach::Malformed(CloseCode::FrameTooLarge),
    Breach::Malformed(CloseCode::UnsupportedVersion),
    Breach::NotReading,
    Breach::EndedControl(CloseCode::StateViolation),
    Breach::BadIndex,
];

impl World {
    pub(super) fn odd(&mut self, source: &mut Source<'_>) {
        let (what, a) = (source.byte(), source.byte());
        match what & 15 {
            0..=4 => self.loses(u32::from(a) % CHUNKS),
            5..=9 => {
                if let Some(conn) = self.pick_conn(a) {
                    let breach = BREACHES[usize::from(what >> 4) % BREACHES.len()];
                    self.tell(Input::Broke { conn, breach });
                }
            }
            10..=13 => {
                if let Some(conn) = self.pick_conn(a) {
                    let rtt = Duration::from_millis(u64::from(what >> 4) * 50);
                    self.tell(Input::Rtt { conn, rtt });
                }
            }
            14 if a == 1 => {
                self.stopped = true;
                self.tell(Input::SourceChanged);
            }
            15 if a == 2 => {
                self.stopped = true;
                self.tell(Input::Stop(CloseCode::ShuttingDown));
            }
            14 => self.wants(what >> 4, a),
            15 => {
                if let Some(&req) = self.requests.keys().nth(usize::from(a) % 4) {
                    self.tell(Input::Withheld { req });
                }
            }
            _ => {}
        }
    }

    /// An input for something that was withdrawn, or never existed.
    pub(super) fn stale(&mut self, source: &mut Source<'_>) {
        let (what, a) = (source.byte(), u64::from(source.byte()));
        let (conn, req, ask) = (Conn(a), Req(a), Ask(a));
        let is_gone = !self.links.contains_key(&conn);
        let is_withdrawn =
            !self.requests.contains_key(&req) && self.leaves.is_none_or(|(leaves, _)| leaves != req);
        match what % 8 {
            0 if what >= 0xf0 => {
                // The machine did not ask for this check.
                let verdict = OfferVerdict::Good(samples::offers()[0].clone());
                self.tell(Input::OfferChecked { check: Check(u64::MAX - a), verdict });
            }
            0 if is_gone => self.tell(Input::Frame { conn, frame: Frame::Unchoke }),
            1 if what >= 0xf0 => self.tell(Input::Calendar { unix: u64::MAX >> (a % 64) }),
            1 if is_gone => self.tell(Input::Closed { conn, code: None }),
            2 if is_gone => self.tell(Input::Broke { conn, breach: Breach::NotReading }),
            3 if is_withdrawn => self.tell(Input::Progress { req, received: a }),
            4 if is_withdrawn => self.tell(Input::Failed { req, fault: RequestFault::Lost }),
            5 if is_withdrawn => self.tell(Input::Leaves { req, outcome: LeavesOutcome::Failed }),
            6 if !self.asks.contains_key(&ask) => {
                self.tell(Input::Served { ask, outcome: ServeOutcome::Done { bytes: a } });
            }
            7 if is_gone => {
                let ask = Ask(self.next_ask);
                self.next_ask += 1;
                self.asks.insert(ask, (conn, Some(1), false));
                self.tell(Input::Asked { ask, conn, index: 1 });
            }
            _ => {}
        }
    }
}
