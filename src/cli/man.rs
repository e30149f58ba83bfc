//! `sidehook man`: manual pages, made from the command line's own definition.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::screen;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sidehook man | man -l -\n  \
    sidehook man --output ~/.local/share/man/man1")]
pub(super) struct Arguments {
    /// Write one page for sidehook and one for each command into this folder, which is made where
    /// it is not there; without it the page of sidehook goes to standard output.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut command = super::Arguments::command();
    // Names the pages of subcommands as they are called: sidehook-store-check.
    command.build();
    match &arguments.output {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            screen::print(&String::from_utf8(page)?)?;
        }
        Some(folder) => {
            let failed = || format!("cannot write manual pages into {}", folder.display());
            fs::create_dir_all(folder).with_context(failed)?;
            let n = write(&command, folder).with_context(failed)?;
            screen::print(&format!("{n} pages are in {}", folder.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and those below it; how many there are.
fn write(command: &clap::Command, folder: &Path) -> std::io::Result<usize> {
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    fs::write(folder.join(man.get_filename()), page)?;
    let mut n = 1;
    for below in command.get_subcommands().filter(|below| is_documented(below)) {
        n += write(below, folder)?;
    }
    Ok(n)
}

/// `help` explains itself.
fn is_documented(command: &clap::Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}
