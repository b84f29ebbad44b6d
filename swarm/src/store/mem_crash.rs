//! Chosen crash states of a [`MemDisk`], so that a test can walk through all of them; and bytes that go bad.

use std::collections::BTreeMap;

use super::mem::{MemDisk, World};
use super::mem_node::Node;

/// Unsynced changes, which a power loss could take: [`MemDisk::pending`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Changes of names that are not synced.
    pub names: usize,
    /// Pieces of content that are not synced: blocks of writes, and changes of length.
    pub pieces: usize,
}

/// What a power loss leaves of everything that is pending.
#[derive(Clone, Copy, Debug)]
pub struct Survivors<F> {
    /// Changes of names that are kept, from the oldest on: a journal loses the newest first.
    pub names: usize,
    /// Writes are torn at multiples of this many bytes: 512 for old sectors, 4,096 for pages and new ones.
    pub block_bytes: usize,
    /// Whether the numbered piece is kept; the numbers go by file and by the order of the changes.
    pub keeps: F,
}

impl MemDisk {
    /// What is pending now, if writes are torn at `block_bytes`.
    pub fn pending(&self, block_bytes: usize) -> Pending {
        let world = self.lock();
        let pieces = world.nodes.values().map(|node| node.pieces(block_bytes).len()).sum();
        Pending { names: world.pending_names.len(), pieces }
    }

    /// The disk as the next process finds it after a power loss that left exactly `survivors`. This disk stays as it
    /// is.
    pub fn crashed_to<F: Fn(usize) -> bool>(&self, survivors: &Survivors<F>) -> Self {
        let world = self.lock();
        let mut number = 0;
        let mut nodes: BTreeMap<u64, Node> = BTreeMap::new();
        for (&id, node) in &world.nodes {
            let mut kept = node.pieces(survivors.block_bytes);
            kept.retain(|_| {
                number += 1;
                (survivors.keeps)(number - 1)
            });
            nodes.insert(id, node.left_with(&kept));
        }
        let names = world.names_after(survivors.names);
        Self::from_world(World::found(world.next, nodes, names))
    }

    /// Flips bits of a file as a failing disk does: without a write, and without a change of times. `false` when there
    /// is no such byte.
    pub fn rot(&self, name: &str, offset: u64, bits: u8) -> bool {
        let mut world = self.lock();
        let id = world.names.get(name).copied();
        id.and_then(|id| world.nodes.get_mut(&id)).is_some_and(|node| node.rot(offset, bits))
    }

    /// Bytes of a file, as many of `count` as there are from `offset` on; no call is counted and none fails.
    pub fn peek(&self, name: &str, offset: u64, count: usize) -> Option<Vec<u8>> {
        let world = self.lock();
        let node = world.names.get(name).and_then(|id| world.nodes.get(id))?;
        let mut bytes = vec![0; count];
        let found = node.read(&mut bytes, offset);
        bytes.truncate(found);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::disk::{Disk, DiskFile, Open};
    use super::*;

    #[test]
    fn every_piece_can_be_kept_or_lost_alone() {
        let disk = MemDisk::new();
        let file = disk.open("a", Open::New).unwrap();
        file.write_all_at(&[1; 1024], 0).unwrap();
        disk.sync_dir().unwrap();
        file.sync_data().unwrap();
        file.write_all_at(&[2; 1024], 512).unwrap();
        disk.open("b", Open::New).unwrap();
        // A new length, the block that was there, and the one that was not.
        assert_eq!(disk.pending(512), Pending { names: 1, pieces: 3 });
        let mut seen = Vec::new();
        for subset in 0..8_usize {
            for names in 0..=1 {
                let keeps = |piece: usize| subset >> piece & 1 == 1;
                let after = disk.crashed_to(&Survivors { names, block_bytes: 512, keeps });
                assert_eq!(after.names().len(), 1 + names);
                assert_eq!(after.pending(512), Pending { names: 0, pieces: 0 });
                seen.push((after.names(), after.contents("a").unwrap()));
            }
        }
        seen.sort();
        seen.dedup();
        // A last block that is kept brings the length with it.
        assert_eq!(seen.len(), 2 * 6);
        assert_eq!(disk.contents("a").unwrap().len(), 1536, "this one stays as it is");
    }

    // Rows: E5
    #[test]
    fn data_of_failed_sync_is_readable_and_not_saved_by_later_sync() {
        let disk = MemDisk::new();
        let file = disk.open("a", Open::New).unwrap();
        disk.sync_dir().unwrap();
        file.write_all_at(b"one", 0).unwrap();
        disk.fail_call(disk.calls(), io::ErrorKind::Other);
        assert!(file.sync_data().is_err());
        file.write_all_at(b"two", 3).unwrap();
        file.sync_data().unwrap();
        assert_eq!(disk.contents("a").unwrap(), b"onetwo");
        let after = disk.crashed(crate::store::Crash::LoseUnsynced);
        assert_eq!(after.contents("a").unwrap(), b"\0\0\0two");
        file.forget_cache();
        assert_eq!(disk.contents("a").unwrap(), b"\0\0\0two");
    }

    #[test]
    fn rot_leaves_no_trace_but_the_bytes() {
        let disk = MemDisk::new();
        let file = disk.open("a", Open::New).unwrap();
        file.write_all_at(&[1; 10], 0).unwrap();
        let before = file.stat().unwrap();
        assert!(disk.rot("a", 3, 4) && !disk.rot("a", 10, 4) && !disk.rot("b", 0, 1));
        assert_eq!(disk.peek("a", 2, 3).unwrap(), [1, 5, 1]);
        assert_eq!((file.stat().unwrap(), disk.peek("b", 0, 1)), (before, None));
    }
}
