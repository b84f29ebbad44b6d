//! The map of a transfer's chunks: that of its run, or what is on disk while it rests.

use minimodel::transfer::{self, Target};
use minimodel_wire::Bitfield;

use super::Core;
use super::row::{FinalState, TransferRow};
use crate::model::{ChunkMap, Kind};
use crate::problem::{Problem, code};

impl Core {
    /// Returns the map of a transfer in this many cells, or fewer. Call it without the lock of the state: a run answers by itself,
    /// and the record of a resting fetch is read from disk.
    pub(super) fn chunk_map(&self, id: u64, cells: u32) -> Result<ChunkMap, Problem> {
        let (row, control) = {
            let state = self.lock();
            (state.table.row(id)?, state.runs.of(id).map(|running| running.control.clone()))
        };
        if let Some(map) = control.and_then(|control| control.chunk_map(cells)) {
            return Ok(map.into());
        }
        let manifest = self.manifests.of(&row)?.ok_or_else(|| no_manifest(id))?;
        let layout = transfer::layout(&manifest).map_err(|error| unknown(id).because(error))?;
        let at_rest = |have: Bitfield| transfer::ChunkMap::at_rest(&have, layout.chunk_size(), cells).into();
        if is_whole(&row) {
            return Ok(at_rest(Bitfield::full(layout.count())));
        }
        // Without a folder it never ran.
        let Some(folder) = self.folder_of(&row) else { return Ok(at_rest(Bitfield::new(layout.count()))) };
        let target = Target::new(&folder, &manifest, None).map_err(|error| unknown(id).because(error))?;
        target.chunk_map(cells).map(ChunkMap::from).map_err(|error| unknown(id).because(error))
    }
}

/// Returns true if every byte of the transfer's file is here, or was when it was last looked at.
pub(super) fn is_whole(row: &TransferRow) -> bool {
    row.kind == Kind::Share || matches!(row.end, Some(FinalState::Done(_)))
}

fn no_manifest(id: u64) -> Problem {
    Problem::new(
        code::NOT_FOUND,
        format!("the manifest of transfer {id} is not here yet, so its chunks are not known"),
        "ask again when `minimodel status` names its model",
    )
}

fn unknown(id: u64) -> Problem {
    Problem::new(
        code::NOT_FOUND,
        format!("which chunks of transfer {id} are here cannot be told while it rests"),
        format!("let it run: `minimodel transfer start {id}`"),
    )
}
