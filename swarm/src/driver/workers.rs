//! The tasks and threads of a session, and recovery from their panics: such a bug costs the work of its task and nothing
//! else, and is always reported.

use std::future::Future;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::blocking::BlockingPart;
use super::messages::TaskMessage;

/// The tasks of a session, its part of the threads for what blocks, and the queue on which tasks report to it.
pub(super) struct Tasks {
    running: JoinSet<()>,
    blocking: BlockingPart,
    inbox: mpsc::Sender<TaskMessage>,
    panics: u64,
}

impl Tasks {
    pub(super) fn new(blocking: BlockingPart, inbox: mpsc::Sender<TaskMessage>) -> Self {
        Self { running: JoinSet::new(), blocking, inbox, panics: 0 }
    }

    /// The queue for messages of tasks that report by themselves.
    pub(super) fn inbox(&self) -> mpsc::Sender<TaskMessage> {
        self.inbox.clone()
    }

    /// The threads for work that blocks.
    pub(super) fn blocking(&self) -> &BlockingPart {
        &self.blocking
    }

    /// Starts a task.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.running.spawn(task)
    }

    /// Starts a task that reports its result to the session.
    pub(super) fn report(&mut self, task: impl Future<Output = TaskMessage> + Send + 'static) -> AbortHandle {
        let inbox = self.inbox.clone();
        self.spawn(async move {
            let message = task.await;
            // An error means that the session is gone.
            let _ = inbox.send(message).await;
        })
    }

    /// Removes tasks that have ended, up to the next one that ended by a panic, which is counted: it has reported
    /// nothing.
    pub(super) fn next_panicked(&mut self) -> Option<Id> {
        while let Some(ended) = self.running.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                self.panics += 1;
                return Some(error.id());
            }
        }
        None
    }

    /// Counts the panic of a task that does not run here.
    pub(super) fn count_panic(&mut self) {
        self.panics += 1;
    }

    /// Tasks that ended by a panic.
    pub(super) fn panics(&self) -> u64 {
        self.panics
    }

    /// Ends all tasks.
    pub(super) fn abort_all(&mut self) {
        self.running.abort_all();
    }

    /// Tasks that have not been removed.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.running.len()
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
    use super::super::blocking::BlockingThreads;
    use super::*;

    // Rows: F7
    #[test]
    fn worker_thread_reports_a_panic_and_a_normal_end_stays_silent() {
        let (inbox, mut messages) = mpsc::channel(1);
        spawn("test", "writing chunks", inbox.clone(), || ()).unwrap();
        spawn("test", "hashing chunks", inbox, || panic!("as it should in this test")).unwrap();
        let told = messages.blocking_recv();
        assert!(matches!(told, Some(TaskMessage::WorkerLost { doing: "hashing chunks" })), "{told:?}");
        assert!(messages.blocking_recv().is_none());
    }

    #[tokio::test]
    async fn a_task_that_panicked_is_named_once_and_counted() {
        let (inbox, mut messages) = mpsc::channel(1);
        let mut tasks = Tasks::new(BlockingThreads::new().part(), inbox);
        let bad = tasks.spawn(async { panic!("as it should in this test") }).id();
        tasks.report(async { TaskMessage::Panicked });
        tasks.spawn(std::future::pending()).abort();
        assert!(matches!(messages.recv().await, Some(TaskMessage::Panicked)));
        let mut named = Vec::new();
        while tasks.count() > 0 {
            named.extend(tasks.next_panicked());
            tokio::task::yield_now().await;
        }
        assert_eq!((named, tasks.panics()), (vec![bad], 1), "a task that was aborted is no bug");
    }
}
