//! Terms, configurations and Hellos of a swarm that only tests know.

use minimodel_swarm::machine::{Config, Controls, Limits, Order, Terms};
use minimodel_wire::{Consent, Hello, PROTOCOL_VERSION, PeerId};

/// The calendar time at which every world starts, in seconds since 1970.
pub const UNIX_AT_START: u64 = 1_700_000_000;

/// Terms of a file of `byte_count` bytes in chunks of `chunk_size` bytes.
pub fn terms(byte_count: u64, chunk_size: u32) -> Terms {
    Terms {
        swarm_id: [1; 32],
        artifact_sha256: [2; 32],
        license_sha256: [3; 32],
        evidence_sha256: [4; 32],
        byte_count,
        chunk_size,
        chunk_count: byte_count.div_ceil(chunk_size.into()) as u32,
    }
}

/// Configuration of a machine that listens, with the default limits and without an offer; a test changes what it tests.
pub fn config(me: PeerId, terms: Terms, consent: Consent) -> Config {
    Config {
        me,
        terms,
        consent,
        software: "sim/1".to_owned(),
        controls: Controls::default(),
        offer: None,
        order: Order::Rarest,
        rescan: false,
        repairs: false,
        listening: true,
        seed: 1,
        unix_at_start: UNIX_AT_START,
        limits: Limits::default(),
    }
}

/// The Hello of a peer under these terms.
pub fn hello(terms: &Terms, consent: Consent) -> Hello {
    Hello {
        version: PROTOCOL_VERSION,
        swarm_id: terms.swarm_id,
        artifact_sha256: terms.artifact_sha256,
        license_sha256: terms.license_sha256,
        evidence_sha256: terms.evidence_sha256,
        chunk_size: terms.chunk_size,
        chunk_count: terms.chunk_count,
        consent,
        software: "sim/1".to_owned(),
    }
}
