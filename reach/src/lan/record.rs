use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Most swarms that one announcement names, and most digests that are read of one.
pub const MAX_DIGESTS: usize = 8;
/// Bytes of a salt.
const SALT_LEN: usize = 8;
/// Bytes of a digest: two of a thousand swarms on one network meet by chance once in 10^18.
const DIGEST_LEN: usize = 10;
/// The version of the record, the value of its key `v`.
const VERSION: &str = "1";

/// What an announcement says of its swarms: a salt, and a digest of each.
///
/// TXT keys: `v=1`, `s=` the salt in 16 hex digits, `h=` the digests in 20 hex digits each, joined by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    salt: [u8; SALT_LEN],
    digests: Vec<[u8; DIGEST_LEN]>,
}

impl Record {
    /// Names the first [`MAX_DIGESTS`] of `swarms` under `salt`.
    pub(super) fn new(salt: [u8; SALT_LEN], swarms: &[[u8; 32]]) -> Self {
        Self { salt, digests: swarms.iter().take(MAX_DIGESTS).map(|swarm| digest(swarm, &salt)).collect() }
    }

    /// Reads the values of a TXT record. Returns `None` for what is no record of this version.
    pub(super) fn read<'a>(mut value: impl FnMut(&str) -> Option<&'a [u8]>) -> Option<Self> {
        if value("v")? != VERSION.as_bytes() {
            return None;
        }
        let salt = from_hex(value("s")?)?;
        let digests = value("h")?.split(|byte| *byte == b',').take(MAX_DIGESTS).map(from_hex);
        Some(Self { salt, digests: digests.collect::<Option<_>>()? })
    }

    /// The keys and values of the TXT record.
    pub(super) fn txt(&self) -> [(&'static str, String); 3] {
        let digests: Vec<String> = self.digests.iter().map(|digest| to_hex(digest)).collect();
        [("v", VERSION.to_owned()), ("s", to_hex(&self.salt)), ("h", digests.join(","))]
    }

    /// Returns true if the record names `swarm`.
    pub(super) fn names(&self, swarm: &[u8; 32]) -> bool {
        self.digests.contains(&digest(swarm, &self.salt))
    }
}

/// The first 10 bytes of HMAC-SHA256 under the swarm id of the salt: what an announcement says instead of a swarm id.
pub fn digest(swarm: &[u8; 32], salt: &[u8; 8]) -> [u8; 10] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(swarm) else {
        // HMAC takes keys of any length.
        return [0; DIGEST_LEN];
    };
    mac.update(salt);
    let tag: [u8; 32] = mac.finalize().into_bytes().into();
    let mut short = [0; DIGEST_LEN];
    short.copy_from_slice(&tag[..DIGEST_LEN]);
    short
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SALT: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

    fn read(pairs: &[(&str, &str)]) -> Option<Record> {
        Record::read(|key| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_bytes()))
    }

    #[test]
    fn the_digest_is_the_golden_one() {
        // python3 -c "import hmac;print(hmac.digest(b'\x11'*32,bytes(range(8)),'sha256').hex()[:20])"
        assert_eq!(to_hex(&digest(&[0x11; 32], &SALT)), GOLDEN);
    }

    const GOLDEN: &str = "3c347f9a7f484d8a0a57";

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let swarms = [[1; 32], [2; 32], [3; 32]];
        let record = Record::new(SALT, &swarms);
        let txt = record.txt();
        let pairs: Vec<(&str, &str)> = txt.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(read(&pairs), Some(record.clone()));
        assert!(swarms.iter().all(|swarm| record.names(swarm)) && !record.names(&[4; 32]));
    }

    #[test]
    fn more_swarms_than_eight_are_left_out() {
        let swarms: Vec<[u8; 32]> = (0..9).map(|i| [i; 32]).collect();
        let record = Record::new(SALT, &swarms);
        assert!(record.names(&swarms[7]) && !record.names(&swarms[8]));
        assert!(record.txt().iter().all(|(key, value)| key.len() + value.len() < 255));
    }

    // Rows: H15
    #[test]
    fn digests_beyond_eight_are_not_read() {
        let many = vec!["00112233445566778899"; 4000].join(",");
        let record = read(&[("v", "1"), ("s", "0001020304050607"), ("h", &many)]).unwrap();
        assert_eq!(record.digests.len(), MAX_DIGESTS);
    }

    #[test]
    fn a_salt_of_another_run_gives_another_digest() {
        assert_ne!(digest(&[1; 32], &SALT), digest(&[1; 32], &[9; 8]));
    }

    // Rows: H15
    #[test]
    fn foreign_and_broken_records_are_not_read() {
        let (salt, digest) = ("0001020304050607", "00112233445566778899");
        let bad: [&[(&str, &str)]; 9] = [
            &[],
            &[("path", "/"), ("txtvers", "1")],
            &[("v", "2"), ("s", salt), ("h", digest)],
            &[("v", "1"), ("h", digest)],
            &[("v", "1"), ("s", salt)],
            &[("v", "1"), ("s", "00"), ("h", digest)],
            &[("v", "1"), ("s", salt), ("h", "")],
            &[("v", "1"), ("s", salt), ("h", "0011")],
            &[("v", "1"), ("s", salt), ("h", "0011223344556677889G")],
        ];
        for pairs in bad {
            assert_eq!(read(pairs), None, "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn any_values_are_read_without_a_panic(
            salt in proptest::collection::vec(any::<u8>(), 0..40),
            digests in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = Record::read(|key| match key {
                "v" => Some(b"1".as_slice()),
                "s" => Some(&salt),
                _ => Some(&digests),
            });
        }
    }
}
