//! Reading of a control stream.

use bytes::Bytes;
use minimodel_wire::{CloseCode, Decoder};
use quinn::{ReadError, RecvStream};

use crate::machine::Breach;

/// Reads more of a control stream into its decoder: at most `most` bytes, which are returned. Returns a breach if the stream
/// ended: it lives as long as the connection.
pub(super) async fn read_more(
    recv: &mut RecvStream,
    decoder: &mut Decoder,
    most: usize,
) -> Result<Result<Bytes, Breach>, ReadError> {
    match recv.read_chunk(most, true).await {
        Ok(Some(chunk)) => {
            decoder.push(&chunk.bytes);
            Ok(Ok(chunk.bytes))
        }
        Ok(None) => Ok(Err(Breach::EndedControl(match decoder.finish() {
            Ok(()) => CloseCode::StateViolation,
            Err(error) => error.close_code(),
        }))),
        Err(ReadError::Reset(_)) => Ok(Err(Breach::EndedControl(CloseCode::StateViolation))),
        Err(error) => Err(error),
    }
}
