//! `sidehook store check`: whether a store is whole.

use std::process::ExitCode;

use super::meter::{self, Meter};
use super::{Place, tell_damage};
use crate::cli::{complain, screen};
use crate::store::{Checked, IndexFound};

/// Arguments of `store check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Reads every record of the journal, verifies its checksum and its number, \
    and compares the index, row by row, with one that it makes of the journal in a temporary \
    folder (TMPDIR). Nothing in the store is changed.\n\n\
    Exit code: 0 all is well, 1 there is damage or the store is in use.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (dir, store) = match arguments.place.open()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let meter = Meter::start(arguments.place.quiet)?;
    let checked = store.check(&meter.on_progress())?;
    drop(meter);
    if arguments.json {
        screen::print(&screen::json(&serde_json::to_string_pretty(&checked)?))?;
    } else {
        screen::print(&shown(&dir.display().to_string(), &checked))?;
        tell_damage(&checked.damage);
    }
    let differs = matches!(checked.index, IndexFound::Differs(_));
    if differs {
        complain("help: `sidehook store rebuild` makes the index anew");
    }
    Ok(if differs || !checked.damage.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn shown(dir: &str, checked: &Checked) -> String {
    let Checked { segments, events, attempts, deliveries, .. } = checked;
    let records = match checked.first_record {
        _ if checked.last_record == 0 => "none".to_owned(),
        Some(first) => format!("{first} to {}", checked.last_record),
        None => format!("up to {}", checked.last_record),
    };
    let index = match &checked.index {
        IndexFound::Agrees => "agrees with the journal".to_owned(),
        IndexFound::Absent => "not there; the next start makes it".to_owned(),
        IndexFound::Unusable(why) => {
            format!("cannot be used ({why}); the next start makes it anew, nothing is lost")
        }
        IndexFound::Differs(how) => format!("DIFFERS from the journal: {}", how.join("; ")),
    };
    let mut lines = vec![
        format!("store       {} ({})", screen::cell(dir), checked.store_id),
        format!("segments    {segments}, {}", meter::bytes(checked.bytes)),
        format!("records     {records}"),
        format!("events      {events}"),
        format!(
            "deliveries  {} waiting, {} delivered, {} failed, {} cancelled",
            deliveries.pending, deliveries.delivered, deliveries.failed, deliveries.cancelled
        ),
        format!("attempts    {attempts}"),
        format!("index       {index}"),
    ];
    if checked.unfinished_bytes > 0 {
        let n = checked.unfinished_bytes;
        lines.push(format!(
            "unfinished  {n} bytes of a write that a crash cut short; the next start cuts them off"
        ));
    }
    lines.push(match checked.damage.len() {
        0 => "damage      none".to_owned(),
        n => format!("damage      {n} found"),
    });
    lines.join("\n")
}
