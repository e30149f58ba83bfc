//! `sidehook store export`: all events as JSON lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::meter::Meter;
use super::{Place, tell_damage};
use crate::admin::story_line;
use crate::cli::complain;
use crate::cli::filters::parse_time;
use crate::model::Timestamp;
use crate::store::{Exported, Offline, Within};

/// Arguments of `store export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "One line for each event, oldest first: as `GET /v1/events/{id}` shows it, \
    each delivery with its attempts. One that waits is `held` where its webhook was paused or \
    disabled while sidehook ran, else `pending`: what the configuration file switches off \
    (`active = false`, or no such webhook any more) is not in the store. What is damaged is left out and told.\n\n\
    Exit code: 0 all is written, 1 something was damaged or the store is in use."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Write into this file, which is there only when it is complete.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only events of this label.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Only events of this time and later (RFC 3339, such as 2026-01-31T09:30:00Z).
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Timestamp>,
}

/// A file that takes its name when it is complete, and is gone when it does not become so.
struct Unfinished {
    path: PathBuf,
    is_done: bool,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (_, store) = match arguments.place.open()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let Arguments { label, since, until, output, place } = arguments;
    let within = Within { label, since, until };
    let meter = Meter::start(place.quiet)?;
    let exported = match output {
        None => {
            let out = BufWriter::new(io::stdout().lock());
            write(&store, &within, &meter, out, "to standard output")
        }
        Some(file) => into_file(&store, &within, &meter, &file),
    }?;
    drop(meter);
    if !place.quiet {
        let n = exported.events;
        complain(&format!("{n} event{} exported", if n == 1 { "" } else { "s" }));
    }
    tell_damage(&exported.damage);
    Ok(if exported.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn into_file(
    store: &Offline,
    within: &Within,
    meter: &Meter,
    path: &Path,
) -> anyhow::Result<Exported> {
    let shown = path.display().to_string();
    let failed = || format!("cannot write {shown}");
    let mut name = path.file_name().with_context(failed)?.to_owned();
    name.push(".part");
    let (part, file) = Unfinished::create(path.with_file_name(name)).with_context(failed)?;
    let exported = write(store, within, meter, BufWriter::new(&file), &shown)?;
    file.sync_all().with_context(failed)?;
    part.finish(path).with_context(failed)?;
    Ok(exported)
}

fn write(
    store: &Offline,
    within: &Within,
    meter: &Meter,
    mut out: impl Write,
    place: &str,
) -> anyhow::Result<Exported> {
    let mut written = Ok(());
    let exported = store.export(within, &meter.on_progress(), |story| {
        let mut line = story_line(story);
        line.push(b'\n');
        written = out.write_all(&line);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    match written.and_then(|()| out.flush()) {
        // A reader that has seen enough (`| head`) is no error.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).with_context(|| format!("cannot write {place}"))
        }
        _ => Ok(exported),
    }
}

impl Unfinished {
    fn create(path: PathBuf) -> io::Result<(Self, File)> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        Ok((Self { path, is_done: false }, file))
    }

    fn finish(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_done {
            // Best effort: its name says that it is not whole.
            let _ = fs::remove_file(&self.path);
        }
    }
}
