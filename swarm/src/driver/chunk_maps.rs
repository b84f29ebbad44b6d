//! Questions for the map of chunks of a running session, from any thread. Without a question no map is made.

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::machine::ChunkMap;

/// Questions that may wait; the session answers them between two rounds of its work.
const WAITING_QUESTIONS: usize = 8;
/// Longest wait for an answer, which a session that runs gives within milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes the two ends of the questions for one session.
pub fn chunk_maps() -> (ChunkMapAsker, ChunkMapQuestions) {
    let (sender, receiver) = mpsc::channel(WAITING_QUESTIONS);
    (ChunkMapAsker(sender), ChunkMapQuestions(receiver))
}

/// The end that asks.
#[derive(Debug, Clone)]
pub struct ChunkMapAsker(mpsc::Sender<Question>);

impl ChunkMapAsker {
    /// Asks for the map in this many cells, or fewer, and waits for it, for a second at most. `None`: no session runs, or too many
    /// questions wait.
    pub fn ask(&self, cells: u32) -> Option<ChunkMap> {
        let (answer, answered) = std_mpsc::sync_channel(1);
        self.0.try_send(Question { cells, answer }).ok()?;
        answered.recv_timeout(PATIENCE).ok()
    }
}

/// The end of the session.
#[derive(Debug)]
pub struct ChunkMapQuestions(mpsc::Receiver<Question>);

impl ChunkMapQuestions {
    /// Receives the next question; waits for ever once no program can ask.
    pub(super) async fn next(&mut self) -> Question {
        match self.0.recv().await {
            Some(question) => question,
            None => std::future::pending().await,
        }
    }
}

/// One question, with the way for its answer.
#[derive(Debug)]
pub(super) struct Question {
    cells: u32,
    answer: std_mpsc::SyncSender<ChunkMap>,
}

impl Question {
    /// Answers with the map that `map` makes. A program that no longer waits has its answer dropped.
    pub(super) fn answer(self, map: impl FnOnce(u32) -> ChunkMap) {
        let _ = self.answer.try_send(map(self.cells));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_map_is_made_when_asked_for_and_no_session_gives_none() {
        let (asker, mut questions) = chunk_maps();
        let asking = std::thread::spawn({
            let asker = asker.clone();
            move || asker.ask(9)
        });
        let map = ChunkMap { chunks: 9, ..ChunkMap::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(questions.next()).answer(|cells| ChunkMap { chunks: cells, ..ChunkMap::default() });
        assert_eq!(asking.join().unwrap(), Some(map));
        drop(questions);
        assert_eq!(asker.ask(9), None);
    }
}
