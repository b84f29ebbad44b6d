//! Threads for work that blocks, such as disk and signatures: how many of them one session may take.
//!
//! The runtime gives a thread to each work at once; the limits are here. A session whose disk hangs, for example because a
//! network mount is dead, holds its part of the threads for good, and no other session waits for it: besides the threads that
//! all share each session has one that no other takes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// Threads of one session at most: that many reads of a chunk keep a disk and two cores busy, and more are not faster.
pub(super) const PART: usize = 8;
/// Threads that the sessions of a node share, besides the one of each: three sessions may have a full part at once.
const SHARED: usize = 3 * PART;

/// The threads of a node. Clones are the same threads.
#[derive(Debug, Clone)]
pub(super) struct BlockingThreads(Arc<Semaphore>);

impl BlockingThreads {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(SHARED)))
    }

    /// The part of a new session.
    pub(super) fn part(&self) -> BlockingPart {
        let own = Arc::new(Semaphore::new(1));
        BlockingPart { own, more: Arc::new(Semaphore::new(PART - 1)), shared: self.0.clone() }
    }
}

/// A session's part of the threads. Clones are the same part.
#[derive(Debug, Clone)]
pub(super) struct BlockingPart {
    /// The thread that no other session takes.
    own: Arc<Semaphore>,
    /// How many of the shared threads the session may still take.
    more: Arc<Semaphore>,
    shared: Arc<Semaphore>,
}

/// A place for one work, given back on drop. A semaphore that is never closed gives a permit to each.
struct Place {
    _own: Option<OwnedSemaphorePermit>,
    _shared: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl BlockingPart {
    /// Runs `work` on a thread, once there is one. Work that is dropped before is not done; later it goes on, and holds its
    /// thread until it ends.
    ///
    /// # Errors
    ///
    /// The work panicked.
    pub(super) fn run<T, F>(&self, work: F) -> impl Future<Output = Result<T, JoinError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let part = self.clone();
        async move {
            let place = part.place().await;
            tokio::task::spawn_blocking(move || {
                let _place = place;
                work()
            })
            .await
        }
    }

    async fn place(self) -> Place {
        let Self { own, more, shared } = self;
        let shared = async {
            let more = more.acquire_owned().await.ok()?;
            Some((more, shared.acquire_owned().await.ok()?))
        };
        tokio::select! {
            biased;
            own = own.acquire_owned() => Place { _own: own.ok(), _shared: None },
            shared = shared => Place { _own: None, _shared: shared },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Work of `part` that does not end before the sender is dropped; returns once it runs.
    async fn hang(part: &BlockingPart) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel();
        let (begin, begun) = tokio::sync::oneshot::channel();
        tokio::spawn(part.run(move || {
            let _ = begin.send(());
            let _ = held.recv();
        }));
        begun.await.unwrap();
        release
    }

    async fn is_full(part: &BlockingPart) -> bool {
        timeout(Duration::ZERO, part.run(|| ())).await.is_err()
    }

    // Rows: F4
    #[tokio::test]
    async fn sessions_with_hung_disks_leave_each_other_a_thread() {
        let threads = BlockingThreads::new();
        let mut hung = Vec::new();
        for _ in 0..3 {
            let part = threads.part();
            for _ in 0..PART {
                hung.push(hang(&part).await);
            }
            assert!(is_full(&part).await);
        }
        // All shared threads but three are taken now, and then these too.
        let last = threads.part();
        for _ in 0..4 {
            hung.push(hang(&last).await);
        }
        assert!(is_full(&last).await);
        let sound = threads.part();
        for number in 0..3 {
            assert_eq!(sound.run(move || number).await.unwrap(), number);
        }
        hung.push(hang(&sound).await);
        assert!(is_full(&sound).await);
        hung.clear();
        assert_eq!(last.run(|| 7).await.unwrap(), 7);
    }
}
