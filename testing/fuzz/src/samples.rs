//! Keys, offers, terms and a manifest that the targets share.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use minimodel_fixtures::{ManifestOptions, ManifestText, manifest_artifact};
use minimodel_sim::UNIX_AT_START;
use minimodel_swarm::machine::{Config, Limits, Site, Terms};
use minimodel_verifier::Manifest;
use minimodel_wire::{Consent, Hello, Offer, PeerId, SignedOffer, WireAddress};

/// Chunks of the artifact in the targets that run a machine.
pub(crate) const CHUNKS: u32 = 20;
/// Bytes of each.
pub(crate) const CHUNK_BYTES: u32 = 1 << 16;
const SWARM: [u8; 32] = [1; 32];
/// Peers with a key; the last is the machine's own.
const KEYS: u8 = 10;
pub(crate) const ME: u8 = KEYS - 1;

static KEY_RING: LazyLock<Vec<(SigningKey, PeerId)>> = LazyLock::new(|| {
    (0..KEYS)
        .map(|n| {
            let key = SigningKey::from_bytes(&[n + 1; 32]);
            let id = PeerId(key.verifying_key().to_bytes());
            (key, id)
        })
        .collect()
});

/// The key of peer `n`, which is below [`KEYS`].
pub(crate) fn key(n: u8) -> &'static SigningKey {
    &KEY_RING[usize::from(n)].0
}

/// The peer id of peer `n`.
pub(crate) fn id(n: u8) -> PeerId {
    KEY_RING[usize::from(n)].1
}

/// The network site of a peer: some peers share a site, some a network.
pub(crate) fn site(n: u8) -> Site {
    Site::of([10, 0, n & 2, n & 1].into())
}

/// One good offer of each peer, then one that has expired and one for another swarm.
pub(crate) fn offers() -> &'static [SignedOffer] {
    static OFFERS: LazyLock<Vec<SignedOffer>> = LazyLock::new(|| {
        let far = UNIX_AT_START + 1_000_000;
        let good = (0..KEYS).map(|n| (n, SWARM, far));
        let odd = [(2, SWARM, UNIX_AT_START - 1_000), (3, [8; 32], far)];
        let sign = |(n, swarm_id, expires_unix): (u8, [u8; 32], u64)| {
            let addresses = vec![([10, 0, 0, n + 1], 4433).into()];
            let offer = Offer { peer: id(n), swarm_id, addresses, expires_unix };
            SignedOffer::sign(offer, key(n)).expect("a good offer")
        };
        good.chain(odd).map(sign).collect()
    });
    &OFFERS
}

/// A valid manifest, unsigned.
pub(crate) fn manifest() -> &'static Manifest {
    static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
        let text = ManifestText::of(&manifest_artifact(), &ManifestOptions::default());
        Manifest::parse(text.render().as_bytes()).expect("a valid manifest")
    });
    &MANIFEST
}

pub(crate) fn terms() -> Terms {
    minimodel_sim::terms(u64::from(CHUNKS) * u64::from(CHUNK_BYTES) - 100, CHUNK_BYTES)
}

/// The Hello of a peer of the same swarm.
pub(crate) fn hello(consent: Consent) -> Hello {
    minimodel_sim::hello(&terms(), consent)
}

/// The consent with these bits.
pub(crate) fn consent(bits: u8) -> Consent {
    Consent::from_bits(bits & 7).unwrap_or_default()
}

/// The machine's configuration; the targets change more of it.
pub(crate) fn config(consent: Consent, seed: u64) -> Config {
    let offer = Some(offers()[usize::from(ME)].clone());
    Config { offer, listening: false, seed, ..minimodel_sim::config(id(ME), terms(), consent) }
}

/// Limits so tight that a few peers reach them.
pub(crate) fn tight() -> Limits {
    Limits {
        memory_budget_bytes: 4 * u64::from(CHUNK_BYTES),
        max_pipeline: 3,
        max_connections: 3,
        max_guests: 1,
        enough_peers: 2,
        max_dials: 2,
        upload_slots: 2,
        max_asks: 3,
        upload_budget_files: 1,
        control_burst: 12,
        control_per_second: 2,
        strikes: 2,
        max_known: 4,
        max_offers_per_peer: 6,
        ..Limits::default()
    }
}

/// The peers among `0..8` whose bit is set.
pub(crate) fn some_peers(bits: u8) -> BTreeSet<PeerId> {
    (0..8).filter(|n| bits >> n & 1 == 1).map(id).collect()
}

/// Addresses at which a peer may be seen, as far as they can be told, of packets whose source anybody may have written.
pub(crate) fn sources() -> impl Iterator<Item = WireAddress> {
    let forged = [
        "203.0.113.9:0",
        "0.0.0.0:9",
        "255.255.255.255:9",
        "224.0.0.1:9",
        "127.0.0.1:9",
        "[::]:9",
        "[ff02::1]:9",
        "[::ffff:203.0.113.9]:9",
        "[fe80::1]:9",
        "203.0.113.9:65535",
    ];
    forged.into_iter().filter_map(|source| WireAddress::seen(source.parse().expect("an address")))
}

/// An address at which a peer is seen.
pub(crate) fn seen(host: u8) -> WireAddress {
    WireAddress::seen(([203, 0, 113, host], 4433).into()).expect("packets can come from there")
}
