//! Numbers and words in their one spelling, as manifests, receipts and claims have them.

/// Longest route-safe word: `model.id`, `publisher.id`, an evidence kind.
const MAX_ROUTE_SAFE_BYTES: usize = 128;

/// Why a decimal number is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberFault {
    /// Not digits alone, or a leading zero.
    Spelling,
    /// 2^64 or more.
    TooLarge,
}

/// Reads a decimal number in its one spelling: `0` or `[1-9][0-9]*`.
pub(crate) fn decimal(text: &str) -> Result<u64, NumberFault> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(NumberFault::Spelling);
    }
    text.parse().map_err(|_| NumberFault::TooLarge)
}

/// `[a-z0-9][a-z0-9._-]{0,127}`, without regard to `..`.
pub(crate) fn is_route_safe_alphabet(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    first && text.len() <= MAX_ROUTE_SAFE_BYTES && text.bytes().all(rest)
}

/// A word that can stand in a route or a file name without changing what it names.
pub(crate) fn is_route_safe(text: &str) -> bool {
    is_route_safe_alphabet(text) && !text.contains("..")
}
