//! Durations and sizes as strings with a unit.

use std::time::Duration;

/// What a duration looks like, for cures.
pub(super) const DURATION_FORM: &str =
    "a whole number and a unit: \"250ms\", \"15s\", \"5m\", \"6h\" or \"30d\"";
/// What a size looks like, for cures.
pub(super) const SIZE_FORM: &str =
    "a whole number and a unit: \"512B\", \"64KiB\", \"10MiB\", \"10GiB\" or \"1TiB\"";

/// Units of durations, in milliseconds; the largest last.
const DURATIONS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Units of sizes, in bytes; the largest last.
const SIZES: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Reads `"15s"`; `None` when it is no duration or does not fit.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &DURATIONS).map(Duration::from_millis)
}

/// Reads `"64KiB"`; `None` when it is no size or does not fit.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// Writes a duration in the largest unit that divides it.
pub(super) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), "s", &DURATIONS)
}

/// Writes a size in the largest unit that divides it.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, "B", &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(number: u64, zero_unit: &str, units: &[(&str, u64)]) -> String {
    if number == 0 {
        return format!("0{zero_unit}");
    }
    let (unit, factor) = units
        .iter()
        .rev()
        .find(|(_, factor)| number.is_multiple_of(*factor))
        .expect("the smallest factor is 1");
    format!("{}{unit}", number / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_and_written() {
        for (text, millis) in
            [("250ms", 250), ("15s", 15_000), ("5m", 300_000), ("6h", 21_600_000), ("0s", 0)]
        {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(text), Some(duration), "{text}");
            assert_eq!(show_duration(duration), text);
        }
        assert_eq!(parse_size("10GiB"), Some(10 << 30));
        assert_eq!(show_size(10 << 30), "10GiB");
        assert_eq!(parse_duration("60s").map(show_duration).as_deref(), Some("1m"));
    }

    #[test]
    fn what_has_no_unit_or_does_not_fit_is_refused() {
        for text in ["", "15", "s", "-1s", "1.5s", "15 s", "15S", "1m30s", "99999999999999999999d"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for text in ["64", "64KB", "64k", "KiB", "99999999999TiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
