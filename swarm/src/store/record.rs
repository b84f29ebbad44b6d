//! The record as a file: reading what earlier sessions left, and appending.

use std::io::{self, Read as _};

use super::disk::{DiskFile, InOrder};
use super::state::{CHECKSUM_BYTES, ENTRY_HEAD_BYTES, Entry, HEADER_BYTES, MAX_ENTRY_BYTES};

/// Bytes that are read ahead of an entry.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// Result of reading the entries in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// Where the last good entry ends.
    pub(super) good_end: u64,
    /// Bytes after it.
    pub(super) dropped_bytes: u64,
    /// More than a torn tail is bad: there may have been good entries after it.
    pub(super) damaged: bool,
}

/// Reads the entries of an open record in order and stops at the first bad one.
pub(super) fn walk<F: DiskFile>(file: &F, visit: impl FnMut(Entry)) -> io::Result<Walk> {
    let end = file.stat()?.byte_count;
    let start = (HEADER_BYTES as u64).min(end);
    let mut reader = io::BufReader::with_capacity(BUFFER_BYTES, InOrder { file, offset: start, end });
    let good_end = start + read_entries(&mut reader, visit)?;
    let dropped_bytes = end - good_end;
    // A crash leaves at most one entry unfinished, or zeros where the length got to the disk before the bytes.
    let damaged = dropped_bytes > MAX_ENTRY_BYTES as u64 && !is_zero(file, good_end, end)?;
    Ok(Walk { good_end, dropped_bytes, damaged })
}

/// Reads entries, from the first on, and stops at the first bad one; returns the bytes of the good ones. One entry is
/// in memory at a time.
pub(super) fn read_entries(reader: &mut impl io::Read, mut visit: impl FnMut(Entry)) -> io::Result<u64> {
    let mut good_bytes = 0;
    let mut entry = Vec::with_capacity(MAX_ENTRY_BYTES);
    while let Some(good) = next_entry(reader, &mut entry)? {
        good_bytes += entry.len() as u64;
        visit(good);
    }
    Ok(good_bytes)
}

fn next_entry(reader: &mut impl io::Read, bytes: &mut Vec<u8>) -> io::Result<Option<Entry>> {
    let mut head = [0; ENTRY_HEAD_BYTES];
    let whole = |answer: io::Result<()>| match answer {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        answer => answer.map(|()| true),
    };
    if !whole(reader.read_exact(&mut head))? {
        return Ok(None);
    }
    let Some(payload) = Entry::payload_len(head) else { return Ok(None) };
    bytes.clear();
    bytes.extend(head);
    bytes.resize(ENTRY_HEAD_BYTES + payload + CHECKSUM_BYTES, 0);
    if !whole(reader.read_exact(bytes.get_mut(ENTRY_HEAD_BYTES..).unwrap_or_default()))? {
        return Ok(None);
    }
    Ok(Entry::decode(bytes))
}

/// True if the range has nothing but zeros, as in a hole.
pub(super) fn is_zero<F: DiskFile>(file: &F, offset: u64, end: u64) -> io::Result<bool> {
    let mut reader = InOrder { file, offset, end };
    let mut piece = vec![0; 64 << 10];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(true),
            count if piece.iter().take(count).any(|&byte| byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// The least that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Whether one of the sectors of a range, counted from its start, has no byte but zeros.
pub(super) fn has_zero_sector<F: DiskFile>(file: &F, offset: u64, end: u64) -> io::Result<bool> {
    let mut piece = vec![0; 64 << 10];
    let mut at = offset;
    while at < end {
        let count = usize::try_from(end - at).unwrap_or(usize::MAX).min(piece.len());
        let Some(window) = piece.get_mut(..count) else { break };
        file.read_exact_at(window, at)?;
        if window.chunks(SECTOR_BYTES).any(|sector| sector.iter().all(|&byte| byte == 0)) {
            return Ok(true);
        }
        at += count as u64;
    }
    Ok(false)
}

/// Where the next entry goes. Held under a lock, because entries must not overlap.
#[derive(Debug)]
pub(super) struct Tail {
    end: u64,
    /// An append failed half-way and its bytes could not be cut off yet.
    is_dirty: bool,
}

impl Tail {
    /// A tail that ends at `good_end`; anything after it is cut off before the first append.
    pub(super) fn new(good_end: u64, is_dirty: bool) -> Self {
        Self { end: good_end, is_dirty }
    }

    /// Appends one entry in one write. When that fails the record ends where it ended before.
    pub(super) fn append<F: DiskFile>(&mut self, file: &F, entry: &Entry) -> io::Result<()> {
        if self.is_dirty {
            file.set_len(self.end)?;
            self.is_dirty = false;
        }
        let mut bytes = Vec::with_capacity(MAX_ENTRY_BYTES);
        entry.encode(&mut bytes);
        if let Err(error) = file.write_all_at(&bytes, self.end) {
            self.is_dirty = file.set_len(self.end).is_err();
            return Err(error);
        }
        self.end += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::{Disk, Open};
    use super::super::mem::{MemDisk, MemFile};
    use super::super::state::Session;
    use super::*;

    fn session(pid: u32) -> Entry {
        Entry::Session(Session { pid, started_unix: 7 })
    }

    /// A record with a blank header and sessions 0..count.
    fn record(count: u32) -> (MemDisk, MemFile) {
        let disk = MemDisk::new();
        let file = disk.open("state", Open::New).unwrap();
        file.write_all_at(&[1; HEADER_BYTES], 0).unwrap();
        let mut tail = Tail::new(HEADER_BYTES as u64, false);
        for pid in 0..count {
            tail.append(&file, &session(pid)).unwrap();
        }
        (disk, file)
    }

    fn read(file: &MemFile) -> (Vec<Entry>, Walk) {
        let mut entries = Vec::new();
        let walk = walk(file, |entry| entries.push(entry)).unwrap();
        (entries, walk)
    }

    const ENTRY: u64 = 23;

    #[test]
    fn a_whole_record_reads_back() {
        let (_, file) = record(3);
        let (entries, walk) = read(&file);
        assert_eq!(entries, [session(0), session(1), session(2)]);
        let good_end = HEADER_BYTES as u64 + 3 * ENTRY;
        assert_eq!(walk, Walk { good_end, dropped_bytes: 0, damaged: false });
    }

    // Rows: E3
    #[test]
    fn a_torn_tail_is_dropped_and_is_no_damage() {
        let (_, file) = record(3);
        for cut in 1..ENTRY {
            file.set_len(HEADER_BYTES as u64 + 3 * ENTRY - cut).unwrap();
            let (entries, walk) = read(&file);
            assert_eq!(entries.len(), 2);
            assert_eq!((walk.dropped_bytes, walk.damaged), (ENTRY - cut, false));
        }
    }

    // Rows: E3
    #[test]
    fn zeros_at_the_end_are_a_torn_tail_of_any_length() {
        let (_, file) = record(2);
        file.set_len(100_000).unwrap();
        let (entries, walk) = read(&file);
        assert_eq!((entries.len(), walk.damaged), (2, false));
    }

    // Rows: E3
    #[test]
    fn damage_in_the_middle_is_reported() {
        let (_, file) = record(100);
        file.write_all_at(&[9], HEADER_BYTES as u64 + 4 * ENTRY + 5).unwrap();
        let (entries, walk) = read(&file);
        assert_eq!((entries.len(), walk.dropped_bytes, walk.damaged), (4, 96 * ENTRY, true));
    }

    // Rows: E6
    #[test]
    fn failed_append_leaves_the_record_intact_and_the_next_follows() {
        let (disk, file) = record(2);
        let mut tail = Tail::new(HEADER_BYTES as u64 + 2 * ENTRY, false);
        disk.limit_space(Some(HEADER_BYTES as u64 + 2 * ENTRY + 10));
        let error = tail.append(&file, &session(2)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(read(&file).1.dropped_bytes, 0);
        disk.limit_space(None);
        tail.append(&file, &session(3)).unwrap();
        assert_eq!(read(&file).0, [session(0), session(1), session(3)]);
    }
}
