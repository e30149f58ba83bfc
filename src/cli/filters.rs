//! The filters that lists have in common.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;

use super::screen;
use crate::model::Timestamp;

/// What to list.
#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Only deliveries in this state, or events that have one.
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(
        ["pending", "held", "delivered", "failed", "cancelled"]
    ))]
    status: Option<String>,
    /// Not before this time (RFC 3339, such as 2026-01-31T09:30:00Z).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Not after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// How many, 1 to 200.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Go on where a list ended: the cursor it printed.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Filters {
    /// As query parameters.
    pub(super) fn query(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("status", self.status.clone()),
            ("since", self.since.map(|time| time.to_string())),
            ("until", self.until.map(|time| time.to_string())),
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor.clone()),
        ]
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

/// Reads a time.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "a time looks like 2026-01-31T09:30:00Z (RFC 3339)".to_owned())
}
