//! Calendar time: read in one place, spelled in one way.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Seconds since 1970; 0 on a clock before that.
pub(crate) fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// RFC 3339 UTC.
pub(crate) fn utc(unix_seconds: u64) -> String {
    let timestamp = i64::try_from(unix_seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| format!("{unix_seconds} seconds after 1970"), |time| time.to_string())
}
