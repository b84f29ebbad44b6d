//! The disk of one simulated peer, with the faults that a scenario makes.

use std::io;

use minimodel_swarm::store::{Crash, MemDisk};

/// A disk that loses what was not synced, fails at a chosen call, turns bits, and may have no room.
#[derive(Debug)]
pub struct FailingDisk {
    pub(crate) disk: MemDisk,
    /// Number of the call of this process that was chosen to fail.
    failing: Option<u64>,
    /// Limit in bytes, kept over crashes.
    room: Option<u64>,
}

impl From<MemDisk> for FailingDisk {
    fn from(disk: MemDisk) -> Self {
        Self { disk, failing: None, room: None }
    }
}

impl FailingDisk {
    /// The process ends, or the power with it: the disk becomes what the next process finds.
    pub(crate) fn crash(&mut self, crash: Crash) {
        self.failing = None;
        self.disk = self.disk.crashed(crash);
        self.disk.limit_space(self.room);
    }

    /// Makes the disk call after so many others fail, once a process: parallel reads make another number of calls
    /// once one of them has failed.
    pub fn fail_call(&mut self, after: u64, kind: io::ErrorKind) -> bool {
        let is_first = self.failing.is_none();
        if is_first {
            let number = self.disk.calls() + after;
            self.disk.fail_call(number, kind);
            self.failing = Some(number);
        }
        is_first
    }

    /// Whether this process ended before the call that was to fail.
    pub fn has_survived(&self) -> bool {
        self.failing.is_some_and(|number| self.disk.calls() <= number)
    }

    /// Limits the disk to so many bytes in all; `None` lifts the limit.
    pub(crate) fn limit(&mut self, room: Option<u64>) {
        self.room = room;
        self.disk.limit_space(room);
    }

    /// Limits each read and write call to so many bytes.
    pub fn limit_calls(&self, most: Option<usize>) {
        self.disk.limit_write(most);
        self.disk.limit_read(most);
    }
}
