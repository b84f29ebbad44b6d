//! The publisher's signature of a manifest: Ed25519 over the canonical form.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

use super::error::ManifestError;
use super::text::{Field, Fields};
use super::value::key_id_bytes;

/// The value of `signature.algorithm`.
const ALGORITHM: &str = "ed25519";

/// The spelling of a public key in `publisher.key_id`.
pub(super) fn key_id(key: &SigningKey) -> String {
    format!("ed25519:{}", HEXLOWER.encode(key.verifying_key().as_bytes()))
}

/// The value of `signature.value`: `key`'s signature over the canonical form.
pub(super) fn sign(key: &SigningKey, canonical: &str) -> String {
    use ed25519_dalek::Signer as _;
    HEXLOWER.encode(&key.sign(canonical.as_bytes()).to_bytes())
}

/// The two lines that follow the canonical form in a signed manifest.
pub(super) fn lines(value: &str) -> String {
    format!("signature.algorithm={ALGORITHM}\nsignature.value={value}\n")
}

/// Verifies the signature, if there is one, and returns its value. `key` is the well-spelled
/// `publisher.key_id`, which is `none` exactly when there is no signature.
pub(super) fn check<'a>(
    fields: &Fields<'a>,
    key: Field<'_>,
    canonical: &str,
) -> Result<Option<&'a str>, ManifestError> {
    let [algorithm, value] = match fields.pair(["signature.algorithm", "signature.value"]) {
        Ok(Some(fields)) => fields,
        Ok(None) if key.value == "none" => return Ok(None),
        Ok(None) => return Err(ManifestError::KeyWithoutSignature(key.at())),
        Err((line, key, missing)) => return Err(ManifestError::SignatureHalf { line, key, missing }),
    };
    algorithm.literal(ALGORITHM, ManifestError::SignatureAlgorithm)?;
    let decoded: Option<[u8; 64]> =
        HEXLOWER.decode(value.value.as_bytes()).ok().and_then(|v| v.try_into().ok());
    let decoded = decoded.ok_or_else(|| ManifestError::SignatureSpelling(value.at()))?;
    let bytes = key_id_bytes(key.value).ok_or_else(|| ManifestError::SignatureWithoutKey(key.at()))?;
    let public = public_key(&bytes, key)?;
    let verified = public.verify_strict(canonical.as_bytes(), &Signature::from_bytes(&decoded));
    match verified {
        Ok(()) => Ok(Some(value.value)),
        Err(_) => Err(ManifestError::SignatureMismatch { at: value.at(), key_id: key.value.to_owned() }),
    }
}

fn public_key(bytes: &[u8; 32], field: Field<'_>) -> Result<VerifyingKey, ManifestError> {
    verifying_key(bytes).map_err(|fault| match fault {
        KeyFault::SmallOrder => ManifestError::WeakKey(field.at()),
        KeyFault::NotCanonical => ManifestError::InvalidKey(field.at()),
    })
}

/// Why 32 bytes cannot be the key of a publisher: no manifest that names them is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A point of small order: signatures that need no secret verify under it.
    #[error("it is of small order, so that anyone can sign under it")]
    SmallOrder,
    /// No point of the curve, or not its canonical spelling (RFC 8032 section 5.1.3).
    #[error("it is no point of the curve in its canonical spelling")]
    NotCanonical,
}

/// Checks that a manifest can be signed by this key.
///
/// # Errors
///
/// A key of small order, or bytes that are not the canonical spelling of a point.
pub fn check_key(bytes: &[u8; 32]) -> Result<(), KeyFault> {
    verifying_key(bytes).map(drop)
}

/// Accepts a point of the curve in its one spelling and not of small order, so that one publisher has one key id.
fn verifying_key(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyFault> {
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyFault::NotCanonical)?;
    if key.is_weak() {
        return Err(KeyFault::SmallOrder);
    }
    if key.to_edwards().compress().as_bytes() != bytes {
        return Err(KeyFault::NotCanonical);
    }
    Ok(key)
}
