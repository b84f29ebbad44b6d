//! Streams that are reset, and not finished, when they are dropped half-way.

use std::future::Future;

use minimodel_wire::ResetCode;
use quinn::{SendStream, VarInt};

/// A stream that is reset when it is dropped half-way. quinn finishes a dropped stream, and the other side would take
/// what came for all there is: a request without content, a chunk that is too short, for which an honest peer is banned.
/// So a stream that is to be answered on is one of these from the moment it is accepted.
#[derive(Debug)]
pub(super) struct Unfinished(SendStream, bool);

impl Unfinished {
    pub(super) fn new(send: SendStream) -> Self {
        Self(send, false)
    }

    pub(super) fn stream(&mut self) -> &mut SendStream {
        &mut self.0
    }

    /// Finishes the stream: everything is written, and a drop no longer resets it. The future resolves when the other
    /// side has it all.
    pub(super) fn finish(
        mut self,
    ) -> Result<impl Future<Output = ()> + Send + Sync + 'static, quinn::ClosedStream> {
        self.1 = true;
        self.0.finish()?;
        let arrived = self.0.stopped();
        Ok(async move {
            // Stopped, or the connection is gone: nothing more arrives either.
            let _ = arrived.await;
        })
    }

    /// Resets the stream with a code.
    pub(super) fn refuse(mut self, code: ResetCode) {
        self.1 = true;
        // An error means that the other side has stopped the stream already.
        let _ = self.0.reset(VarInt::from_u32(code.into()));
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.1 {
            // An error means that the other side has stopped the stream already.
            let _ = self.0.reset(VarInt::from_u32(ResetCode::Cancelled.into()));
        }
    }
}
