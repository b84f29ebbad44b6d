//! The calendar clock: read in one place, spelled in one way.

use jiff::Timestamp;

/// Now, RFC 3339 UTC with a `Z`, in whole seconds: the spelling of manifests, receipts and logs.
pub fn now_utc() -> String {
    utc(now_unix())
}

/// Formats seconds since 1970 as `now_utc` does; a time beyond the year 9999 is shown as the number of seconds.
pub fn utc(unix_seconds: u64) -> String {
    let timestamp = i64::try_from(unix_seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| format!("{unix_seconds} seconds after 1970"), |time| time.to_string())
}

/// Now, in seconds since 1970; a clock before that counts as 0.
pub fn now_unix() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or(0)
}

/// Now, in nanoseconds since 1970, to compare with the times of files.
pub fn now_ns() -> i128 {
    Timestamp::now().as_nanosecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_with_a_z() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(1_780_315_200), "2026-06-01T12:00:00Z");
        assert_eq!(utc(u64::MAX), "18446744073709551615 seconds after 1970");
        assert_eq!(now_utc().len(), 20);
    }
}
