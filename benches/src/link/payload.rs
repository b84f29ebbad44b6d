//! The most bytes of a file that a link can carry, and the number of packets that takes.
//!
//! A full packet of [`MTU`] bytes holds, beside the file: the IPv4 and UDP headers, a QUIC short header (RFC 9000,
//! 17.3.1: flags, connection ID, packet number), the AEAD tag (RFC 9001, 5.3) and a STREAM frame's head (RFC 9000,
//! 19.8: type, stream ID, offset; no length, the frame fills the packet). Handshake, acknowledgements, proofs and a
//! program's own framing are not in this sum: they count against the program that sends them.

/// Bytes of the largest IP packet of the link.
pub const MTU: u32 = 1500;
/// Bytes of IPv4 and UDP headers without options.
pub const IP_UDP: u32 = 20 + 8;
/// Bytes of a QUIC short header: flags, a connection ID of 8 bytes (quinn's), a packet number of 2.
pub const SHORT_HEADER: u32 = 1 + 8 + 2;
/// Bytes of the tag of AES-GCM and ChaCha20-Poly1305.
pub const AEAD_TAG: u32 = 16;
/// Bytes of a STREAM frame's head: type, a stream ID of 2 bytes, an offset of 4.
pub const STREAM_HEAD: u32 = 1 + 2 + 4;
/// Bytes of the file in a full packet.
pub const PAYLOAD: u32 = MTU - IP_UDP - SHORT_HEADER - AEAD_TAG - STREAM_HEAD;

/// File bytes a second that a link of `bits_per_second` (of IP packets) carries in full packets.
#[must_use]
pub fn payload_rate(bits_per_second: u64) -> f64 {
    bits_per_second as f64 / 8.0 * f64::from(PAYLOAD) / f64::from(MTU)
}

/// Full packets that `bytes` of a file need.
#[must_use]
pub fn packets_needed(bytes: u64) -> u64 {
    bytes.div_ceil(u64::from(PAYLOAD))
}

/// The arithmetic in one sentence, for reports.
#[must_use]
pub fn explanation() -> String {
    format!(
        "Payload: a full IP packet of {MTU} bytes carries {PAYLOAD} of the file (IPv4 + UDP {IP_UDP}, QUIC short header \
         {SHORT_HEADER}, AEAD tag {AEAD_TAG}, STREAM frame {STREAM_HEAD}), {:.2} % of the link's rate.",
        100.0 * f64::from(PAYLOAD) / f64::from(MTU)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_fields() {
        assert_eq!(PAYLOAD, 1438);
        // 200 Mbit/s are 25 MB/s of packets and 23.97 MB/s of file.
        assert!((payload_rate(200_000_000) - 23_966_666.7).abs() < 0.1);
        assert!((payload_rate(1_000_000_000) - 119_833_333.3).abs() < 0.1);
    }

    #[test]
    fn a_last_packet_that_is_not_full_is_a_packet() {
        assert_eq!(packets_needed(0), 0);
        assert_eq!(packets_needed(1), 1);
        assert_eq!(packets_needed(1438), 1);
        assert_eq!(packets_needed(1439), 2);
        assert_eq!(packets_needed(128 << 20), 93_337);
    }
}
