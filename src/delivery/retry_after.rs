//! `Retry-After`: when a receiver that has too much wants to be asked again (RFC 9110 10.2.3).

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::model::{Outcome, REST_MAX, Timestamp};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Before when the receiver wants no further attempt, as it says with 429 or 503; at most a day
/// from `now`. `None` when it says nothing, or nothing that can be understood.
pub(super) fn not_before(outcome: &Outcome, now: Timestamp) -> Option<Timestamp> {
    let reply = outcome.reply().filter(|reply| matches!(reply.status, 429 | 503))?;
    outcome.failure()?;
    let value = str::from_utf8(reply.headers.get("retry-after")?).ok()?.trim();
    let at = seconds(value).map(|wait| now.plus(wait)).or_else(|| date(value, now))?;
    Some(at.clamp(now, now.plus(REST_MAX)))
}

/// `delay-seconds`; a fraction, which some send, counts to the next millisecond.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    // More digits than a number has room for are a long time.
    let secs = whole.parse().unwrap_or(u64::MAX);
    let mut millis = 0;
    for (at, digit) in fraction.bytes().map(|b| u64::from(b - b'0')).enumerate() {
        match at {
            0..=2 => millis += digit * [100, 10, 1][at],
            _ if digit > 0 => {
                millis += 1;
                break;
            }
            _ => {}
        }
    }
    Some(Duration::from_secs(secs).saturating_add(Duration::from_millis(millis)))
}

/// The three forms of an HTTP date (RFC 9110 5.6.7). The day's name says nothing new and is not
/// compared with the date.
fn date(text: &str, now: Timestamp) -> Option<Timestamp> {
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    match *parts.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [name, day, month, year, time, zone] if name.ends_with(',') && is_utc(zone) => {
            timestamp(four_digits(year)?, month, day, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [name, date, time, zone] if name.ends_with(',') && is_utc(zone) => {
            let mut date = date.splitn(3, '-');
            let (day, month, year) = (date.next()?, date.next()?, date.next()?);
            timestamp(nearest_year(year, now)?, month, day, time)
        }
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] => timestamp(four_digits(year)?, month, day, time),
        _ => None,
    }
}

fn is_utc(zone: &str) -> bool {
    zone.eq_ignore_ascii_case("GMT") || zone.eq_ignore_ascii_case("UTC")
}

fn four_digits(text: &str) -> Option<i16> {
    (text.len() == 4).then(|| number(text))?
}

fn number(text: &str) -> Option<i16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A year of two digits; one that would be more than 50 years ahead is of the century before.
fn nearest_year(text: &str, now: Timestamp) -> Option<i16> {
    let two = (text.len() == 2).then(|| number(text))??;
    let this_year = civil(now)?.year();
    let year = this_year - this_year.rem_euclid(100) + two;
    Some(if year > this_year + 50 { year - 100 } else { year })
}

fn civil(at: Timestamp) -> Option<DateTime> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis()).ok()?).ok()?;
    Some(TimeZone::UTC.to_datetime(at))
}

fn timestamp(year: i16, month: &str, day: &str, time: &str) -> Option<Timestamp> {
    let month = month.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let mut clock = time.split(':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() {
        return None;
    }
    let small = |n: i16| i8::try_from(n).ok();
    let at = DateTime::new(
        year,
        i8::try_from(month).ok()?,
        small(number(day)?)?,
        small(hour)?,
        small(minute)?,
        small(second.min(59))?, // a leap second
        0,
    )
    .ok()?;
    let at = TimeZone::UTC.to_timestamp(at).ok()?.as_millisecond();
    // Before 1970 is the past like any other.
    Some(Timestamp::from_millis(u64::try_from(at).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Failure, HeaderList, Reply};

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-31T09:30:00Z").expect("a time")
    }

    fn answered(status: u16, value: &[u8]) -> Option<Timestamp> {
        let headers = HeaderList(vec![("retry-after".to_owned(), value.to_vec())]);
        let reply = Some(Reply { status, headers, ..Reply::default() });
        not_before(&Outcome::Failed { failure: Failure::Rejected { status }, reply }, now())
    }

    fn wait(value: &str) -> Option<Duration> {
        answered(503, value.as_bytes()).map(|at| at.since(now()))
    }

    #[test]
    fn seconds_are_waited_for_at_most_a_day() {
        for (text, millis) in [
            ("0", 0),
            ("1", 1000),
            (" 120 ", 120_000),
            ("0.5", 500),
            ("1.0001", 1001),
            ("1.9999", 2000),
            ("86400", 86_400_000),
            ("31536000", 86_400_000),
            ("99999999999999999999999999", 86_400_000),
        ] {
            assert_eq!(wait(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn dates_are_read_in_all_three_forms() {
        for text in [
            "Sat, 31 Jan 2026 09:31:00 GMT",
            "Saturday, 31-Jan-26 09:31:00 GMT",
            "Sat Jan 31 09:31:00 2026",
            "Sat,  31 jan 2026 09:31:00 UTC",
        ] {
            assert_eq!(wait(text), Some(Duration::from_secs(60)), "{text}");
        }
        assert_eq!(wait("Sun Feb  1 09:29:59 2026"), Some(Duration::from_secs(86_399)));
        assert_eq!(wait("Sun, 31 Jan 2027 09:30:00 GMT"), Some(REST_MAX), "a year");
    }

    #[test]
    fn the_past_is_now() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Thu, 01 Jan 1969 00:00:00 GMT",
        ] {
            assert_eq!(wait(text), Some(Duration::ZERO), "{text}");
        }
    }

    #[test]
    fn nonsense_is_ignored() {
        for text in [
            "",
            "soon",
            "-1",
            "+5",
            "1e9",
            "5s",
            ".5",
            "5.",
            "1,5",
            "0x10",
            "Sat, 31 Jan 2026 09:31:00 +0100",
            "Sat, 31 Jan 26 09:31:00 GMT",
            "Sat, 32 Jan 2026 09:31:00 GMT",
            "Sat, 31 Foo 2026 09:31:00 GMT",
            "Sat, 31 Jan 2026 24:31:00 GMT",
            "Sat, 31 Jan 2026 09:31 GMT",
            "Saturday, 31-Jan-2026 09:31:00 GMT",
            "2026-01-31T09:31:00Z",
        ] {
            assert_eq!(wait(text), None, "{text}");
        }
        assert_eq!(answered(503, b"\xff"), None);
    }

    #[test]
    fn it_counts_only_with_429_and_503() {
        assert!(answered(429, b"5").is_some());
        for status in [200, 301, 410, 500, 502] {
            assert_eq!(answered(status, b"5"), None, "{status}");
        }
        let reply = Reply { status: 429, ..Reply::default() };
        assert_eq!(not_before(&Outcome::Accepted { reply }, now()), None);
    }
}
