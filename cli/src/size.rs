//! Sizes, rates and durations as people type and read them. Sizes are IEC; nothing else is understood.

use std::time::Duration;

pub(crate) use minimodel_companion::doctor::size as show_size;

/// Units a size may be typed in, the longest spelling first so that `KiB` is not read as `B`.
const UNITS: [(&str, u32); 5] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)];

/// A rate: bytes a second, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Bytes a second.
    pub(crate) bytes_per_second: u64,
}

/// Why a size, rate or duration was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    /// Not digits followed by a known unit.
    #[error("not a size: write a whole number and B, KiB, MiB, GiB or TiB, as in 64KiB")]
    Size,
    /// A decimal unit: it would be guessed wrong by half of the readers.
    #[error("sizes are IEC here: write {0}iB instead of {0}B")]
    Decimal(char),
    /// 2^64 bytes or more.
    #[error("larger than 2^64 - 1 bytes")]
    TooLarge,
    /// Zero where zero means nothing.
    #[error("must be more than zero")]
    Zero,
    /// Not digits followed by a known unit of time.
    #[error("not a duration: write a whole number and ms, s, m or h, as in 30s")]
    Duration,
}

/// Reads `4096`, `4096B`, `64KiB`, `3GiB`: bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, UnitError> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let unit = unit.trim_start_matches(' ');
    let shift = if unit.is_empty() {
        0
    } else if let Some((_, shift)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        *shift
    } else {
        let mut letters = unit.chars();
        return match (letters.next(), letters.as_str()) {
            (Some(letter), "" | "B" | "b") if "kKmMgGtT".contains(letter) && !digits.is_empty() => {
                Err(UnitError::Decimal(if letter == 'k' { 'K' } else { letter.to_ascii_uppercase() }))
            }
            _ => Err(UnitError::Size),
        };
    };
    if digits.is_empty() {
        return Err(UnitError::Size);
    }
    let number: u64 = digits.parse().map_err(|_| UnitError::TooLarge)?;
    number.checked_mul(1_u64 << shift).ok_or(UnitError::TooLarge)
}

/// Reads a size that is more than zero.
pub(crate) fn parse_positive_size(text: &str) -> Result<u64, UnitError> {
    match parse_size(text)? {
        0 => Err(UnitError::Zero),
        bytes => Ok(bytes),
    }
}

/// Reads `60MiB` or `60MiB/s`: bytes a second.
pub(crate) fn parse_rate(text: &str) -> Result<Rate, UnitError> {
    let bytes_per_second = parse_positive_size(text.strip_suffix("/s").unwrap_or(text))?;
    Ok(Rate { bytes_per_second })
}

/// Reads `500ms`, `30s`, `2m`, `1h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).ok_or(UnitError::Duration)?;
    let (digits, unit) = text.split_at(digits_end);
    let milliseconds_each: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(UnitError::Duration),
    };
    if digits.is_empty() {
        return Err(UnitError::Duration);
    }
    let number: u64 = digits.parse().map_err(|_| UnitError::TooLarge)?;
    match number.checked_mul(milliseconds_each).ok_or(UnitError::TooLarge)? {
        0 => Err(UnitError::Zero),
        milliseconds => Ok(Duration::from_millis(milliseconds)),
    }
}

/// `1.0 MiB (1048576 bytes)`: where the exact number matters as well.
pub(crate) fn show_exact_size(bytes: u64) -> String {
    if bytes < 1024 { format!("{bytes} bytes") } else { format!("{} ({bytes} bytes)", show_size(bytes)) }
}

/// `35.2 MiB/s`.
pub(crate) fn show_rate(bytes_per_second: u64) -> String {
    format!("{}/s", show_size(bytes_per_second))
}

/// `45 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_of_iec_units() {
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("17B"), Ok(17));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("64kib"), Ok(65_536));
        assert_eq!(parse_size("3 GiB"), Ok(3 << 30));
        assert_eq!(parse_size("16777215TiB"), Ok(16_777_215 << 40));
    }

    #[test]
    fn other_sizes_are_refused_with_the_rule() {
        for text in ["", "KiB", "1.5GiB", "-1", "64KiBs", "1e3", "0x10", "٣", "64 KiB "] {
            assert_eq!(parse_size(text), Err(UnitError::Size), "{text:?}");
        }
        assert_eq!(parse_size("64MB"), Err(UnitError::Decimal('M')));
        assert_eq!(parse_size("64k"), Err(UnitError::Decimal('K')));
        assert_eq!(parse_size("16777216TiB"), Err(UnitError::TooLarge));
        assert_eq!(parse_size("18446744073709551616"), Err(UnitError::TooLarge));
        assert_eq!(parse_positive_size("0KiB"), Err(UnitError::Zero));
    }

    #[test]
    fn rates_are_sizes_a_second_and_never_zero() {
        assert_eq!(parse_rate("60MiB"), Ok(Rate { bytes_per_second: 60 << 20 }));
        assert_eq!(parse_rate("60MiB/s"), Ok(Rate { bytes_per_second: 60 << 20 }));
        assert_eq!(parse_rate("0"), Err(UnitError::Zero));
        assert_eq!(parse_rate("60MiB/h"), Err(UnitError::Size));
    }

    #[test]
    fn durations_name_their_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        for text in ["30", "", "s", "1d", "1.5s", "-1s"] {
            assert_eq!(parse_duration(text), Err(UnitError::Duration), "{text:?}");
        }
        assert_eq!(parse_duration("0s"), Err(UnitError::Zero));
        assert_eq!(parse_duration("18446744073709551615h"), Err(UnitError::TooLarge));
    }

    #[test]
    fn shown_sizes_round_down() {
        assert_eq!(show_size(0), "0 B");
        assert_eq!(show_size(1023), "1023 B");
        assert_eq!(show_size(1024), "1.0 KiB");
        assert_eq!(show_size((1 << 20) - 1), "1023.9 KiB");
        assert_eq!(show_size(u64::MAX), "16777215.9 TiB");
        assert_eq!(show_exact_size(1 << 20), "1.0 MiB (1048576 bytes)");
        assert_eq!(show_duration(Duration::from_secs(3_725)), "1 h 2 min");
        assert_eq!(show_duration(Duration::from_secs(200)), "3 min 20 s");
    }
}
