//! A TLS session that is tampered with from inside: the transport limits that the target granted are read as higher ones,
//! or the hostile side's first message is changed on its way out.

use std::any::Any;
use std::io::Cursor;
use std::sync::Arc;

use quinn_proto::crypto::{
    self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError};

/// What a session tampers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tampering {
    /// The target's limits on streams and windows are ignored.
    pub(crate) ignores_limits: bool,
    /// The first message offers TLS 1.2 in place of 1.3.
    pub(crate) offers_tls12: bool,
}

/// Ids of RFC 9000 section 18.2 whose values limit what the hostile side may send: windows and stream counts.
const LIMITS: std::ops::RangeInclusive<u64> = 0x04..=0x09;
/// The value that is read in place of each limit.
const PLENTY: u64 = 1 << 24;
/// The extension `supported_versions` (43) of a client hello that offers TLS 1.3 alone, and its replacement.
const TLS13_ALONE: [u8; 7] = [0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x04];
const TLS12_ALONE: [u8; 7] = [0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x03];

/// The client's or the server's configuration, whose sessions are tampered with.
pub(crate) struct Tampered<C> {
    pub(crate) inner: Arc<C>,
    pub(crate) tampering: Tampering,
}

impl<C: crypto::ClientConfig> crypto::ClientConfig for Tampered<C> {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let inner = self.inner.clone().start_session(version, server_name, params)?;
        Ok(Box::new(Inside { inner, side: Side::Client, tampering: self.tampering }))
    }
}

impl<C: crypto::ServerConfig> crypto::ServerConfig for Tampered<C> {
    fn initial_keys(&self, version: u32, dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.inner.initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.inner.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(self: Arc<Self>, version: u32, params: &TransportParameters) -> Box<dyn Session> {
        let inner = self.inner.clone().start_session(version, params);
        Box::new(Inside { inner, side: Side::Server, tampering: self.tampering })
    }
}

struct Inside {
    inner: Box<dyn Session>,
    side: Side,
    tampering: Tampering,
}

impl Session for Inside {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        self.inner.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.inner.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.inner.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.inner.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.inner.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.inner.read_handshake(buf)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let Some(granted) = self.inner.transport_parameters()? else { return Ok(None) };
        if !self.tampering.ignores_limits {
            return Ok(Some(granted));
        }
        let mut bytes = Vec::new();
        granted.write(&mut bytes);
        Ok(Some(TransportParameters::read(self.side, &mut Cursor::new(widened(&bytes))).unwrap_or(granted)))
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let keys = self.inner.write_handshake(buf);
        if self.tampering.offers_tls12
            && let Some(at) = buf.windows(TLS13_ALONE.len()).position(|bytes| bytes == TLS13_ALONE)
        {
            buf[at..at + TLS12_ALONE.len()].copy_from_slice(&TLS12_ALONE);
        }
        keys
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.inner.next_1rtt_keys()
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.inner.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.inner.export_keying_material(output, label, context)
    }
}

/// The transport parameters with every limit raised.
fn widened(bytes: &[u8]) -> Vec<u8> {
    let mut wide: Vec<u8> = Vec::new();
    let mut rest = bytes;
    while let Some((id, after)) = var(rest)
        && let Some((len, after)) = var(after)
        && let Some((value, after)) = usize::try_from(len).ok().and_then(|len| after.split_at_checked(len))
    {
        if !LIMITS.contains(&id) {
            wide.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        let _ = value;
        rest = after;
    }
    for id in LIMITS {
        put_var(&mut wide, id);
        put_var(&mut wide, 4);
        put_var(&mut wide, PLENTY);
    }
    wide
}

/// A variable-length integer (RFC 9000 section 16) and what follows it.
fn var(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, _) = bytes.split_first()?;
    let (number, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    let value = number.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    let bits = 8 * number.len() - 2;
    Some((value & ((1 << bits) - 1), rest))
}

/// One byte where it fits, else four: all that is needed here.
fn put_var(bytes: &mut Vec<u8>, value: u64) {
    match u8::try_from(value) {
        Ok(short) if short < 0x40 => bytes.push(short),
        _ => bytes.extend_from_slice(&(0x8000_0000 | value as u32).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_rfc_9000_appendix_a_1_has_them() {
        let cases: [(&[u8], u64); 4] = [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ];
        for (bytes, value) in cases {
            assert_eq!(var(bytes), Some((value, &[][..])));
        }
        let mut bytes = Vec::new();
        put_var(&mut bytes, PLENTY);
        assert_eq!(var(&bytes), Some((PLENTY, &[][..])));
    }

    #[test]
    fn only_limits_are_raised() {
        // An idle timeout (1) of 30 s, no unidirectional streams (9), an acknowledgement exponent (0x0a) of 3.
        let granted = [0x01, 0x04, 0x80, 0x00, 0x75, 0x30, 0x09, 0x01, 0x00, 0x0a, 0x01, 0x03];
        let wide = widened(&granted);
        assert_eq!(wide[..9], [0x01, 0x04, 0x80, 0x00, 0x75, 0x30, 0x0a, 0x01, 0x03]);
        assert_eq!(wide.len(), 9 + 6 * 6);
    }
}
