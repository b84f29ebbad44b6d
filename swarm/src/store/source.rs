//! A complete file that is seeded: opened once, watched around every read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::{Digest, sha256};

use super::buffers::Buffers;
use super::disk::{Disk, DiskFile, FileStat, InOrder, Open, OpenError};
use super::error::{Change, SourceError, StoreError};
use super::part::Part;
use super::real::RealFile;
use super::serve::{ChunkBytes, ChunkSource};

/// Bits of a word of [`FileSource::unread`].
const BITS: u32 = u64::BITS;

/// A file opened for checking and then for seeding, through one handle: what is checked is what is served.
#[derive(Debug)]
pub struct SourceFile<F = RealFile> {
    file: F,
    path: PathBuf,
    opened: FileStat,
}

impl SourceFile<RealFile> {
    /// Opens a file that a user named: regular, no symlink. It may have other names (hard links).
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_path_buf();
        let opened = RealFile::open_read(&path).and_then(|file| Ok((file.stat()?, file)));
        match opened {
            Ok((opened, file)) => Ok(Self { file, path, opened }),
            Err(OpenError::Refused(found)) => Err(StoreError::Refused { path, found }),
            Err(OpenError::Io(error)) => match error.kind() {
                io::ErrorKind::NotFound => Err(StoreError::Vanished { path }),
                io::ErrorKind::PermissionDenied => Err(StoreError::Permission { path }),
                _ => Err(StoreError::Io { path, doing: "open", source: error }),
            },
        }
    }
}

impl<F: DiskFile> SourceFile<F> {
    /// Opens a file of a [`Disk`].
    pub fn in_disk<D: Disk<File = F>>(disk: &D, name: &str) -> Result<Self, StoreError> {
        let file = disk.open(name, Open::Read).map_err(|error| StoreError::of_open(disk, name, error))?;
        let opened = file.stat().map_err(|error| StoreError::of(disk, name, "stat", 0, error))?;
        Ok(Self { file, path: disk.path(name), opened })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length when it was opened.
    pub fn byte_count(&self) -> u64 {
        self.opened.byte_count
    }

    /// Size, times and identity when it was opened.
    pub fn opened(&self) -> &FileStat {
        &self.opened
    }

    /// Size, times and identity now.
    pub fn stat(&self) -> Result<FileStat, StoreError> {
        stat(&self.file, || self.path.clone())
    }

    /// Reads the file in order from its beginning to its end, wherever that is.
    pub fn reader(&self) -> impl io::Read + Send + '_ {
        InOrder { file: &self.file, offset: 0, end: u64::MAX }
    }
}

impl<D: Disk> Part<D> {
    /// Size, times and identity of the data now, whatever its name is by now.
    pub fn stat(&self) -> Result<FileStat, StoreError> {
        stat(&self.data, || self.path())
    }
}

fn stat(file: &impl DiskFile, path: impl FnOnce() -> PathBuf) -> Result<FileStat, StoreError> {
    file.stat().map_err(|source| StoreError::Io { path: path(), doing: "stat", source })
}

/// Serves the chunks of a complete file.
///
/// Size and times are compared around each read with those at the opening. Other times, or a peer's complaint, make the
/// file suspicious: from then on a chunk is hashed before it is handed out. Another length or a wrong hash ends the
/// share for good ([`SourceError::Changed`]). The name may lead elsewhere by then: the open handle is what is served.
///
/// A file that was not read by this process ([`unread`](Self::unread)) has each chunk hashed before it is handed out
/// for the first time.
#[derive(Debug)]
pub struct FileSource<F = RealFile> {
    source: SourceFile<F>,
    layout: Layout,
    tree: Arc<Tree>,
    suspicious: AtomicBool,
    /// One bit a chunk, set while the chunk was never hashed by this process; empty when all were.
    unread: Box<[AtomicU64]>,
    gone: OnceLock<Change>,
    buffers: Buffers,
}

impl<F: DiskFile> FileSource<F> {
    /// Takes a file that was checked through its [`reader`](SourceFile::reader) and the tree that came out of it.
    /// A file whose times changed since it was opened is suspicious from the start.
    pub fn new(source: SourceFile<F>, layout: Layout, tree: Arc<Tree>) -> Result<Self, SourceError> {
        Self::begin(source, layout, tree, Box::default())
    }

    /// Takes a file that was checked once and has not been read since, and the tree that was kept of it. Damage that
    /// left no trace meanwhile (a failing disk) is found before any of its bytes is handed out.
    pub fn unread(source: SourceFile<F>, layout: Layout, tree: Arc<Tree>) -> Result<Self, SourceError> {
        let words = (layout.count() as usize).div_ceil(BITS as usize);
        Self::begin(source, layout, tree, (0..words).map(|_| AtomicU64::new(u64::MAX)).collect())
    }

    fn begin(
        source: SourceFile<F>,
        layout: Layout,
        tree: Arc<Tree>,
        unread: Box<[AtomicU64]>,
    ) -> Result<Self, SourceError> {
        let (suspicious, gone) = (AtomicBool::new(false), OnceLock::new());
        let new = Self { source, layout, tree, suspicious, unread, gone, buffers: Buffers::default() };
        new.look()?;
        Ok(new)
    }

    /// Reads a chunk into `buffer`, which is resized to it. What is in `buffer` counts only after `Ok`.
    pub fn read_chunk_into(&self, index: u32, buffer: &mut Vec<u8>) -> Result<(), SourceError> {
        let Some(expected) = self.tree.chunk_hash(index).filter(|_| index < self.layout.count()) else {
            return Err(SourceError::NoSuchChunk { index, count: self.layout.count() });
        };
        self.look()?;
        buffer.resize(self.layout.chunk_len(index) as usize, 0);
        let read = self.source.file.read_exact_at(buffer, self.layout.offset(index));
        self.look()?;
        read.map_err(|error| self.io("read", error))?;
        let unread = self.unread.get((index / BITS) as usize).map(|word| (word, 1_u64 << (index % BITS)));
        let is_unread = unread.is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0);
        if is_unread || self.is_suspicious() {
            if sha256(buffer) != *expected {
                return Err(self.end(Change::Content { index }));
            }
            if let Some((word, bit)) = unread {
                word.fetch_and(!bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// From now on every chunk is hashed before it is handed out.
    fn set_suspicious(&self) {
        self.suspicious.store(true, Ordering::Relaxed);
    }

    /// Whether chunks are hashed before they are handed out.
    pub fn is_suspicious(&self) -> bool {
        self.suspicious.load(Ordering::Relaxed)
    }

    /// How the file stopped being the artifact, once that was found.
    pub fn change(&self) -> Option<Change> {
        self.gone.get().copied()
    }

    /// Compares the file with what it was when it was opened.
    fn look(&self) -> Result<(), SourceError> {
        if let Some(what) = self.change() {
            return Err(self.end(what));
        }
        let now = self.source.file.stat().map_err(|error| self.io("stat", error))?;
        let was = self.layout.byte_count();
        if now.byte_count != was {
            return Err(self.end(Change::Length { was, now: now.byte_count }));
        }
        let opened = &self.source.opened;
        if (now.modified_ns, now.changed_ns) != (opened.modified_ns, opened.changed_ns)
            || !now.same_file(opened)
        {
            self.set_suspicious();
        }
        Ok(())
    }

    fn end(&self, what: Change) -> SourceError {
        let what = *self.gone.get_or_init(|| what);
        SourceError::Changed { path: self.source.path.clone(), what }
    }

    fn io(&self, doing: &'static str, source: io::Error) -> SourceError {
        SourceError::Disk(StoreError::Io { path: self.source.path.clone(), doing, source })
    }
}

impl<F: DiskFile> ChunkSource for FileSource<F> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn has(&self, index: u32) -> bool {
        index < self.layout.count() && self.change().is_none()
    }

    fn chunk(&self, index: u32) -> Result<ChunkBytes, SourceError> {
        let mut bytes = self.buffers.take();
        self.read_chunk_into(index, &mut bytes)?;
        let no_such = SourceError::NoSuchChunk { index, count: self.layout.count() };
        Ok(ChunkBytes { bytes: self.buffers.lend(bytes), proof: self.tree.proof(index).ok_or(no_such)? })
    }

    fn chunk_hash(&self, index: u32) -> Option<Digest> {
        self.tree.chunk_hash(index).copied()
    }

    fn leaves(&self, first: u32, count: u32) -> Option<(Vec<Digest>, Vec<Digest>)> {
        let end = first.checked_add(count)?;
        let hashes = self.tree.chunk_hashes().get(first as usize..end as usize)?.to_vec();
        Some((hashes, self.tree.range_proof(first, count)?))
    }

    fn suspect(&self) {
        self.set_suspicious();
    }
}
