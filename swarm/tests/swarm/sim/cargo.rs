//! Chunk data sent in a world with real bytes: what the store reads back, or what a hostile peer makes of it.

use bytes::Bytes;
use minimodel_swarm::machine::Input;
use minimodel_swarm::store::SourceError;
use minimodel_wire::ResetCode;

use super::artifact::Cargo;
use super::peer::{Behaviour, PeerNo};
use super::step::Step;
use super::world::{World, ms};

impl World {
    /// Reads a chunk again after a failed read, and tells the machine whether it is good.
    pub(super) fn reread(&mut self, no: PeerNo, index: u32) {
        let read = self.peers[no].shelf.store().map(|store| store.read(index));
        let is_good = match (read, self.artifact) {
            (Some(Ok(cargo)), Some(artifact)) => artifact.is_good(index, &cargo),
            _ => false,
        };
        let run = self.peers[no].run;
        self.queue.push(self.now + ms(3), Step::Tell(no, run, Input::Reread { index, is_good }));
    }

    /// The bytes and the proof that a peer sends for a chunk; `None` in a world without bytes.
    pub(super) fn cargo(&mut self, no: PeerNo, index: u32) -> Result<Option<Cargo>, ResetCode> {
        let Some(artifact) = self.artifact else { return Ok(None) };
        if let Some(store) = self.peers[no].shelf.store() {
            let (code, input) = match store.read(index) {
                Ok(cargo) => return Ok(Some(cargo)),
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
        let mut cargo = artifact.cargo(index);
        match self.peers[no].plan.behaviour {
            Behaviour::Liar => {
                let mut bytes = cargo.bytes.to_vec();
                let at = self.rng.usize(..bytes.len());
                bytes[at] ^= 1 << self.rng.u8(..8);
                cargo.bytes = Bytes::from(bytes);
            }
            Behaviour::BadProof => {
                let node = self.rng.usize(..cargo.proof.len().max(1));
                match cargo.proof.get_mut(node) {
                    Some(hash) => hash[self.rng.usize(..32)] ^= 1 << self.rng.u8(..8),
                    None => cargo.proof.push([0; 32]),
                }
            }
            // Another chunk with its own proof, which is valid for another index.
            Behaviour::OtherIndex => cargo = artifact.cargo((index + 1) % self.terms.chunk_count),
            _ => {}
        }
        Ok(Some(cargo))
    }
}
