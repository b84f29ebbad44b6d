//! One simulated file: what processes see, what is durable, and what is pending.

/// Disks tear writes at this boundary at the finest.
const SECTOR_BYTES: usize = 512;

/// A file of a [`MemDisk`](super::MemDisk).
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    changes: i128,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
    Extend(usize),
}

impl Node {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.seen
    }

    /// How often the content changed: the simulated clock of this file.
    pub(super) fn changes(&self) -> i128 {
        self.changes
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let rest = self.seen.get(place(offset)..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        self.change(Change::Write { offset: place(offset), bytes: bytes.to_vec() });
    }

    pub(super) fn set_len(&mut self, byte_count: u64) {
        self.change(Change::SetLen(place(byte_count)));
    }

    pub(super) fn sync(&mut self) {
        // Not a copy of `seen`: what an earlier sync failed on counts as clean, and is never written.
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// The system reports the error once and calls the pages clean: a second sync would lie.
    pub(super) fn fail_sync(&mut self) {
        self.pending.clear();
    }

    pub(super) fn forget_cache(&mut self) {
        self.seen = replay(self.durable.clone(), &self.pending);
    }

    /// The file after a power loss; without `rng` all pending changes are lost.
    pub(super) fn after_power_loss(&self, rng: Option<&mut fastrand::Rng>) -> Self {
        let survived: Vec<Change> = match rng {
            Some(rng) => self.pending.iter().flat_map(|change| change.torn(rng)).collect(),
            None => Vec::new(),
        };
        let durable = replay(self.durable.clone(), &survived);
        Self { seen: durable.clone(), durable, pending: Vec::new(), changes: self.changes }
    }

    /// The pending changes, in pieces that a power loss may keep or lose one by one.
    pub(super) fn pieces(&self, block_bytes: usize) -> Vec<Change> {
        let (mut pieces, mut len) = (Vec::new(), self.durable.len());
        for change in &self.pending {
            match change {
                Change::Write { offset, bytes } => {
                    let end = offset + bytes.len();
                    if end > len {
                        pieces.push(Change::Extend(end));
                        len = end;
                    }
                    pieces.extend(blocks(*offset, bytes, block_bytes));
                }
                Change::SetLen(byte_count) | Change::Extend(byte_count) => {
                    len = *byte_count;
                    pieces.push(change.clone());
                }
            }
        }
        pieces
    }

    /// The file after a power loss that left these of its [`pieces`](Self::pieces).
    pub(super) fn left_with(&self, pieces: &[Change]) -> Self {
        let durable = replay(self.durable.clone(), pieces);
        Self { seen: durable.clone(), durable, pending: Vec::new(), changes: self.changes }
    }

    pub(super) fn rot(&mut self, offset: u64, bits: u8) -> bool {
        for content in [&mut self.durable, &mut self.seen] {
            if let Some(byte) = content.get_mut(place(offset)) {
                *byte ^= bits;
            }
        }
        place(offset) < self.seen.len()
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
        self.changes += 1;
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(window) = content.get_mut(*offset..end) {
                    window.copy_from_slice(bytes);
                }
            }
            Self::SetLen(byte_count) => content.resize(*byte_count, 0),
            Self::Extend(byte_count) => content.resize(content.len().max(*byte_count), 0),
        }
    }

    /// What a power loss leaves of a pending change: all, nothing, or for a write some of its sectors, with or without
    /// the length that it gave the file.
    fn torn(&self, rng: &mut fastrand::Rng) -> Vec<Self> {
        match (rng.u8(0..3), self) {
            (0, _) => Vec::new(),
            (2, Self::Write { offset, bytes }) => {
                let mut left = Vec::new();
                if rng.bool() {
                    left.push(Self::Extend(offset + bytes.len()));
                }
                left.extend(blocks(*offset, bytes, SECTOR_BYTES).into_iter().filter(|_| rng.bool()));
                left
            }
            _ => vec![self.clone()],
        }
    }
}

/// A write, cut at every multiple of `block_bytes` in the file.
fn blocks(mut offset: usize, mut bytes: &[u8], block_bytes: usize) -> Vec<Change> {
    let (mut cut, block_bytes) = (Vec::new(), block_bytes.max(1));
    while !bytes.is_empty() {
        let (block, rest) = bytes.split_at((block_bytes - offset % block_bytes).min(bytes.len()));
        cut.push(Change::Write { offset, bytes: block.to_vec() });
        (bytes, offset) = (rest, offset + block.len());
    }
    cut
}

fn replay(mut content: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        change.apply(&mut content);
    }
    content
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
