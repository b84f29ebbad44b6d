//! Recovery from panics in tasks and threads: such a bug costs the work of its task and nothing else, and is always
//! reported.

use minimodel_wire::ResetCode;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::messages::TaskMessage;
use super::session::Session;
use crate::machine::{Input, RequestFault, ServeOutcome};

impl Session {
    /// Removes tasks that are done. A task that panicked has reported nothing, so its request or answer is given up
    /// here; the fault is this program's and no peer's.
    pub(super) fn reap(&mut self) {
        while self.pending_closes.try_join_next().is_some() {}
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
                self.take(TaskMessage::Input(Input::Failed { req, fault }));
            }
            let ask = self.answers.iter().find(|(_, answer)| answer.abort.as_ref().is_some_and(is_it));
            if let Some(ask) = ask.map(|(&ask, _)| ask) {
                self.take(TaskMessage::Served { ask, outcome: ServeOutcome::Withdrawn });
            }
        }
    }
}

/// Starts a thread for work that the session cannot go on without.
pub(super) fn spawn(
    name: &str,
    doing: &'static str,
    inbox: mpsc::Sender<TaskMessage>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    let work = move || {
        let _watch = Watch { doing, inbox };
        work();
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Reports the panic of a thread to the session: without it a fetch would wait for a chunk that no thread keeps.
struct Watch {
    doing: &'static str,
    inbox: mpsc::Sender<TaskMessage>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // An error means that the session is gone.
            let _ = self.inbox.blocking_send(TaskMessage::WorkerLost { doing: self.doing });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f7_a_thread_that_ends_by_a_panic_says_so_and_one_that_is_done_says_nothing() {
        let (inbox, mut messages) = mpsc::channel(1);
        spawn("test", "writing chunks", inbox.clone(), || ()).unwrap();
        spawn("test", "hashing chunks", inbox, || panic!("as it should in this test")).unwrap();
        let told = messages.blocking_recv();
        assert!(matches!(told, Some(TaskMessage::WorkerLost { doing: "hashing chunks" })), "{told:?}");
        assert!(messages.blocking_recv().is_none());
    }
}
