//! Formatting of sizes, rates and lists for display.

/// Formats a size: `64.0 KiB`, `1.4 GiB`, `17 B`; rounded down to a tenth, so that it never claims more than there is.
pub fn size(bytes: u64) -> String {
    let scaled = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match scaled.into_iter().find(|(_, shift)| bytes >> shift > 0) {
        None => format!("{bytes} B"),
        Some((unit, shift)) => {
            let rest = bytes & ((1_u64 << shift) - 1);
            // rest < 2^40, so ten times it fits.
            format!("{}.{} {unit}", bytes >> shift, (rest * 10) >> shift)
        }
    }
}

/// Formats a rate limit: `1.0 MiB/s`, or `no limit`.
pub(super) fn limit(rate: Option<u64>) -> String {
    rate.map_or_else(|| "no limit".to_owned(), |rate| format!("{}/s", size(rate)))
}

/// Formats a percentage: `72 %`, the least being `under 1 %`.
pub(super) fn percent(part: f64, whole: f64) -> String {
    let percent = if whole > 0.0 { (part / whole * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    if percent < 1.0 { "under 1 %".to_owned() } else { format!("{percent:.0} %") }
}

/// Formats a list: `transfer 1`, `transfers 1, 2 and 3`.
pub(super) fn transfers(ids: &[u64]) -> String {
    let texts: Vec<String> = ids.iter().map(u64::to_string).collect();
    match texts.as_slice() {
        [one] => format!("transfer {one}"),
        [most @ .., last] => format!("transfers {} and {last}", most.join(", ")),
        [] => "no transfer".to_owned(),
    }
}
