//! The end of a connection: closing it with a code, and the code that the other side gave.

use minimodel_wire::CloseCode;
use quinn::{Connection, ConnectionError, VarInt};

use super::congestion;

/// Closes with a code; the reason phrase is for people who read captures.
pub(super) fn close(connection: &Connection, code: CloseCode) {
    congestion::make_way(connection);
    connection.close(VarInt::from_u32(code.into()), code.to_string().as_bytes());
}

/// The other side's application close code, if it gave one.
pub(super) fn code_of(error: &ConnectionError) -> Option<CloseCode> {
    match error {
        ConnectionError::ApplicationClosed(close) => CloseCode::try_from(close.error_code.into_inner()).ok(),
        // TLS alert 120, no_application_protocol: the other side speaks another version of minimodel, or another
        // protocol.
        ConnectionError::TransportError(error) if u64::from(error.code) == 0x178 => {
            Some(CloseCode::UnsupportedVersion)
        }
        ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == 0x178 => {
            Some(CloseCode::UnsupportedVersion)
        }
        _ => None,
    }
}
