//! The filters that lists have in common, and lists followed from page to page.

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::answers::Page;
use super::client::{Client, Query, read};
use super::screen;
use crate::clock;
use crate::model::Timestamp;

/// The states of deliveries.
pub(super) const STATES: [&str; 5] = ["pending", "held", "delivered", "failed", "cancelled"];

/// Rows of one page, at most.
const PAGE_MAX: usize = 200;
/// Units of ages, in seconds.
const UNITS: [(char, u64); 5] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];

/// What to list.
#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Only deliveries in this state, or events that have one.
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES))]
    status: Option<String>,
    /// Not before this time: an age such as 90s, 15m, 6h or 2d, or RFC 3339
    /// (2026-01-31T09:30:00Z).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Not after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// How many, 1 to 10000.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// Go on where a list ended: the cursor it printed.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// The rows of a list, as they came.
#[derive(Debug)]
pub(super) struct Rows {
    rows: Vec<Box<RawValue>>,
    /// How to go on; `None`: that was all.
    pub(super) next: Option<String>,
}

impl Filters {
    /// As query parameters, without where to begin and how many.
    pub(super) fn query(&self) -> Query {
        vec![
            ("status", self.status.clone()),
            ("since", self.since.map(|time| time.to_string())),
            ("until", self.until.map(|time| time.to_string())),
        ]
    }

    /// Follows the list until enough rows are found.
    pub(super) fn list(
        &self,
        client: &Client,
        path: &[&str],
        query: Query,
    ) -> anyhow::Result<Rows> {
        let limit = usize::from(self.limit);
        client.block_on(Rows::fetch(client, path, query, limit, self.cursor.clone()))
    }
}

impl Rows {
    /// Follows a list until `limit` rows are found, or it ends. A filtered page may hold fewer
    /// rows than were asked for, even none.
    pub(super) async fn fetch(
        client: &Client,
        path: &[&str],
        mut query: Query,
        limit: usize,
        cursor: Option<String>,
    ) -> anyhow::Result<Self> {
        let n_filters = query.len();
        let mut all = Self { rows: Vec::new(), next: cursor };
        loop {
            query.truncate(n_filters);
            let page_limit = (limit - all.rows.len()).min(PAGE_MAX);
            query.push(("limit", Some(page_limit.to_string())));
            query.push(("cursor", all.next.clone()));
            let page: Page<Box<RawValue>> = client.fetch(path, &query).await?.read()?;
            all.rows.extend(page.data);
            // A page that leads to itself would be read for ever.
            let is_end = page.next.is_none() || page.next == all.next;
            all.next = page.next;
            if is_end || all.rows.len() >= limit {
                return Ok(all);
            }
        }
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<Vec<T>> {
        self.rows.iter().map(|row| read(row.get())).collect()
    }

    /// The rows as JSON texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.get())
    }

    /// Prints the list as the API writes it.
    pub(super) fn print(&self) -> anyhow::Result<ExitCode> {
        let next = serde_json::to_string(&self.next)?;
        let rows: Vec<&str> = self.texts().collect();
        let text = format!("{{\"data\":[{}],\"next\":{next}}}", rows.join(","));
        screen::print(&screen::json(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints a list, and under it how to go on; or that it is empty.
pub(super) fn show(table: &str, what: &str, next: Option<&str>) -> anyhow::Result<ExitCode> {
    if table.is_empty() {
        screen::print(&format!("no {what}"))?;
    } else {
        screen::print(table)?;
    }
    if let Some(cursor) = next {
        screen::print(&format!("\nolder ones: --cursor {}", screen::cell(cursor)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A time, or how long ago it was.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some(age) = parse_age(text) {
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        return Ok(Timestamp::from_millis(clock::now().as_millis().saturating_sub(millis)));
    }
    Timestamp::parse(text).ok_or_else(|| {
        "a time is an age such as 90s, 15m, 6h, 2d or 1h30m, or looks like \
         2026-01-31T09:30:00Z (RFC 3339)"
            .to_owned()
    })
}

/// Reads `90s` and `1h30m`; `None` when it is no age or does not fit.
fn parse_age(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let n_digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(n_digits);
        let unit = tail.chars().next()?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = &tail[unit.len_utf8()..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_and_nothing_else() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("6h", 21_600), ("2d", 172_800), ("1h30m", 5400)]
        {
            assert_eq!(parse_age(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "h", "1x", "-1h", "1.5h", "1h30", "99999999999999999999s"] {
            assert_eq!(parse_age(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_ages_or_rfc_3339() {
        let before = clock::now();
        let time = parse_time("1h").expect("an age");
        let age = before.since(time).as_secs();
        assert!((3590..=3600).contains(&age), "{age}");
        assert!(parse_time("99999999999d").is_ok_and(|time| time.as_millis() == 0));
        assert!(parse_time("2026-01-31T09:30:00+01:00").is_ok());
        assert!(parse_time("yesterday").is_err());
    }
}
