//! Carries out the outputs of the machine.

use minimodel_wire::UncheckedOffer;

use super::download::LeafRequest;
use super::meeting::Rendezvous;
use super::messages::{SessionEvent, TaskMessage};
use super::session::Session;
use super::workers::Tasks;
use crate::machine::{Check, Event, Input, OfferVerdict, Output};

impl Session {
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll() {
            if let Some(input) = self.perform(output) {
                self.tell(input);
            }
        }
    }

    /// Carries out one output. Returns what the machine is told of it at once.
    fn perform(&mut self, output: Output) -> Option<Input> {
        let Self { links, tasks, downloading, serving, .. } = self;
        match output {
            Output::Dial { peer, addresses, pex_addresses } => {
                links.dial(peer, addresses, pex_addresses, tasks);
            }
            Output::Send { conn, frame } => links.send(conn, &frame),
            Output::Meet { peer, by, addresses, dials, delay } => {
                links.meet(peer, by, Rendezvous { addresses, dials, delay }, tasks);
            }
            Output::Introduce { sides } => links.introduce(&sides),
            Output::TellObserved { conn } => links.tell_observed(conn),
            Output::Observed { conn, address } => {
                if links.observed(conn, address) {
                    self.renew_moved_offer();
                }
            }
            Output::Close { conn, code } => links.close(conn, code),
            Output::Request { conn, req, index } => {
                return downloading.request(conn, req, index, links, tasks);
            }
            Output::Cancel { req } | Output::Discard { req } => downloading.forget(req),
            Output::Keep { req, index, peer } => downloading.keep(req, index, peer),
            Output::RequestLeaves { conn, req, first, count } => {
                let request = LeafRequest { req, first, count };
                downloading.request_leaves(conn, request, links, tasks);
            }
            Output::Rescan => downloading.rescan(tasks),
            Output::Reread { index } => serving.reread(index, tasks),
            Output::Serve { ask, index } => return serving.chunk(ask, index, links, tasks),
            Output::ServeLeaves { ask } => serving.leaves(ask, links, tasks),
            Output::ServeManifest { ask } => serving.manifest(ask, links, tasks),
            Output::Refuse { ask, code } => serving.refuse(ask, code),
            Output::CheckOffer { check, offer } => check_offer(check, offer, tasks),
            Output::Event(event) => self.pass_on(event),
        }
        None
    }

    fn pass_on(&mut self, event: Event) {
        if let Event::Chunk { .. } = event {
            self.silence.chunk_proven();
        }
        let (now, downloading) = (self.now(), &self.downloading);
        self.observer.event(now, &event, |index| downloading.chunk_hash(index));
        self.events.push_back(SessionEvent::Machine(event));
    }
}

/// Checks the signature of an offer on another thread: unknown peers decide how many there are, and the machine must
/// not wait.
fn check_offer(check: Check, offer: UncheckedOffer, tasks: &mut Tasks) {
    let checked = tasks.blocking().run(move || offer.check());
    tasks.report(async move {
        let verdict = match checked.await {
            Ok(Ok(signed)) => OfferVerdict::Good(signed),
            Ok(Err(_)) => OfferVerdict::Forged,
            Err(_) => OfferVerdict::Unknown,
        };
        TaskMessage::Input(Input::OfferChecked { check, verdict })
    });
}
