//! The rules for single values that several fields share.

use data_encoding::HEXLOWER;

use super::error::ManifestError;
use super::limits::MAX_VERSION_BYTES;
use super::route;
use super::text::Field;
use crate::word::{NumberFault, decimal, is_route_safe, is_route_safe_alphabet};
use crate::{Digest, digest};

/// `[A-Za-z0-9][A-Za-z0-9._+-]{0,63}`.
pub(crate) fn is_version(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-');
    first && text.len() <= MAX_VERSION_BYTES && text.bytes().all(rest)
}

/// `ed25519:` and 64 lowercase hex digits: the 32 bytes of the public key.
pub(crate) fn key_id_bytes(text: &str) -> Option<[u8; 32]> {
    digest::parse_hex(text.strip_prefix("ed25519:")?)
}

/// An RFC 3339 time that says UTC with a `Z`, spelled `YYYY-MM-DDTHH:MM:SS[.f]Z` with at most nine digits of fraction. A
/// leap second is refused: it cannot be distinguished from the time of a wrong clock.
pub(crate) fn is_utc_time(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let Some(unzoned) = text.strip_suffix('Z') else { return false };
    let (whole, fraction) = unzoned.split_once('.').map_or((unzoned, None), |(whole, f)| (whole, Some(f)));
    let shaped = whole.len() == SHAPE.len()
        && whole
            .bytes()
            .zip(SHAPE)
            .all(|(b, &shape)| if shape == b'0' { b.is_ascii_digit() } else { b == shape });
    let fraction_fits =
        fraction.is_none_or(|f| (1..=9).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()));
    // The parser folds second 60 into 59; what it prints back shows that.
    let same = |time: jiff::Timestamp| time.to_string().starts_with(whole);
    shaped && fraction_fits && text.parse().is_ok_and(same)
}

impl<'a> Field<'a> {
    /// Checks that the value is `word`; returns `error` otherwise.
    pub(super) fn literal(
        self,
        word: &str,
        error: fn(super::FieldAt) -> ManifestError,
    ) -> Result<(), ManifestError> {
        if self.value == word { Ok(()) } else { Err(error(self.at())) }
    }

    /// `[1-9][0-9]*`, fits u64.
    pub(super) fn number(self) -> Result<u64, ManifestError> {
        match self.number_or_zero()? {
            0 => Err(ManifestError::NumberSpelling(self.at())),
            number => Ok(number),
        }
    }

    /// `0` or `[1-9][0-9]*`, fits u64.
    pub(super) fn number_or_zero(self) -> Result<u64, ManifestError> {
        decimal(self.value).map_err(|fault| match fault {
            NumberFault::Spelling => ManifestError::NumberSpelling(self.at()),
            NumberFault::TooLarge => ManifestError::NumberTooLarge(self.at()),
        })
    }

    /// A SHA-256 value.
    pub(super) fn digest(self) -> Result<Digest, ManifestError> {
        digest::parse_tagged(self.value).ok_or_else(|| ManifestError::DigestSpelling(self.at()))
    }

    /// 16 lowercase hex digits.
    pub(super) fn slm_checksum(self) -> Result<u64, ManifestError> {
        let bytes = HEXLOWER.decode(self.value.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_be_bytes).ok_or_else(|| ManifestError::SlmChecksumSpelling(self.at()))
    }

    /// A route-safe word.
    pub(super) fn route_safe(self) -> Result<String, ManifestError> {
        if !is_route_safe_alphabet(self.value) {
            return Err(ManifestError::NotRouteSafe(self.at()));
        }
        if !is_route_safe(self.value) {
            return Err(ManifestError::ParentInWord(self.at()));
        }
        Ok(self.value.to_owned())
    }

    /// A metadata route.
    pub(super) fn route(self) -> Result<String, ManifestError> {
        match route::check(self.value) {
            Ok(()) => Ok(self.value.to_owned()),
            Err(fault) => Err(ManifestError::Route { at: self.at(), fault }),
        }
    }

    /// A UTC time.
    pub(super) fn time(self) -> Result<String, ManifestError> {
        if is_utc_time(self.value) { Ok(self.value.to_owned()) } else { Err(ManifestError::Time(self.at())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: D4
    #[test]
    fn numbers_have_one_spelling_and_fit_u64() {
        assert_eq!(decimal("0"), Ok(0));
        assert_eq!(decimal("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(decimal("18446744073709551616"), Err(NumberFault::TooLarge));
        for bad in ["", "-1", "+1", "01", "00", "1 ", "0x1", "1_0", "1.0", "1e3"] {
            assert_eq!(decimal(bad), Err(NumberFault::Spelling), "{bad}");
        }
    }

    // Rows: D6
    #[test]
    fn route_safe_words_hold_the_alphabet_of_the_format_page() {
        for good in ["a", "0", "tinylm-16m", "a.b_c-d", "a.", &"a".repeat(128)] {
            assert!(is_route_safe(good), "{good}");
        }
        let long = "a".repeat(129);
        for bad in ["", "A", ".a", "-a", "_a", "a/b", "a\\b", "a..b", "c:", "a b", "a\n", "\u{e9}", &long] {
            assert!(!is_route_safe(bad), "{bad}");
        }
    }

    // Rows: D6
    #[test]
    fn versions_hold_the_alphabet_of_the_format_page() {
        for good in ["0", "1.0.0", "V1+build_2-rc", &"9".repeat(64)] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", ".1", "+1", "-1", "_1", "1/2", "1~2", "1 2", &"9".repeat(65)] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn times_are_rfc_3339_utc_with_a_z() {
        for good in ["2026-06-01T12:00:00Z", "2024-02-29T23:59:59.5Z", "1970-01-01T00:00:00.123456789Z"] {
            assert!(is_utc_time(good), "{good}");
        }
        let bad = [
            "",
            "Z",
            "2026-06-01",
            "2026-06-01T12:00:00",
            "2026-06-01T12:00:00z",
            "2026-06-01t12:00:00Z",
            "2026-06-01 12:00:00Z",
            "2026-06-01T12:00:00+00:00",
            "2026-06-01T12:00Z",
            "2026-06-01T12:00:00.Z",
            "2026-06-01T12:00:00.1234567890Z",
            "2026-06-01T12:00:00,5Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-06-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "+002026-06-01T12:00:00Z",
            "2026-06-01T12:00:00Z[UTC]",
        ];
        for bad in bad {
            assert!(!is_utc_time(bad), "{bad}");
        }
    }
}
