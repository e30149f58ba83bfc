//! `sidehook completions`: what a shell offers after Tab, made from the command line's own definition.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::screen;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    bash  sidehook completions bash > ~/.local/share/bash-completion/completions/sidehook\n  \
    zsh   sidehook completions zsh > \"${fpath[1]}/_sidehook\"\n  \
    fish  sidehook completions fish > ~/.config/fish/completions/sidehook.fish")]
pub(super) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "sidehook", &mut script);
    screen::print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
