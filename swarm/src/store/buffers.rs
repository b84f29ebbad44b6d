//! Pool of buffers for served chunks, used again once the last byte of a chunk is acknowledged.
//!
//! A fresh buffer for each chunk would cost as much as reading the chunk: the system hands out its pages one by one and
//! clears each.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Bytes of idle buffers that are kept; the rest goes back to the system.
const MOST_IDLE: usize = 8 << 20;

/// Pool of a few idle buffers.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// Takes a buffer with arbitrary content.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Lends the content of a buffer, which comes back here when the last holder of the bytes drops them.
    pub(super) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    /// Takes a buffer back.
    pub(super) fn put(&self, buffer: Vec<u8>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if (idle.len() + 1).saturating_mul(buffer.capacity()) <= MOST_IDLE {
            idle.push(buffer);
        }
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.put(mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_returns_with_its_last_holder_and_idle_ones_are_few() {
        let buffers = Buffers::default();
        let whole = buffers.lend(vec![7; 1 << 20]);
        let slice = whole.slice(5..9);
        drop(whole);
        assert!(buffers.take().is_empty(), "still held");
        assert_eq!(&slice[..], [7; 4]);
        drop(slice);
        assert_eq!(buffers.take().len(), 1 << 20);
        let many: Vec<Bytes> = (0..20).map(|_| buffers.lend(vec![0; 1 << 20])).collect();
        drop(many);
        assert_eq!(buffers.0.lock().unwrap().len(), 8);
        buffers.put(vec![0; 16 << 20]);
        assert_eq!(buffers.0.lock().unwrap().len(), 8, "a giant is not kept");
    }
}
