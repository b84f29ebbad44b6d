//! Chunk data sent in a world with real bytes: what the store reads back, or what a hostile peer makes of it.

use bytes::Bytes;
use minimodel_swarm::machine::Input;
use minimodel_swarm::store::SourceError;
use minimodel_wire::ResetCode;

use crate::artifact::Payload;
use crate::peer::PeerNo;
use crate::plan::Behaviour;
use crate::step::Step;
use crate::world::{World, ms};

impl World {
    /// Reads a chunk again after a failed read, and tells the machine whether it is good.
    pub(crate) fn reread(&mut self, no: PeerNo, index: u32) {
        let read = self.peers[no].storage.store().map(|store| store.read(index));
        let is_good = match (read, self.artifact) {
            (Some(Ok(payload)), Some(artifact)) => artifact.is_good(index, &payload),
            _ => false,
        };
        let run = self.peers[no].run;
        self.queue.push(self.now + ms(3), Step::Tell(no, run, Input::Reread { index, is_good }));
    }

    /// The bytes and the proof that a peer sends for a chunk; `None` in a world without bytes.
    pub(crate) fn payload(&mut self, no: PeerNo, index: u32) -> Result<Option<Payload>, ResetCode> {
        let Some(artifact) = self.artifact else { return Ok(None) };
        if let Some(store) = self.peers[no].storage.store() {
            let (code, input) = match store.read(index) {
                Ok(payload) => return Ok(Some(payload)),
                Err(SourceError::Changed { .. }) => (ResetCode::SourceChanged, Some(Input::SourceChanged)),
                Err(SourceError::NotHave { .. }) => (ResetCode::NotHave, None),
                Err(_) => {
                    self.peers[no].unreadable.insert(index);
                    (ResetCode::NotHave, Some(Input::ChunkLost { index }))
                }
            };
            if let Some(input) = input {
                self.queue.push(self.now, Step::Tell(no, self.peers[no].run, input));
            }
            return Err(code);
        }
        let mut payload = artifact.payload(index);
        match self.peers[no].plan.behaviour {
            Behaviour::Liar => {
                let mut bytes = payload.bytes.to_vec();
                let at = self.rng.usize(..bytes.len());
                bytes[at] ^= 1 << self.rng.u8(..8);
                payload.bytes = Bytes::from(bytes);
            }
            Behaviour::BadProof => {
                let node = self.rng.usize(..payload.proof.len().max(1));
                match payload.proof.get_mut(node) {
                    Some(hash) => hash[self.rng.usize(..32)] ^= 1 << self.rng.u8(..8),
                    None => payload.proof.push([0; 32]),
                }
            }
            // Another chunk with its own proof, which is valid for another index.
            Behaviour::OtherIndex => payload = artifact.payload((index + 1) % self.terms.chunk_count),
            _ => {}
        }
        Ok(Some(payload))
    }
}
