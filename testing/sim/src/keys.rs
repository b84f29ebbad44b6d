//! Keys, addresses and offers of peers by their numbers, the same in every run.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use ed25519_dalek::SigningKey;
use minimodel_swarm::machine::Site;
use minimodel_wire::{Offer, PeerId, SignedOffer};

use crate::config::UNIX_AT_START;
use crate::peer::PeerNo;

/// The key of the `number`th peer, the same in every run.
pub fn key(number: PeerNo) -> SigningKey {
    static FIRST: LazyLock<Vec<SigningKey>> = LazyLock::new(|| (0..1_024).map(derived).collect());
    FIRST.get(number).cloned().unwrap_or_else(|| derived(number))
}

fn derived(number: PeerNo) -> SigningKey {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&(number as u64).to_le_bytes());
    SigningKey::from_bytes(&secret)
}

/// The id of the `number`th peer.
pub fn id_of(number: PeerNo) -> PeerId {
    PeerId(key(number).verifying_key().to_bytes())
}

/// The address of the `number`th peer, where it has one of its own.
pub fn address_of(number: PeerNo) -> SocketAddr {
    let [_, _, high, low] = (number as u32 + 1).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 4433))
}

/// The site of that address.
pub fn site_of(number: PeerNo) -> Site {
    Site::of(address_of(number).ip())
}

/// The signed offer of the `number`th peer.
pub fn offer_of(number: PeerNo, swarm_id: [u8; 32]) -> SignedOffer {
    renewed_offer_of(number, swarm_id, 0)
}

/// Offer of the `number`th peer that is valid for so many seconds longer.
pub fn renewed_offer_of(number: PeerNo, swarm_id: [u8; 32], longer: u64) -> SignedOffer {
    let offer = Offer {
        peer: id_of(number),
        swarm_id,
        addresses: vec![address_of(number)],
        expires_unix: UNIX_AT_START + 500_000 + longer,
    };
    SignedOffer::sign(offer, &key(number)).expect("own key, good address")
}
