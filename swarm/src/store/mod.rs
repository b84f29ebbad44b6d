//! The resumable partial file and its record: where the bytes land, and what is believed of them after a crash.
//!
//! The crash contract: a crash may lose the newest chunks (at most 64 MiB or two seconds of them when the power goes,
//! none when the process is killed); it never makes the store believe a chunk that is not there. `STEM.slm.part` holds
//! proven bytes only, each at its place; `STEM.slm.part.state` says which. The record is a hint of where to look: each
//! opening hashes what it names and proves it against the manifest's root. `docs/store.md` has the bytes and the order
//! of writes.
//!
//! Everything here is synchronous and blocks; nothing knows a network, a clock or the protocol. All of the disk
//! goes through one seam, [`Disk`].
//!
//! - [`Part`]: opens, keeps, resumes, rescans; [`PrefixReader`] follows it for the whole-file check.
//! - [`Published`]: a whole part under its final name, up to the receipt.
//! - [`files`]: small files, written whole and durable.
//! - [`inspect`]: a record, read without its lock.
//! - [`SourceFile`], [`FileSource`]: a complete file that is checked, then seeded.
//! - [`ChunkSource`]: what serving needs of either.
//! - [`RealDisk`], [`MemDisk`]: the machine's disk, and one that loses power on demand.
//! - [`step`](step()): passed by every call that changes the machine's disk, so that a test can end the process there.

mod buffers;
mod create;
mod disk;
mod error;
pub mod files;
mod finish;
mod holdings;
pub mod inspect;
mod mem;
mod mem_crash;
mod mem_node;
mod names;
mod open;
mod orphan;
mod part;
mod prefix;
mod real;
mod record;
mod rehash;
mod serve;
mod similarity;
mod source;
mod state;
mod step;
mod unsynced;

pub use create::Placed;
pub use disk::{Disk, DiskFile, FileStat, Open, OpenError, Owner, Refusal};
pub use error::{Change, KeepError, NotProven, SourceError, StoreError};
pub use finish::{Finished, History, Published, check_copies};
pub use holdings::Supplied;
pub use mem::{Crash, MemDisk, MemFile};
pub use mem_crash::{Pending, Survivors};
pub use names::is_store_name;
pub use open::{Opener, Resumed};
pub use orphan::put_orphan_record_aside;
pub use part::{Kept, MAX_BLAMES, Part, PartSpec};
pub use prefix::{PrefixAborted, PrefixReader};
pub use real::{RealDisk, RealFile, is_fresh_name};
pub use serve::{ChunkBytes, ChunkSource};
pub use similarity::{RepairIf, Similarity};
pub use source::{FileSource, SourceFile};
pub use state::{Blame, PeerKey, STATE_VERSION, Sizes};
#[cfg(debug_assertions)]
pub use step::kill_at;
pub use step::step;
pub use unsynced::{SYNC_BYTES, SYNC_INTERVAL};
