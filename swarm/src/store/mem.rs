//! A disk in memory that can lose power: for this module's tests and for simulations of whole swarms.
//!
//! Every write, length, creation, rename and removal is pending until it is synced. [`MemDisk::crashed`] gives the
//! disk as a later process would find it: after a kill (nothing is lost), or after a power loss, where pending
//! changes are kept, dropped or torn as a seed decides; name changes are lost from the newest backwards, as a
//! journal does. Calls can be made to fail by number, and space can run out.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile, FileStat, Open, OpenError, Owner};
use super::mem_node::Node;
use crate::os;

/// What happens to a disk between two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process was killed: the system still has everything.
    Kill,
    /// The power went, and everything that was not synced with it.
    LoseUnsynced,
    /// The power went; each pending change is kept, dropped or torn at 512 bytes, as the seed decides.
    Torn {
        /// Seed of the choices.
        seed: u64,
    },
}

/// A simulated directory. Clones are handles to the same directory.
#[derive(Clone, Debug, Default)]
pub struct MemDisk {
    world: Arc<Mutex<World>>,
}

/// An open file of a [`MemDisk`].
#[derive(Debug)]
pub struct MemFile {
    world: Arc<Mutex<World>>,
    id: u64,
    handle: u64,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pub(super) pending_names: Vec<NameChange>,
    /// Node to the handle that holds its lock.
    locks: BTreeMap<u64, u64>,
    pub(super) next: u64,
    calls: u64,
    failing: BTreeMap<u64, io::ErrorKind>,
    halt_after: Option<u64>,
    space: Option<u64>,
    longest_write: Option<usize>,
    longest_read: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Set(String, u64),
    Unset(String),
    Rename(String, String),
}

impl MemDisk {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as the next process finds it. This disk stays as it is.
    pub fn crashed(&self, crash: Crash) -> Self {
        let world = self.lock();
        let mut rng = match crash {
            Crash::Torn { seed } => Some(fastrand::Rng::with_seed(seed)),
            Crash::Kill | Crash::LoseUnsynced => None,
        };
        if crash == Crash::Kill {
            let mut next = World::found(world.next, world.nodes.clone(), world.names.clone());
            // What was pending before the kill can still be lost by a power loss after it.
            next.durable_names.clone_from(&world.durable_names);
            next.pending_names.clone_from(&world.pending_names);
            next.forget_unnamed();
            return Self::from_world(next);
        }
        let kept = rng.as_mut().map_or(0, |rng| rng.usize(0..=world.pending_names.len()));
        let names = world.names_after(kept);
        let nodes = world.nodes.iter().map(|(id, node)| (*id, node.after_power_loss(rng.as_mut()))).collect();
        Self::from_world(World::found(world.next, nodes, names))
    }

    pub(super) fn from_world(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Makes the call with this number (the first is 0) fail with an error of this kind; [`io::ErrorKind::Other`] is that of a
    /// failing device (EIO). A failed sync drops what it should have made durable, as Linux does, until
    /// [`DiskFile::forget_cache`] shows the loss.
    pub fn fail_call(&self, number: u64, kind: io::ErrorKind) {
        self.lock().failing.insert(number, kind);
    }

    /// Makes every call from this number on fail: the process is as good as killed there.
    pub fn halt_after(&self, calls: u64) {
        self.lock().halt_after = Some(calls);
    }

    /// Bytes that all files together may have; `None` is no limit.
    pub fn limit_space(&self, byte_count: Option<u64>) {
        self.lock().space = byte_count;
    }

    /// The most bytes that one call writes; `None` is no limit.
    pub fn limit_write(&self, byte_count: Option<usize>) {
        self.lock().longest_write = byte_count;
    }

    /// The most bytes that one call reads; `None` is no limit.
    pub fn limit_read(&self, byte_count: Option<usize>) {
        self.lock().longest_read = byte_count;
    }

    /// The names in the directory, in order.
    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    /// All bytes of a file, if there is one.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let world = self.lock();
        world.names.get(name).and_then(|id| world.nodes.get(id)).map(|node| node.bytes().to_vec())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemDisk {
    type File = MemFile;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }

    fn fresh_name(&self, name: &str) -> String {
        format!(".{name}.{:016x}.new", self.lock().next)
    }

    fn open(&self, name: &str, how: Open) -> Result<MemFile, OpenError> {
        let mut world = self.lock();
        world.call()?;
        let id = match (world.names.get(name), how) {
            (Some(_), Open::New) => return Err(OpenError::Io(io::ErrorKind::AlreadyExists.into())),
            (Some(&id), _) => id,
            (None, Open::New) => {
                world.next += 1;
                let id = world.next;
                world.nodes.insert(id, Node::default());
                world.change_names(NameChange::Set(name.to_owned(), id));
                id
            }
            (None, _) => return Err(OpenError::Io(io::ErrorKind::NotFound.into())),
        };
        if let Some(found) = world.file_stat(id)?.refusal(how) {
            return Err(OpenError::Refused(found));
        }
        world.next += 1;
        Ok(MemFile { world: self.world.clone(), id, handle: world.next })
    }

    fn stat(&self, name: &str) -> io::Result<Option<FileStat>> {
        let mut world = self.lock();
        world.call()?;
        world.names.get(name).copied().map(|id| world.file_stat(id)).transpose()
    }

    fn rename_noreplace(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.lock();
        world.call()?;
        if world.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !world.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change_names(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.lock();
        world.call()?;
        if !world.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change_names(NameChange::Unset(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.lock();
        world.call()?;
        world.durable_names = world.names.clone();
        world.pending_names.clear();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let mut world = self.lock();
        world.call()?;
        Ok(world.space.map_or(u64::MAX, |space| space.saturating_sub(world.used())))
    }

    fn check_writable(&self) -> io::Result<()> {
        self.lock().call()
    }
}

impl MemFile {
    fn with<T>(&self, ask: impl FnOnce(&mut Node) -> T) -> io::Result<T> {
        let mut world = self.lock();
        world.call()?;
        Ok(ask(world.node(self.id)?))
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.lock();
        world.call()?;
        let count = buffer.len().min(world.longest_read.unwrap_or(usize::MAX));
        Ok(world.node(self.id)?.read(buffer.get_mut(..count).unwrap_or_default(), offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut world = self.lock();
        world.call()?;
        let mut count = bytes.len().min(world.longest_write.unwrap_or(usize::MAX));
        if let Some(space) = world.space {
            let room = space.saturating_sub(world.used());
            let most = (world.node(self.id)?.bytes().len() as u64 + room).saturating_sub(offset);
            count = count.min(usize::try_from(most).unwrap_or(usize::MAX));
            if count == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        world.node(self.id)?.write(bytes.get(..count).unwrap_or_default(), offset);
        Ok(count)
    }

    fn set_len(&self, byte_count: u64) -> io::Result<()> {
        self.with(|node| node.set_len(byte_count))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.lock();
        let answer = world.call();
        let is_halted = world.is_halted();
        let node = world.node(self.id)?;
        match answer {
            Ok(()) => node.sync(),
            Err(_) if !is_halted => node.fail_sync(),
            Err(_) => {}
        }
        answer
    }

    fn stat(&self) -> io::Result<FileStat> {
        let mut world = self.lock();
        world.call()?;
        world.file_stat(self.id)
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut world = self.lock();
        world.call()?;
        Ok(*world.locks.entry(self.id).or_insert(self.handle) == self.handle)
    }

    fn forget_cache(&self) {
        let mut world = self.lock();
        if !world.is_halted()
            && let Ok(node) = world.node(self.id)
        {
            node.forget_cache();
        }
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        let mut world = self.lock();
        if world.locks.get(&self.id) == Some(&self.handle) {
            world.locks.remove(&self.id);
        }
    }
}

impl World {
    /// A disk as a process finds it: everything on it is durable, nothing is locked.
    pub(super) fn found(next: u64, nodes: BTreeMap<u64, Node>, names: BTreeMap<String, u64>) -> Self {
        let mut world = Self { next, nodes, durable_names: names.clone(), names, ..Self::default() };
        world.forget_unnamed();
        world
    }

    fn forget_unnamed(&mut self) {
        let named: BTreeSet<u64> = self.names.values().chain(self.durable_names.values()).copied().collect();
        self.nodes.retain(|id, _| named.contains(id));
    }

    /// The names after a power loss that kept this many of the pending changes.
    pub(super) fn names_after(&self, kept: usize) -> BTreeMap<String, u64> {
        let mut names = self.durable_names.clone();
        for change in self.pending_names.iter().take(kept) {
            change.apply(&mut names);
        }
        names
    }

    /// Counts a call and says whether it may succeed.
    fn call(&mut self) -> io::Result<()> {
        let number = self.calls;
        self.calls += 1;
        if self.is_halted() {
            return Err(os::device_error());
        }
        match self.failing.get(&number) {
            None => Ok(()),
            Some(io::ErrorKind::Other) => Err(os::device_error()),
            Some(&kind) => Err(kind.into()),
        }
    }

    /// Whether the latest call came after the halt: then it must not have any effect, that of a failure included.
    fn is_halted(&self) -> bool {
        self.halt_after.is_some_and(|calls| self.calls > calls)
    }

    fn node(&mut self, id: u64) -> io::Result<&mut Node> {
        self.nodes.get_mut(&id).ok_or_else(|| io::Error::from(io::ErrorKind::StaleNetworkFileHandle))
    }

    fn file_stat(&self, id: u64) -> io::Result<FileStat> {
        let node =
            self.nodes.get(&id).ok_or_else(|| io::Error::from(io::ErrorKind::StaleNetworkFileHandle))?;
        Ok(FileStat {
            not_a_file: None,
            owner: Owner::User,
            is_shared: false,
            byte_count: node.bytes().len() as u64,
            device: 0,
            inode: id,
            links: self.names.values().filter(|&&named| named == id).count() as u64,
            modified_ns: node.changes(),
            changed_ns: node.changes(),
        })
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn used(&self) -> u64 {
        self.nodes.values().map(|node| node.bytes().len() as u64).sum()
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Set(name, id) => {
                names.insert(name.clone(), *id);
            }
            Self::Unset(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
        }
    }
}
