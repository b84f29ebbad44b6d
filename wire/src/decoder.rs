//! Incremental decoding of a control stream into frames.

use crate::codec;
use crate::error::DecodeError;
use crate::frame::Frame;
use crate::kind::FrameKind;
use crate::limits::FRAME_HEAD_LEN;

/// An incremental decoder: [`push`](Self::push) bytes in pieces of any size, then take frames with
/// [`next`](Self::next) until it returns `None`.
///
/// Invariants: a body byte is kept only after its head was accepted, so one unfinished frame never costs more than
/// its type's cap; after the first error nothing is kept and every call returns that error.
#[derive(Debug)]
pub struct Decoder {
    chunk_count: Option<u32>,
    /// Complete frames, and after them the part of a frame that has arrived.
    buffer: Vec<u8>,
    /// Where the next frame to return begins.
    read: usize,
    /// Where the incomplete frame begins.
    frame_start: usize,
    /// Type and body length of the incomplete frame, once its head has arrived and was accepted.
    head: Option<(FrameKind, usize)>,
    fault: Option<DecodeError>,
}

impl Decoder {
    /// A decoder at the start of a stream. With a chunk count, indexes and the length of a bitfield are checked.
    pub fn new(chunk_count: Option<u32>) -> Self {
        Self { chunk_count, buffer: Vec::new(), read: 0, frame_start: 0, head: None, fault: None }
    }

    /// Sets the artifact's chunk count, against which all frames not yet returned are checked.
    pub fn set_chunk_count(&mut self, chunk_count: u32) {
        self.chunk_count = Some(chunk_count);
    }

    /// Takes the next bytes of the stream. [`next`](Self::next) returns an error in them after the frames before it.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.forget_read();
        while !bytes.is_empty() && self.fault.is_none() {
            let have = self.buffer.len() - self.frame_start;
            let part_len = self.head.map_or(FRAME_HEAD_LEN, |(_, body_len)| FRAME_HEAD_LEN + body_len);
            let (part, rest) = bytes.split_at(bytes.len().min(part_len - have));
            self.buffer.extend_from_slice(part);
            bytes = rest;
            self.accept();
        }
    }

    /// The next complete frame; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// The first broken rule, once all frames before it were returned, and again on every later call.
    #[expect(
        clippy::should_implement_trait,
        reason = "an error does not end an iterator, but it ends this stream"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>, DecodeError> {
        if self.read == self.frame_start {
            return self.fault.map_or(Ok(None), Err);
        }
        let decoded = self.decode_front();
        if let Err(fault) = decoded {
            self.fault = Some(fault);
            self.buffer = Vec::new();
            (self.read, self.frame_start, self.head) = (0, 0, None);
        }
        decoded.map(Some)
    }

    /// Checks that the stream has not ended inside a frame. Call it when the stream has ended and all frames were taken.
    ///
    /// # Errors
    ///
    /// The stream ended inside a frame, or an earlier error.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let got = self.buffer.len() - self.frame_start;
        match (self.fault, self.head) {
            (Some(fault), _) => Err(fault),
            (None, Some((kind, need))) => {
                Err(DecodeError::Truncated { kind, got: got - FRAME_HEAD_LEN, need })
            }
            (None, None) if got > 0 => Err(DecodeError::TruncatedHead { got, need: FRAME_HEAD_LEN }),
            (None, None) => Ok(()),
        }
    }

    /// Bytes held at present.
    pub fn buffered_len(&self) -> usize {
        self.buffer.len() - self.read
    }

    /// Checks the head as soon as it is whole, and ends the frame as soon as its body is.
    fn accept(&mut self) {
        if self.head.is_none() {
            let Some((len, number)) = self.head_at(self.frame_start) else { return };
            match self.judge(len, number) {
                Ok(head) => self.head = Some(head),
                Err(fault) => {
                    self.buffer.truncate(self.frame_start);
                    self.fault = Some(fault);
                }
            }
        }
        if let Some((_, body_len)) = self.head
            && self.buffer.len() - self.frame_start == FRAME_HEAD_LEN + body_len
        {
            self.frame_start = self.buffer.len();
            self.head = None;
        }
    }

    fn judge(&self, len: u32, number: u16) -> Result<(FrameKind, usize), DecodeError> {
        let kind = FrameKind::from_number(number).ok_or(DecodeError::UnknownFrame { number })?;
        let cap = kind.cap(self.chunk_count);
        if len > cap {
            return Err(DecodeError::FrameTooLarge { kind, len, cap });
        }
        Ok((kind, len as usize))
    }

    fn decode_front(&mut self) -> Result<Frame, DecodeError> {
        // The head was accepted before; it is checked again, as the chunk count may have become known since.
        let (len, number) = self.head_at(self.read).unwrap_or_default();
        let (kind, len) = self.judge(len, number)?;
        let start = self.read + FRAME_HEAD_LEN;
        let body = self.buffer.get(start..start + len).unwrap_or_default();
        let frame = codec::decode_body(kind, body, self.chunk_count)?;
        self.read = start + len;
        Ok(frame)
    }

    fn head_at(&self, at: usize) -> Option<(u32, u16)> {
        self.buffer.get(at..)?.first_chunk().map(|head| codec::decode_head(*head))
    }

    fn forget_read(&mut self) {
        self.buffer.drain(..self.read);
        self.frame_start -= self.read;
        self.read = 0;
    }
}
