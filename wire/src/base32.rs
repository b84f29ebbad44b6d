//! Lowercase RFC 4648 base32 without padding, with one spelling for each value.

use data_encoding::BASE32_NOPAD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// Decodes base32. The error is the offset of the first invalid character, or of the character with non-zero spare bits.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, usize> {
    if let Some(offset) = text.bytes().position(|byte| byte.is_ascii_uppercase()) {
        return Err(offset);
    }
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|error| error.position)
}
