//! Points in time, as users see them: RFC 3339, UTC, milliseconds.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch (UTC). Shown as `2026-01-31T09:30:00.123Z` (RFC 3339).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest time that can be written in RFC 3339 at every offset (two hours before the end
    /// of 9999-12-30).
    pub const MAX: Self = Self(253_402_207_199_999);

    /// From milliseconds since the Unix epoch; later than the year 9999 becomes [`Timestamp::MAX`].
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.min(Self::MAX.0))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time plus `wait`, at most [`Timestamp::MAX`].
    pub fn plus(self, wait: Duration) -> Self {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Reads RFC 3339 with any offset; `None` when it is not one or lies outside 1970..9999.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(parsed.as_millisecond()).ok().filter(|&ms| ms <= Self::MAX.0).map(Self)
    }

    /// Reads an end of a range, RFC 3339 with any offset: what lies before 1970 is as good as its
    /// begin, what lies after [`Timestamp::MAX`] as good as that.
    pub fn parse_bound(text: &str) -> Option<Self> {
        if let Ok(parsed) = text.parse::<jiff::Timestamp>() {
            return Some(Self::from_millis(u64::try_from(parsed.as_millisecond()).unwrap_or(0)));
        }
        // The last two days of the year 9999, which jiff has no instants for.
        let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
        let is_time = pieces.time().is_some() && pieces.offset().is_some();
        (is_time && pieces.date() >= jiff::civil::date(9999, 12, 30)).then_some(Self::MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).expect("from_millis caps at the year 9999");
        let time = jiff::Timestamp::from_millisecond(millis)
            .expect("every time from 1970 to 9999 has a civil form");
        write!(f, "{time:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
        } else {
            u64::deserialize(deserializer).map(Self::from_millis)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_milliseconds_and_read_back() {
        let time = Timestamp::from_millis(1_769_851_800_123);
        assert_eq!(time.to_string(), "2026-01-31T09:30:00.123Z");
        assert_eq!(Timestamp::parse("2026-01-31T10:30:00.123+01:00"), Some(time));
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T21:59:59.999Z");
    }

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::default().since(Timestamp::MAX), Duration::ZERO);
    }
}
