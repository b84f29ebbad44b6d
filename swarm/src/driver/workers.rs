//! Tasks and threads that end by a panic: a bug, which must cost what they did and nothing else, and never a silence.

use minimodel_wire::ResetCode;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::notes::Note;
use super::session::Session;
use crate::machine::{Input, RequestFault, ServeOutcome};

impl Session {
    /// Forgets tasks that are done. One that ended by a panic has told nobody, so that what it did is given up here;
    /// the fault is ours and no peer's.
    pub(super) fn reap(&mut self) {
        while self.partings.try_join_next().is_some() {}
        while let Some(ended) = self.tasks.try_join_next() {
            let Err(error) = ended else { continue };
            if !error.is_panic() {
                continue;
            }
            self.panics += 1;
            let is_it = |abort: &AbortHandle| abort.id() == error.id();
            let request = self.downloads.iter().find(|(_, download)| is_it(&download.abort));
            if let Some(req) = request.map(|(&req, _)| req) {
                let fault = RequestFault::Reset(ResetCode::Cancelled);
                self.take(Note::Input(Input::Failed { req, fault }));
            }
            let ask = self.answers.iter().find(|(_, answer)| answer.abort.as_ref().is_some_and(is_it));
            if let Some(ask) = ask.map(|(&ask, _)| ask) {
                self.take(Note::Served { ask, outcome: ServeOutcome::Withdrawn });
            }
        }
    }
}

/// Starts a thread of its own for work that nothing goes on without.
pub(super) fn spawn(
    name: &str,
    doing: &'static str,
    notes: mpsc::Sender<Note>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    let work = move || {
        let _watch = Watch { doing, notes };
        work();
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Tells the session when a thread ends by a panic: without it a fetch would wait for a chunk that nobody keeps.
struct Watch {
    doing: &'static str,
    notes: mpsc::Sender<Note>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whoever is gone needs no telling.
            let _ = self.notes.blocking_send(Note::WorkerLost { doing: self.doing });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f7_a_thread_that_ends_by_a_panic_says_so_and_one_that_is_done_says_nothing() {
        let (note, mut notes) = mpsc::channel(1);
        spawn("test", "writing chunks", note.clone(), || ()).unwrap();
        spawn("test", "hashing chunks", note, || panic!("as it should in this test")).unwrap();
        let told = notes.blocking_recv();
        assert!(matches!(told, Some(Note::WorkerLost { doing: "hashing chunks" })), "{told:?}");
        assert!(notes.blocking_recv().is_none());
    }
}
