//! Simulated disk that stops at a given call and then holds what was synced, and none, all or some of the rest.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

/// Fate of the calls that were not synced when the disk stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsynced {
    Lost,
    Kept,
    FirstHalf,
    SecondHalf,
    /// Every second call is kept, and only the first half of its bytes.
    TornEverySecond,
}

impl Unsynced {
    pub(super) const ALL: [Self; 5] =
        [Self::Lost, Self::Kept, Self::FirstHalf, Self::SecondHalf, Self::TornEverySecond];
}

#[derive(Clone, Debug)]
enum Call {
    SetLen(usize),
    Write(usize, Vec<u8>),
}

#[derive(Debug, Default)]
struct State {
    now: Vec<u8>,
    synced: Vec<u8>,
    pending: Vec<Call>,
    calls: usize,
    stops_at: Option<usize>,
}

/// Simulated disk; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(super) fn with(bytes: Vec<u8>, stops_at: Option<usize>) -> Self {
        let state = State { now: bytes.clone(), synced: bytes, pending: Vec::new(), calls: 0, stops_at };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Makes the disk fail after `calls` more calls; `None`: it works again.
    pub(super) fn stop_after(&self, calls: Option<usize>) {
        let mut state = self.0.lock().unwrap();
        state.stops_at = calls.map(|more| state.calls + more);
    }

    /// Returns the number of calls that wrote or synced.
    pub(super) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().now.clone()
    }

    /// Returns the bytes on the disk after a power cut.
    pub(super) fn after(&self, unsynced: Unsynced) -> Vec<u8> {
        let state = self.0.lock().unwrap();
        let (mut bytes, half) = (state.synced.clone(), state.pending.len().div_ceil(2));
        for (index, call) in state.pending.iter().enumerate() {
            let keeps = match unsynced {
                Unsynced::Lost => false,
                Unsynced::Kept => true,
                Unsynced::FirstHalf => index < half,
                Unsynced::SecondHalf => index >= half,
                Unsynced::TornEverySecond => index % 2 == 0,
            };
            match call {
                // A length is metadata, which a journal keeps in order: it survives if any later call does.
                Call::SetLen(_) if unsynced == Unsynced::Lost => {}
                Call::Write(offset, written) if keeps && unsynced == Unsynced::TornEverySecond => {
                    apply(&mut bytes, &Call::Write(*offset, written[..written.len() / 2].to_vec()));
                }
                call @ Call::SetLen(_) => apply(&mut bytes, call),
                call if keeps => apply(&mut bytes, call),
                Call::Write(..) => {}
            }
        }
        bytes
    }

    fn call(&self, call: Option<Call>) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.stops_at.is_some_and(|at| state.calls >= at) {
            return Err(io::Error::other("the disk stopped"));
        }
        state.calls += 1;
        match call {
            Some(call) => {
                apply(&mut state.now, &call);
                state.pending.push(call);
            }
            None => {
                state.synced = state.now.clone();
                state.pending.clear();
            }
        }
        Ok(())
    }
}

fn apply(bytes: &mut Vec<u8>, call: &Call) {
    match call {
        Call::SetLen(length) => bytes.resize(*length, 0),
        Call::Write(offset, written) => {
            let end = offset + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(written);
        }
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let from = state.now.get(size(offset)..size(offset) + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.call(Some(Call::SetLen(size(length))))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(Some(Call::Write(size(offset), data.to_vec())))
    }
}
