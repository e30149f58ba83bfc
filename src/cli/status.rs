//! `sidehook status`: how a running sidehook is.

use std::process::ExitCode;

use super::answers::{ConfigStatus, Degraded, Queue, Status};
use super::client::AdminFlags;
use super::receiver::excerpt;
use super::screen::{self, Cell, Looks, Tone};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminFlags,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let answer = arguments.admin.client()?.get(&["v1", "status"])?;
    if arguments.admin.wants_json() {
        return answer.print();
    }
    let status: Status = answer.read()?;
    let rows = status.webhooks.iter().map(row).collect();
    let header = ["webhook", "status", "pending", "held", "oldest"];
    let looks = arguments.admin.looks();
    let problems: String = status.problems.iter().map(|one| problem(one, looks)).collect();
    let summary = summary(&status, looks);
    screen::print(&format!("{summary}{problems}\n\n{}", looks.table(&header, rows)))?;
    Ok(ExitCode::SUCCESS)
}

fn summary(status: &Status, looks: Looks) -> String {
    let well = |healthy: bool, reason: &Option<String>| match (healthy, reason) {
        (true, _) => looks.paint(Tone::Good, "well"),
        (false, Some(reason)) => {
            format!("{}: {}", looks.paint(Tone::Bad, "NOT WELL"), screen::cell(reason))
        }
        (false, None) => looks.paint(Tone::Bad, "NOT WELL"),
    };
    let store = &status.store;
    let commits = match (store.commit_p50_ms, store.commit_p99_ms) {
        (Some(p50), Some(p99)) => format!(", commits {p50} ms (p99 {p99} ms)"),
        _ => String::new(),
    };
    let damaged = looks.paint(Tone::Bad, "DAMAGED");
    let damage: String =
        store.damage.iter().map(|part| format!("\n{damaged}   {}", screen::cell(part))).collect();
    let config = status.config.as_ref().map_or_else(String::new, |config| told(config, looks));
    format!(
        "sidehook {}, up {}\nupstream  {}\nstore     {}, {} of {}{commits}{damage}{config}",
        screen::cell(&status.version),
        ago(status.uptime_seconds),
        well(status.upstream.healthy, &status.upstream.last_error),
        well(store.healthy, &store.reason),
        size(store.bytes),
        size(store.max_bytes),
    )
}

/// What is in force, and what is wrong with the file as it is now.
fn told(config: &ConfigStatus, looks: Looks) -> String {
    let mut told = format!(
        "\nconfig    generation {}, of {}",
        config.generation,
        screen::cell(&config.loaded_at)
    );
    if !config.problems.is_empty() {
        let bad = looks.paint(Tone::Bad, "NOT IN FORCE");
        told.push_str(&format!("\n          the file as it is now is {bad}:"));
    }
    for problem in &config.problems {
        told.push_str(&format!("\n          {}", excerpt(problem.as_bytes(), 300)));
    }
    for part in &config.needs_restart {
        let waits = looks.paint(Tone::Odd, "waits for a restart");
        told.push_str(&format!("\n          {}: {waits}", screen::cell(part)));
    }
    told
}

/// What is wrong, and beneath it the cure, both as the server says them.
fn problem(one: &Degraded, looks: Looks) -> String {
    let tone = if one.severity == "error" { Tone::Bad } else { Tone::Odd };
    let severity = looks.paint(tone, &format!("{:<9}", screen::cell(&one.severity)));
    let words = |text: &str| excerpt(text.as_bytes(), 1000);
    format!("\n\n{severity} {}\n          {}", words(&one.message), words(&one.cure))
}

fn row(queue: &Queue) -> Vec<Cell> {
    vec![
        Cell::long(&queue.name),
        Cell::state(&queue.status),
        Cell::new(&queue.pending.to_string()),
        Cell::new(&queue.held.to_string()),
        Cell::new(&queue.oldest_seconds.map_or_else(|| "-".to_owned(), ago)),
    ]
}

/// Seconds in the two largest units.
pub(super) fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Bytes with one decimal of the largest unit.
fn size(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >> shift > 0 {
            let tenths = (bytes >> (shift - 10)) * 10 / 1024;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_read_well() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(10 << 30), "10.0 GiB");
        assert_eq!(ago(59), "59 s");
        assert_eq!(ago(3_700), "1 h 1 min");
        assert_eq!(ago(90_000), "1 d 1 h");
    }
}
