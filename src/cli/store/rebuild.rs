//! `sidehook store rebuild`: the index anew from the journal.

use std::process::ExitCode;

use super::meter::Meter;
use super::{Place, tell_damage};
use crate::cli::screen;

/// Arguments of `store rebuild`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The journal is the truth and is only read; what cannot be read there is \
    told, and a copy kept in the store's quarantine folder. Broken off, it is gone on with at the \
    next start.\n\nExit code: 0 done, 1 the journal is damaged or the store is in use.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (_, store) = match arguments.place.open()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let meter = Meter::start(arguments.place.quiet)?;
    let rebuilt = store.rebuild(&meter.on_progress())?;
    drop(meter);
    screen::print(&format!(
        "The index is made anew of {} records: {} events, {} deliveries waiting.",
        rebuilt.last_record, rebuilt.events, rebuilt.unfinished
    ))?;
    tell_damage(&rebuilt.damage);
    Ok(if rebuilt.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
