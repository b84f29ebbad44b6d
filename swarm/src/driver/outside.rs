//! What reaches a running session from its own program: the user's controls, questions for the map of chunks, and peers that were
//! found.

use tokio::sync::watch;

use super::chunk_maps::{ChunkMapQuestions, Question};
use super::control_updates;
use super::found_peers::FoundPeers;
use crate::machine::{Controls, FoundPeer, Input};

/// The ways from the program to its session.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) controls: watch::Receiver<Controls>,
    pub(super) chunk_maps: ChunkMapQuestions,
    pub(super) found: FoundPeers,
}

/// One message from the program.
#[derive(Debug)]
pub(super) enum FromOutside {
    /// The user changed the controls.
    Controls(Controls),
    /// A question for the map of chunks.
    ChunkMap(Question),
    /// A peer was found.
    Found(FoundPeer),
}

impl Outside {
    /// Waits for the next message; the controls come first.
    pub(super) async fn next(&mut self) -> FromOutside {
        tokio::select! {
            biased;
            () = control_updates::changed(&mut self.controls) => {
                FromOutside::Controls(self.controls.borrow_and_update().clone())
            }
            question = self.chunk_maps.next() => FromOutside::ChunkMap(question),
            peer = self.found.next() => FromOutside::Found(peer),
        }
    }
}

impl FromOutside {
    /// The message as an input of the machine; a question is none.
    pub(super) fn input(self) -> Result<Input, Question> {
        match self {
            Self::Controls(controls) => Ok(Input::Controls(controls)),
            Self::Found(peer) => Ok(Input::Found(peer)),
            Self::ChunkMap(question) => Err(question),
        }
    }
}
