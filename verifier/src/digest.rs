//! SHA-256 values: computing them, and the spellings the formats accept.

use data_encoding::{HEXLOWER, HEXUPPER};
use sha2::Digest as _;

/// A SHA-256 value: 32 bytes, as computed.
pub type Digest = [u8; 32];

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest {
    sha2::Sha256::digest(bytes).into()
}

/// The spelling that manifests, receipts and chunk lists use: `sha256:` and 64 uppercase hex digits.
pub fn tagged(digest: &Digest) -> String {
    format!("sha256:{}", HEXUPPER.encode(digest))
}

/// Reads [`tagged`]'s spelling, and only that one.
pub fn parse_tagged(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:")?;
    HEXUPPER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

/// Lowercase hex, as swarm ids are printed.
pub fn hex(digest: &Digest) -> String {
    HEXLOWER.encode(digest)
}

/// Reads [`hex`]'s spelling, and only that one.
pub fn parse_hex(text: &str) -> Option<Digest> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: D5
    #[test]
    fn each_spelling_reads_back_and_no_other_is_accepted() {
        let digest = sha256(b"abc");
        assert_eq!(
            tagged(&digest),
            "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
        );
        assert_eq!(parse_tagged(&tagged(&digest)), Some(digest));
        assert_eq!(parse_hex(&hex(&digest)), Some(digest));
        assert_eq!(parse_tagged(&tagged(&digest).to_lowercase()), None);
        assert_eq!(parse_hex(&hex(&digest).to_uppercase()), None);
        assert_eq!(parse_tagged(&tagged(&digest)[..70]), None);
        assert_eq!(parse_hex(""), None);
    }
}
