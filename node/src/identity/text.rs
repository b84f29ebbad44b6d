//! The text of an identity.
//!
//! The file `identity.key` in the data folder is text, three lines, mode 0600:
//!
//! ```text
//! minimodel-identity 1
//! seed 64 lowercase hex digits, the secret
//! peer 52 characters, the peer id that belongs to it
//! ```
//!
//! The third line makes a changed digit an error instead of another identity.

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use minimodel_wire::PeerId;

use super::IdentityDamage;

const HEAD: &str = "minimodel-identity 1";

/// The text of the file of a key.
pub(super) fn render(key: &SigningKey) -> String {
    let (seed, peer) = (HEXLOWER.encode(key.as_bytes()), PeerId(key.verifying_key().to_bytes()));
    format!("{HEAD}\nseed {seed}\npeer {peer}\n")
}

/// Parses exactly what `render` writes.
pub(super) fn parse(text: &[u8]) -> Result<SigningKey, IdentityDamage> {
    let text = std::str::from_utf8(text).map_err(|_| IdentityDamage::NoText)?;
    let mut lines = text.strip_suffix('\n').ok_or(IdentityDamage::NoEnd)?.split('\n');
    if lines.next() != Some(HEAD) {
        return Err(IdentityDamage::Head);
    }
    let seed = lines.next().and_then(|line| line.strip_prefix("seed ")).ok_or(IdentityDamage::NoSeed)?;
    let seed = HEXLOWER.decode(seed.as_bytes()).map_err(|_| IdentityDamage::SeedDigits)?;
    let seed: [u8; 32] = seed.try_into().map_err(|_| IdentityDamage::SeedLength)?;
    let peer = lines.next().and_then(|line| line.strip_prefix("peer ")).ok_or(IdentityDamage::NoPeer)?;
    if lines.next().is_some() {
        return Err(IdentityDamage::Lines);
    }
    let key = SigningKey::from_bytes(&seed);
    match peer.parse::<PeerId>() {
        Ok(peer) if peer.0 == key.verifying_key().to_bytes() => Ok(key),
        _ => Err(IdentityDamage::OtherPeer),
    }
}
